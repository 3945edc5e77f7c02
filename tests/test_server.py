"""What the running server lets in, read from a server that was really started."""

import http.client
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dashboard import ROOT, running

LISTENING = "0A"  # state in /proc/net/tcp
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


@pytest.fixture(scope="module")
def port(checkpoints: Path) -> Iterator[int]:
    with running(checkpoints) as address:
        yield int(address.rpartition(":")[2])


def listening(port: int) -> set[str]:
    """Addresses on which somebody listens at that port, as the kernel writes them."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net", table)
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if state == LISTENING and int(number, 16) == port:
                found.add(address)
    return found


def ask(port: int, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    answer.read()
    return answer


def test_it_listens_on_the_loopback_address_alone(port):
    addresses = listening(port)
    assert addresses
    assert addresses <= LOOPBACK


def test_no_other_site_may_read_an_answer(port):
    for path in ("/", "/_stcore/health", "/_stcore/host-config", "/_stcore/script-health-check"):
        answer = ask(port, "GET", path, Origin="http://attacker.example")
        assert answer.getheader("Access-Control-Allow-Origin") in (None, "http://localhost:8501")


def test_no_other_site_may_upload(port):
    path = "/_stcore/upload_file/0/0"
    assert ask(port, "PUT", path).status == 403
    assert ask(port, "PUT", path, Cookie="_streamlit_xsrf=guessed").status == 403
    assert ask(port, "DELETE", path, X_Xsrftoken="guessed").status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/app/static/../main.py",
        "/media/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/static/../../",
    ],
)
def test_no_path_leads_out_of_the_server(port, path):
    answer = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    answer.request("GET", path)
    body = answer.getresponse().read()
    assert b"root:" not in body
    assert b"import streamlit" not in body


@pytest.fixture(scope="module")
def effective() -> dict:
    """What Streamlit makes of the configuration when it starts where the dashboard does."""
    command = [sys.executable, "-m", "streamlit", "config", "show"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    return tomllib.loads(plain[plain.index("[global]") :])


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("server", "address", "127.0.0.1"),
        ("server", "allowedHosts", ["localhost", "127.0.0.1", "::1"]),
        ("server", "maxUploadSize", 50),
        ("browser", "gatherUsageStats", False),
        ("client", "showErrorDetails", "none"),
    ],
)
def test_what_streamlit_takes_from_the_configuration(effective, section, name, value):
    assert effective[section][name] == value


@pytest.mark.parametrize("name", ["enableCORS", "enableXsrfProtection"])
def test_protections_are_left_on(effective, name):
    assert effective["server"].get(name, True) is True


def test_nothing_is_served_from_a_folder(effective):
    assert effective["server"].get("enableStaticServing", False) is False
