"""Tables that are read like maps: counts of failures, who is better, rates of groups."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis.scoring.multiplicity import judge
from app.markup.cards import badge
from app.templates import Macros
from app.theme import sign

TEMPLATES = Macros(__file__)


def pick(variant: str, kind: str) -> str:
    """What a cell says when it is chosen; empty: any."""
    return json.dumps([variant, kind])


def picked(value: str | None) -> tuple[str, str] | None:
    """Mechanism and kind of a chosen cell; None for anything else."""
    try:
        variant, kind = json.loads(value or "")
    except (TypeError, ValueError):
        return None
    return (variant, kind) if isinstance(variant, str) and isinstance(kind, str) else None


# --- failures


def counts_table(
    counts: pd.DataFrame, kinds: Sequence[str], variants: Sequence[str], unit: str
) -> Markup:
    """Decodings by mechanism and verdict; every cell can be chosen, chosen ones are framed.

    Parameters
    ----------
    counts
        From `app.data.run_filters.counts`.
    kinds, variants
        What is chosen now; none: all.
    unit
        What is counted, for the caption.
    """
    columns = [kind for kind in counts.columns if kind != "all" and counts[kind].any()]
    head = [
        TEMPLATES.kind_head(sign(kind), pick("", kind), bool(kind in kinds)) for kind in columns
    ]
    rows = []
    for name, row in counts.iterrows():
        cells = [_count(name, kind, row, _chosen(name, kind, kinds, variants)) for kind in columns]
        rows.append(TEMPLATES.counts_row(name, pick(name, ""), name in variants, cells))
    return TEMPLATES.table(unit, head, rows)


def _chosen(name: str, kind: str, kinds: Sequence[str], variants: Sequence[str]) -> bool:
    return bool(kinds or variants) and (
        (not kinds or kind in kinds) and (not variants or name in variants)
    )


def _count(name: str, kind: str, row: Mapping[str, int], chosen: bool) -> Markup:
    count, shown = int(row[kind]), sign(kind)
    title = f"{name}, {shown.words}: {count} of {row['all']}"
    share = count / row["all"] if count else 0.0
    return TEMPLATES.count(shown, count, share, pick(name, kind), title, chosen)


# --- who is better


@dataclass(frozen=True)
class Pair:
    """One mechanism against another."""

    better: float | None  # probability that the first makes fewer errors
    difference: float | None  # error rate of the first minus the second
    p: float | None  # of MAPSSWE, as it is
    corrected: float | None  # for being one test of many
    segments: int
    sure: bool  # that they differ; see `analysis.scoring.multiplicity.judge`


def pairs_by_name(records: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Pair]:
    """The pairs of a summary, both ways round."""
    judged = judge(
        [record["mapsswe_p"] for record in records], [record["segments"] for record in records]
    )
    pairs = {}
    for record, of_many in zip(records, judged, strict=True):
        a, b, share = record["a"], record["b"], record["probability_of_improvement"]
        rest = (record["mapsswe_p"], of_many.corrected, record["segments"], of_many.sure)
        minus = record["wer_difference"]
        pairs[a, b] = Pair(None if share is None else 1 - share, minus, *rest)
        pairs[b, a] = Pair(share, None if minus is None else -minus, *rest)
    return pairs


def pairs_table(names: Sequence[str], pairs: Mapping[tuple[str, str], Pair]) -> Markup:
    """Row against column, the best mechanism first; `names` are in that order."""
    rows = [
        TEMPLATES.row(name, [_pair(name, other, pairs.get((name, other))) for other in names])
        for name in names
    ]
    return TEMPLATES.table("Row against column", map(TEMPLATES.column_head, names), rows)


def _pair(name: str, other: str, pair: Pair | None) -> Markup:
    if pair is None or pair.better is None:
        return TEMPLATES.no_pair()
    ahead = pair.better >= 0.5
    word, shape = ("better", "check") if ahead else ("worse", "back")
    level = ("good" if ahead else "bad") if pair.sure else "none"
    title = pair_title(name, other, pair)
    return TEMPLATES.pair(level, title, chance(pair.better), pair.sure, shape, word, _p(pair.p))


def pair_title(name: str, other: str, pair: Pair) -> str:
    """Everything that is known of a pair whose numbers are defined, as plain text."""
    return (
        f"{name} against {other}: WER {100 * pair.difference:+.1f} points; better with a "
        f"probability of {pair.better:.1%}; MAPSSWE p {_p(pair.p)}, {_p(pair.corrected)} when "
        f"corrected for all pairs; {pair.segments} segments"
    )


def chance(share: float) -> str:
    """In percent; a finite number of draws says neither never nor always."""
    if share > 0.99:
        return "> 99 %"
    return "< 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


# --- groups


def groups_table(rates: pd.DataFrame, caption: str) -> Markup:
    """Error rates of every mechanism (rows) in every group (columns), with their intervals.

    Parameters
    ----------
    rates
        From `analysis.scoring.groups.rates_by_group`.
    """
    head = [
        TEMPLATES.group_head(str(row.group), row.words, row.utterances)
        for row in rates.drop_duplicates("group").itertuples()
    ]
    top = max(rates["rate"].max(), 1e-9) if rates["rate"].notna().any() else 1.0
    rows = [
        TEMPLATES.row(
            str(name), [TEMPLATES.rate(row, row.rate / top) for row in of_system.itertuples()]
        )
        for name, of_system in rates.groupby("system", sort=False)
    ]
    return TEMPLATES.table(caption, head, rows)


# --- verdicts under a stress


def verdict_table(rows: Mapping[str, Sequence[str | None]], titles: Sequence[str]) -> Markup:
    """Verdicts of every mechanism (rows) at every level (columns); None: not decoded yet."""
    badges = {
        name: ["–" if verdict is None else badge(verdict) for verdict in verdicts]
        for name, verdicts in rows.items()
    }
    return TEMPLATES.verdict_table(titles, badges.items())
