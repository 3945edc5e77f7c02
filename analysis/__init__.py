"""Alignments of attention-based speech recognisers, measured and diagnosed.

>>> alignment = Alignment.load("map.npz")
>>> diagnose(alignment).verdict
'healthy'

Names are imported when they are first used, so that importing one module loads no other.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .alignment import Alignment
    from .diagnosis import METRICS, Diagnosis, diagnose
    from .failures.failure import Failure
    from .failures.thresholds import Thresholds
    from .scoring.errors import score

__all__ = ["METRICS", "Alignment", "Diagnosis", "Failure", "Thresholds", "diagnose", "score"]

_MODULES = {
    "Alignment": "alignment",
    "METRICS": "diagnosis",
    "Diagnosis": "diagnosis",
    "diagnose": "diagnosis",
    "Failure": "failures.failure",
    "Thresholds": "failures.thresholds",
    "score": "scoring.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value  # the next time it is simply there
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
