"""Several people at one dashboard: each gets their own results, and nothing of theirs stays."""

import io
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page

from app.charts import attention_map
from app.comparison import Models
from app.theme import palette
from models import audio
from models.audio import Recording
from models.variant import Decoded
from tests.support.dashboard import (
    FOLLOWED,
    ROOT,
    choose_files,
    click,
    new_page,
    running,
    wait_until_idle,
)
from tests.support.recordings import hum
from tests.support.sound import mux

SESSIONS = 10
UPLOADS = ROOT / "tests" / "support" / "upload_main.py"  # no sample is decoded before the upload
NAMES = ("location", "ctc")
LINK = f"?variants={'%2C'.join(NAMES)}&beam=1&rows=all&special=1"
SPECTROGRAM = 1  # figure beside those of the mechanisms
META = """name => {
    const figure = document.querySelector(`.st-key-plot_${name} .js-plotly-plot`)
    const { tokens, peaks, top } = figure._fullLayout.meta
    return { tokens, peaks, top }
}"""


@pytest.fixture(scope="module")
def server(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """A dashboard with tiny models, and the folders in which it could leave something."""
    places = {name: tmp_path_factory.mktemp(name) for name in ("home", "tmp")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(places["home"]))
        patch.setenv("XDG_CACHE_HOME", str(places["home"] / ".cache"))
        for name in ("TMPDIR", "TEMP", "TMP"):
            patch.setenv(name, str(places["tmp"]))
        with running(checkpoints, UPLOADS) as address:
            patch.undo()  # the browser's own files are not the server's
            yield SimpleNamespace(address=address, **places)


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="WAV")
    return file.getvalue()


def voice(number: int) -> bytes:
    """Recordings that differ in length and in what is heard."""
    samples = hum(0.5 + 0.1 * number)
    return wav(samples * np.linspace(0.2, 1, len(samples)) ** number)


@contextmanager
def visitor(browser: Browser, url: str) -> Iterator[Page]:
    """Somebody who is about to bring a file."""
    page = new_page(browser, viewport={"width": 1280, "height": 800})
    try:
        yield arrived(page, url)
    finally:
        page.close()


def arrived(page: Page, url: str) -> Page:
    page.goto(url)
    page.locator("input[type=file]").wait_for(state="attached")
    return page


def bring(page: Page, name: str, content: bytes) -> None:
    file = {"name": name, "mimeType": "audio/wav", "buffer": content}
    choose_files(page.locator("input[type=file]").first, file)


def shown(page: Page, name: str, figures: int = len(NAMES) + SPECTROGRAM) -> None:
    """Wait until everything about this recording is drawn."""
    page.locator("h1", has_text=name).wait_for()
    page.wait_for_function(FOLLOWED, arg=figures)
    wait_until_idle(page)


def expected(decoded: Decoded, recording: Recording) -> dict:
    """What the figure must carry, made without a server."""
    figure = attention_map(
        decoded.alignment, seconds=recording.seconds, palette=palette("light"), every_token=True
    )
    return {key: figure.layout.meta[key] for key in ("tokens", "peaks", "top")}


def test_ten_people_at_once_get_what_their_own_recordings_say(browser, server, checkpoints):
    models, contents = Models(checkpoints), [voice(number) for number in range(SESSIONS)]
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        pages = [arrived(new_page(context), f"{server.address}/{LINK}") for _ in contents]
        for number, (page, content) in enumerate(zip(pages, contents, strict=True)):
            bring(page, f"person{number}.wav", content)  # nobody waits for anybody
        found = []
        for number, page in enumerate(pages):
            shown(page, f"person{number}.wav")
            found.append({name: page.evaluate(META, name) for name in NAMES})
            text = page.locator("body").inner_text()
            others = [f"person{n}.wav" for n in range(SESSIONS) if n != number]
            assert [name for name in others if name in text] == []
            assert "person" not in page.url
    finally:
        context.close()
    for content, maps in zip(contents, found, strict=True):
        recording = audio.load(content)
        encoded = models.encode(recording)
        for name in NAMES:
            (decoded,) = models.variant(name).decode(encoded)
            wanted = expected(decoded, recording)
            assert maps[name]["tokens"] == wanted["tokens"]
            assert maps[name]["peaks"] == pytest.approx(wanted["peaks"], abs=1e-3)
            assert maps[name]["top"] == pytest.approx(wanted["top"], abs=1e-5)
    assert len({str(maps) for maps in found}) == SESSIONS  # nobody could pass for another


def test_a_page_closed_while_it_decodes_keeps_nobody_waiting(browser, server):
    with visitor(browser, f"{server.address}/?beam=20") as busy:
        bring(busy, "long.wav", wav(hum(30.0)))
        busy.locator(".st-key-progress [data-testid=stProgress]").wait_for()
    with visitor(browser, f"{server.address}/{LINK}") as page:
        bring(page, "short.wav", voice(3))
        shown(page, "short.wav")


def test_stopping_keeps_what_is_done_and_continue_or_another_recording_goes_on(
    browser, checkpoints
):
    names = ("equal", "dot", "additive", "location", "coverage", "ctc")
    link = f"?variants={'%2C'.join(names)}"
    with (
        running(checkpoints, ROOT / "tests" / "support" / "slow_main.py") as address,
        visitor(browser, f"{address}/{link}") as page,
    ):
        bring(page, "long.wav", voice(9))
        page.locator("h1", has_text="long.wav").wait_for()
        page.wait_for_function(FOLLOWED.replace("===", ">="), arg=1 + SPECTROGRAM)
        # Not the "Stop" in Streamlit's own header, which ends the script and says nothing.
        page.locator(".st-key-stopped_stop button").first.click()  # while the script runs
        said = page.get_by_text("Stopped after")
        said.wait_for()
        done, total = (int(word.rstrip(".")) for word in said.inner_text().split()[2::2])
        assert 0 < done < total == len(names)
        page.wait_for_function(FOLLOWED, arg=done + SPECTROGRAM)
        assert page.locator(".st-key-maps .js-plotly-plot").count() == done

        click(page.get_by_role("button", name="Continue"))
        shown(page, "long.wav", total + SPECTROGRAM)
        bring_another(page, "short.wav", voice(4))
        shown(page, "short.wav", total + SPECTROGRAM)


def bring_another(page: Page, name: str, content: bytes) -> None:
    bring(page, name, content)
    page.locator("h1", has_text=name).wait_for()


def turn(page: Page, title: str) -> None:
    """To another page of the session, which shows the same upload."""
    click(page.get_by_role("link", name=title).first)
    page.locator("h1, h3", has_text="mine.wav" if title == "Compare" else "").first.wait_for()
    page.wait_for_selector(".st-key-plot_spectrogram [data-followed]")
    wait_until_idle(page)


def test_pages_can_be_left_and_come_back_to(browser, server):
    with visitor(browser, f"{server.address}/{LINK}") as page:
        bring(page, "mine.wav", voice(2))
        shown(page, "mine.wav")
        for title in ("Look closer", "Compare", "Look closer", "Compare"):
            turn(page, title)
            assert page.get_by_test_id("stException").count() == 0
        shown(page, "mine.wav")  # with the mechanisms that were chosen


def test_another_upload_after_coming_back_is_answered(browser, server):
    with visitor(browser, f"{server.address}/{LINK}") as page:
        bring(page, "mine.wav", voice(2))
        shown(page, "mine.wav")
        for title in ("Look closer", "Compare"):
            turn(page, title)
        bring(page, "broken.wav", b"no sound" * 9)
        page.get_by_test_id("stAlert").filter(has_text="not an audio file").wait_for()
        bring(page, "good.wav", voice(3))
        shown(page, "good.wav")


# --- what stays -----------------------------------------------------------------------------------


def tree(folder: Path) -> set[str]:
    """Every file, with its size."""
    ignored = {"__pycache__", ".git", ".pytest_cache", ".hypothesis", ".ruff_cache", ".venv"}
    found = set()
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in ignored]
        paths = [Path(root, name) for name in files]
        found |= {f"{path} {path.stat().st_size}" for path in paths if path.exists()}
    return found


def uploads() -> dict[str, bytes]:
    """Samples as they are, several codecs, too large for memory, damaged."""
    plain, sound = voice(2), hum(2.0, 48_000)
    return {
        "plain.wav": plain,
        "long.wav": wav(hum(60.0)),  # 1.9 MB: servers keep such uploads in temporary files
        "music.mp3": mux(sound, 48_000, "mp3", "libmp3lame"),
        "phone.m4a": mux(sound, 48_000, "mp4", "aac"),
        "clip.webm": mux(sound, 48_000, "webm", "libopus"),
        "broken.wav": plain[:30],
    }


def test_nothing_of_an_upload_is_ever_on_disk(browser, server):
    brought = uploads()
    places = (server.home, server.tmp)
    with visitor(browser, f"{server.address}/?variants=ctc") as page:
        bring_another(page, "first.wav", voice(1))  # whatever a first run leaves is no upload
        shown(page, "first.wav", 2)
        before, repository = set().union(*map(tree, places)), tree(ROOT)
        for name, content in brought.items():
            bring(page, name, content)
            if name == "broken.wav":
                page.get_by_test_id("stAlert").filter(has_text=name).wait_for()
            else:
                shown(page, name, 2)
            assert set().union(*map(tree, places)) == before, name
        page.goto(f"{server.address}/yours")
        page.locator("input[type=file]").first.wait_for(state="attached")
        for name, content in {"mine.npz": npz(), "mine.npy": npy()}.items():
            bring(page, name, content)
            page.get_by_text(name).first.wait_for()
            wait_until_idle(page)
    assert set().union(*map(tree, places)) == before
    assert {each for each in tree(ROOT) - repository if "upload" in each or "mine" in each} == set()
    assert [name for name in brought if any(Path(line).name == name for line in tree(ROOT))] == []


LIMIT = 50 * 1024 * 1024
PUT = """async ([url, size, trusted]) => {
    const form = new FormData()
    form.append("file", new Blob([new Uint8Array(size)]), "large.wav")
    const cookie = /_streamlit_xsrf=([^;]*)/.exec(document.cookie)
    const headers = trusted && cookie ? { "X-Xsrftoken": cookie[1] } : {}
    const sent = { method: "PUT", body: form, headers, credentials: "include" }
    return (await fetch(url, sent)).status
}"""


def test_too_large_an_upload_is_refused_by_page_and_server(browser, server, tmp_path):
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(LIMIT + 1)
    with visitor(browser, f"{server.address}/?variants=ctc") as page:
        addresses = []
        page.on("request", lambda each: addresses.append(each.url) if each.method == "PUT" else 0)
        choose_files(page.locator("input[type=file]").first, str(large))
        page.get_by_text("must be 50.0MB or smaller").wait_for()
        assert addresses == []  # it was not even sent
        bring(page, "good.wav", voice(1))
        shown(page, "good.wav", 2)
        (address,) = addresses
        assert page.evaluate(PUT, [address, 1_000, True]) == 204
        assert page.evaluate(PUT, [address, LIMIT + 1, True]) == 413  # who goes around the page
        assert page.evaluate(PUT, [address, 1_000, False]) == 403  # another site's form


def npz() -> bytes:
    file = io.BytesIO()
    weights = np.full((3, 40), 0.1 / 40)
    weights[[0, 1, 2], [8, 20, 32]] += 0.9
    tokens = np.array(["yes", "we", "can"])
    np.savez(file, weights=weights, tokens=tokens, frame_seconds=0.04, ended=True)
    return file.getvalue()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.full((2, 3, 40), 1 / 40, np.float32))
    return file.getvalue()


def test_the_sound_of_a_session_is_gone_some_time_after_it(browser, server):
    """The player's address of an upload answers while its page is open, and not for ever."""
    with visitor(browser, f"{server.address}/?variants=ctc") as page:
        bring(page, "mine.wav", voice(SESSIONS + 1))  # another session's sound may still be kept
        shown(page, "mine.wav", 2)
        sound = page.locator(".st-key-listen_audio audio").get_attribute("src")
        first = page.request.get(sound if "://" in sound else server.address + sound)
        assert first.status == 200
        click(page.locator("[data-testid=stFileChipDeleteBtn]").first)
        page.get_by_text("Choose an audio file").wait_for()

        def gone() -> bool:
            return page.request.get(first.url).status == 404

        assert within(30, gone)


def test_what_a_visitor_brought_is_gone_soon_after_the_page_is_closed(browser, checkpoints):
    """Nobody else comes or leaves, and who asks has no cookie."""
    hasty = ROOT / "tests" / "support" / "hasty_main.py"
    with running(checkpoints, hasty) as address:
        sounds = []
        for _ in range(2):  # two people with the same recording
            with visitor(browser, f"{address}/?variants=ctc") as page:
                bring(page, "mine.wav", voice(1))
                shown(page, "mine.wav", 2)
                player = page.locator(".st-key-listen_audio audio")
                sounds.append(address + player.get_attribute("src").removeprefix(address))
                assert status(sounds[-1]) == 200
            assert within(60, lambda: status(sounds[-1]) == 404)
        assert sounds[0] != sounds[1]  # one's address tells nothing of the other's


def status(address: str) -> int:
    """Of the answer to somebody who has nothing but the address."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
