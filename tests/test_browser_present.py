"""A presentation in a browser: offline, by keyboard, with sound; and its page in the dashboard."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from analysis.alignment import Alignment
from app import charts
from app.charts.spectrogram import spectrogram
from app.markup.document import opus
from app.presentation import Deck, Panel, Setting, Slide, Sound, panels, render
from app.theme import LIGHT
from tests.support.dashboard import PATIENCE, click, download, fill, new_page, wait_until_idle
from tests.support.recordings import hum

SECONDS, TOKENS, FRAMES = 10.0, 150, 250
DRAWN = "html[data-drawn='{}']"
CURSOR = "getComputedStyle(document.querySelector('[data-followed] > .attn-cursor')).transform"
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"


def blurred(seed: int) -> Alignment:
    """A diagonal in noise, which no compression makes small."""
    rng = np.random.default_rng(seed)
    weights = 0.2 * rng.random((TOKENS, FRAMES)) ** 4
    weights[np.arange(TOKENS), np.linspace(0, FRAMES - 1, TOKENS).astype(int)] += 3
    weights /= weights.sum(axis=1, keepdims=True)
    tokens = [*("abcd " * TOKENS)][:TOKENS]
    return Alignment.from_arrays(weights, tokens, SECONDS / FRAMES, variant=f"v{seed}")


def mapped(seed: int) -> Panel:
    figure = charts.attention_map(blurred(seed), seconds=SECONDS, palette=LIGHT)
    head = f'<div class="attn-head"><h3>Mechanism {seed}</h3></div>'
    word = '<button type="button" class="attn-word" data-from="4.00" data-to="4.50">word</button>'
    return panels.plotted(f"v{seed}", figure, head=head, body=f'<p class="attn-text">{word}</p>')


def six_maps() -> Deck:
    """Six maps of 10 s with spectrogram and sound, one of them alone, and a table."""
    mel = np.random.default_rng(0).normal(size=(round(100 * SECONDS), 80))
    spectrum = panels.plotted("spectrogram", spectrogram(
        mel, np.geomspace(60, 7_600, 80), hop_seconds=0.01, seconds=SECONDS, palette=LIGHT
    ))  # fmt: skip
    sound = Sound("hum", opus(hum(SECONDS)), SECONDS)
    maps = [mapped(seed) for seed in range(6)]
    address = (("sample", "x"),)
    table = Panel("t", body='<table class="attn-matrix"><tbody><tr><td>1</td></tr></tbody></table>')
    return Deck("Thursday").added(
        Slide("Six of them", (spectrum, *maps), "compare", address, sound, "Look at the diagonal"),
        Slide(HOSTILE, (spectrum, maps[0]), "compare", None, sound, HOSTILE),
        Slide("A table", (table,), "scores", ()),
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("present") / "thursday.html"
    path.write_text(render(six_maps(), Setting("light", "http://localhost:1")), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def fetched() -> list[str]:
    """Everything the page asked for."""
    return []


@pytest.fixture(scope="module")
def opened(browser, file, fetched) -> Iterator[Page]:
    """The file as somebody opens it without a network."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(file.as_uri())
    yield page
    assert errors == []
    context.close()


@pytest.fixture
def page(opened) -> Page:
    """At the first slide."""
    opened.keyboard.press("Home")
    opened.wait_for_selector(DRAWN.format(1))
    return opened


def eventually(page: Page, expression: str) -> None:
    """Wait until it is true; the page's policy forbids Playwright's own way, which is `eval`."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


def test_six_maps_of_ten_seconds_are_under_8_mb_and_fetch_nothing(page, file, fetched):
    assert file.stat().st_size < 8_000_000
    assert all(url.startswith(("file:", "data:", "blob:")) for url in fetched)
    assert page.locator(".js-plotly-plot").count() == 7
    assert page.locator("a").get_attribute("href") == "http://localhost:1/?sample=x"


def test_the_keyboard_steps_through_the_slides(page):
    def at(number: int) -> None:
        page.wait_for_selector(DRAWN.format(number))
        assert page.locator(".deck-count").inner_text() == f"{number} / 3"

    for key, number in (("ArrowRight", 2), ("PageDown", 3), ("ArrowRight", 3), ("PageUp", 2),
                        ("ArrowLeft", 1), ("ArrowLeft", 1), ("Space", 2), ("Shift+Space", 1),
                        ("End", 3), ("Home", 1)):  # fmt: skip
        page.keyboard.press(key)
        at(number)
    page.locator("[data-do=on]").click()
    at(2)
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator(".deck-caption").inner_text() == HOSTILE
    assert page.title() == "Thursday · AttnScope"
    page.keyboard.press("Space")  # the button that was clicked does not keep the keys
    at(3)
    assert page.locator("audio").count() == 0


def test_a_reload_stays_at_its_slide(page):
    page.keyboard.press("End")
    page.wait_for_selector(DRAWN.format(3))
    page.reload()
    page.wait_for_selector(DRAWN.format(3))


def test_full_screen_comes_and_goes_by_key(page):
    page.keyboard.press("f")
    page.wait_for_selector("html.attn-full")
    assert page.locator("[data-do=full]").inner_text() == "Leave full screen"
    page.keyboard.press("Escape")
    page.wait_for_selector("html:not(.attn-full)")


def test_playing_moves_a_cursor_over_every_map_and_a_click_plays_from_there(page):
    eventually(page, "document.querySelectorAll('[data-followed]').length === 7")
    page.keyboard.press("p")
    eventually(page, "document.querySelector('audio').currentTime > 0.2")
    before = page.evaluate(CURSOR)
    eventually(page, f"{CURSOR} !== {before!r}")
    shown = page.locator("[data-followed] > .attn-cursor")
    assert shown.count() == 7
    page.keyboard.press("Escape")
    eventually(page, "document.querySelector('audio').paused")
    place = page.locator("[data-followed] .nsewdrag").nth(3)
    box = place.bounding_box()
    place.click(position={"x": 0.8 * box["width"], "y": 0.5 * box["height"]})
    eventually(page, "document.querySelector('audio').currentTime > 7.8")
    page.locator(".attn-word").first.click()
    eventually(page, "document.querySelector('audio').currentTime < 5")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(DRAWN.format(2))
    eventually(page, "document.querySelectorAll('[data-followed]').length === 2")


def test_dark_and_light_by_key(page):
    paper = "document.querySelectorAll('.js-plotly-plot')[1].layout.plot_bgcolor"
    assert page.evaluate(paper) == "#fbfcfa"
    page.evaluate("delete document.documentElement.dataset.drawn")
    page.keyboard.press("t")
    page.wait_for_selector(DRAWN.format(1))
    assert page.evaluate(paper) == "#12191e"
    page.keyboard.press("t")


def test_nothing_sticks_out_of_any_screen(page):
    inside = (
        "[document.documentElement.scrollWidth - innerWidth,"
        " document.documentElement.scrollHeight - innerHeight,"
        " ...[...document.querySelectorAll('.deck-plot')].map((plot) =>"
        " plot.firstChild.scrollWidth - plot.clientWidth)]"
    )
    for width, height in ((800, 900), (420, 800), (1920, 1080)):
        for number in (1, 2, 3):
            page.evaluate("delete document.documentElement.dataset.drawn")
            page.set_viewport_size({"width": width, "height": height + number})  # draws again
            page.wait_for_selector(DRAWN.format(number))
            assert max(page.evaluate(inside)) <= 1, (width, number)
            page.keyboard.press("Home" if number == 3 else "ArrowRight")
            page.wait_for_selector(DRAWN.format(number % 3 + 1))


# --- in the dashboard


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (800, "dark")])
def test_from_compare_to_the_stage(browser, address, width, scheme):
    page = new_page(browser, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(f"{address}/?variants=dot,location")
    wait_until_idle(page)
    click(page.locator(".st-key-add_maps button").first)
    page.get_by_text("The presentation has 1 slide").wait_for()
    wait_until_idle(page)
    page.evaluate(
        "[...document.querySelectorAll('a')].find((a) => a.href.endsWith('/present')).click()"
    )
    frame = page.frame_locator(".attn-stage iframe")
    frame.locator(DRAWN.format(1)).wait_for()
    assert frame.locator("html").get_attribute("data-theme") == scheme
    assert frame.locator(".js-plotly-plot").count() == 3
    assert frame.locator("a").get_attribute("href").startswith(f"{address}/?")
    assert page.locator(".attn-stage iframe").get_attribute("sandbox").startswith("allow-scripts")
    click(frame.locator("[data-do=full]"))
    frame.locator("html.attn-full").wait_for()
    page.keyboard.press("Escape")
    frame.locator("html:not(.attn-full)").wait_for()
    wait_until_idle(page)
    file = download(page.locator(".st-key-present_download button").first)
    assert file.suggested_filename == "What_attention_does.html"
    sideways = (
        "(() => { const m = document.querySelector('[data-testid=stMain]');"
        " return m.scrollWidth - m.clientWidth })()"
    )
    assert page.evaluate(sideways) <= 1
    fill(page.locator("[class*=st-key-present_caption] textarea"), "Look <b>here</b>")
    frame.locator(".deck-caption", has_text="Look <b>here</b>").wait_for()
    page.close()
