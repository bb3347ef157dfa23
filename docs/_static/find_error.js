// Shows the messages and codes that a pasted message can be: its text with gaps matches, or every word occurs.
document.addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("find-error");
  if (!field) return;
  const entries = [...document.querySelectorAll("section#messages li, section#what-the-doctor-finds section")];
  const pattern = text => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/…/g, "[^]*"));
  const patterns = entries.map(entry => [...entry.querySelectorAll("code")].map(code => pattern(code.textContent)));
  field.addEventListener("input", () => {
    const wanted = field.value.trim(), words = wanted.toLowerCase().split(/\s+/);
    entries.forEach((entry, i) => {
      const text = entry.textContent.toLowerCase();
      const found = words.every(word => text.includes(word)) || patterns[i].some(one => one.test(wanted));
      entry.hidden = wanted !== "" && !found;
    });
    for (const part of document.querySelectorAll("section#messages section")) {
      part.hidden = [...part.querySelectorAll("li")].every(entry => entry.hidden);
    }
  });
});
