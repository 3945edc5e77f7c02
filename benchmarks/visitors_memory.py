"""Memory of the dashboard while visitors come, upload and leave.

``python -m benchmarks.visitors_memory --visitors 500``

Visitors speak Streamlit's protocol without a browser: hundreds of them take minutes.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from app.data import visitors
from benchmarks.page_load import recording
from tests.support.dashboard import ROOT, running

SETTLED_SECONDS = visitors.AFTER_SECONDS + 4 * visitors.EVERY_SECONDS
UPLOADS = ROOT / "tests" / "support" / "upload_main.py"
COOKIE = "_streamlit_xsrf"


class Visitor:
    """A page without a browser."""

    def __init__(self, address: str, query: str) -> None:
        self._address, self._query = address, query
        with urllib.request.urlopen(f"{address}/_stcore/health") as answer:
            cookies = answer.headers.get_all("Set-Cookie") or []
        cookie = next(each for each in cookies if each.startswith(COOKIE)).partition(";")[0]
        self._token = cookie.partition("=")[2]
        self._headers = {"Cookie": cookie, "X-Xsrftoken": self._token}
        self._closing = ExitStack()
        connection = connect(
            f"{address.replace('http', 'ws')}/_stcore/stream",
            subprotocols=["streamlit", self._token],
            additional_headers=self._headers,
            origin=address,
            max_size=None,
        )
        self._socket: ClientConnection = self._closing.enter_context(connection)
        self._session = self._uploader = ""

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def open(self) -> None:
        """Ask for the page and wait until it is drawn."""
        self._socket.send(BackMsg(rerun_script=self._state()).SerializeToString())
        self._until(lambda message: message.HasField("script_finished"))

    def upload(self, name: str, content: bytes) -> None:
        """Bring a recording and wait until everything about it is drawn."""
        request = BackMsg()
        request.file_urls_request.request_id = str(uuid.uuid4())
        request.file_urls_request.file_names.append(name)
        request.file_urls_request.session_id = self._session
        self._socket.send(request.SerializeToString())
        answer = self._until(lambda message: message.HasField("file_urls_response"))
        urls = answer.file_urls_response.file_urls[0]
        boundary = uuid.uuid4().hex
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: audio/wav\r\n\r\n"
        ).encode() + content + f"\r\n--{boundary}--\r\n".encode()  # fmt: skip
        form = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        put = urllib.request.Request(
            f"{self._address}{urls.upload_url}", body, self._headers | form, method="PUT"
        )
        urllib.request.urlopen(put).close()
        state = self._state()
        widget = state.widget_states.widgets.add(id=self._uploader)
        file = widget.file_uploader_state_value.uploaded_file_info.add(
            name=name, size=len(content), file_id=urls.file_id
        )
        file.file_urls.CopyFrom(urls)
        self._socket.send(BackMsg(rerun_script=state).SerializeToString())
        sounds = []
        self._until(lambda message: message.HasField("script_finished"), sounds)
        assert sounds, "no player was drawn"

    def _state(self) -> ClientState:
        return ClientState(query_string=self._query)

    def _until(
        self, wanted: Callable[[ForwardMsg], bool], sounds: list[str] | None = None
    ) -> ForwardMsg:
        """Messages up to the one that is waited for; notes session, uploader and sounds."""
        while True:
            message = ForwardMsg()
            message.ParseFromString(self._socket.recv(timeout=600))
            if message.HasField("new_session"):
                self._session = message.new_session.initialize.session_id or self._session
            element = message.delta.new_element
            if element.HasField("file_uploader"):
                self._uploader = element.file_uploader.id
            if element.HasField("audio") and sounds is not None:
                sounds.append(element.audio.url)
            if wanted(message):
                return message


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Resident megabytes of the server after every so many visitors, and when all have left."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, running(script=UPLOADS) as address:
        server = _server()
        for number in range(1, options.visitors + 1):
            clip = recording(Path(folder) / "clip.wav", options.seconds, shift=number / 20)
            with Visitor(address, f"variants={options.variants}") as visitor:
                visitor.open()
                visitor.upload(f"clip{number}.wav", clip.read_bytes())
            if number == 1 or number % options.every == 0 or number == options.visitors:
                rows.append({"visitors": number, "megabytes": resident(server)})
                print(rows[-1], file=sys.stderr, flush=True)
        time.sleep(SETTLED_SECONDS)
        return {"rows": rows, "all_left": resident(server)}


def _server() -> int:
    """Process id of the dashboard, a child of this process."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return next(int(pid) for pid, command in commands.items() if b"streamlit" in command)


def resident(pid: int) -> float:
    """Resident memory of a process in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--visitors", type=int, default=500, help="one after the other")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a recording")
    parser.add_argument("--variants", default="location,ctc", help="mechanisms that decode it")
    parser.add_argument("--every", type=int, default=20, help="visitors between two measurements")
    print(json.dumps(measure(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
