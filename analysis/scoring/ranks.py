"""Rank correlations with bootstrap intervals, every draw at once.

A draw is not a list of utterances but how often each one was drawn, so nothing is sorted twice:
mid-ranks of a draw follow from running sums of these counts, and Kendall's pairs from the signs of
all pairs weighted by them.
"""

import numpy as np
from scipy.stats import kendalltau, rankdata

from .intervals import Interval, draws

_PAIRS = 2e9  # pairs of utterances times draws that Kendall's interval may take: some seconds
_LEAST = 3  # utterances; two are always perfectly ordered


def spearman(
    a: np.ndarray, b: np.ndarray, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Interval:
    """Spearman's rank correlation (mid-ranks for ties) with its percentile bootstrap interval.

    Range -1..1; undefined with fewer than three pairs or where one side is constant.
    """
    if not _defined(a, b):
        return Interval(None, None, None)
    once = np.ones((1, len(a)))
    estimate = _pearson(rankdata(a)[None], rankdata(b)[None], once)[0]
    correlations = [
        _pearson(_midranks(a, times), _midranks(b, times), times)
        for times in draws(len(a), resamples, seed)
    ]
    return _interval(estimate, np.concatenate(correlations), level)


def kendall(
    a: np.ndarray, b: np.ndarray, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Interval:
    """Kendall's tau-b (corrected for ties) with its percentile bootstrap interval.

    Range -1..1, undefined as `spearman`. The interval takes time and memory with the square of the
    number of pairs, so it is made from fewer draws (at least 100) beyond some 1,400 of them.
    """
    if not _defined(a, b):
        return Interval(None, None, None)
    signs_a, signs_b = _signs(a), _signs(b)
    parts = signs_a * signs_b, np.abs(signs_a), np.abs(signs_b)
    resamples = min(resamples, max(100, int(_PAIRS / len(a) ** 2)))
    correlations = []
    for times in draws(len(a), resamples, seed):
        times = times.astype(np.float32)
        agree, untied_a, untied_b = (((times @ part) * times).sum(axis=1) for part in parts)
        scale = np.sqrt(untied_a.astype(np.float64) * untied_b)
        correlations.append(
            np.divide(agree, scale, out=np.full(len(scale), np.nan), where=scale > 0)
        )
    return _interval(kendalltau(a, b).statistic, np.concatenate(correlations), level)


def _defined(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two rows of equal length are needed, not {a.shape} and {b.shape}")
    return len(a) >= _LEAST and np.ptp(a) > 0 and np.ptp(b) > 0


def _signs(values: np.ndarray) -> np.ndarray:
    """(n, n) sign of the difference of every pair."""
    return np.sign(np.subtract.outer(values, values)).astype(np.float32)


def _midranks(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(draws, n) rank of every value within each draw; ties and copies share their mean rank."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(values[order]) > 0))
    sizes = np.diff(np.append(starts, len(values)))
    group = np.add.reduceat(times[:, order], starts, axis=1)
    middle = np.cumsum(group, axis=1) - (group - 1) / 2
    ranks = np.empty_like(times)
    ranks[:, order] = np.repeat(middle, sizes, axis=1)
    return ranks


def _pearson(a: np.ndarray, b: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(draws,) correlation weighted by how often each pair was drawn; NaN where constant."""
    total = times.sum(axis=1, keepdims=True)
    a = a - (times * a).sum(axis=1, keepdims=True) / total
    b = b - (times * b).sum(axis=1, keepdims=True) / total
    both = (times * a * b).sum(axis=1)
    scale = np.sqrt((times * a * a).sum(axis=1) * (times * b * b).sum(axis=1))
    return np.divide(both, scale, out=np.full(len(both), np.nan), where=scale > 1e-12)


def _interval(estimate: float, draws: np.ndarray, level: float) -> Interval:
    if not 0 < level < 1:
        raise ValueError(f"level: a share between 0 and 1 is needed, not {level}")
    draws = draws[np.isfinite(draws)]
    if len(draws) == 0:
        return Interval(float(estimate), None, None)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(estimate), float(low), float(high))
