"""Pages that are closed, left, or cut off from the server while it decodes for them."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute

from tests.support.dashboard import FOLLOWED, ROOT, running, wait_until_idle
from tests.test_sessions import SPECTROGRAM, bring, shown, visitor, voice

MAIN = ROOT / "tests" / "support" / "logged_main.py"
NAMES = ("equal", "dot", "additive", "location", "coverage", "ctc")
LINK = f"?variants={'%2C'.join(NAMES)}"
LOG = "ATTNSCOPE_TEST_LOG"  # variable that names the file of what was decoded
QUIET_SECONDS = 6.0  # without another decoding, which take a second each: the work has stopped


@pytest.fixture
def server(checkpoints: Path, tmp_path: Path, monkeypatch) -> Iterator[SimpleNamespace]:
    """A dashboard that writes down what it decodes."""
    log = tmp_path / "decoded"
    log.touch()
    monkeypatch.setenv(LOG, str(log))
    with running(checkpoints, MAIN) as address:
        yield SimpleNamespace(url=f"{address}/{LINK}", log=log)


def decoded(server: SimpleNamespace) -> list[str]:
    return server.log.read_text().split()


def begin(page: Page, server: SimpleNamespace) -> None:
    """Bring a recording and wait until the second mechanism decodes it."""
    before = len(decoded(server))
    bring(page, "mine.wav", voice(3))
    page.locator("h1", has_text="mine.wav").wait_for()
    while len(decoded(server)) < before + 2:
        page.wait_for_timeout(50)


def test_a_page_closed_in_mid_decode_stops_the_work(browser: Browser, server):
    with visitor(browser, server.url) as page:
        begin(page, server)
    count, since = len(decoded(server)), time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        time.sleep(0.1)
        if len(decoded(server)) != count:
            count, since = len(decoded(server)), time.monotonic()
    assert count < len(NAMES)


def test_a_connection_broken_in_mid_decode_goes_on_where_it_was(browser: Browser, server):
    routes: list[WebSocketRoute] = []

    def follow(route: WebSocketRoute) -> None:
        route.connect_to_server()
        routes.append(route)

    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.route_web_socket("**/_stcore/stream", follow)
        page.set_default_timeout(120_000)
        page.goto(server.url)
        page.locator("input[type=file]").wait_for(state="attached")
        begin(page, server)
        routes[0].close(code=1001)
        shown(page, "mine.wav", len(NAMES) + SPECTROGRAM)
        assert len(routes) > 1
        assert len(decoded(server)) <= len(NAMES) + 1  # at most what was cut off is done again
    finally:
        context.close()


def test_a_page_loaded_again_in_mid_decode_takes_another_recording(browser: Browser, server):
    with visitor(browser, server.url) as page:
        begin(page, server)
        page.reload()
        page.locator("input[type=file]").wait_for(state="attached")
        wait_until_idle(page)
        bring(page, "again.wav", voice(4))
        shown(page, "again.wav", len(NAMES) + SPECTROGRAM)


def test_leaving_in_mid_decode_and_coming_back_goes_on(browser: Browser, server):
    with visitor(browser, server.url) as page:
        begin(page, server)
        page.get_by_role("link", name="Present").first.click()
        page.wait_for_url("**/present*")
        wait_until_idle(page)
        page.go_back()
        page.wait_for_function(FOLLOWED, arg=len(NAMES) + SPECTROGRAM)
        shown(page, "mine.wav", len(NAMES) + SPECTROGRAM)
        assert len(decoded(server)) <= len(NAMES) + 1
