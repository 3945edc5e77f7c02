"""Whole corpora: every recording by every variant, stored as it goes, resumed where it stopped.

`evaluate` runs, `load_results`, `load_alignment`, `load_summary` and `load_errors` read a run,
finished or not.
"""

from app.evaluation.evaluate import Plan, RunOutcome, evaluate
from app.evaluation.items import Item, SourceError, read_items
from app.evaluation.maps import load_alignment
from app.evaluation.settings import RunError, Settings
from app.evaluation.store import load_errors, load_results, load_settings, load_summary

__all__ = [
    "Item",
    "Plan",
    "RunError",
    "RunOutcome",
    "Settings",
    "SourceError",
    "evaluate",
    "load_alignment",
    "load_errors",
    "load_results",
    "load_settings",
    "load_summary",
    "read_items",
]
