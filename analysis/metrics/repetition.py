"""Text that repeats at once: n-grams of tokens or of words that follow themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..maps import Maps
from ..signals.labels import is_special, words
from ..signals.runs import runs_of_rows
from .metric import Metric

PERIODS_AT_ONCE = 256  # of a very long text, to bound the memory


@dataclass(frozen=True)
class Repetition:
    """One n-gram and its immediate copies, in rows of the map."""

    copies: tuple[tuple[int, int], ...]  # rows of every copy, half-open; the last may be cut short
    words: bool  # found among words, not characters

    @property
    def start(self) -> int:
        return self.copies[0][0]

    @property
    def end(self) -> int:
        return self.copies[-1][1]


@Metric
def repeated_tokens(maps: Maps) -> np.ndarray:
    """Tokens that belong to immediate copies of an n-gram, the first copy not counted.

    Range 0..tokens. "no no no" has 2 as words. Doubled letters and "banana" do not count: inside
    words, single characters count from four in a row, and short groups from three.

    Trap: says nothing about whether the repetition was spoken; `reread_seconds` does.
    """
    known: dict[tuple[str, ...], float] = {}  # heads of one alignment share their text
    for item, tokens in enumerate(maps.labels):
        if tokens not in known:
            known[tokens] = _repeated(tokens, maps.special[item, : len(tokens)])
    return np.array([known[tokens] for tokens in maps.labels])


def _repeated(tokens: Sequence[str], special: np.ndarray) -> float:
    counted = np.zeros(len(tokens), bool)
    for repetition in repetitions(tokens):
        counted[repetition.copies[1][0] : repetition.end] = True
    return float((counted & ~special).sum())


@Metric
def tokens_per_second(maps: Maps) -> np.ndarray:
    """Tokens, without special ones, per second of speech. None without speech, or if not known.

    Usual: about 15 characters or 2.5 words a second; far more means that tokens were made up.

    Trap: special tokens and pauses do not count, spaces do.
    """
    speech = maps.speech.sum(axis=1) * maps.frame_seconds
    tokens = maps.lexical.sum(axis=1)
    known = maps.speech_known & (speech > 0)
    return np.divide(tokens, speech, out=np.full(len(speech), np.nan), where=known)


def repetitions(tokens: Sequence[str], spelling: bool = True) -> tuple[Repetition, ...]:
    """Every immediate repetition, of whole words and of characters, in order.

    Where tokens are words, one copy is enough. Among characters, a repeat must be longer than what
    spelling does by itself ("ll", "banana", "the they"): four times a single character, three times
    a few, twice eight or more. Of overlapping ones words are kept, or else the longest.
    Without `spelling`, four characters repeated once are enough, and words have no priority: what
    else speaks for a repeat must then be looked at.
    """
    spelled = words(tokens)
    # characters without spaces between words are all "words", but spelling repeats them
    kept = np.flatnonzero(~is_special(tokens)).tolist()
    candidates: list[Repetition] = []
    characters = len(spelled) > 0 and all(len(word.text) == 1 for word in spelled)
    if not characters:
        spans = [(word.start, word.end) for word in spelled]
        runs = periodic_runs([word.text for word in spelled])
        candidates += [_repetition(spans, True, *run) for run in runs]
    if characters or len(spelled) < len(kept):
        spans = [(row, row + 1) for row in kept]
        runs = periodic_runs([tokens[row] for row in kept])
        long_enough = [run for run in runs if _beyond_spelling(run[1], run[2], spelling)]
        candidates += [_repetition(spans, False, *run) for run in long_enough]
    return _without_overlaps(candidates, words_first=spelling)


def _repetition(
    spans: list[tuple[int, int]], words: bool, first: int, period: int, length: int
) -> Repetition:
    starts = range(first, first + length, period)
    ends = [min(start + period, first + length) for start in starts]
    copies = tuple((spans[a][0], spans[b - 1][1]) for a, b in zip(starts, ends, strict=True))
    return Repetition(copies, words)


def _beyond_spelling(period: int, length: int, spelling: bool) -> bool:
    copies = 4 if period == 1 else 3 if period < (8 if spelling else 4) else 2
    return length >= copies * period


def _without_overlaps(candidates: list[Repetition], words_first: bool) -> tuple[Repetition, ...]:
    """Of repetitions that overlap, that of words, or that with most rows; in their order."""

    def rank(repetition: Repetition) -> tuple[bool, int, int]:
        spelled = words_first and not repetition.words
        return spelled, repetition.start - repetition.end, len(repetition.copies)

    kept: list[Repetition] = []
    for candidate in sorted(candidates, key=rank):
        if all(candidate.end <= other.start or other.end <= candidate.start for other in kept):
            kept.append(candidate)
    return tuple(sorted(kept, key=lambda repetition: repetition.start))


class Run(NamedTuple):
    """A stretch of items that repeats with a period."""

    first: int
    period: int
    length: int


def periodic_runs(items: Sequence[str]) -> list[Run]:
    """Maximal runs that repeat with a period and have at least two full copies.

    Of runs that lie within one of a shorter period, only that one is kept.
    """
    known: dict[str, int] = {}
    ids = np.array([known.setdefault(item, len(known)) for item in items], np.int32)
    most = len(ids) // 2
    kept_runs: list[Run] = []
    for low in range(1, most + 1, PERIODS_AT_ONCE):
        periods = np.arange(low, min(low + PERIODS_AT_ONCE, most + 1))
        ahead = np.concatenate([ids[low:], np.full(int(periods[-1]), -1, np.int32)])
        shifted = np.lib.stride_tricks.sliding_window_view(ahead, len(ids))[: len(periods)]
        row, start, end = runs_of_rows(shifted == ids)
        for i in np.flatnonzero(end - start >= periods[row]).tolist():
            run = Run(int(start[i]), int(periods[row[i]]), int(end[i] - start[i] + periods[row[i]]))
            last = run.first + run.length
            if not any(r.first <= run.first and last <= r.first + r.length for r in kept_runs):
                kept_runs.append(run)
    return kept_runs
