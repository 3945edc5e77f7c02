"""Tables of a report as HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from analysis.scoring.multiplicity import FEW, SURE
from analysis.scoring.normalisers import described
from app.formatting import number, percent
from app.markup.cards import badge
from app.markup.matrices import Pair, chance, pair_title, pairs_by_name
from app.report.drawings import curves, interval_bar
from app.theme import SIGNS
from models.stress import STRESSES

WIDEST_AXIS = 2.0  # error rates above it lie on the edge
METRICS = ("monotonicity", "diagonality", "focus", "coverage")  # with a column of their own


def scores(summary: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Error rates with their intervals, and how attention behaved on average."""
    rows = sorted(summary["variants"], key=lambda row: (row["wer"] is None, row["wer"]))
    highest = max((row["wer_interval"][1] or 0 for row in rows), default=0)
    top = min(WIDEST_AXIS, max(0.1, 1.05 * highest))
    level = f"{100 * summary['interval']['level']:.0f} %"
    heads = ("mechanism", "WER", f"{level} interval", "", "CER", "healthy", *METRICS, "RTFx")
    body = "".join(_score(row, titles, top, row is rows[0]) for row in rows)
    lead = (
        '<p class="lead">Errors pooled over all utterances, '
        f"normaliser {escape(described(summary['normalizer']))}. RTFx: seconds "
        "of speech decoded in one second by one thread, without the shared encoder."
        "</p>"
    )
    return lead + _table(heads, body)


def _score(row: Mapping[str, Any], titles: Mapping[str, str], top: float, best: bool) -> str:
    low, high = row["wer_interval"]
    between = "" if low is None else f"{100 * low:.1f} – {100 * high:.1f}"
    healthy = None if row["failure_rate"] is None else 1 - row["failure_rate"]
    metrics = "".join(f"<td>{number(row['metrics'][name])}</td>" for name in METRICS)
    title = escape(titles.get(row["name"], row["name"]))
    return (
        f"<tr{' class=best' if best and row['wer'] is not None else ''}>"
        f"<th>{title}<br><small><code>{escape(row['name'])}</code></small></th>"
        f"<td><b>{percent(row['wer'])}</b></td><td>{between}</td>"
        f"<td>{interval_bar(row['wer'], row['wer_interval'], top)}</td>"
        f"<td>{percent(row['cer'])}</td><td>{percent(healthy)}</td>{metrics}"
        f"<td>{number(row['rtfx'], 0)}</td></tr>"
    )


def pairs(summary: Mapping[str, Any]) -> str:
    """Every mechanism against every other."""
    by_pair = pairs_by_name(summary["pairs"])
    ranked = sorted(
        summary["variants"], key=lambda row: row["wer"] if row["wer"] is not None else 9
    )
    names = [row["name"] for row in ranked if any(row["name"] in pair for pair in by_pair)]
    head = "".join(f"<th><span>{escape(name)}</span></th>" for name in names)
    body = "".join(
        f"<tr><th>{escape(row)}</th>"
        + "".join(_pair(row, column, by_pair.get((row, column))) for column in names)
        + "</tr>"
        for row in names
    )
    lead = (
        '<p class="lead">How likely the mechanism of the row makes fewer word errors than that of '
        "the column on another set of such utterances (bootstrap, Bisani &amp; Ney 2004). ▲ better "
        "and ▼ worse mark differences that are sure: p of the matched-pairs test (MAPSSWE), "
        f"corrected for there being {len(summary['pairs'])} pairs (Holm), is below {SURE:g} and at "
        f"least {FEW} segments differ.</p>"
    )
    return (
        f'{lead}<div class="scroll"><table class="matrix"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _pair(row: str, column: str, pair: Pair | None) -> str:
    if pair is None or pair.better is None:
        return '<td class="self"></td>'
    mark, kind = "", ""
    if pair.sure:
        mark, kind = (" ▲", "win") if pair.better >= 0.5 else (" ▼", "loss")
    title = escape(pair_title(row, column, pair))
    return f'<td class="{kind}" title="{title}">{escape(chance(pair.better))}{mark}</td>'


def failures(summary: Mapping[str, Any]) -> str:
    """Recordings by verdict."""
    kinds = [kind for kind in SIGNS if any(kind in v["verdicts"] for v in summary["variants"])]
    heads = "".join(f"<th>{badge(kind)}</th>" for kind in kinds)
    body = ""
    for row in summary["variants"]:
        cells = "".join(_count(row, kind) for kind in kinds)
        body += f"<tr><th>{escape(row['name'])}</th>{cells}</tr>"
    lead = (
        '<p class="lead">Recordings by verdict: healthy, or the most serious failure found in '
        "them.</p>"
    )
    return (
        f'{lead}<div class="scroll"><table><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _count(row: Mapping[str, Any], kind: str) -> str:
    count = row["verdicts"].get(kind, 0)
    if not count:
        return '<td class="heat none" style="--share:0">·</td>'
    share = count / max(1, row["utterances"])
    good = " good" if kind == "healthy" else ""
    shade = f'style="--share:{share:.3f}" title="{percent(share)}"'
    return f'<td class="heat{good}" {shade}>{count:,}</td>'


def stresses(summary: Mapping[str, Any]) -> str:
    """Small multiples of every stress: word errors and failures against its level."""
    found = summary["stresses"]
    return "".join(
        _stress(name, [row for row in found if row["stress"] == name])
        for name in dict.fromkeys(row["stress"] for row in found)
    )


def _stress(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    levels = list(dict.fromkeys(row["level"] for row in rows))
    by_name: dict[str, dict[float, Mapping[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["name"], {})[row["level"]] = row
    stress = STRESSES[name]
    parts = [f"<h3>{escape(stress.title[0].upper() + stress.title[1:])}</h3>"]
    for key, said in (("wer", "word error rate"), ("failure_rate", "recordings with a failure")):
        rates = {v: [of.get(at, {}).get(key) for at in levels] for v, of in by_name.items()}
        if all(rate is None for values in rates.values() for rate in values):
            continue
        figures = "".join(
            f"<figure><figcaption>{escape(v)}</figcaption>"
            f"{curves([f'{level:g}' for level in levels], rates, v, stress.unit)}</figure>"
            for v in rates
        )
        lead = f"{said} by {stress.unit}; the other mechanisms behind it in grey"
        lead = escape(lead[0].upper() + lead[1:])
        parts.append(f'<p class="lead">{lead}</p><div class="multiples">{figures}</div>')
    return "".join(parts)


def _table(heads: Sequence[str], body: str) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )
