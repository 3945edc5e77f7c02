"""When each word was said, read off the attention, and how far two such readings are apart.

The way is that of Whisper's word timestamps (Radford et al. 2022, arXiv 2212.04356; its
`timing.py`): each head's weights are standardised over tokens, smoothed by a median filter over
time and averaged over heads; dynamic time warping then finds the one way from the first token at
the first frame to the last token at the last frame that collects the most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from ..alignment import Alignment
from ..scoring.errors import edit_alignment
from ..signals.labels import is_special, words
from ..signals.token_text import token_texts

FILTER_SECONDS = 0.14  # Whisper's 7 frames of 20 ms; wider than that hides short sounds


@dataclass(frozen=True)
class Timed:
    """A token or word and when it was said."""

    text: str
    start: float  # seconds
    end: float  # seconds
    rows: tuple[int, int]  # first token and the one after the last, as numbers in the token row


@dataclass(frozen=True)
class Timing:
    """Times of one recording, in the order of the text; special tokens have none."""

    tokens: tuple[Timed, ...]  # spaces are tokens
    words: tuple[Timed, ...]


@dataclass(frozen=True, eq=False)
class BoundaryErrors:
    """Found minus true times of the words that both texts have in common."""

    start_ms: np.ndarray  # (matched words,) positive: found too late
    end_ms: np.ndarray  # (matched words,)
    missed: int  # true words that were not found, as they are not in the other text


def attention_timing(
    alignment: Alignment, *, filter_seconds: float = FILTER_SECONDS, trim: bool = True
) -> Timing | None:
    """Token and word times from attention weights.

    A token lasts from the first frame of its part of the path to the first frame of the next
    token's part. Special tokens take part in the path (``<eos>`` ends the last word).

    Parameters
    ----------
    alignment : Alignment
        All its heads are averaged; to use a chosen one, pass ``alignment.head(layer, head)``.
    filter_seconds : float
        Width of the median filter over time, at least one frame.
    trim : bool
        Leave out the silence before and after all speech, where its place is known: the path must
        spend every frame on some token, so that silence would lengthen the first and last word.

    Returns
    -------
    Timing, or None where the weights tell nothing: no tokens, or all rows alike.
    """
    if not alignment.tokens:
        return None
    first, last = _speech_span(alignment) if trim else (0, alignment.frames)
    maps = alignment.weights.reshape(-1, len(alignment.tokens), alignment.frames)
    maps = maps[:, :, first:last]  # (heads, tokens, frames)
    matrix = _evidence(maps, filter_seconds / alignment.frame_seconds)
    if maps.shape[1] > 1 and not matrix.any():
        return None
    starts = first + warp(-matrix)
    edges = [alignment.time(frame) for frame in [*starts, last]]
    return timing(alignment.tokens, edges[:-1], edges[1:])


def timing(
    tokens: Sequence[str],
    starts: Sequence[float] | np.ndarray,
    ends: Sequence[float] | np.ndarray,
) -> Timing:
    """Times of tokens (seconds, those of special tokens are not looked at) and of their words."""
    special = is_special(tokens)
    timed = tuple(
        Timed(text, float(starts[row]), float(ends[row]), (row, row + 1))
        for row, text in enumerate(token_texts(tokens))
        if not special[row]
    )
    spelled = tuple(
        Timed(
            word.text, float(starts[word.start]), float(ends[word.end - 1]), (word.start, word.end)
        )
        for word in words(tokens)
    )
    return Timing(timed, spelled)


def boundary_errors(predicted: Sequence[Timed], true: Sequence[Timed]) -> BoundaryErrors:
    """How far word times are from the true ones, for the words that both texts share.

    Words are matched by the edit alignment of the two texts, so that a recogniser's mistakes do not
    count as mistakes of time.
    """
    edits = edit_alignment(_text(true), _text(predicted))
    pairs = [
        (true[edit.ref_index], predicted[edit.hyp_index])
        for edit in edits
        if edit.ref_index is not None and edit.hyp_index is not None and edit.op == "equal"
    ]
    return BoundaryErrors(
        start_ms=np.array([1000 * (f.start - t.start) for t, f in pairs]),
        end_ms=np.array([1000 * (f.end - t.end) for t, f in pairs]),
        missed=len(true) - len(pairs),
    )


def warp(cost: np.ndarray) -> np.ndarray:
    """Dynamic time warping between rows and columns: the first column of every row.

    The path goes from the first cell to the last by steps to the next column, the next row, or
    both; the sum of the costs it passes is the least possible.

    Parameters
    ----------
    cost : (rows, columns)
        At least one of each; finite.

    Returns
    -------
    (rows,) int

    Notes
    -----
    Exact, one NumPy step a row: with S the running sum of a row's costs, the best way to column j
    that enters the row in column k costs entry[k] + S[j] - S[k - 1], and the best k for every j is
    a running minimum. Of equally good entries the latest is taken.
    """
    rows, columns = cost.shape
    index = np.arange(columns)
    entered = np.empty((rows, columns), np.int64)  # where the best path to a cell entered its row
    diagonal = np.zeros((rows, columns), bool)  # it came there from the column before
    total = np.full(columns, np.inf)
    total[0] = 0.0  # as if a row before had ended in the first column
    for row in range(rows):
        before = np.concatenate([[np.inf], total[:-1]])
        diagonal[row] = before < total
        entry = np.minimum(total, before)
        if row == 0:
            entry, diagonal[0] = total, False
        running = np.cumsum(cost[row], dtype=np.float64)
        offset = entry - running + cost[row]
        least = np.minimum.accumulate(offset)
        np.maximum.accumulate(np.where(offset == least, index, 0), out=entered[row])
        total = least + running
    starts = np.empty(rows, np.int64)
    column = columns - 1
    for row in range(rows - 1, -1, -1):
        starts[row] = column = entered[row, column]
        column -= int(diagonal[row, column])
    return starts


def _evidence(maps: np.ndarray, width: float) -> np.ndarray:
    """(tokens, frames) from (heads, tokens, frames): standardised, smoothed, averaged."""
    maps = maps.astype(np.float64)
    if maps.shape[1] > 1:
        spread = maps.std(axis=1, keepdims=True)
        # rounding of equal weights is no spread
        known = spread > 1e-6 * maps.mean(axis=1, keepdims=True)
        centred = maps - maps.mean(axis=1, keepdims=True)
        maps = np.divide(centred, spread, out=np.zeros_like(maps), where=known)
    odd = 2 * int(width / 2) + 1
    return median_filter(maps, size=(1, 1, odd), mode="mirror").mean(axis=0)


def _speech_span(alignment: Alignment) -> tuple[int, int]:
    """First frame of speech and the frame after the last; everything where there is none.

    Where speech is not known, up to the last frame to which any token gives any weight.
    """
    speech = np.flatnonzero(alignment.speech_mask)
    if alignment.speech is None:
        speech = np.arange(np.flatnonzero(alignment.map.any(axis=0)).max(initial=-1) + 1)
    return (int(speech[0]), int(speech[-1]) + 1) if len(speech) else (0, alignment.frames)


def _text(timed: Sequence[Timed]) -> str:
    return " ".join(word.text for word in timed)
