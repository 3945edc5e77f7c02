"""A running dashboard and a browser, for the browser tests and for the screenshots."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Download,
    Locator,
    Page,
    Response,
    WebSocket,
    sync_playwright,
)

from app.cli import dashboard

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120_000  # milliseconds; a busy machine is slow, not wrong
FOLLOWED = "count => document.querySelectorAll('[data-followed]').length === count"
MAPS_OF = """([seconds, count]) => [...document.querySelectorAll('.st-key-maps .js-plotly-plot')]
    .filter((map) => Math.abs((map._fullLayout?.xaxis?.range[1] ?? 0) - seconds) < 1e-3
        && map.querySelector('.heatmaplayer image')?.getAttribute('href')).length >= count"""
# 0x5A begins Streamlit's message that asks for a rerun (field 11 of `BackMsg`).
COUNT_RERUNS = """{
    const send = WebSocket.prototype.send
    const followed = new WeakSet()
    window.rerunsAsked = window.rerunsAnswered = 0
    WebSocket.prototype.send = function (message) {
        if (!followed.has(this)) {
            followed.add(this)
            this.addEventListener('message', () => { window.rerunsAnswered = window.rerunsAsked })
        }
        if (new Uint8Array(message.buffer ?? message)[0] === 0x5A) window.rerunsAsked++
        return send.call(this, message)
    }
}"""
IDLE_OR_FAILED = """() => {
    const failed = document.querySelector('[data-testid=stException]')
    if (failed) return failed.innerText
    const state = document.querySelector('[data-testid=stApp]')?.dataset ?? {}
    const idle = state.testScriptState === 'notRunning'
        && state.testConnectionState === 'CONNECTED'
        && window.rerunsAnswered === window.rerunsAsked
        && !document.querySelector('[data-stale=true], [data-testid=stSkeleton]')
    window.idleFrames = idle ? (window.idleFrames ?? 0) + 1 : 0
    return window.idleFrames > 2 && 'idle'
}"""


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_healthy(address: str, process: subprocess.Popen) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError("the dashboard ended by itself")
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the dashboard did not start")


@contextmanager
def running(checkpoints: Path | None = None, script: Path | None = None) -> Iterator[str]:
    """The address of a dashboard that runs as long as the context; `script` instead of its own."""
    port = _any_port()
    address = dashboard.address("127.0.0.1", port)
    chosen = {"ATTNSCOPE_CHECKPOINTS": str(checkpoints)} if checkpoints else {}
    own = str(ROOT / "app" / "main.py")
    command = dashboard.command("127.0.0.1", port)
    process = subprocess.Popen(
        [str(script) if script and part == own else part for part in command],
        cwd=ROOT,
        env={**os.environ, **chosen},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_healthy(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's chromium, headless."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise RuntimeError("chromium is needed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def _as_bytes(payload: bytes | str) -> bytes:
    return payload if isinstance(payload, bytes) else payload.encode()


class Traffic:
    """What a page receives, from the moment it is listened to; made before the page is opened.

    The program (scripts, styles, fonts) comes once and stays in the browser: it is not counted.
    """

    WINDOW = 12  # bits of the window that the server and chromium agree on for compression

    def __init__(self, page: Page) -> None:
        self._frames: list[bytes] = []
        self._sizes: dict[str, int] = {}
        page.on("websocket", self._follow)
        page.on("response", self._note)  # of sound, the end is not always reported

    def _follow(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda payload: self._frames.append(_as_bytes(payload)))

    def _note(self, response: Response) -> None:
        if "/static/" not in response.url:
            size = int(response.headers.get("content-length", 0))
            self._sizes[response.url] = max(size, self._sizes.get(response.url, 0))

    def restart(self) -> None:
        """Count from now on."""
        self._frames.clear()
        self._sizes.clear()

    @property
    def pushed(self) -> int:
        """Bytes of the page itself, texts and figures, before they are compressed."""
        return sum(map(len, self._frames))

    @property
    def compressed(self) -> int:
        """The same as it travels: deflated, each frame with those before it in the window."""
        deflate = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -self.WINDOW)
        parts = (deflate.compress(f) + deflate.flush(zlib.Z_SYNC_FLUSH) for f in self._frames)
        return sum(map(len, parts))

    @property
    def fetched(self) -> int:
        """Bytes of what the page fetched, as the server gave its size; of one address once."""
        return sum(self._sizes.values())


def new_page(context: Browser | BrowserContext, **options) -> Page:
    """A page on which `wait_until_idle` also knows of a rerun that was asked for just now."""
    if isinstance(context, Browser):
        options = {"viewport": {"width": 1440, "height": 900}, **options}
    page = context.new_page(**options)
    page.set_default_timeout(PATIENCE)
    page.add_init_script(COUNT_RERUNS)
    return page


def wait_until_idle(page: Page) -> None:
    """Wait until every rerun that was asked for is done and nothing on the page is stale.

    A click while the page is being redrawn can be lost: Streamlit may replace the element between
    the press and the release of the button, and a browser sends no click then. A page whose script
    failed never becomes idle: its error is raised at once.

    Raises
    ------
    AssertionError
        With Streamlit's message if the script of the page failed.
    """
    state = page.wait_for_function(IDLE_OR_FAILED).json_value()
    assert state == "idle", state


def click(target: Locator, **options) -> None:
    """Click once the page is idle."""
    wait_until_idle(target.page)
    target.click(**options)


def fill(target: Locator, text: str) -> None:
    """Write a text and commit it, once the page is idle."""
    wait_until_idle(target.page)
    target.fill(text)
    target.press("Control+Enter")


def press(target: Locator, key: str) -> None:
    """Focus an element and press a key once the page is idle."""
    wait_until_idle(target.page)
    target.focus()
    target.page.keyboard.press(key)


def choose_files(target: Locator, files: Any) -> None:
    """Give a file input its files once the page is idle."""
    wait_until_idle(target.page)
    target.set_input_files(files)


def download(target: Locator) -> Download:
    """The file behind a button; while a page is redrawn the address of the file may change."""
    wait_until_idle(target.page)
    with target.page.expect_download() as started:
        target.click()
    return started.value


def open_page(browser: Browser, url: str, figures: int, **context) -> Page:
    """A page on which every figure is drawn and followed by the player."""
    page = new_page(browser, **context)
    page.goto(url)
    wait_until_idle(page)
    page.wait_for_function(FOLLOWED, arg=figures)
    return page


def visit(browser: Browser, url: str, there: str, **context) -> Page:
    """A page that has done its work and shows what a selector names."""
    page = new_page(browser, **context)
    page.goto(url)
    wait_until_idle(page)
    page.wait_for_selector(there)
    return page


def wait_for_address(page: Page, part: str) -> None:
    """Wait until the address has this part: Playwright learns of a change a little later."""
    page.wait_for_url(lambda url: part in url)


def eventually(page: Page, condition: Callable[[], bool]) -> bool:
    """Whether something that Playwright is told of by and by comes true."""
    for _ in range(PATIENCE // 100):
        if condition():
            return True
        page.wait_for_timeout(100)
    return False
