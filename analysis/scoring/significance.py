"""Is one system better than another, or was it luck?

Two answers for every pair of systems scored on the same utterances: the bootstrap's probability of
improvement (Bisani & Ney 2004, ICASSP) and the matched-pairs sentence-segment word error test
(Gillick & Cox 1989, Some statistical issues in the comparison of speech recognition algorithms,
ICASSP), with segments as in NIST's sc_stats.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from .errors import edit_alignment, normalise
from .intervals import check_counts, draw_totals, rate_interval


@dataclass(frozen=True, eq=False)
class WordErrors:
    """Where a system erred, place by place, over all utterances.

    An utterance of n reference words has 2 n + 1 places: before the first word, the first word,
    before the second, ..., the last word, after it. Systems scored against the same references
    have the same places, so their errors can be compared one by one.
    """

    places: np.ndarray  # (places,) int: errors; insertions stand between words
    words: np.ndarray  # (utterances,) int: reference words
    errors: np.ndarray  # (utterances,) int: errors of each utterance


@dataclass(frozen=True)
class MatchedPairs:
    """Result of a matched-pairs test; positive means that the first system erred more."""

    mean: float | None  # errors of the first minus the second, a segment; None without segments
    statistic: float | None  # mean over its standard error; None where that cannot be estimated
    p: float | None  # two-sided probability of such a difference between equal systems
    segments: int  # stretches in which at least one system erred


def probability_of_improvement(
    errors_a: Sequence[int] | np.ndarray,
    errors_b: Sequence[int] | np.ndarray,
    words: Sequence[int] | np.ndarray,
    *,
    resamples: int = 1000,
    seed: int = 0,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> float:
    """How likely B makes fewer errors than A on another draw of such utterances.

    Both systems are drawn alike. Draws in which both err equally often count one half, so that two
    equal systems get 0.5 and A over B is one minus B over A.

    Parameters
    ----------
    errors_a, errors_b : (utterances,)
        Errors of each utterance of the two systems.
    words : (utterances,)
        Reference words of each utterance (they divide both rates, so they cannot change the order).
    resamples, seed, groups
        As in `analysis.scoring.intervals.bootstrap_interval`.
    """
    a, b, _ = check_counts(errors_a, errors_b, words)
    drawn = draw_totals(np.stack([a - b]), resamples, seed, groups)[:, 0]
    return _share_above_zero(drawn)


def word_errors(
    references: Sequence[str], hypotheses: Sequence[str], normalizer: str = "none"
) -> WordErrors:
    """Errors of a system at every place of every reference.

    Raises
    ------
    ValueError
        If there are not as many hypotheses as references, or no normaliser of this name.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} hypotheses are needed, not {len(hypotheses)}")
    places: list[np.ndarray] = []
    words = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        said, heard = normalise(reference, normalizer), normalise(hypothesis, normalizer)
        words.append(len(said.split()))
        places.append(_places(said, heard, words[-1]))
    return WordErrors(
        places=np.concatenate(places) if places else np.zeros(0, np.int64),
        words=np.asarray(words, np.int64),
        errors=np.array([row.sum() for row in places], np.int64),
    )


def segment_errors(a: WordErrors, b: WordErrors) -> np.ndarray:
    """Errors of both systems in every segment.

    A segment is a stretch of an utterance bounded on both sides by its ends or by two neighbouring
    reference words that both systems got right, with no insertion between them; stretches without
    errors are no segments. The bound is what makes errors of different segments nearly independent:
    a language model rarely reaches over two right words.

    Parameters
    ----------
    a, b : WordErrors
        Of the same references.

    Returns
    -------
    (segments, 2) int
    """
    if not np.array_equal(a.words, b.words):
        raise ValueError("both systems must be scored against the same references")
    size = 2 * a.words + 1
    first = np.cumsum(size) - size  # of each utterance
    position = np.arange(size.sum()) - np.repeat(first, size)
    right = (a.places == 0) & (b.places == 0)
    # a place between two words, itself free of insertions, with right words on both sides
    inner = (position % 2 == 0) & (position > 0) & (position < np.repeat(size - 1, size))
    bound = inner & right & np.roll(right, 1) & np.roll(right, -1)
    bound[first] = True
    segment = np.cumsum(bound) - 1
    counts = np.stack(
        [np.bincount(segment, weights=system.places) for system in (a, b)], axis=1
    ).astype(np.int64)
    return counts[counts.any(axis=1)]


def mapsswe(a: WordErrors, b: WordErrors) -> MatchedPairs:
    """Matched-pairs sentence-segment word error test.

    The differences of errors in each segment are taken as normally distributed around their mean:
    with n segments the statistic is mean / (standard deviation / sqrt(n)), compared with the
    standard normal, as in sc_stats. Do not trust p below about 30 segments.

    Where the difference is the same in every segment its spread cannot be estimated: statistic and
    p are None, unless it is always zero (p = 1).
    """
    return matched_pairs(segment_errors(a, b))


def matched_pairs(segments: np.ndarray) -> MatchedPairs:
    """The test itself, from (segments, 2) errors of both systems."""
    count = len(segments)
    if count == 0:
        return MatchedPairs(None, None, None, 0)
    difference = segments[:, 0].astype(np.float64) - segments[:, 1]
    mean = float(difference.mean())
    if not difference.any():
        return MatchedPairs(0.0, 0.0, 1.0, count)
    if count == 1 or np.ptp(difference) == 0:
        return MatchedPairs(mean, None, None, count)
    statistic = mean / (float(difference.std(ddof=1)) / math.sqrt(count))
    return MatchedPairs(mean, statistic, float(2 * ndtr(-abs(statistic))), count)


def compare_pairs(
    references: Sequence[str],
    hypotheses: Mapping[str, Sequence[str]],
    normalizer: str = "basic",
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> pd.DataFrame:
    """Every pair of systems, one row each.

    Parameters
    ----------
    references : (utterances,)
        What was said.
    hypotheses : name to (utterances,)
        What each system decoded, in the same order.
    normalizer : str
        Through which both texts go first.
    level, resamples, seed, groups
        As in `analysis.scoring.intervals.bootstrap_interval`; all systems are drawn alike.

    Returns
    -------
    pandas.DataFrame
        `a`, `b` (names), `wer_a`, `wer_b`, `difference` (a - b), `low`, `high` (its interval),
        `improvement` (probability that b is better than a), `mean`, `statistic`, `p`, `segments`
        (MAPSSWE), `utterances`, `words`, `normalizer`. Undefined values are missing.
    """
    systems = {
        name: word_errors(references, texts, normalizer) for name, texts in hypotheses.items()
    }
    return compare_word_errors(
        systems, level=level, resamples=resamples, seed=seed, groups=groups
    ).assign(normalizer=normalizer)


_COLUMNS = [
    "a", "b", "wer_a", "wer_b", "difference", "low", "high", "improvement",
    "mean", "statistic", "p", "segments", "utterances", "words",
]  # fmt: skip


def compare_word_errors(
    systems: Mapping[str, WordErrors],
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> pd.DataFrame:
    """`compare_pairs` of systems whose errors were already counted."""
    names = list(systems)
    if len(names) < 2:
        return pd.DataFrame(columns=_COLUMNS)
    words = systems[names[0]].words
    errors = np.stack([systems[name].errors for name in names])  # (systems, utterances)
    drawn = draw_totals(np.vstack([errors, words]), resamples, seed, groups)
    total = float(words.sum())
    rows = []
    for i, j in itertools.combinations(range(len(names)), 2):
        a, b = systems[names[i]], systems[names[j]]
        pairs = mapsswe(a, b)
        lead = drawn[:, i] - drawn[:, j]
        interval = rate_interval((a.errors - b.errors).sum(), total, lead, drawn[:, -1], level)
        rows.append(
            {
                "a": names[i],
                "b": names[j],
                "wer_a": a.errors.sum() / total if total else None,
                "wer_b": b.errors.sum() / total if total else None,
                "difference": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "improvement": _share_above_zero(lead),
                "mean": pairs.mean,
                "statistic": pairs.statistic,
                "p": pairs.p,
                "segments": pairs.segments,
                "utterances": len(words),
                "words": int(total),
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _share_above_zero(drawn: np.ndarray) -> float:
    return float((drawn > 0).mean() + (drawn == 0).mean() / 2)


def _places(said: str, heard: str, words: int) -> np.ndarray:
    """(2 * words + 1,) errors: even places stand between words, odd ones are words."""
    counts = np.zeros(2 * words + 1, np.int64)
    if said == heard:
        return counts
    place = 0  # between words: after the last reference word passed
    for edit in edit_alignment(said, heard):
        if edit.ref_index is None:
            counts[place] += 1
            continue
        counts[2 * edit.ref_index + 1] = edit.op != "equal"
        place = 2 * edit.ref_index + 2
    return counts
