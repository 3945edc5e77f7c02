"""`upload_main` whose decodings take a second each and leave a line in a file as they begin.

A script for a server of its own: importing it would slow every decoding of the process.
"""

import os
import runpy
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from models.variant import Variant  # noqa: E402

LOG = "ATTNSCOPE_TEST_LOG"  # variable that names the file
SECONDS = 1.0


def logged(decode):
    """The same, later and on record."""

    def decode_and_log(self, *arguments, **options):
        with open(os.environ[LOG], "a") as file:
            file.write(f"{self.name}\n")
        time.sleep(SECONDS)
        return decode(self, *arguments, **options)

    decode_and_log.logged = True
    return decode_and_log


if not hasattr(Variant.decode, "logged"):  # this script runs again with every change on the page
    Variant.decode = logged(Variant.decode)
runpy.run_path(str(ROOT / "tests" / "support" / "upload_main.py"), run_name="__main__")
