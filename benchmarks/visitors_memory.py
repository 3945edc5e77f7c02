"""Memory of the dashboard while visitors come, upload and leave.

``python -m benchmarks.visitors_memory --visitors 500``
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from app.data import visitors
from benchmarks.page_load import SHOWN, recording
from tests.support.dashboard import ROOT, choose_files, chromium, new_page, running

VARIANTS = ("location", "ctc")
SETTLED_SECONDS = visitors.AFTER_SECONDS + 4 * visitors.EVERY_SECONDS + 30
UPLOADS = ROOT / "tests" / "support" / "upload_main.py"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Resident megabytes of the server after every so many visitors, and when all have left."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        running(script=UPLOADS) as address,
        chromium() as browser,
    ):
        server = _server()
        _visit(browser, address, Path(folder), 0, options.seconds)  # loads the models
        for number in range(1, options.visitors + 1):
            _visit(browser, address, Path(folder), number, options.seconds)
            if number == 1 or number % options.every == 0 or number == options.visitors:
                rows.append({"visitors": number, "megabytes": resident(server)})
                print(rows[-1], file=sys.stderr, flush=True)
        time.sleep(SETTLED_SECONDS)
        return {"rows": rows, "all_left": resident(server)}


def _visit(browser: Browser, address: str, folder: Path, number: int, length: float) -> None:
    """Somebody brings a recording nobody else has, sees its maps and leaves."""
    seconds = length + number / 1000
    clip = recording(folder / f"clip{number}.wav", seconds, shift=number / 10)
    page = new_page(browser)
    page.goto(f"{address}/?variants={'%2C'.join(VARIANTS)}")
    choose_files(page.locator("input[type=file]").first, clip)
    page.wait_for_function(SHOWN, arg=[seconds, len(VARIANTS)])
    page.close()
    clip.unlink()


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
    parser.add_argument("--every", type=int, default=20, help="visitors between two measurements")
    print(json.dumps(measure(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
