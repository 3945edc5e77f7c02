"""`upload_main` whose second and third decoding take their time: Stop is clicked in the middle."""

import runpy
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from models.recogniser import Variant  # noqa: E402

SECONDS = (0, 4, 4)  # of the first decodings; the others take no more than they need


def slow(decode):
    """The same, later."""
    waits = iter(SECONDS)

    def decode_slowly(*arguments, **options):
        time.sleep(next(waits, 0))
        return decode(*arguments, **options)

    decode_slowly.slow = True
    return decode_slowly


if not hasattr(Variant.decode, "slow"):  # this script runs again with every change on the page
    Variant.decode = slow(Variant.decode)
runpy.run_path(str(ROOT / "tests" / "support" / "upload_main.py"), run_name="__main__")
