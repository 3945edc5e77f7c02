"""Names and texts that are HTML are shown as what they are: letters."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page

from app.cli.main import main
from app.data import runs
from tests.support.dashboard import (
    FOLLOWED,
    choose_files,
    chromium,
    click,
    fill,
    new_page,
    press,
    running,
    wait_until_idle,
)
from tests.support.recordings import hum

EVIL = "<img src=x onerror=window.hurt=1;alert(1)>"
LINK = "<a href=javascript:window.hurt=2>x</a>"
SET = f"{EVIL} set"
HURT = """() => window.hurt !== undefined
    || document.querySelectorAll('img[src="x"], a[href^="javascript:"]').length > 0"""


def corpus(folder: Path) -> Path:
    """A manifest in which everything that is a text is markup."""
    folder.mkdir()
    soundfile.write(folder / f"{EVIL}.wav", hum(0.8), 16_000)
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path", "text", "speaker", "age_group", "corpus"])
        for number in range(2):
            writer.writerow([f"{number} {EVIL}", f"{EVIL}.wav", f"say {EVIL}", EVIL, LINK, EVIL])
    return manifest


@pytest.fixture(scope="module")
def evaluated(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run, which is called like an image."""
    folder = tmp_path_factory.mktemp("markup")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
        arguments = [str(corpus(folder / "corpus")), "--out", str(folder / "runs" / SET)]
        arguments += ["--variants", "location,ctc", "--keep-alignments"]
        assert main(["evaluate", *arguments]) == 0
        report = str(folder / "report.html")
        assert main(["report", str(folder / "runs" / SET), "--out", report]) == 0
    return folder


@pytest.fixture(scope="module")
def opened(checkpoints: Path, evaluated: Path) -> Iterator[SimpleNamespace]:
    """One page of one session, and the dialogs that ever came up in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(runs.FOLDER, str(evaluated / "runs"))
        with running(checkpoints) as address, chromium() as browser:
            page, dialogs = new_page(browser, viewport={"width": 1280, "height": 900}), []
            page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
            yield SimpleNamespace(address=address, page=page, dialogs=dialogs)


def harmless(opened: SimpleNamespace, *shown: str) -> None:
    """Nothing ran, nothing was built from the texts, and they can be read."""
    page: Page = opened.page
    wait_until_idle(page)
    page.wait_for_timeout(200)  # a broken image needs a moment to say so
    assert not page.evaluate(HURT)
    assert opened.dialogs == []
    text = page.locator("body").inner_text()
    assert [each for each in shown if each not in text] == []


def turn(page: Page, title: str) -> None:
    """To another page of the same session."""
    click(page.get_by_role("link", name=title).first)


def wav(seconds: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, hum(seconds), 16_000, format="WAV")
    return file.getvalue()


def test_an_upload_and_what_is_said_on_every_page_that_shows_them(opened):
    page = opened.page
    page.goto(
        f"{opened.address}/?variants=location%2Cctc&rows=all&special=1&normalizer=none"
    )  # marks stay words
    click(page.get_by_text("Upload", exact=True).first)
    upload = {"name": f"{EVIL}.wav", "mimeType": "audio/wav", "buffer": wav(0.7)}
    broken = {"name": f"{LINK}.wav", "mimeType": "audio/wav", "buffer": b"no sound" * 9}
    choose_files(page.locator("input[type=file]").first, broken)
    page.get_by_test_id("stAlert").filter(has_text="not an audio file").wait_for()
    harmless(opened)
    choose_files(page.locator("input[type=file]").first, upload)
    page.wait_for_function(FOLLOWED, arg=3)
    said = page.locator("textarea").first
    fill(said, f"{EVIL} {LINK}")
    page.locator("del", has_text="img").first.wait_for()  # words that nobody heard
    harmless(opened, f"{EVIL}.wav")
    for title in ("Look closer", "Stress lab"):
        turn(page, title)
        page.wait_for_function("document.querySelectorAll('[data-followed]').length > 1")
        harmless(opened)


def test_alignment_files(opened):
    file = io.BytesIO()
    tokens = [EVIL, LINK, "<b>b</b>", "<eos>"]
    weights = np.full((4, 40), 0.1 / 40)
    weights[range(4), [5, 15, 25, 35]] += 0.9
    texts = {"text": f"{EVIL} {LINK}", "reference": f"other {EVIL}", "variant": LINK}
    np.savez(file, weights=weights, tokens=np.array(tokens), frame_seconds=0.04, **texts)
    content = {"name": f"{EVIL}.npz", "mimeType": "application/zip", "buffer": file.getvalue()}
    broken = {"name": f"{LINK}.npz", "mimeType": "application/zip", "buffer": b"PK"}
    page = opened.page
    page.goto(f"{opened.address}/yours")
    choose_files(page.locator("input[type=file]").first, [content, broken])
    page.get_by_text("not a NumPy").first.wait_for()
    page.wait_for_selector(".st-key-maps .js-plotly-plot, [data-followed]")
    harmless(opened, f"{EVIL}.npz")


@pytest.mark.parametrize(
    ("place", "there"), [("failures", ".attn-tile"), ("scores", ".attn-matrix")]
)
def test_an_evaluated_set(opened, place, there):
    page = opened.page
    page.goto(f"{opened.address}/{place}")
    page.wait_for_selector(there)
    harmless(opened, SET)


def test_a_recording_of_a_set_in_compare(opened):
    page = opened.page
    page.goto(f"{opened.address}/failures")
    page.wait_for_selector(".attn-tile")
    press(page.locator(".attn-tile").first, "Enter")
    page.wait_for_selector(".attn-led")
    page.wait_for_selector(".st-key-plot_spectrogram [data-followed]")
    harmless(opened, EVIL)


def test_a_report(opened, evaluated):
    page = opened.page
    page.goto((evaluated / "report.html").as_uri())
    page.wait_for_timeout(300)
    assert not page.evaluate(HURT)
    assert opened.dialogs == []
    assert EVIL in page.locator("body").inner_text()
