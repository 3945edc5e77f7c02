"""The dashboard in a browser: what is heard, what moves, what a link shows."""

import json
import re
from collections.abc import Iterator

import pytest
import soundfile
from playwright.sync_api import Browser, Page

from models.audio import load
from tests.support.dashboard import (
    FOLLOWED,
    MAPS_OF,
    Traffic,
    choose_files,
    click,
    eventually,
    new_page,
    open_page,
    wait_for_address,
    wait_until_idle,
)
from tests.support.figures import audio, plot, ranges_of, spot, wait_for_audio
from tests.support.recordings import SAMPLES

STORY = SAMPLES / "long_story.ogg"

LINK = "?sample=old_telephone&variants=location%2Cctc&beam=2"
FIGURES = ("plot_spectrogram", "plot_location", "plot_ctc")

FITTED = """([width, names]) => innerWidth === width && names.every(name => {
    const box = document.querySelector(`.st-key-${name}`), room = box.clientWidth
    const drawn = box.querySelector('.js-plotly-plot')._fullLayout.width
    return room <= width && drawn <= room && drawn > 0.9 * room
})"""

CURSOR_TIME = """figure => {
    const cursor = figure.querySelector(':scope > .attn-cursor')
    if (!cursor || cursor.style.display === 'none') return null
    const axis = figure._fullLayout.xaxis
    const x = new DOMMatrix(getComputedStyle(cursor).transform).m41
    return axis.p2d(x + 1 - axis._offset)
}"""

# On a busy machine a double click takes longer than the 0.3 s that Plotly allows; the drag before
# it must not count as its first click then.
UNHURRIED = "figure => { figure._context.doubleClickDelay = 60_000; figure._mouseDownTime = 0 }"


@pytest.fixture(scope="module")
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """One page for the tests that only listen, look and zoom."""
    page = open_page(browser, f"{address}/{LINK}", len(FIGURES))
    yield page
    page.close()


@pytest.fixture
def page(opened: Page) -> Page:
    """The shared page, silent, at its start and whole."""
    opened.evaluate("document.querySelector('.st-key-listen_audio audio').pause()")
    whole = opened.locator(".attn-whole")
    if whole.is_enabled():
        click(whole)
    opened.mouse.move(5, 5)
    return opened


def ranges(page: Page) -> list[list[float]]:
    return [ranges_of(page, name) for name in FIGURES]


def cursors(page: Page) -> list[float | None]:
    return [plot(page, name).evaluate(CURSOR_TIME) for name in FIGURES]


def test_a_link_shows_its_view(page):
    assert "An old telephone" in page.locator("h1").inner_text()
    cards = page.locator(".attn-head code").all_inner_texts()
    assert cards == ["location", "ctc"]
    wait_for_address(page, "beam=2")
    spans = ranges(page)
    assert spans[0] == spans[1] == spans[2]
    assert spans[0] == pytest.approx([0, audio(page, "duration")], abs=0.01)


def test_clicking_a_map_plays_that_moment_and_moves_every_cursor(page):
    page.mouse.click(*spot(page, "plot_ctc", 0.5, 0))
    wait_for_audio(page, "!a.paused && a.currentTime > 0.5")
    wait_for_audio(page, "a.currentTime > 0.8")
    click(page.locator(".attn-play"))
    wait_for_audio(page, "a.paused")
    heard = audio(page, "currentTime")
    page.wait_for_function(
        "document.querySelectorAll('.attn-cursor[style*=\"display: block\"]').length === 3"
    )
    page.wait_for_timeout(100)
    assert cursors(page) == pytest.approx([heard] * 3, abs=0.1)


def test_clicking_a_token_label_plays_the_token(page):
    peak = plot(page, "plot_ctc").evaluate("f => f._fullLayout.meta.peaks[0]")
    x, y = spot(page, "plot_ctc", 0, 0)
    page.mouse.click(x - 20, y)
    wait_for_audio(page, f"a.paused && a.currentTime >= Math.min({peak} + 0.3, a.duration - 0.05)")
    assert audio(page, "currentTime") < peak + 1.5


def test_clicking_a_word_plays_it_and_stops(page):
    word = page.locator(".st-key-card_ctc button.attn-word").first
    start, end = (float(word.get_attribute(f"data-{side}")) for side in ("from", "to"))
    click(word)
    wait_for_audio(page, f"a.paused && a.currentTime >= Math.min({end}, a.duration - 0.05)")
    assert start < end <= audio(page, "currentTime") + 0.1


def test_space_plays_and_pauses(page):
    page.locator(".attn-seek").evaluate(
        "s => { s.value = 0.2; s.dispatchEvent(new Event('input')) }"
    )
    click(page.locator("h1"))
    page.keyboard.press("Space")
    wait_for_audio(page, "!a.paused")
    page.keyboard.press("Space")
    wait_for_audio(page, "a.paused")
    assert audio(page, "currentTime") >= 0.2


def test_hover_names_token_moment_and_weight(page):
    x, y = spot(page, "plot_ctc", 1.0, 0)
    page.mouse.move(x, y)
    tip = page.locator(".attn-tip")
    tip.wait_for(state="visible")
    token = plot(page, "plot_ctc").evaluate("f => f._fullLayout.meta.tokens[0]")
    text = tip.inner_text()
    assert text.startswith(token)
    assert "token 1 of" in text
    assert re.search(r"(0\.99|1\.0\d) s", text)
    assert "weight" in text
    page.mouse.move(5, 5)
    tip.wait_for(state="hidden")


def test_a_figure_that_is_being_replaced_stops_no_other(page):
    """For a moment the player still follows a figure that Plotly has taken down."""
    x, y = spot(page, "plot_ctc", 1.0, 0)
    shown = plot(page, "plot_location").evaluate(
        """(gone, [x, y]) => {
            const layout = gone._fullLayout
            gone._fullLayout = undefined
            const target = document.elementFromPoint(x, y)
            const at = { clientX: x, clientY: y, bubbles: true }
            target.dispatchEvent(new PointerEvent("pointermove", at))
            gone._fullLayout = layout
            return !document.querySelector(".attn-tip").hidden
        }""",
        [x, y],
    )
    assert shown


def test_zooming_one_figure_zooms_all(page):
    whole = ranges(page)[0]
    left, top = spot(page, "plot_location", 0.5, 1)
    right, _ = spot(page, "plot_location", 1.5, 1)
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move((left + right) / 2, top + 2, steps=4)
    page.mouse.move(right, top + 2, steps=4)
    page.mouse.up()
    page.wait_for_function("!document.querySelector('.attn-whole').disabled")
    page.wait_for_timeout(300)
    for low, high in ranges(page):
        assert (low, high) == pytest.approx((0.5, 1.5), abs=0.05)
    click(page.locator(".attn-whole"))
    page.wait_for_function("document.querySelector('.attn-whole').disabled")
    page.wait_for_timeout(300)
    assert ranges(page) == [whole] * 3


def test_rows_that_a_zoom_makes_high_enough_are_labelled(page):
    labels = "f => f._fullLayout.yaxis.ticktext"
    before = plot(page, "plot_location").evaluate(labels)
    assert "" in before
    left, top = spot(page, "plot_location", 0.3, 0.6)
    right, bottom = spot(page, "plot_location", 2.0, 12.4)
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move((left + right) / 2, (top + bottom) / 2, steps=4)
    page.mouse.move(right, bottom, steps=4)
    page.mouse.up()
    page.wait_for_function(
        "!document.querySelector('.st-key-plot_location .js-plotly-plot')"
        "._fullLayout.yaxis.ticktext.includes('')"
    )
    plot(page, "plot_location").evaluate(UNHURRIED)
    page.mouse.dblclick(*spot(page, "plot_location", 1.0, 6))
    page.wait_for_function(
        "document.querySelector('.st-key-plot_location .js-plotly-plot')"
        "._fullLayout.yaxis.ticktext.includes('')"
    )
    assert plot(page, "plot_location").evaluate(labels) == before


def test_overlays_come_and_go(page):
    path = page.locator(".st-key-plot_ctc .scatterlayer")
    switch = page.locator("[data-overlay=path]")
    assert switch.get_attribute("aria-pressed") == "false"
    assert path.is_hidden()  # at first nothing lies over the weights themselves
    click(switch)
    path.wait_for(state="visible")
    click(switch)
    path.wait_for(state="hidden")


@pytest.mark.parametrize(
    ("mark", "form"),
    [("ins", "textDecorationLine"), ("del", "textDecorationLine"), ("mark", "borderBottomStyle")],
)
def test_a_difference_has_a_form_besides_its_colour(page, mark, form):
    """As the page shows it: lines of a parent do not reach into a button by themselves."""
    shown = page.evaluate(
        """([mark, form]) => {
            const text = document.querySelector('.st-key-card_ctc .attn-text').cloneNode()
            const word = '<button class="attn-word">word</button>'
            text.innerHTML = `<${mark}>${mark === 'ins' ? word : 'word'}</${mark}>`
            document.querySelector('.st-key-card_ctc').append(text)
            const style = getComputedStyle(text.querySelector(mark === 'ins' ? 'button' : mark))
            const found = style[form]
            text.remove()
            return found
        }""",
        [mark, form],
    )
    assert shown == {"ins": "underline", "del": "line-through", "mark": "solid"}[mark]


def test_nothing_is_fetched_from_elsewhere(browser, address):
    fetched = []
    page = new_page(browser)
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(f"{address}/{LINK}")
    page.wait_for_function(FOLLOWED, arg=len(FIGURES))
    page.close()
    away = [url for url in fetched if not url.startswith((address, "data:", "blob:"))]
    assert away == []


def test_an_upload_is_decoded_and_a_bad_one_is_refused_in_place(browser, address, clip):
    page = open_page(browser, f"{address}/{LINK}", len(FIGURES))
    click(page.get_by_text("Upload", exact=True).first)
    bad = {"name": "<b>notes</b>.wav", "mimeType": "audio/wav", "buffer": b"not sound at all " * 50}
    choose_files(page.locator("input[type=file]"), bad)
    error = page.get_by_test_id("stAlert").filter(has_text="not an audio file")
    error.wait_for()
    assert "<b>notes</b>.wav" in error.inner_text()
    choose_files(page.locator("input[type=file]"), str(clip))
    page.wait_for_function(FOLLOWED, arg=len(FIGURES))
    page.locator("h1", has_text=clip.name).wait_for()
    assert clip.name not in page.url
    assert ranges(page)[1] == pytest.approx([0, 1], abs=0.01)
    page.close()


def test_six_maps_of_ten_seconds_are_less_than_a_megabyte(browser, address, tmp_path):
    """Speech, and the longest texts that tiny decoders can write: one token a frame."""
    samples = load(STORY.read_bytes(), name=STORY.name).samples[: 10 * 16_000]
    clip = tmp_path / "ten seconds.wav"
    soundfile.write(clip, samples, 16_000)
    names = ["dot", "additive", "location", "coverage", "equal", "location2d"]
    page = new_page(browser)
    traffic = Traffic(page)
    page.goto(f"{address}/?sample=old_telephone&variants={','.join(names)}")
    page.wait_for_function(FOLLOWED, arg=1 + len(names))
    click(page.get_by_text("Upload", exact=True).first)
    page.locator("input[type=file]").wait_for(state="attached")
    wait_until_idle(page)
    traffic.restart()
    choose_files(page.locator("input[type=file]"), clip)
    page.wait_for_function(MAPS_OF, arg=[10, len(names)])
    wait_for_audio(page, "a.readyState === 4 && Math.abs(a.duration - 10) < 0.1")
    wait_until_idle(page)
    assert traffic.pushed > 300_000  # six maps were on their way
    assert eventually(page, lambda: traffic.fetched > 100_000)  # and the sound
    assert traffic.pushed + traffic.fetched < 1_000_000
    page.close()


def test_no_width_overflows(browser, address):
    view = {"width": 420, "height": 900}
    page = open_page(browser, f"{address}/{LINK}", len(FIGURES), viewport=view)
    for width, columns in ((420, 1), (800, 1), (1440, 2)):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(FITTED, arg=[width, FIGURES])
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = [plot(page, name).bounding_box() for name in FIGURES]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
        cards = [
            page.locator(f".st-key-card_{name}").bounding_box() for name in ("location", "ctc")
        ]
        assert len({round(card["x"]) for card in cards}) == columns
    page.close()


def test_dark_theme_has_dark_figures(browser, address):
    page = open_page(browser, f"{address}/{LINK}", len(FIGURES), color_scheme="dark")
    page.wait_for_function(
        "document.querySelector('.st-key-plot_ctc .js-plotly-plot')"
        "._fullLayout.plot_bgcolor === '#12191e'"
    )
    scale = plot(page, "plot_ctc").evaluate("f => JSON.stringify(f._fullData[0].colorscale)")
    assert json.loads(scale)[0][1] == "#12191e"
    page.close()


def test_blink_shows_one_of_two_maps_by_turns(browser, address):
    page = open_page(browser, f"{address}/{LINK}&blink=location%2Cctc", len(FIGURES) + 2)
    first, second = (page.locator(f".st-key-plot_blink_{n} .js-plotly-plot") for n in (0, 1))
    assert first.bounding_box() == second.bounding_box()
    assert first.is_visible()
    assert not second.is_visible()
    page.keyboard.press("b")
    assert second.is_visible()
    assert not first.is_visible()
    click(page.locator(".attn-blink"))
    assert first.is_visible()
    assert not second.is_visible()
    page.close()


def test_forced_alignment_comes_and_goes(page):
    strokes = plot(page, "plot_ctc").locator(".scatterlayer .trace").nth(1)
    assert not strokes.is_visible()
    click(page.locator("[data-overlay=forced]"))
    assert strokes.is_visible()
    click(page.locator("[data-overlay=forced]"))
