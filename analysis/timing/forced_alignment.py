"""Where each token must have been said, by an aligner that knows nothing of attention.

Exact Viterbi search over the states of connectionist temporal classification (Graves et al. 2006):
blank, token 1, blank, token 2, ..., blank; a step stays, advances by one state, or skips a blank
between two different tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..alignment import Alignment
from ..signals.labels import is_space, is_special
from .word_times import Timing, timing

LAG_SECONDS = 0.05  # CTC writes a sound this long after it began (benchmarks/forced_alignment.py)


@dataclass(frozen=True, eq=False)
class TokenTimes:
    """Frames in which each token was said."""

    start: np.ndarray  # (tokens,) int: first frame
    end: np.ndarray  # (tokens,) int: frame after the last
    peak: np.ndarray  # (tokens,) int: most probable frame of the token within its span
    score: float  # log-probability of the best path


def viterbi(log_probs: np.ndarray, token_ids: Sequence[int], blank: int = 0) -> TokenTimes | None:
    """The most probable CTC alignment of given tokens.

    Parameters
    ----------
    log_probs : (frames, vocabulary)
        Log-probabilities of every token and the blank.
    token_ids : (tokens,)
        Numbers of the tokens, without blanks and without end of sentence.
    blank : int
        Number of the blank.

    Returns
    -------
    TokenTimes, or None where no path exists: fewer frames than tokens (a doubled token needs one
    frame more, for the blank between), or only paths of probability zero.

    Raises
    ------
    ValueError
        If the shapes or numbers cannot be meant.

    Notes
    -----
    One NumPy step a frame over all `2 * tokens + 1` states. Between paths that are equally
    probable, the one that stays longest in its state is taken.
    """
    log_probs = np.asarray(log_probs, np.float64)
    ids = np.asarray(token_ids, np.int64).reshape(-1)
    if log_probs.ndim != 2:
        raise ValueError(f"log_probs: (frames, vocabulary) is needed, not {log_probs.shape}")
    if np.isnan(log_probs).any():
        raise ValueError("log_probs: there are values that are not numbers")
    frames, vocabulary = log_probs.shape
    if len(ids) and (ids.min() < 0 or ids.max() >= vocabulary or (ids == blank).any()):
        raise ValueError(f"token_ids: numbers from 0 to {vocabulary - 1} without blank are needed")
    if frames < len(ids) + int((ids[1:] == ids[:-1]).sum()) or frames == 0:
        return None
    labels = np.full(2 * len(ids) + 1, blank)
    labels[1::2] = ids
    states, score = _best_path(log_probs, labels)
    if not np.isfinite(score):
        return None
    return _times(states, log_probs, ids, score)


def _best_path(log_probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """(frames,) states of the best path and its score; `labels` (states,) are what states emit."""
    frames, count = len(log_probs), len(labels)
    # what a skip costs: nothing between two different tokens, else it is impossible
    barrier = np.full(count, -np.inf)
    barrier[3::2][labels[3::2] != labels[1:-2:2]] = 0.0
    advanced = np.zeros((frames, count), bool)
    skipped = np.zeros((frames, count), bool)
    # two impossible states in front spare every step its special cases
    best = np.full(count + 2, -np.inf)
    best[2:4] = log_probs[0, labels[:2]]
    stay, advance, skip = best[2:], best[1:-1], best[:-2]
    top, jump, emission = np.empty(count), np.empty(count), np.empty(count)
    for frame in range(1, frames):
        np.greater(advance, stay, out=advanced[frame])
        np.maximum(stay, advance, out=top)
        np.add(skip, barrier, out=jump)
        np.greater(jump, top, out=skipped[frame])
        np.maximum(top, jump, out=top)
        np.add(top, np.take(log_probs[frame], labels, out=emission, mode="clip"), out=stay)
    state = count - 1
    if count > 1 and best[-2] > best[-1]:
        state = count - 2
    score = float(best[2 + state])
    states = np.empty(frames, np.int64)
    states[-1] = state
    for frame in range(frames - 1, 0, -1):
        state -= 2 if skipped[frame, state] else int(advanced[frame, state])
        states[frame - 1] = state
    return states, score


def forced_timing(
    log_probs: np.ndarray,
    token_ids: Sequence[int],
    tokens: Sequence[str],
    frame_seconds: float,
    *,
    start_seconds: float = 0.0,
    blank: int = 0,
    lag_seconds: float = LAG_SECONDS,
) -> Timing | None:
    """Token and word times of a text, decoded or reference, by forced alignment.

    A token ends with its last frame, and begins `lag_seconds` before its first one, but not before
    the spoken token in front of it has ended: a recogniser trained with CTC hears the beginning of
    a sound before it writes it. A space gives way to the word after it.

    Parameters
    ----------
    log_probs : (frames, vocabulary)
        CTC log-probabilities.
    token_ids, tokens : (tokens,)
        Numbers of the tokens, and how they are written; special tokens are left out.
    frame_seconds, start_seconds : float
        Seconds per frame, and time of the first frame.

    Returns
    -------
    Timing, or None where the tokens do not fit into the frames.
    """
    if len(token_ids) != len(tokens):
        raise ValueError(f"token_ids: {len(tokens)} numbers are needed, not {len(token_ids)}")
    lexical = ~is_special(tokens)
    ids = np.asarray(token_ids, np.int64).reshape(-1)
    times = viterbi(log_probs, ids[lexical], blank)
    if times is None:
        return None
    first, last = np.full(len(tokens), np.nan), np.full(len(tokens), np.nan)
    space = is_space(tokens)[lexical]
    end = start_seconds + times.end * frame_seconds
    spoken_end = np.maximum.accumulate(np.where(space, start_seconds, end))
    earliest = np.concatenate([[start_seconds], spoken_end[:-1]])[: len(end)]
    begin = np.maximum(start_seconds + times.start * frame_seconds - lag_seconds, earliest)
    following = np.concatenate([begin[1:], end[-1:]])
    end = np.where(space, np.clip(following, begin, end), end)
    first[lexical], last[lexical] = begin, end
    return timing(tokens, first, last)


def _times(states: np.ndarray, log_probs: np.ndarray, ids: np.ndarray, score: float) -> TokenTimes:
    wanted = 2 * np.arange(len(ids)) + 1
    start = np.searchsorted(states, wanted, side="left")
    end = np.searchsorted(states, wanted, side="right")
    peak = np.array(
        [a + int(log_probs[a:b, i].argmax()) for a, b, i in zip(start, end, ids, strict=True)],
        dtype=np.int64,
    )
    return TokenTimes(start=start, end=end, peak=peak, score=score)


def alignment_error_ms(
    alignment: Alignment,
    *,
    ctc_log_probs: np.ndarray | None = None,
    token_ids: Sequence[int] | None = None,
    token_seconds: Sequence[float] | np.ndarray | None = None,
) -> float | None:
    """Median distance between where rows listen and where their tokens were said, in milliseconds.

    Range 0... The times are either given (`token_seconds`), or found by forced alignment of the
    same tokens with CTC log-probabilities on the alignment's own frames. Special tokens and spaces
    are left out. None without either, without a spoken row that has a place, or where the tokens do
    not fit into the frames.

    Trap: CTC has its own peaks, often late within a token; 40 ms is one attention frame.
    """
    rows = alignment.rows
    if token_seconds is not None:
        said = np.asarray(token_seconds, np.float64)
        if said.shape != rows.peak.shape:
            raise ValueError(f"token_seconds: {rows.peak.shape[0]} times are needed")
    elif ctc_log_probs is not None and token_ids is not None:
        said = forced_seconds(alignment, ctc_log_probs, token_ids)
    else:
        return None
    heard = alignment.start_seconds + (rows.peak + 0.5) * rows.frame_seconds
    chosen = rows.spoken & rows.located & np.isfinite(said)
    return float(np.median(np.abs(heard - said)[chosen]) * 1000) if chosen.any() else None


def forced_seconds(
    alignment: Alignment, log_probs: np.ndarray, token_ids: Sequence[int]
) -> np.ndarray:
    """(tokens,) seconds of the CTC peaks, NaN for special tokens and where no path exists."""
    lexical = alignment.rows.lexical
    ids = np.asarray(token_ids, np.int64).reshape(-1)
    if len(ids) != len(lexical):
        raise ValueError(f"token_ids: {len(lexical)} numbers are needed, not {len(ids)}")
    if len(log_probs) != alignment.frames:
        raise ValueError(f"log_probs: {alignment.frames} frames are needed, not {len(log_probs)}")
    said = np.full(len(ids), np.nan)
    times = viterbi(log_probs, ids[lexical]) if lexical.any() else None
    if times is not None:
        said[lexical] = alignment.start_seconds + (times.peak + 0.5) * alignment.frame_seconds
    return said
