"""Does attention move forward through time, as speech does?

All three numbers follow the places of the rows (`analysis.maps`), in the order of the tokens.
Special tokens (``<eos>`` often listens to the whole ending) and spaces (which may listen anywhere
in a pause) are left out, and so are rows without a place.
"""

import numpy as np

from ..maps import Maps
from ..signals.masked_stats import compact, midranks, quantile
from .metric import Metric

TOLERANCE_SECONDS = 0.06  # a step this far back is jitter of the peak, not a return
TOLERANCE_STEPS = 0.5  # but never more than this share of a usual step


@Metric
def monotonicity(maps: Maps) -> np.ndarray:
    """Signed rank correlation of where a row listens with its number.

    Range -1..1: 1 is forward, -1 time-reversed (as found in trained Conformers, arXiv 2410.00680),
    about 0 without order. Spearman's coefficient with mid-ranks for ties. None with fewer than two
    rows that have a place (uniform maps), or where all listen to the same place.

    Trap: a rank correlation hardly feels a single jump; `backward_seconds` does. Centres of mass
    would be drawn to the middle by noise, so peaks are used.
    """
    places, counts = compact(maps.places.peak, maps.places.ordered)
    chosen = np.isfinite(places)
    middle = (counts[:, None] - 1) / 2
    ranks = np.where(chosen, midranks(places, counts) - middle, 0)
    order = np.where(chosen, np.arange(places.shape[1]) - middle, 0)
    scale = np.sqrt((ranks**2).sum(axis=1) * (order**2).sum(axis=1))
    same = np.divide(
        (ranks * order).sum(axis=1), scale, out=np.full(len(scale), np.nan), where=scale > 0
    )
    return np.clip(same, -1, 1)


@Metric
def forward_share(maps: Maps) -> np.ndarray:
    """Share of steps from one row to the next that do not go back beyond a tolerance.

    Range 0..1, 1 for every forward or resting attention, 0 for a reversed one. The tolerance is
    60 ms, or half a usual step where steps are smaller. None with fewer than two placed rows.

    Trap: a map that loops goes back only once a loop, so that a long loop keeps a high share.
    """
    steps, tolerance = _steps(maps)
    counts = np.isfinite(steps).sum(axis=1)
    forward = (steps >= -tolerance[:, None]).sum(axis=1)
    return np.divide(forward, counts, out=np.full(len(counts), np.nan), where=counts > 0)


@Metric
def backward_seconds(maps: Maps) -> np.ndarray:
    """Total backward travel of attention, in seconds; steps within the tolerance do not count.

    Range 0..; 0 is forward. None with fewer than two placed rows.

    Trap: grows with length, so compare recordings of one length, or divide by `seconds`.
    """
    steps, tolerance = _steps(maps)
    back = np.where(steps < -tolerance[:, None], -steps, 0).sum(axis=1)
    return np.where(np.isfinite(steps).any(axis=1), back, np.nan)


def _steps(maps: Maps) -> tuple[np.ndarray, np.ndarray]:
    """Steps between successive placed rows in seconds, and how far back is still no return."""
    places, _ = compact(maps.places.peak, maps.places.ordered)
    steps = np.diff(places, axis=1) * maps.frame_seconds[:, None]
    moved = np.abs(steps)
    usual = np.nan_to_num(quantile(moved, moved > 0, 0.5))
    return steps, np.minimum(TOLERANCE_SECONDS, TOLERANCE_STEPS * usual)
