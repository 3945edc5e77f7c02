"""How long somebody waits in a browser: from an upload, or from the first visit, to all maps."""

import statistics
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from app.comparison import Models
from app.data.samples import samples
from benchmarks.listening import chosen
from benchmarks.page_load import SHOWN, recording
from models import audio
from tests.support.dashboard import chromium, click, new_page, running, wait_until_idle

PATIENCE = 600_000  # milliseconds
FIRST = "open_window"  # sample of the first visit


def waiting(options: Namespace) -> dict[str, Any]:
    """Seconds to the maps of all mechanisms: models not loaded, then loaded."""
    names = [info.name for info in chosen(Models(options.checkpoints), options)]
    seconds = audio.load(samples()[FIRST].path).seconds
    with (
        tempfile.TemporaryDirectory() as folder,
        running(options.checkpoints) as address,
        chromium() as browser,
    ):
        page = new_page(browser)
        page.goto(f"{address}/yours")  # scripts and styles arrive, no model is loaded
        page.locator("input[type=file]").first.wait_for(state="attached")
        started = time.perf_counter()
        page.goto(f"{address}/?sample={FIRST}&variants={'%2C'.join(names)}")
        page.wait_for_function(SHOWN, arg=[seconds, len(names)])
        cold = time.perf_counter() - started
        warm = _uploads(page, len(names), options, Path(folder))
    return {
        "mechanisms": len(names),
        "first_visit": {"audio_seconds": seconds, "seconds": cold},
        "upload": {"audio_seconds": options.seconds, "seconds": statistics.median(warm)},
    }


def _uploads(page: Page, maps: int, options: Namespace, folder: Path) -> list[float]:
    """Seconds of every upload, each another recording of the same length."""
    click(page.get_by_text("Upload", exact=True).first)
    page.locator("input[type=file]").wait_for(state="attached")
    taken = []
    for number in range(options.repeats + 1):
        seconds = options.seconds + number / 100  # tells one upload's maps from another's
        clip = recording(folder / f"clip{number}.wav", seconds, shift=number / 10)
        wait_until_idle(page)
        started = time.perf_counter()
        page.locator("input[type=file]").set_input_files(clip)
        page.wait_for_function(SHOWN, arg=[seconds, maps])
        taken.append(time.perf_counter() - started)
    return taken[1:]
