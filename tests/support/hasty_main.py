"""`upload_main` that ends the session of a closed page after a second instead of half a minute."""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from app.data import visitors  # noqa: E402

visitors.AFTER_SECONDS, visitors.EVERY_SECONDS = 1.0, 0.2
runpy.run_path(str(ROOT / "tests" / "support" / "upload_main.py"), run_name="__main__")
