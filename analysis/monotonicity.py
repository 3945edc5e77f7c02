"""Does attention move forward through time, as speech does?

All three numbers follow the places of the rows (`analysis.rows`), in the order of the tokens.
Special tokens (``<eos>`` often listens to the whole ending) and spaces (which may listen anywhere
in a pause) are left out, and so are rows without a place.
"""

import numpy as np

from analysis.alignment import Alignment

TOLERANCE_SECONDS = 0.06  # a step this far back is jitter of the peak, not a return
TOLERANCE_STEPS = 0.5  # but never more than this share of a usual step


def monotonicity(alignment: Alignment) -> float | None:
    """Signed rank correlation of where a row listens with its number.

    Range -1..1: 1 is forward, -1 time-reversed (as found in trained Conformers, arXiv 2410.00680),
    about 0 without order. Spearman's coefficient with mid-ranks for ties. None with fewer than two
    rows that have a place (uniform maps), or where all listen to the same place.

    Trap: a rank correlation hardly feels a single jump; `backward_seconds` does. Centres of mass
    would be drawn to the middle by noise, so peaks are used.
    """
    rows = alignment.rows
    places = rows.peak[rows.ordered]
    if len(places) < 2:
        return None
    ranks = _midranks(places)
    order = np.arange(len(places)) - (len(places) - 1) / 2
    ranks -= ranks.mean()
    scale = np.sqrt((ranks**2).sum() * (order**2).sum())
    return float(np.clip((ranks * order).sum() / scale, -1, 1)) if scale > 0 else None


def forward_share(alignment: Alignment) -> float | None:
    """Share of steps from one row to the next that do not go back beyond a tolerance.

    Range 0..1, 1 for every forward or resting attention, 0 for a reversed one. The tolerance is
    60 ms, or half a usual step where steps are smaller. None with fewer than two placed rows.

    Trap: a map that loops goes back only once a loop, so that a long loop keeps a high share.
    """
    steps, tolerance = _steps(alignment)
    return float((steps >= -tolerance).mean()) if len(steps) else None


def backward_seconds(alignment: Alignment) -> float | None:
    """Total backward travel of attention, in seconds; steps within the tolerance do not count.

    Range 0..; 0 is forward. None with fewer than two placed rows.

    Trap: grows with length, so compare recordings of one length, or divide by `seconds`.
    """
    steps, tolerance = _steps(alignment)
    return float(np.abs(steps[steps < -tolerance]).sum()) if len(steps) else None


def _steps(alignment: Alignment) -> tuple[np.ndarray, float]:
    """Steps between successive placed rows in seconds, and how far back is still no return."""
    rows = alignment.rows
    steps = np.diff(rows.peak[rows.ordered]) * rows.frame_seconds
    moved = np.abs(steps[steps != 0])
    usual = float(np.median(moved)) if len(moved) else 0.0
    return steps, min(TOLERANCE_SECONDS, TOLERANCE_STEPS * usual)


def _midranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts + 1) / 2)[inverse]
