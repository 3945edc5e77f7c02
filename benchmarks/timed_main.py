"""The dashboard as it is, which also writes down when a recording was decoded.

For `benchmarks.page_load`: a line with the time (seconds since 1970) is added to the file that
``ATTNSCOPE_DECODED`` names whenever the last mechanism has finished.
"""

import os
import runpy
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from app.data import decoding  # noqa: E402


def timed(decode):
    """The same, with the time at its end written down."""

    def decode_and_tell(*arguments) -> Iterator[decoding.Outcome]:
        waiting = len(arguments[2])
        for done, outcome in enumerate(decode(*arguments), start=1):
            if done == waiting:  # before the page draws it
                with open(os.environ["ATTNSCOPE_DECODED"], "a", encoding="utf-8") as file:
                    file.write(f"{time.time()}\n")
            yield outcome

    decode_and_tell.timed = True
    return decode_and_tell


if not hasattr(decoding.decode, "timed"):  # this script runs again with every change on the page
    decoding.decode = timed(decoding.decode)
runpy.run_path(str(ROOT / "app" / "main.py"), run_name="__main__")
