"""How much of the attention lies along one way through the recording.

Both numbers measure mass inside a band and compare it with what a uniform map has there, so that
they tell order, unlike peakiness: 0 is no better than uniform, 1 is all mass inside.
"""

import numpy as np

from ..alignment import Alignment
from ..maps import Maps
from ..signals.masked_stats import masked_mean
from .metric import Metric

BAND_SHARE = 0.10  # half-width of the band as a share of the time from first to last speech
LEAST_BAND_SECONDS = 0.20  # half-width in short recordings: about a syllable


@Metric
def diagonality(maps: Maps) -> np.ndarray:
    """Mass within a band around the straight line from the first to the last speech frame.

    Range 0..1, relative to a uniform map: `(inside - uniform) / (1 - uniform)`, worse than uniform
    (a reversed map) is 0. The band is 10 % of the span of speech to either side, at least 0.2 s
    (after the guided attention of Tachibana et al. 2017, arXiv 1710.08969, with a hard edge).
    Where speech is not known, the line goes through all frames but padding at the end without any
    weight. Special tokens are left out. None without rows, or where the band covers everything.

    Trap: the straight line is wrong for speech with long silences; `path_diagonality` is not.
    """
    first, last = _speech_span(maps)
    counts = np.maximum(maps.lexical.sum(axis=1), 1)[:, None]
    number = np.cumsum(maps.lexical, axis=1) - 0.5  # of each lexical row, at its middle
    line = first[:, None] + number / counts * (last - first)[:, None]
    return _inside(maps, line)


@Metric
def path_diagonality(maps: Maps) -> np.ndarray:
    """Mass within the same band around the best monotonic path instead of the straight line.

    Range 0..1 as `diagonality`, to which it is equal for even speech; pauses and changes of pace do
    not lower it. None as there.

    Trap: the path is fitted to the map, so that even a random map has a little.
    """
    return _inside(maps, monotonic_paths(maps) + 0.5)


def monotonic_path(alignment: Alignment) -> np.ndarray:
    """(tokens,) int: `monotonic_paths` of one alignment's mean map."""
    return monotonic_paths(alignment.maps)[0]


def monotonic_paths(maps: Maps) -> np.ndarray:
    """(batch, tokens) int: the frames, never going back, that together hold the most attention.

    Dynamic time warping with one frame per token (steps forward of any length cost nothing, as
    silence is free to be skipped), exact. A running maximum stands for all ways to a cell, so one
    step serves a whole row of every map: no need to go along anti-diagonals. Sums of weights, not
    of their logarithms: a single stray row would otherwise bend the path of all others.
    """
    batch, count, frames = maps.weights.shape
    at_top = np.empty((count, batch, frames), bool)
    best = np.zeros((batch, frames))
    row = 0
    for part in maps.blocks():
        weights = part.smooth * part.lexical[:, :, None]
        for now in range(weights.shape[1]):
            top = np.maximum.accumulate(best, axis=1)
            # a step comes from the latest frame at which the maximum was reached
            np.equal(best, top, out=at_top[row])
            best = np.add(top, weights[:, now], out=top)
            row += 1
    paths = np.empty((batch, count), np.int64)
    starts = np.arange(batch) * frames
    place = starts + best.argmax(axis=1) if frames else starts
    for row in range(count - 1, -1, -1):
        paths[:, row] = place
        reached = np.flatnonzero(at_top[row])
        place = reached[np.searchsorted(reached, place, side="right") - 1]
    return paths - starts[:, None]


def _speech_span(maps: Maps) -> tuple[np.ndarray, np.ndarray]:
    """First frame of speech and the frame after the last; meaningless where there is none.

    Where speech is not known: of all frames but the last that no row gives any weight (padding).
    """
    inside = maps.speech & (maps.speech_known[:, None] | _listened(maps))
    first = inside.argmax(axis=1)
    return first, inside.shape[1] - inside[:, ::-1].argmax(axis=1)


def _listened(maps: Maps) -> np.ndarray:
    """(batch, frames) bool: frames before the last that has any weight, and that one."""
    weighted = np.asarray(maps.weights.any(axis=1))
    return np.logical_or.accumulate(weighted[:, ::-1], axis=1)[:, ::-1]


def _inside(maps: Maps, line: np.ndarray) -> np.ndarray:
    """Mass of the lexical rows within the band around `line` (frames), relative to uniform."""
    first, last = _speech_span(maps)
    valid = maps.valid_frames
    half = np.maximum(BAND_SHARE * (last - first), LEAST_BAND_SECONDS / maps.frame_seconds)
    half = np.maximum(half, 1.0)[:, None]
    low = np.clip(np.floor(line - half + 0.5), 0, valid[:, None]).astype(np.int64)
    high = np.clip(np.floor(line + half + 0.5), 0, valid[:, None]).astype(np.int64)
    inside = masked_mean(maps.mass(low, high), maps.lexical)
    uniform = masked_mean(high - low, maps.lexical) / valid
    known = (uniform < 1) & maps.speech.any(axis=1)  # NaN, without rows, is not below one
    share = (inside - uniform) / np.where(known, 1 - uniform, 1)
    return np.where(known, np.clip(share, 0, 1), np.nan)
