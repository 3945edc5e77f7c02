"""How sharply each row listens, whatever its place: none of these numbers knows about order."""

import numpy as np

from ..maps import Maps
from ..signals.masked_stats import masked_mean
from .metric import Metric


@Metric
def focus(maps: Maps) -> np.ndarray:
    """Mean over tokens of the largest weight of a row.

    Range 0..1, 1 for one frame a token (FastSpeech's focus rate, Ren et al. 2019, arXiv
    1905.09263). None without tokens.

    Trap: 1 as well for reversed or looping maps, and lower for the same seconds in shorter frames:
    never call it diagonality.
    """
    return masked_mean(maps.weights.max(axis=2, initial=0), maps.real)


@Metric
def entropy(maps: Maps) -> np.ndarray:
    """Mean over tokens of the row's entropy, divided by the logarithm of the number of frames.

    Range 0..1: 0 for one frame a token, 1 for uniform rows. Padding (frames at the end without
    speech and without any weight) does not count as frames. None without tokens, or with one frame.

    Trap: depends on the length: the same width in a longer recording has a lower entropy.
    """
    frames = maps.valid_frames
    mean = masked_mean(maps.entropies, maps.real)
    uniform = np.log(np.maximum(frames, 2))
    return np.where(frames > 1, np.clip(mean / uniform, 0, 1), np.nan)


@Metric
def width_seconds(maps: Maps) -> np.ndarray:
    """Mean over tokens of the effective width of a row, in seconds.

    The exponential of the entropy (perplexity) in frames, times the length of a frame: a row that
    spreads evenly over k frames has exactly k. At least one frame. None without tokens.

    Trap: a low floor of noise under a sharp peak widens a row a lot.
    """
    return masked_mean(np.exp(maps.entropies), maps.real) * maps.frame_seconds
