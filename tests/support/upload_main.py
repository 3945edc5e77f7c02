"""The dashboard without samples: whoever comes brings a recording at once."""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from app.data import samples  # noqa: E402

samples.FOLDER = ROOT / "no samples"
runpy.run_path(str(ROOT / "app" / "main.py"), run_name="__main__")
