"""Tables that are read like maps: counts of failures, who is better, rates of groups. HTML."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from analysis.scoring.multiplicity import judge
from app.markup.cards import badge, icon
from app.theme import sign


def _table(caption: str, head: Sequence[str], rows: Sequence[str]) -> str:
    return (
        f'<figure class="attn-matrix-room"><figcaption>{caption}</figcaption>'
        f'<div><table class="attn-matrix"><thead><tr><td></td>{"".join(head)}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></figure>"
    )


def _breakable(name: str) -> str:
    """A name that may go on in the next line after an underscore."""
    return escape(name).replace("_", "_<wbr>")


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
) -> str:
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
    head = [_kind_head(kind, kind in kinds) for kind in columns]
    rows = []
    for name, row in counts.iterrows():
        cells = [_count(name, kind, row, _chosen(name, kind, kinds, variants)) for kind in columns]
        chosen = " attn-chosen" if name in variants else ""
        wanted = escape(pick(name, ""))
        label = f'<button type="button" data-pick="{wanted}">{_breakable(name)}</button>'
        rows.append(f'<tr><th scope="row" class="{chosen}">{label}</th>{"".join(cells)}</tr>')
    return _table(escape(unit), head, rows)


def _chosen(name: str, kind: str, kinds: Sequence[str], variants: Sequence[str]) -> bool:
    return bool(kinds or variants) and (
        (not kinds or kind in kinds) and (not variants or name in variants)
    )


def _kind_head(kind: str, chosen: bool) -> str:
    shown = sign(kind)
    return (
        f'<th scope="col" class="{"attn-chosen" if chosen else ""}"><button type="button" '
        f'data-pick="{escape(pick("", kind))}" title="{escape(shown.help)}">'
        f"{icon(shown.icon)}{escape(shown.words)}</button></th>"
    )


def _count(name: str, kind: str, row: Mapping[str, int], chosen: bool) -> str:
    count, share = row[kind], row[kind] / row["all"]
    if not count:
        return '<td class="attn-zero">·</td>'
    title = f"{name}, {sign(kind).words}: {count} of {row['all']}"
    return (
        f'<td class="attn-heat-{sign(kind).level}{" attn-chosen" if chosen else ""}" '
        f'style="--share:{share:.3f}"><button type="button" data-pick="{escape(pick(name, kind))}" '
        f'title="{escape(title)}"><b>{count:,}</b><small>{100 * share:.0f} %</small></button></td>'
    )


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


def pairs_by_name(found: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Pair]:
    """The pairs of a summary, both ways round."""
    judged = judge([each["mapsswe_p"] for each in found], [each["segments"] for each in found])
    pairs = {}
    for each, of_many in zip(found, judged, strict=True):
        a, b, share = each["a"], each["b"], each["probability_of_improvement"]
        rest = (each["mapsswe_p"], of_many.corrected, each["segments"], of_many.sure)
        minus = each["wer_difference"]
        pairs[a, b] = Pair(None if share is None else 1 - share, minus, *rest)
        pairs[b, a] = Pair(share, None if minus is None else -minus, *rest)
    return pairs


def pairs_table(names: Sequence[str], pairs: Mapping[tuple[str, str], Pair]) -> str:
    """Row against column, the best mechanism first; `names` are in that order."""
    head = [f'<th scope="col">{_breakable(name)}</th>' for name in names]
    rows = []
    for name in names:
        cells = [_pair(name, other, pairs.get((name, other))) for other in names]
        rows.append(f'<tr><th scope="row">{_breakable(name)}</th>{"".join(cells)}</tr>')
    return _table("Row against column", head, rows)


def _pair(name: str, other: str, pair: Pair | None) -> str:
    if pair is None or pair.better is None:
        return '<td class="attn-zero"></td>'
    ahead = pair.better >= 0.5
    word, shape = ("better", "check") if ahead else ("worse", "back")
    level = ("good" if ahead else "bad") if pair.sure else "none"
    mark = f"{icon(shape)}{word}" if pair.sure else "not sure"
    return (
        f'<td class="attn-pair attn-heat-{level}" style="--share:0.6" '
        f'title="{escape(pair_title(name, other, pair))}"><b>{escape(chance(pair.better))}</b>'
        f"<small>{mark}</small><small>p {escape(_p(pair.p))}</small></td>"
    )


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


def groups_table(rates: pd.DataFrame, caption: str) -> str:
    """Error rates of every mechanism (rows) in every group (columns), with their intervals.

    Parameters
    ----------
    rates
        From `analysis.scoring.groups.rates_by_group`.
    """
    groups = rates.drop_duplicates("group")
    head = [
        f'<th scope="col" title="{row.words:,} words">{escape(str(row.group))}'
        f"<small>{row.utterances:,} recordings</small></th>"
        for row in groups.itertuples()
    ]
    top = max(rates["rate"].max(), 1e-9) if rates["rate"].notna().any() else 1.0
    rows = []
    for name, of_system in rates.groupby("system", sort=False):
        cells = "".join(_rate(row, top) for row in of_system.itertuples())
        rows.append(f'<tr><th scope="row">{_breakable(str(name))}</th>{cells}</tr>')
    return _table(escape(caption), head, rows)


def _rate(row: Any, top: float) -> str:
    if pd.isna(row.rate):
        return '<td class="attn-zero">–</td>'
    return (
        f'<td class="attn-heat-odd" style="--share:{row.rate / top:.3f}" '
        f'title="{row.errors:,} errors in {row.words:,} words"><b>{100 * row.rate:.1f}</b>'
        f"<small>{100 * row.low:.1f} to {100 * row.high:.1f}</small></td>"
    )


def verdict_table(rows: Mapping[str, Sequence[str | None]], titles: Sequence[str]) -> str:
    """Verdicts of every mechanism (rows) at every level of stress (columns); None: not decoded."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(
            f'<td class="attn-lab">{"–" if verdict is None else badge(verdict)}</td>'
            for verdict in verdicts
        )
        + "</tr>"
        for name, verdicts in rows.items()
    )
    return (
        '<div class="attn-matrix-room"><table class="attn-matrix"><caption>Verdicts, level by '
        f"level</caption><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
