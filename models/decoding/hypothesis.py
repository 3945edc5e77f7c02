"""One transcript of a recording, as decoded."""

from dataclasses import dataclass

import numpy as np

IMPOSSIBLE = -1e10  # score of what cannot be written, finite so that differences are, too


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """What was decoded, how sure the model was, and where it listened while it did so."""

    tokens: tuple[int, ...]  # end of sentence included if it was emitted
    log_probs: np.ndarray  # (tokens,) float32, the model's log-probability of each token
    weights: np.ndarray  # (heads, tokens, frames) float32, the recording's own frames only
    ended: bool  # the model ended it; false: it hit the length limit
    score: float  # what hypotheses were compared by, higher is better
    global_mass: np.ndarray | None = None  # (heads, tokens) attention to a global token, if any
