"""Screenshots for the README: ``python docs/make_screenshots.py [CHECKPOINTS [NAME ...]]``.

Everything on them was decoded for them: the samples that come with AttnScope, by the checkpoints.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.cli.main import main as command  # noqa: E402
from app.data import runs  # noqa: E402
from tests.support.dashboard import chromium, click, running, visit, wait_until_idle  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SAMPLE = "sample=spoken_repetition"
MAPS = ".st-key-maps .js-plotly-plot"
COLLECTED = "&variants=location%2Cdot%2Ctransformer%2Cctc"


def _present(page: Page) -> None:
    """Collect what the page shows and go to where it is presented."""
    click(page.locator(".st-key-add_maps button").first)
    page.get_by_text("The presentation has 1 slide").wait_for()
    click(page.get_by_role("link", name="Present").first)
    page.frame_locator(".attn-stage iframe").locator("html[data-drawn]").wait_for()
    wait_until_idle(page)


@dataclass(frozen=True)
class Shot:
    """A page as a reader of the README sees it."""

    name: str  # of its file
    address: str
    shows: str  # selector of what is drawn last
    size: tuple[int, int] = (1440, 900)
    scheme: str = "light"
    then: Callable[[Page], None] | None = None  # what is done before the picture is taken


SHOTS = (
    Shot("compare-light", f"?{SAMPLE}", MAPS, (1440, 1750)),
    Shot("compare-dark", f"?{SAMPLE}", MAPS, (1440, 1750), "dark"),
    Shot("compare-narrow", f"?{SAMPLE}", MAPS, (420, 900)),
    Shot("closer", "closer?sample=old_telephone&variant=location&step=9", ".st-key-plot_step svg"),
    Shot("failures", "failures", ".attn-tile"),
    Shot("scores", "scores", ".st-key-s_scatter path.point"),
    Shot("stress", f"stress?sample=old_telephone{COLLECTED}", MAPS, (1440, 1300)),
    Shot("yours", "yours?example=1", ".st-key-plot_1 [data-followed]"),
    Shot("present", f"?{SAMPLE}{COLLECTED}", MAPS, then=_present),
)


def take(browser: Browser, address: str, shot: Shot) -> None:
    """One picture."""
    width, height = shot.size
    page = visit(
        browser,
        f"{address}/{shot.address}",
        shot.shows,
        viewport={"width": width, "height": height},
        color_scheme=shot.scheme,
    )
    if shot.then:
        shot.then(page)
    page.wait_for_timeout(2_000)  # figures that come into view are drawn now
    page.screenshot(path=IMAGES / f"{shot.name}.png")
    page.close()
    print(f"docs/images/{shot.name}.png", flush=True)


def main(folder: str | None = None, *names: str) -> None:
    """Every screenshot, or those named after the folder (``.`` for the usual one)."""
    checkpoints = Path(folder).absolute() if folder and folder != "." else None
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as sets:
        os.environ[runs.FOLDER] = sets
        if checkpoints:
            os.environ["ATTNSCOPE_CHECKPOINTS"] = str(checkpoints)
        samples = str(ROOT / "samples" / "manifest.tsv")
        command(["evaluate", samples, "--out", f"{sets}/samples", "--keep-alignments"])
        with running(checkpoints) as address, chromium() as browser:
            for shot in SHOTS:
                if not names or shot.name in names:
                    take(browser, address, shot)


if __name__ == "__main__":
    main(*sys.argv[1:])
