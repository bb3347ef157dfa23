"""The report in a real browser: Debian's Chromium, driven by playwright."""

import shutil

import pytest
from planted import plant_study

from retina_plugin.study import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SMALL_TEXT = """() => [...document.querySelectorAll('body *')].filter(e =>
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
    && parseFloat(getComputedStyle(e).fontSize) < 14).map(e => e.outerHTML.slice(0, 80))"""
PARAGRAPHS = "() => [...document.querySelectorAll('.verdict p')].map(e => parseFloat(getComputedStyle(e).fontSize))"
BROKEN_IMAGES = "() => [...document.images].filter(i => !i.complete || !i.naturalWidth).length"
WIDTHS = "() => [document.scrollingElement.scrollWidth, innerWidth]"
# 4.5 is what WCAG 2.1 asks of body text
CONTRAST = """() => {
    const channels = text => text.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
        .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
    const light = text => { const [r, g, b] = channels(text); return .2126 * r + .7152 * g + .0722 * b; };
    const ground = e => { for (; e; e = e.parentElement) {
        const c = getComputedStyle(e).backgroundColor; if (c !== 'rgba(0, 0, 0, 0)') return c; } };
    return Math.min(...[...document.querySelectorAll('p, td, th, h1, h2, h3, summary, figcaption')].map(e => {
        const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
        return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); }));
}"""


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(scope="module", params=[(0, 1, 2), (4,)], ids=["three seeds", "one seed"])
def page_file(request, tmp_path_factory, trained_run):
    folder = tmp_path_factory.mktemp("page")
    return write_report(*plant_study(folder, trained_run, seeds=request.param), num_images=2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_reads_well(browser, page_file, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    messages, requests = [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri())
    assert messages == []
    assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
    for details in page.locator("details:not([open]) > summary").all():
        details.click()
    scroll_width, inner_width = page.evaluate(WIDTHS)
    assert scroll_width <= inner_width
    assert page.evaluate(SMALL_TEXT) == []
    assert min(page.evaluate(PARAGRAPHS)) >= 16
    assert page.locator("img").count() > 6 and page.evaluate(BROKEN_IMAGES) == 0
    assert page.evaluate(CONTRAST) >= 4.5
    page.close()
