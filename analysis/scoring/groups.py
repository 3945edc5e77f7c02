"""Error rates of parts of a test set: by length, by speaker, by anything recordings differ in."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .intervals import check_counts, draw_totals, rate_interval

COLUMNS = ["group", "system", "utterances", "words", "errors", "rate", "low", "high"]


def rates_by_group(
    errors: Mapping[str, Sequence[int] | np.ndarray],
    words: Sequence[int] | np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Pooled error rate of every system in every group, with its bootstrap interval.

    Within a group all systems are drawn alike (`analysis.scoring.intervals`), so that what differs
    between them is not the draw.

    Parameters
    ----------
    errors : name to (utterances,)
        Errors of each system in each utterance (words or characters).
    words : (utterances,)
        Reference units of each utterance.
    groups : (utterances,)
        What each utterance belongs to; groups come out in order of appearance, or of its
        categories where it has some.
    level, resamples, seed
        As in `analysis.scoring.intervals.bootstrap_interval`.

    Returns
    -------
    pandas.DataFrame
        `group`, `system`, `utterances`, `words`, `errors`, `rate`, `low`, `high`: a row for every
        group that has utterances and every system. Rates are missing where a group has no words.

    Raises
    ------
    ValueError
        If lengths differ or counts cannot be counts.
    """
    *counted, said = check_counts(*errors.values(), words)
    codes, names = _coded(groups)
    if len(codes) != len(said):
        raise ValueError(f"groups: {len(said)} are needed, not {len(codes)}")
    values = np.stack([*counted, said])  # (systems + 1, utterances)
    rows = []
    for code, name in enumerate(names):
        inside = values[:, codes == code]
        if not inside.shape[1]:
            continue
        totals, drawn = inside.sum(axis=1), draw_totals(inside, resamples, seed)
        for number, system in enumerate(errors):
            interval = rate_interval(
                totals[number], totals[-1], drawn[:, number], drawn[:, -1], level
            )
            counts = (inside.shape[1], int(totals[-1]), int(totals[number]))
            rows.append((name, system, *counts, interval.estimate, interval.low, interval.high))
    return pd.DataFrame(rows, columns=COLUMNS)


def length_groups(seconds: Sequence[float] | np.ndarray) -> pd.Categorical:
    """Groups of recordings by length, each up to twice as long as the one before: "2 to 4 s".

    Attention fails with length by factors rather than by seconds, hence no equal steps.
    """
    seconds = np.asarray(seconds, np.float64)
    if not len(seconds):
        return pd.Categorical([], ordered=True)
    power = np.ceil(np.log2(np.maximum(seconds, 1.0))).astype(int)  # 0: up to a second
    names = ["up to 1 s", *(f"{2 ** (p - 1)} to {2**p} s" for p in range(1, power.max() + 1))]
    there = np.unique(power)
    order = [names[p] for p in there.tolist()]
    return pd.Categorical([names[p] for p in power.tolist()], categories=order, ordered=True)


def _coded(groups: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, list[Any]]:
    if isinstance(getattr(groups, "dtype", None), pd.CategoricalDtype):
        categorical = pd.Categorical(groups)
        return categorical.codes, list(categorical.categories)
    codes, names = pd.factorize(np.asarray(groups, dtype=object))
    return codes, list(names)
