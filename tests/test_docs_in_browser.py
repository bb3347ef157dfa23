"""The documentation site in a real browser, on a phone and on a screen, light and dark; and all its links."""

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag

import pytest
from conftest import ROOT

pytest.importorskip("sphinx", reason="sphinx is not installed: pip install '.[docs]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PAGES = ("index", "errors", "gallery", "projects/losses")
# imports the package and describes all of it: `make docs` builds it, and a warning is an error there; it runs notebooks
SLOW = ("api",)
WIDTHS = "() => [document.scrollingElement.scrollWidth, innerWidth]"
BROKEN = "() => [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
# a picture with black text on no ground of its own cannot be read on a dark page
DARK_PICTURES = """() => [...document.querySelectorAll('article img')]
    .filter(i => getComputedStyle(i).backgroundColor !== 'rgb(255, 255, 255)').map(i => i.src)"""
# 4.5 is what WCAG 2.1 asks of body text
CONTRAST = """() => {
    const channels = text => text.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
        .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
    const light = text => { const [r, g, b] = channels(text); return .2126 * r + .7152 * g + .0722 * b; };
    const ground = e => { for (; e; e = e.parentElement) {
        const c = getComputedStyle(e).backgroundColor; if (c !== 'rgba(0, 0, 0, 0)') return c; }
        return 'rgb(255, 255, 255)'; };
    return Math.min(...[...document.querySelectorAll('article :is(p, li, td, th, h1, h2, h3, code)')].map(e => {
        const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
        return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); }));
}"""


class Links(HTMLParser):
    """The ids of a page, and what it links to or shows."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.targets = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids.add(found.get("id"))
        self.targets |= {found[key] for key in ("href", "src") if found.get(key)}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    without = [f"-Dexclude_patterns={','.join(f'{name}.md' for name in SLOW)}", "-Dnb_execution_mode=off"]
    command = [sys.executable, "-W", "ignore", "-m", "sphinx", "-Q", "-b", "html", *without, ROOT / "docs", folder]
    subprocess.run(command, check=True, cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.mark.parametrize("width", [400, 1400])
def test_the_pages_read_well(browser, site, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    messages = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    for name in PAGES:
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate(BROKEN) == [], name
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            scroll_width, inner_width = page.evaluate(WIDTHS)
            assert scroll_width <= inner_width, name
            assert page.evaluate(DARK_PICTURES) == [], name
            assert page.evaluate(CONTRAST) >= 4.5, (name, scheme)
        assert messages == [], name
    page.close()


def test_a_message_finds_its_entry(browser, site):
    page = browser.new_page()
    page.goto((site / "errors.html").as_uri())
    entries = page.locator("section#messages li")
    everything = entries.count()
    page.fill("#find-error", "synthetic.noise=70: must be an integer from 0 to 60")
    visible = page.locator("section#messages li:visible")
    assert everything > 200 and visible.all_inner_texts() == ["synthetic.…=…: must be an integer from 0 to …"]
    page.fill("#find-error", "")
    assert visible.count() == everything
    page.close()


def test_all_links_lead_somewhere(site):
    pages = {path: Links(path) for path in site.rglob("*.html")}
    lost = set()
    for path, page in pages.items():
        for target in page.targets:
            file, anchor = urldefrag(target)
            if ":" in file or file.split("/")[-1].startswith(SLOW):
                continue
            aim = (path.parent / unquote(file.split("?")[0])).resolve() if file else path
            if not aim.exists() or (aim in pages and anchor and unquote(anchor) not in pages[aim].ids):
                lost.add((path.name, target))
    assert lost == set()
