"""Failures and Scores in a browser: what a click leads to, and how it looks on any screen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.data import runs
from tests.support.dashboard import click, press, running, visit, wait_for_address
from tests.support.evaluated_runs import VARIANTS, real_run

PLAYING = "(() => { const a = document.querySelector('.st-key-listen_audio audio'); return %s })()"


@pytest.fixture(scope="module")
def address(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard with tiny models and one small set."""
    folder = tmp_path_factory.mktemp("sets")
    real_run(folder / "corpus", checkpoints, folder / "runs" / "hums")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(runs.FOLDER, str(folder / "runs"))
        with running(checkpoints) as found:
            yield found


def test_a_count_filters_and_a_tile_leads_to_what_can_be_heard(browser, address):
    page = visit(browser, f"{address}/failures", ".attn-tile")
    assert page.locator(".attn-tile").count() == 3 * len(VARIANTS)
    assert page.locator(".attn-tile img").count() == 3 * len(VARIANTS)
    cell = page.locator(".attn-matrix td:not(.attn-heat-good) button").first
    count = int(cell.locator("b").inner_text())
    click(cell)
    page.wait_for_selector("td.attn-chosen")
    page.wait_for_function(f"document.querySelectorAll('.attn-tile').length === {count}")
    wait_for_address(page, "kind=")
    wait_for_address(page, "variants=")
    press(page.locator(".attn-tile").first, "Enter")
    page.wait_for_selector(".attn-led")
    page.wait_for_selector(".st-key-plot_spectrogram [data-followed]")
    wait_for_address(page, "utterance=")
    click(page.locator(".attn-led .attn-evidence").first)
    page.wait_for_function(PLAYING % "a && !a.paused")
    again = visit(browser, page.url, ".attn-led")
    assert again.url == page.url
    assert again.locator("h1").inner_text() == page.locator("h1").inner_text()
    again.close()
    page.close()


def test_a_point_leads_to_its_maps(browser, address):
    page = visit(browser, f"{address}/scores?metric=entropy", ".st-key-s_scatter path.point")
    page.locator(".st-key-s_scatter").scroll_into_view_if_needed()
    box = page.locator(".st-key-s_scatter path.point").last.bounding_box()
    place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*place)
    page.mouse.click(*place)
    page.wait_for_selector(".attn-led")
    wait_for_address(page, "look=")
    page.close()


@pytest.mark.parametrize(("name", "theme"), [("failures", "light"), ("scores", "dark")])
def test_nothing_is_wider_than_a_small_screen(browser, address, name, theme):
    size = {"width": 800, "height": 900}
    page = visit(browser, f"{address}/{name}", ".attn-matrix", viewport=size, color_scheme=theme)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 800
    main = page.evaluate(
        "(() => { const m = document.querySelector('[data-testid=stMain]');"
        " return m.scrollWidth - m.clientWidth })()"
    )
    assert main <= 1
    page.close()
