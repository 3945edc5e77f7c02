"""How much of the attention lies along one way through the recording.

Both numbers measure mass inside a band and compare it with what a uniform map has there, so that
they tell order, unlike peakiness: 0 is no better than uniform, 1 is all mass inside.
"""

import numpy as np

from analysis.alignment import Alignment
from analysis.rows import smoothed

BAND_SHARE = 0.10  # half-width of the band as a share of the time from first to last speech
LEAST_BAND_SECONDS = 0.20  # half-width in short recordings: about a syllable


def diagonality(alignment: Alignment) -> float | None:
    """Mass within a band around the straight line from the first to the last speech frame.

    Range 0..1, relative to a uniform map: `(inside - uniform) / (1 - uniform)`, worse than uniform
    (a reversed map) is 0. The band is 10 % of the span of speech to either side, at least 0.2 s
    (after the guided attention of Tachibana et al. 2017, arXiv 1710.08969, with a hard edge).
    Special tokens are left out. None without rows, or where the band covers everything.

    Trap: the straight line is wrong for speech with long silences; `path_diagonality` is not.
    """
    rows = np.flatnonzero(alignment.rows.lexical)
    speech = np.flatnonzero(alignment.speech_mask)
    if len(rows) == 0 or len(speech) == 0:
        return None
    first, last = speech[0], speech[-1] + 1
    line = first + (np.arange(len(rows)) + 0.5) / len(rows) * (last - first)
    return _inside(alignment, rows, line)


def path_diagonality(alignment: Alignment) -> float | None:
    """Mass within the same band around the best monotonic path instead of the straight line.

    Range 0..1 as `diagonality`, to which it is equal for even speech; pauses and changes of pace do
    not lower it. None as there.

    Trap: the path is fitted to the map, so that even a random map has a little.
    """
    rows = np.flatnonzero(alignment.rows.lexical)
    if len(rows) == 0 or not alignment.speech_mask.any():
        return None
    return _inside(alignment, rows, monotonic_path(alignment)[rows] + 0.5)


def monotonic_path(alignment: Alignment) -> np.ndarray:
    """(tokens,) int: the frames, never going back, that together hold the most attention.

    Dynamic time warping with one frame per token (steps forward of any length cost nothing, as
    silence is free to be skipped), exact, one NumPy step a row. Sums of weights, not of their
    logarithms: a single stray row would otherwise bend the path of all others.
    """
    weights = smoothed(alignment.map, alignment.frame_seconds)
    weights = np.where(alignment.rows.lexical[:, None], weights, 0)
    count, frames = weights.shape
    if count == 0:
        return np.zeros(0, np.int64)
    index = np.arange(frames, dtype=np.int32)
    came_from = np.empty((count, frames), np.int32)
    best = np.zeros(frames)
    for row in range(count):
        top = np.maximum.accumulate(best)
        # frame of the best value so far: equal only where the maximum is reached
        came_from[row] = np.maximum.accumulate(np.where(best == top, index, 0))
        best = top + weights[row]
    path = np.empty(count, np.int64)
    frame = int(best.argmax())
    for row in range(count - 1, -1, -1):
        path[row] = frame
        frame = came_from[row, frame]
    return path


def _inside(alignment: Alignment, rows: np.ndarray, line: np.ndarray) -> float | None:
    """Mass of the rows within the band around `line` (frames, edges), relative to uniform."""
    speech = np.flatnonzero(alignment.speech_mask)
    frames, second = alignment.valid_frames, 1 / alignment.frame_seconds
    half = max(BAND_SHARE * (speech[-1] + 1 - speech[0]), LEAST_BAND_SECONDS * second, 1.0)
    low = np.clip(np.floor(line - half + 0.5), 0, frames).astype(int)
    high = np.clip(np.floor(line + half + 0.5), 0, frames).astype(int)
    total = np.cumsum(alignment.map[rows], axis=1, dtype=np.float64)
    total = np.concatenate([np.zeros((len(rows), 1)), total], axis=1)
    order = np.arange(len(rows))
    inside = float((total[order, high] - total[order, low]).mean())
    uniform = float((high - low).mean() / frames)
    if uniform >= 1:
        return None
    return float(np.clip((inside - uniform) / (1 - uniform), 0, 1))
