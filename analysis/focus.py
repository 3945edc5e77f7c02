"""How sharply each row listens, whatever its place: none of these numbers knows about order."""

import numpy as np

from analysis.alignment import Alignment


def focus(alignment: Alignment) -> float | None:
    """Mean over tokens of the largest weight of a row.

    Range 0..1, 1 for one frame a token (FastSpeech's focus rate, Ren et al. 2019, arXiv
    1905.09263). None without tokens.

    Trap: 1 as well for reversed or looping maps, and lower for the same seconds in shorter frames:
    never call it diagonality.
    """
    return float(alignment.map.max(axis=1).mean(dtype=np.float64)) if alignment.tokens else None


def entropy(alignment: Alignment) -> float | None:
    """Mean over tokens of the row's entropy, divided by the logarithm of the number of frames.

    Range 0..1: 0 for one frame a token, 1 for uniform rows. Padding (frames at the end without
    speech and without any weight) does not count as frames. None without tokens, or with one frame.

    Trap: depends on the length: the same width in a longer recording has a lower entropy.
    """
    if not alignment.tokens or alignment.valid_frames < 2:
        return None
    return float(np.clip(row_entropy(alignment.map).mean() / np.log(alignment.valid_frames), 0, 1))


def width_seconds(alignment: Alignment) -> float | None:
    """Mean over tokens of the effective width of a row, in seconds.

    The exponential of the entropy (perplexity) in frames, times the length of a frame: a row that
    spreads evenly over k frames has exactly k. At least one frame. None without tokens.

    Trap: a low floor of noise under a sharp peak widens a row a lot.
    """
    if not alignment.tokens:
        return None
    return float(np.exp(row_entropy(alignment.map)).mean() * alignment.frame_seconds)


def row_entropy(weights: np.ndarray) -> np.ndarray:
    """(tokens,) entropy of the rows of a (tokens, frames) map, in nats."""
    logs = np.log(np.maximum(weights, np.finfo(np.float32).tiny))
    return -np.einsum("lt,lt->l", weights, logs).astype(np.float64)
