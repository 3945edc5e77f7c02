"""Look closer, Stress lab and Your attention in a browser: what moves and what is heard."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from analysis.alignment import Alignment
from tests.support.dashboard import (
    FOLLOWED,
    choose_files,
    click,
    download,
    press,
    visit,
    wait_for_address,
    wait_until_idle,
)
from tests.support.figures import audio, plot, ranges_of, spot, wait_for_audio
from tests.support.recordings import SAMPLES

CLOSER = "closer?sample=old_telephone&variant="
STEP = CLOSER + "location&step=4"
TEXT_TO_TEXT = CLOSER + "transformer&heads=decoder"
STRESS = "stress?sample=old_telephone&variants=location%2Cctc&levels=2"
CURSORS = "document.querySelectorAll('.attn-cursor[style*=\"display: block\"]').length === %d"
DRAWN = "figures => document.querySelectorAll('.st-key-listen .js-plotly-plot').length >= figures"


def weights(page: Page) -> list[float]:
    """Of the step that is taken apart."""
    return plot(page, "plot_step").evaluate("f => Array.from(f._fullData.at(-1).y)")


def row(page: Page, number: int) -> list[float]:
    """Weights of one row of the whole map, as fine as they travelled."""
    return plot(page, "plot_whole").evaluate(
        "(f, row) => Array.from(f._fullData[0].z[row], (z) => z / 255 * f._fullLayout.meta.top)",
        number,
    )


def tip(page: Page, name: str, across: float, down: float) -> str:
    """What is said of a place on a figure, once the player follows it there."""
    said = page.locator(".attn-tip")
    for _ in range(100):
        page.mouse.move(*spot(page, name, across, down))
        if said.is_visible():
            return said.inner_text()
        page.wait_for_timeout(300)
    raise AssertionError(f"nothing is said of {name}")


# --- Look closer


def test_the_arrow_keys_move_the_step_and_every_figure_follows(browser, address):
    page = visit(browser, f"{address}/{STEP}", ".st-key-plot_step .js-plotly-plot")
    assert weights(page) == pytest.approx(row(page, 4), abs=0.003)
    before = weights(page)
    press(
        page.locator(".st-key-closer_step").locator("[role=slider], input[type=range]").first,
        "ArrowRight",
    )
    wait_for_address(page, "step=5")
    page.wait_for_function(
        "before => { const f = document.querySelector('.st-key-plot_step .js-plotly-plot')"
        "; return f && Array.from(f._fullData.at(-1).y).some((y, i) => y !== before[i]) }",
        arg=before,
    )
    wait_until_idle(page)
    assert weights(page) == pytest.approx(row(page, 5), abs=0.003)
    assert row(page, 5) != pytest.approx(row(page, 4), abs=1e-6)
    again = visit(browser, page.url, ".st-key-plot_step .js-plotly-plot")
    assert weights(again) == pytest.approx(weights(page), abs=1e-6)
    assert again.url == page.url
    again.close()
    page.close()


def test_heads_of_a_transformer_are_described_and_heard(browser, address):
    page = visit(browser, f"{address}/{TEXT_TO_TEXT}", ".st-key-plot_square_1_1 .js-plotly-plot")
    page.wait_for_function(FOLLOWED, arg=2 + 4)
    meta = plot(page, "plot_square_1_0").evaluate("f => f._fullLayout.meta")
    said = tip(page, "plot_square_1_0", 2, 5)
    assert said.startswith(meta["tokens"][5])
    assert "token 6 of" in said
    assert f"looks back at {meta['columns'][2]}" in said
    assert "global token" in said
    page.mouse.down()
    page.mouse.up()
    heard = max(0, meta["peaks"][1] - 0.2)  # of the token that is looked at: columns begin before
    wait_for_audio(page, f"a.paused && a.currentTime >= Math.min({heard} + 0.4, a.duration - 0.05)")
    assert audio(page, "currentTime") < heard + 1.5
    page.wait_for_function(CURSORS % 2)  # the text has no time: only spectrogram and whole map do
    click(page.locator(".st-key-closer_heads").get_by_text("Audio to audio"))
    wait_for_address(page, "heads=encoder")
    page.wait_for_function(FOLLOWED, arg=2 + 2)
    page.wait_for_function(CURSORS % 4)
    said = tip(page, "plot_square_0_1", 1.5, 0.5)
    assert said.startswith("frame at 0.5")
    assert "looks at 1.5" in said
    page.mouse.down()
    page.mouse.up()
    wait_for_audio(page, "!a.paused && a.currentTime > 1.4")
    page.close()


# --- Stress lab


def test_a_level_is_chosen_heard_linked_and_taken_home(browser, address):
    page = visit(browser, f"{address}/{STRESS}", ".st-key-plot_ctc [data-followed]")
    page.wait_for_function(FOLLOWED, arg=3)
    twice = ranges_of(page, "plot_ctc")[1]
    click(page.locator("[class*=st-key-lab_at_]").get_by_text("as it is"))
    wait_for_address(page, "at=plain")
    page.wait_for_function(
        "twice => { const f = document.querySelector('.st-key-plot_ctc .js-plotly-plot')"
        "; return f?._fullLayout?.xaxis?.range[1] < 0.6 * twice }",
        arg=twice,
    )
    wait_until_idle(page)
    page.locator(".attn-clock", has_text=f"/ {twice / 2:.2f} s").wait_for()
    wait_for_audio(page, f"a.duration < {0.6 * twice}")
    click(page.locator("h1").first)
    page.keyboard.press("Space")
    wait_for_audio(page, "!a.paused")
    click(page.locator(".stExpander", has_text="The numbers").locator("summary"))
    file = download(page.locator(".st-key-lab_csv button:visible"))
    text = file.path().read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {(each["mechanism"], each["level"]) for each in rows} == {
        (name, level) for name in ("location", "ctc") for level in ("1.0", "2.0")
    }
    again = visit(browser, page.url, ".st-key-plot_ctc [data-followed]")
    again.wait_for_function(FOLLOWED, arg=3)
    assert ranges_of(again, "plot_ctc") == ranges_of(page, "plot_ctc")
    assert again.url == page.url
    again.close()
    page.close()


# --- Your attention


def archive(path: Path, tokens: str, seconds: float) -> Path:
    """An alignment file: every token listens a little later than the one before."""
    frames = round(seconds / 0.04)
    at = np.linspace(2, frames - 3, len(tokens)).round().astype(int)
    weights = np.full((len(tokens), frames), 0.1 / frames)
    weights[np.arange(len(tokens)), at] += 0.9
    Alignment.from_arrays(weights, list(tokens), 0.04, ended=True, text=tokens).save(path)
    return path


def test_files_and_their_recording_are_brought_seen_and_heard(browser, address, tmp_path):
    page = visit(browser, f"{address}/yours", "[data-testid=stFileUploader]")
    files = page.locator(".st-key-yours_files input[type=file]")
    damaged = tmp_path / "<i>third.npz"
    damaged.write_bytes(b"no archive")
    first = archive(tmp_path / "first.npz", "hold the line", 2.5)
    second = archive(tmp_path / "second.npz", "hold a lion", 2.5)
    choose_files(files, [first, second, damaged])
    page.wait_for_function(DRAWN, arg=2)
    assert "<i>third.npz" in page.locator(".st-key-card_2").inner_text()
    assert page.locator(".st-key-card_2 [data-testid=stAlert]").count() == 1
    assert page.locator(".attn-player").count() == 0
    sound = page.locator(".st-key-yours_audio input[type=file]")
    choose_files(sound, SAMPLES / "old_telephone.flac")
    page.wait_for_function(FOLLOWED, arg=3)
    page.mouse.click(*spot(page, "plot_1", 1.0, 3))
    wait_for_audio(page, "!a.paused && a.currentTime > 1.0")
    page.wait_for_function(CURSORS % 3)
    said = tip(page, "plot_0", 0.1, 0)
    assert said.startswith("h")
    assert "token 1 of 13" in said
    assert "?" not in page.url  # what somebody brought is theirs alone
    page.close()


def test_the_example_is_linked_and_can_be_taken_home(browser, address):
    page = visit(browser, f"{address}/yours?example=1", ".st-key-plot_1 [data-followed]")
    assert page.url.endswith("example=1")
    file = download(page.get_by_role("button", name="Download an example file"))
    assert file.suggested_filename == "attnscope-example.npz"
    shown = plot(page, "plot_0").evaluate("f => f._fullLayout.meta.tokens.length")
    taken = Alignment.load(file.path())
    assert shown in (len(taken.tokens), len(taken.tokens) - 1)  # the end of the sentence is no row
    page.close()


# --- all three

PAGES = {
    STEP: ".st-key-plot_step .js-plotly-plot",
    TEXT_TO_TEXT: ".st-key-plot_square_1_1 .js-plotly-plot",
    STRESS: ".st-key-plot_ctc [data-followed]",
    "yours?example=1": ".st-key-plot_1 [data-followed]",
}
PAPER = {"light": "rgb(251, 252, 250)", "dark": "rgb(18, 25, 30)"}  # behind figures


@pytest.mark.parametrize(
    ("link", "theme"), list(zip(PAGES, ("dark", "light", "dark", "light"), strict=True))
)
def test_a_small_screen_in_either_theme(browser, address, link, theme):
    view = {"width": 800, "height": 900}
    page = visit(browser, f"{address}/{link}", PAGES[link], viewport=view, color_scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    plots = page.locator(".stMain .js-plotly-plot")
    assert plots.count() > 1
    for box in (plots.nth(number).bounding_box() for number in range(plots.count())):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 800
    behind = plots.first.locator(".bglayer rect, rect.bg").first
    colour = behind.evaluate("rect => getComputedStyle(rect).fill")
    assert colour == PAPER[theme]
    page.close()
