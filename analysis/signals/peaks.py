"""Peaks of the rows of padded maps: what lies under them, where they are, how far they reach."""

import numpy as np

from .masked_stats import sorted_quantile

EDGE = 0.5  # share of the peak at which a row's extent ends: its width at half height
FLOOR_SAMPLES = 128  # frames of a row that its noise floor is estimated from


def noise_floor(smooth: np.ndarray, valid_frames: np.ndarray) -> np.ndarray:
    """(batch, tokens) median of every row: what lies under a peak is noise.

    A row wider than half the map keeps its shape in what is left.
    """
    step = np.maximum(1, valid_frames // FLOOR_SAMPLES)
    counts = -(-valid_frames // step)
    places = np.arange(int(counts.max(initial=1)))
    inside = places < counts[:, None]
    if (step == step[:1]).all():
        samples = smooth[:, :, : len(places) * int(step[0]) : int(step[0])]
    else:
        columns = np.where(inside, places * step[:, None], 0)
        samples = np.take_along_axis(smooth, columns[:, None, :], axis=2)
    if inside.all():
        samples = np.sort(samples, axis=2)
    else:
        samples = np.sort(np.where(inside[:, None], samples, np.inf), axis=2)
    counts = np.broadcast_to(counts[:, None], samples.shape[:2])
    return sorted_quantile(samples, counts, 0.5).astype(smooth.dtype)


def refined_peaks(smooth: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Peaks in fractions of a frame: the centroid of the peak frame and its two neighbours."""
    frames = smooth.shape[2]
    offsets = np.arange(-1, 2)
    window = top[:, :, None] + offsets
    inside = (window >= 0) & (window < frames)
    values = np.take_along_axis(smooth, np.clip(window, 0, frames - 1), axis=2)
    values = np.where(inside, values, 0).astype(np.float64)
    mass = values.sum(axis=2)
    moment = values[:, :, 2] - values[:, :, 0]
    return top + np.divide(moment, mass, out=np.zeros(top.shape), where=mass > 0)


def peak_extents(
    smooth: np.ndarray, top: np.ndarray, frame_counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The frames around each peak that hold at least `EDGE` of its height, half-open."""
    batch, tokens, frames = smooth.shape
    height = np.take_along_axis(smooth, top[:, :, None], axis=2)
    below = np.flatnonzero(smooth < EDGE * height)
    start = np.arange(batch * tokens).reshape(batch, tokens) * frames  # of every row
    if len(below) == 0:
        return np.zeros_like(top), np.broadcast_to(frame_counts[:, None], top.shape).copy()
    after = np.searchsorted(below, start + top)
    low = np.where(after > 0, below[after - 1] + 1, 0) - start
    ends = np.where(
        after < len(below), below[np.minimum(after, len(below) - 1)], batch * tokens * frames
    )
    return np.maximum(low, 0), np.minimum(ends - start, frame_counts[:, None])
