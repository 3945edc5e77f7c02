"""How sure an error rate is: bootstrap intervals over utterances.

Bisani & Ney 2004, Bootstrap estimates for confidence intervals in ASR performance evaluation
(ICASSP): utterances are drawn with replacement, and the errors of a draw are pooled over its
reference words, since a rate of rates would overrate short utterances.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_CELLS = 2_000_000  # draws held at a time: 16 MB whatever the size of the test set


@dataclass(frozen=True)
class Interval:
    """An estimate and where the true value is likely to be; None where it is undefined."""

    estimate: float | None  # from the utterances themselves, not from the draws
    low: float | None  # lower end
    high: float | None  # upper end


def bootstrap_interval(
    errors: Sequence[int] | np.ndarray,
    words: Sequence[int] | np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> Interval:
    """Pooled error rate with its percentile bootstrap interval.

    Parameters
    ----------
    errors : (utterances,)
        Errors of each utterance (words or characters).
    words : (utterances,)
        Reference units of each utterance.
    level : float
        Share of draws the interval holds.
    resamples : int
        Number of draws. Bisani & Ney used 10,000; 1,000 leave each end
        a standard error of about 2 % of the width.
    seed : int
        The same seed gives the same draws, so that systems are drawn alike.
    groups : (utterances,), optional
        Speaker (or recording) of each utterance: then whole groups are drawn, since the utterances
        of one speaker are not independent (Liu & Peng 2020, Statistical testing on ASR performance
        via blockwise bootstrap). The interval is then usually wider.

    Returns
    -------
    Interval, undefined where there are no reference words at all.

    Raises
    ------
    ValueError
        If lengths differ, there are no utterances, or level or resamples cannot be meant.
    """
    totals = draw_totals(np.stack(check_counts(errors, words)), resamples, seed, groups)
    return rate_interval(np.sum(errors), np.sum(words), totals[:, 0], totals[:, 1], level)


def rate_interval(
    errors: float, words: float, drawn_errors: np.ndarray, drawn_words: np.ndarray, level: float
) -> Interval:
    """Interval of `errors / words` from the totals of every draw; draws without words are left out.

    The errors may be a difference of two systems' errors, hence negative.
    """
    if not 0 < level < 1:
        raise ValueError(f"level: a share between 0 and 1 is needed, not {level}")
    usable = drawn_words > 0
    if not words or not usable.any():
        return Interval(None, None, None)
    rates = drawn_errors[usable] / drawn_words[usable]
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(errors / words), float(low), float(high))


def draw_totals(
    values: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> np.ndarray:
    """Sums of each row of `values` over utterances (or groups) drawn with replacement.

    Parameters
    ----------
    values : (rows, utterances)
        For example the errors of several systems and the reference words: all rows are drawn alike.

    Returns
    -------
    (resamples, rows) float
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError("at least one utterance is needed")
    if resamples < 1:
        raise ValueError(f"resamples: at least one draw is needed, not {resamples}")
    if groups is not None:
        values = _sum_groups(values, np.asarray(groups))
    return np.concatenate([times @ values.T for times in draws(values.shape[1], resamples, seed)])


def draws(count: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of `count` utterances was drawn, (draws, count) float, a few draws at a time.

    One product then serves every number that is summed over utterances.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS // count)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        chosen = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(chosen.ravel(), minlength=size * count)
        yield times.reshape(size, count).astype(np.float64)


def _sum_groups(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    if groups.shape != values.shape[1:]:
        raise ValueError(f"groups: {values.shape[1]} are needed, not {groups.size}")
    _, which = np.unique(groups, return_inverse=True)
    return np.stack([np.bincount(which, weights=row) for row in values])


def check_counts(*columns: Sequence[int] | np.ndarray) -> list[np.ndarray]:
    """Columns of counts, one entry an utterance; a ValueError where they cannot be counts."""
    arrays = [np.asarray(column, np.float64).reshape(-1) for column in columns]
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        raise ValueError(f"counts of the same utterances are needed, not of {sorted(lengths)}")
    if any((array < 0).any() or np.isnan(array).any() for array in arrays):
        raise ValueError("counts of errors and words cannot be negative or missing")
    return arrays
