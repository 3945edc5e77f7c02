"""Maps made smooth over time, so that single noisy frames are no peaks."""

import numpy as np

SMOOTHING_SECONDS = 0.03  # standard deviation: less than a short phone


def smoothed(
    weights: np.ndarray, frame_counts: np.ndarray, frame_seconds: np.ndarray
) -> np.ndarray:
    """(batch, tokens, frames) weights after a narrow Gaussian over time; order and peaks stay.

    Counts and seconds are (batch,); frames beyond an own count stay zero.
    """
    taps = _taps(frame_counts, frame_seconds)
    reach = taps.shape[1] // 2
    if reach == 0:
        return weights
    out = weights * taps[:, reach, None, None]
    for shift in range(1, reach + 1):
        part = weights * taps[:, reach + shift, None, None]
        out[:, :, shift:] += part[:, :, :-shift]
        out[:, :, :-shift] += part[:, :, shift:]
    if (frame_counts < weights.shape[2]).any():
        out *= (np.arange(weights.shape[2]) < frame_counts[:, None])[:, None]
    return out


def _taps(frame_counts: np.ndarray, frame_seconds: np.ndarray) -> np.ndarray:
    """(batch, 2 * reach + 1) weights of the Gaussian; long frames are left as they are."""
    sigma = SMOOTHING_SECONDS / frame_seconds
    own = np.minimum(np.ceil(2.5 * sigma), np.maximum(frame_counts - 1, 0))
    reach = int(own.max(initial=0))
    offsets = np.arange(-reach, reach + 1)
    taps = np.exp(-0.5 * (offsets / sigma[:, None]) ** 2) * (np.abs(offsets) <= own[:, None])
    taps /= taps.sum(axis=1, keepdims=True)
    if reach:
        taps[taps[:, reach - 1] < 1e-3] = offsets == 0
        if (taps[:, reach] == 1).all():
            taps = np.ones((len(taps), 1))
    return taps.astype(np.float32)
