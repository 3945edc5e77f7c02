"""Does attention quality predict errors, without knowing what was said?

From a table of decoded utterances (one row per utterance and mechanism, as `evaluate` writes it):
how well each metric ranks utterances as their error rate does, and how many of the worst utterances
a rule without a trained classifier finds among those it flags.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ..failures.thresholds import SEVERITY
from .intervals import Interval, draws
from .ranks import kendall, spearman

# what a worse map has: more of it (1), less of it (-1), or neither for certain (0)
WORSE = MappingProxyType(
    {
        "monotonicity": -1,
        "forward_share": -1,
        "backward_seconds": 1,
        "diagonality": -1,
        "path_diagonality": -1,
        "focus": -1,
        "entropy": 1,
        "width_seconds": 1,
        "coverage": -1,
        "skipped_seconds": 1,
        "reread_seconds": 1,
        "alignment_error_ms": 1,
        "repeated_tokens": 1,
        "tokens_per_second": 0,
    }
)
# chosen before looking at any error, one for each way to go wrong: off the way, vague, deaf to
# speech, going back
RULE_METRICS = ("path_diagonality", "entropy", "skipped_seconds", "backward_seconds")
RULES = MappingProxyType(
    {
        "verdict": ("verdict",),
        "mean rank": RULE_METRICS,
        "verdict, then mean rank": ("verdict", *RULE_METRICS),
        "alignment error": ("alignment_error_ms",),
        "repeated text": ("repeated_tokens",),  # looks at no attention: what must be beaten
        "all of these": ("verdict", *RULE_METRICS, "alignment_error_ms", "repeated_tokens"),
    }
)
RULE = "verdict, then mean rank"  # the one that pages use


@dataclass(frozen=True)
class Options:
    """How intervals are made, and how many utterances are flagged."""

    level: float = 0.95  # share of draws an interval holds
    resamples: int = 1000  # bootstrap draws
    seed: int = 0  # of the draws
    share: float = 0.10  # of the utterances: called worst, and flagged


class PredictionError(ValueError):
    """The table cannot answer the question; the message is one sentence."""


def correlations(table: pd.DataFrame, options: Options | None = None) -> pd.DataFrame:
    """Rank correlation of every metric with the error rate of the utterance, per mechanism.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per utterance and mechanism with `variant`, `wer` and the columns of `WORSE` (those
        that are there). Rows without an error rate are left out, and from each correlation the
        rows whose metric is undefined.

    Returns
    -------
    pandas.DataFrame
        `variant`, `metric`, `utterances`, `spearman`, `spearman_low`, `spearman_high`, `kendall`
        (tau-b), `kendall_low`, `kendall_high`, `expected` (the sign that good sense predicts, or
        0). Undefined (NaN) with fewer than three utterances, or where either side is constant.

    Raises
    ------
    PredictionError
        If there are no scored rows or no metrics.
    """
    options = options or Options()
    metrics = [name for name in WORSE if name in table.columns]
    if not metrics:
        raise PredictionError("the table has no column with a metric of attention")
    rows = []
    for variant, part in _by_variant(table):
        for metric in metrics:
            known = part[part[metric].notna()]
            values = known[metric].to_numpy(np.float64), known["wer"].to_numpy(np.float64)
            rows.append(
                {
                    "variant": variant,
                    "metric": metric,
                    "utterances": len(known),
                    **_columns("spearman", spearman(*values, **_drawn(options))),
                    **_columns("kendall", kendall(*values, **_drawn(options))),
                    "expected": WORSE[metric],
                }
            )
    return pd.DataFrame(rows)


def suspicion(table: pd.DataFrame, rule: str = RULE) -> pd.Series:
    """How suspicious each row's attention is among its mechanism's: 0 the least, 1 the most.

    The mean of the ranks of the rule's metrics, each turned so that worse is higher; an undefined
    metric counts as the worst, since attention that cannot be measured is suspicious. Where the
    rule begins with the verdict, its severity decides first and the mean rank only between equals.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows with `variant` and the columns of the rule; nothing about errors is looked at.
    rule : str
        A name of `RULES`.
    """
    if rule not in RULES:
        raise PredictionError(f"there is no rule {rule!r}; known: {', '.join(RULES)}")
    missing = [name for name in RULES[rule] if name not in table.columns]
    if missing:
        raise PredictionError(f"the rule {rule!r} needs the columns {', '.join(missing)}")
    scores = np.zeros(len(table))
    for places in table.groupby("variant", sort=False).indices.values():
        scores[places] = _suspicion(table.iloc[places], RULES[rule])
    return pd.Series(scores, index=table.index)


def flagging(
    table: pd.DataFrame,
    rules: Sequence[str] = tuple(RULES),
    options: Options | None = None,
) -> pd.DataFrame:
    """How well each rule finds the worst utterances of each mechanism.

    The most suspicious tenth (`Options.share`) is flagged. Worst are the utterances whose error
    rate is at least that of the last one in the worst tenth, so ties may make them more than a
    tenth. Utterances without any error are never worst.

    Parameters
    ----------
    table : pandas.DataFrame
        As for `correlations`, with `verdict` where a rule needs it.

    Returns
    -------
    pandas.DataFrame
        `variant`, `rule`, `utterances`, `flagged`, `worst`, `found` (flagged and worst), `recall`
        (found / worst), `precision` (found / flagged), `lift` (precision over the share of worst
        ones, which is what chance gets) with `recall_low`, `recall_high`, `precision_low`, ...;
        `errors_found` (share of all word errors that are in flagged utterances, where the table
        has counts, else of the summed rates).
    """
    options = options or Options()
    rows = []
    for variant, part in _by_variant(table):
        rates = part["wer"].to_numpy(np.float64)
        weights = _errors(part)
        for rule in rules:
            scores = suspicion(part, rule).to_numpy()
            rows.append(
                {"variant": variant, "rule": rule} | _found(scores, rates, weights, options)
            )
    return pd.DataFrame(rows)


def _by_variant(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Scored rows of each mechanism, in the table's order."""
    needed = [name for name in ("variant", "wer") if name not in table.columns]
    if needed:
        raise PredictionError(f"the table has no column {', '.join(needed)}")
    scored = table[table["wer"].notna()]
    if scored.empty:
        raise PredictionError("no row has an error rate: references are needed")
    for variant, part in scored.groupby("variant", sort=False):
        yield str(variant), part


def _drawn(options: Options) -> dict[str, Any]:
    return {"level": options.level, "resamples": options.resamples, "seed": options.seed}


def _columns(name: str, interval: Interval) -> dict[str, float | None]:
    ends = {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return {name: interval.estimate, **ends}


def _suspicion(part: pd.DataFrame, rule: Sequence[str]) -> np.ndarray:
    """(utterances,) from 0 to 1."""
    metrics = [name for name in rule if name != "verdict"]
    ranks = np.zeros(len(part))
    for name in metrics:
        values = WORSE[name] * part[name].to_numpy(np.float64)
        ranks += rankdata(np.where(np.isnan(values), np.inf, values)) / len(part)
    ranks /= max(1, len(metrics))
    if "verdict" in rule:
        order = [*reversed(SEVERITY)]  # the most serious last; healthy before all
        severity = part["verdict"].map(lambda v: order.index(v) + 1 if v in order else 0)
        ranks = (severity.to_numpy() + 0.5 * ranks) / (len(order) + 1)
    return ranks


def _errors(part: pd.DataFrame) -> np.ndarray:
    counts = ("substitutions", "deletions", "insertions")
    if all(name in part.columns for name in counts):
        return np.sum([part[name].to_numpy(np.float64) for name in counts], axis=0)
    return part["wer"].to_numpy(np.float64)


def _found(
    scores: np.ndarray, rates: np.ndarray, weights: np.ndarray, options: Options
) -> dict[str, float | int]:
    """One row of the table: the counts as they are, the shares with their intervals."""
    once = np.ones((1, len(scores)))
    flagged, worst = _top(scores, once, options.share), _worst(rates, once, options.share)
    row: dict[str, float | int] = {
        "utterances": len(scores),
        "flagged": round(float(flagged.sum()), 6),
        "worst": int(worst.sum()),
        "found": round(float((flagged * worst).sum()), 6),
    }
    drawn = []
    for times in draws(len(scores), options.resamples, options.seed):
        top = _top(scores, times, options.share)
        drawn.append(_shares(top, _worst(rates, times, options.share), times))
    for name, values in _shares(flagged, worst, once).items():
        low, high = _ends(np.concatenate([shares[name] for shares in drawn]), options.level)
        row |= {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}
    total = weights.sum()
    row["errors_found"] = float((flagged[0] * weights).sum() / total) if total else np.nan
    return row


def _ends(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """Percentile interval of the draws in which the number is defined."""
    known = drawn[np.isfinite(drawn)]
    if len(known) == 0:
        return np.nan, np.nan
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _top(scores: np.ndarray, times: np.ndarray, share: float) -> np.ndarray:
    """(draws, utterances) how much of each utterance is flagged: ties share what is left."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(-scores[order], prepend=-np.inf))
    sizes = np.diff(np.append(starts, len(scores)))
    group = np.add.reduceat(times[:, order], starts, axis=1)  # (draws, groups of equal scores)
    wanted = np.ceil(share * times.sum(axis=1, keepdims=True) - 1e-9)
    before = np.cumsum(group, axis=1) - group
    part = np.clip(wanted - before, 0, group)
    part = np.divide(part, group, out=np.zeros_like(part), where=group > 0)
    flagged = np.empty_like(times)
    flagged[:, order] = np.repeat(part, sizes, axis=1)
    return flagged


def _worst(rates: np.ndarray, times: np.ndarray, share: float) -> np.ndarray:
    """(draws, utterances) 1 for the worst ones and all that are tied with the last of them."""
    return ((_top(rates, times, share) > 0) & (rates > 0)).astype(np.float64)


def _shares(flagged: np.ndarray, worst: np.ndarray, times: np.ndarray) -> Mapping[str, np.ndarray]:
    """Recall, precision and lift of every draw."""
    caught = (flagged * worst * times).sum(axis=1)
    worst_count, total = (worst * times).sum(axis=1), times.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(worst_count > 0, caught / worst_count, np.nan)
        precision = caught / (flagged * times).sum(axis=1)
        lift = np.where(worst_count > 0, precision / (worst_count / total), np.nan)
    return {"recall": recall, "precision": precision, "lift": lift}
