"""How the dashboard is started: address, port, hosts."""

import os
from pathlib import Path

import pytest

from app import server
from app.cli import main
from tests.command import run

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.usefixtures("use_checkpoints")


def test_the_dashboard_listens_on_this_machine_only(monkeypatch, capsys):
    started = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append(arguments))
    monkeypatch.setattr(os, "chdir", lambda folder: started.append(folder))
    main([])
    folder, arguments = started
    assert Path(folder) == ROOT
    port = int(arguments[arguments.index("--server.port") + 1])
    assert arguments[arguments.index("--server.address") + 1] == "127.0.0.1"
    assert "--server.allowedHosts" not in arguments
    printed = capsys.readouterr()
    assert f"http://127.0.0.1:{port}" in printed.out
    assert "Warning" not in printed.err


def test_another_host_is_possible_with_a_warning(monkeypatch, capsys):
    started = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append(arguments))
    monkeypatch.setattr(os, "chdir", lambda folder: None)
    main(["--host", "0.0.0.0", "--port", str(server.free_port("0.0.0.0", None))])
    assert started[0][-2:] == ["--server.allowedHosts", "*"]
    printed = capsys.readouterr()
    assert "no password" in printed.err
    assert "http://localhost:" in printed.out


def test_a_port_in_use_or_a_strange_host_fails_with_a_sentence(capsys):
    port = server.free_port("127.0.0.1", None)
    with server.socket.create_server(("127.0.0.1", port)):
        assert server.free_port("127.0.0.1", None) != port
        status, _, err = run(capsys, "--port", port)
        assert status == 1
        assert f"port {port} is in use" in err
    for host in ("203.0.113.7", "no such host"):
        status, _, err = run(capsys, "--host", host)
        assert status == 1
        assert "not an address of this machine" in err


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback(host, loopback):
    assert server.is_loopback(host) is loopback


def test_addresses_can_be_typed_into_a_browser():
    assert server.address("::1", 8501) == "http://[::1]:8501"
    assert server.address("0.0.0.0", 80) == "http://localhost:80"
