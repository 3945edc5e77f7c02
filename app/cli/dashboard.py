"""No subcommand: start the dashboard's server, whose settings are in `.streamlit/config.toml`."""

import ipaddress
import os
import socket
import sys
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FIRST_PORT = 8501
TRIES = 50  # ports looked at from there on


class ServerError(RuntimeError):
    """The dashboard cannot start; the message is one sentence for the user."""


def run(options: Namespace) -> bool:
    """Start the dashboard with the runs of a folder.

    Raises
    ------
    ServerError
        As `start`, or where ``--runs`` names no folder.
    """
    runs = options.runs or Path(os.environ.get("ATTNSCOPE_RUNS") or "runs")
    if options.runs and not runs.is_dir():
        raise ServerError(f"{options.runs} is not a folder; --runs names one that has runs in it")
    os.environ["ATTNSCOPE_RUNS"] = str(runs.absolute())  # the server has another working folder
    start(options.host, options.port)
    return True


def start(host: str, port: int | None) -> None:
    """Become the dashboard's server: does not return.

    Raises
    ------
    ServerError
        If the port is taken, the host is not this machine's, or Streamlit is missing.
    """
    if find_spec("streamlit") is None:
        raise ServerError("Streamlit is not installed here; `make run` installs it.")
    port = free_port(host, port)
    if not is_loopback(host):
        print(
            "Warning: everybody who can reach this machine will be able to use the dashboard; it "
            "has no password and no encryption.",
            file=sys.stderr,
        )
    print(f"Starting AttnScope at {address(host, port)} (stop it with Ctrl+C) ...", flush=True)
    os.chdir(ROOT)  # where Streamlit looks for its configuration
    arguments = command(host, port)
    os.execv(arguments[0], arguments)


def command(host: str, port: int) -> list[str]:
    """The command line that serves the dashboard."""
    page = str(ROOT / "app" / "main.py")
    arguments = [sys.executable, "-m", "streamlit", "run", page]
    arguments += ["--server.address", host, "--server.port", str(port)]
    if not is_loopback(host):  # the configuration allows the names of this machine only
        arguments += ["--server.allowedHosts", "*"]
    return arguments


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    shown = "localhost" if host in ("0.0.0.0", "::") else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def free_port(host: str, port: int | None) -> int:
    """`port` itself, or without one the first free port from 8501 on.

    Raises
    ------
    ServerError
        If there is none.
    """
    wanted = [port] if port is not None else range(FIRST_PORT, FIRST_PORT + TRIES)
    for number in wanted:
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(
                host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except OSError:
            raise ServerError(f"{host} is not an address of this machine.") from None
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(where)
                return number
            except PermissionError:
                raise ServerError(
                    f"port {number} needs more rights; choose one above 1023."
                ) from None
            except OSError as error:
                if error.errno not in (98, 48):  # address in use on Linux, on macOS
                    raise ServerError(f"{host} is not an address of this machine.") from None
    taken = f"port {port} is" if port is not None else f"ports {wanted[0]} to {wanted[-1]} are"
    raise ServerError(f"{taken} in use; choose another with --port.")
