"""Attention that stops moving while tokens go on."""

from collections.abc import Sequence

import numpy as np

from ..alignment import Alignment
from ..signals.runs import find_runs
from .spans import Span, make_span
from .thresholds import Thresholds


def find_stalls(alignment: Alignment, loops: Sequence[Span], limits: Thresholds) -> list[Span]:
    """Stretches of rows over which attention hardly moves.

    Tokens at this map's pace would have taken much longer. A loop at one place is no stall.
    """
    rows = alignment.rows
    chosen = rows.steady
    size = limits.stall_words if rows.wordlike else limits.stall_tokens
    if len(chosen) < size:
        return []
    seconds = rows.peak[chosen] * rows.frame_seconds
    still = max(limits.still_seconds, 1.6 * rows.frame_seconds)
    windows = np.lib.stride_tricks.sliding_window_view(seconds, size)
    rests = np.ptp(windows, axis=1) <= max(still, limits.stall_advance * (size - 1) * rows.pace)
    stalls: list[Span] = []
    for first, last in find_runs(_covered(rests, size)):
        # slow rows before and after are not part of the rest
        near = np.abs(seconds[first:last] - np.median(seconds[first:last])) <= still
        first, last = first + int(near.argmax()), last - int(near[::-1].argmax())
        if last - first < size:
            continue
        usual = (last - first - 1) * rows.pace
        moved = abs(float(np.median(seconds[last - 3 : last]) - np.median(seconds[first:][:3])))
        if usual < limits.stall_seconds or moved > max(still, limits.stall_advance * usual):
            continue
        rest = make_span(alignment, np.arange(chosen[first], chosen[last - 1] + 1))
        if not any(rest.shared(loop) > 0.5 for loop in loops):
            stalls.append(rest)
    return stalls


def _covered(windows: np.ndarray, size: int) -> np.ndarray:
    """(rows,) bool: rows inside any chosen window of `size` rows."""
    change = np.zeros(len(windows) + size, np.int64)
    change[: len(windows)] += windows
    change[size:] -= windows
    return np.cumsum(change)[:-1] > 0
