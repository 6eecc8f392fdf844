"""The page in a real browser. Skipped where there is none, unless SPURLAB_REQUIRE_BROWSER says that there should be."""

import itertools
import os
import shutil

import pytest

from spurlab.claims import decide
from spurlab.report import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def absent(reason):
    (pytest.fail if os.environ.get("SPURLAB_REQUIRE_BROWSER") == "1" else pytest.skip)(reason)


@pytest.fixture(scope="module")
def browser():
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        absent(f"none of {', '.join(BROWSERS)} is here")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("Playwright is not here")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    made = [results.make(kind, large=kind == "bars") for kind in ("scores", "parameters", "bars")]
    made.append(
        results.of(made[0].rows, "scores", name="odd", title="<script>alert(1)</script> & $x_1$ " + "long" * 40)
    )
    page, *_ = write_report(made, decide(made[0].rows, [1, 3, 8]), folder)
    return page.as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page; whatever the console says fails the test."""
    pages, said = [], []

    def open_page(width=1280, **options):
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        page.set_default_timeout(5_000)
        pages.append(page)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda r: said.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.on("dialog", lambda dialog: (said.append("dialog"), dialog.dismiss()))
        page.goto(address)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_and_figures_are_seen(opened, width, scheme):
    page = opened(width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate("[...document.querySelectorAll('figure svg')].map((e) => e.getBoundingClientRect().toJSON())")
    assert len(sizes) == 5  # and the small one on the first screen
    assert all(size["width"] > 300 and size["height"] > 50 for size in sizes)
    back, ink, card = page.evaluate(
        "[['body', 'backgroundColor'], ['body', 'color'], ['.card', 'backgroundColor']]"
        ".map(([what, part]) => getComputedStyle(document.querySelector(what))[part].match(/\\d+/g).map(Number))"
    )
    assert (sum(back) < sum(ink)) == (scheme == "dark")
    assert (sum(card) < sum(ink)) == (scheme == "dark")  # no white card glares in the dark
    text = page.evaluate("getComputedStyle(document.querySelector('.glance svg')).fill.match(/\\d+/g).map(Number)")
    assert abs(sum(text) - sum(card)) > 300  # and its letters are legible


def test_tables_sort_numbers_as_numbers_both_ways(opened):
    page = opened()
    table = page.locator("table.sortable", has=page.locator("caption", has_text="Scores compared")).first
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    for heading in ("n", "difference to Adam"):
        button = table.get_by_role("button", name=heading, exact=True)
        column = button.evaluate("(each) => each.closest('th').cellIndex")
        cell = f"r.cells[{column}]"
        values = f"(t) => [...t.tBodies[0].rows].map((r) => {cell}.dataset.value ?? {cell}.textContent)"
        for direction in ("ascending", "descending"):
            button.click()
            assert button.evaluate("(each) => each.closest('th').getAttribute('aria-sort')") == direction
            found = table.evaluate(values)
            numbers = [float(each) for each in found if each]
            assert numbers == sorted(numbers, reverse=direction == "descending")
            assert found[: len(numbers)] == [each for each in found if each]  # empty cells stand last
            assert len(set(numbers)) > 2
    assert table.locator("th[aria-sort=descending]").count() == 1


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_has_question_answer_figure_and_verdicts(opened, width, height):
    page = opened(width)
    page.set_viewport_size({"width": width, "height": height})
    for what in ("h1", ".first .lead", ".first .glance", ".first .tally thead", ".first .tally"):
        box = page.locator(what).bounding_box()
        assert box["x"] >= 0, what
        assert box["x"] + box["width"] <= width, what
        assert box["y"] + box["height"] <= height, what


@pytest.mark.parametrize("width", [390, 1280])
def test_every_table_shows_its_headings(opened, width):
    page = opened(width)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    tables = page.locator("table").all()
    assert len(tables) > 5
    for table in tables:
        assert table.locator("thead").bounding_box()["height"] > 10


def test_the_glossary_fits_on_one_screen(opened):
    page = opened()
    page.locator(".glossary summary").click()
    assert page.locator(".glossary").bounding_box()["height"] < 800


def test_a_link_into_what_is_folded_opens_it(opened):
    page = opened(reduced_motion="reduce")
    claim = page.locator("#claim-1")
    assert not claim.is_visible()
    page.locator(".studies a[href='#claim-1']").first.click()
    claim.wait_for(state="visible")
    assert claim.evaluate("(each) => Math.abs(each.getBoundingClientRect().top) < innerHeight")


def test_what_is_wider_than_its_box_says_so(opened):
    page = opened(390)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    page.wait_for_function("document.querySelector('.scroll.wide')")
    silent = (
        "[...document.querySelectorAll('body *')].filter((e) => e.scrollWidth > e.clientWidth + 1 && "
        "['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && !e.classList.contains('wide')).length"
    )
    assert page.evaluate(silent) == 0


def test_what_is_printed_is_what_stands_open(opened):
    page = opened()
    page.emulate_media(media="print")
    assert page.locator("h1").is_visible()
    assert not page.locator("button.copy").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_the_keyboard_reaches_and_works_the_page(opened):
    page = opened()
    page.evaluate("document.querySelectorAll('details.more').forEach((each) => { each.open = true })")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('th button')"):
            break
    assert page.evaluate("document.activeElement.matches('th button:focus-visible')")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.closest('th').getAttribute('aria-sort')") == "descending"


def test_headings_and_words_for_those_who_do_not_see(opened):
    page = opened()
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    words = page.evaluate(
        "[...document.querySelectorAll('img, svg')].map((e) => e.getAttribute('alt') ?? e.getAttribute('aria-label'))"
    )
    assert all(len(each) > 20 for each in words)
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.title().endswith("Spurlab report")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, a, summary')].filter((e) => !e.textContent.trim()).length"
    )
    assert unnamed == 0


def test_the_command_is_copied_or_selected(opened):
    from playwright.sync_api import expect

    page = opened()
    page.locator("details.more summary").first.click()
    button = page.locator("button.copy").first
    button.click()
    expect(button).not_to_have_text("Copy")
    assert button.text_content() in ("Copied", "Selected")
