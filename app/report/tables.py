"""Tables of a report."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from analysis.scoring.multiplicity import FEW, SURE
from analysis.scoring.normalisers import described
from app.formatting import number, percent
from app.markup.cards import badge
from app.markup.matrices import Pair, chance, pair_title, pairs_by_name
from app.report.drawings import curves, interval_bar
from app.templates import Macros
from app.theme import SIGNS
from models.stress import STRESSES

TEMPLATES = Macros(__file__)
WIDEST_AXIS = 2.0  # error rates above it lie on the edge
METRICS = ("monotonicity", "diagonality", "focus", "coverage")  # with a column of their own


def scores(summary: Mapping[str, Any], titles: Mapping[str, str]) -> Markup:
    """Error rates with their intervals, and how attention behaved on average."""
    rows = sorted(summary["variants"], key=lambda row: (row["wer"] is None, row["wer"]))
    highest = max((row["wer_interval"][1] or 0 for row in rows), default=0)
    top = min(WIDEST_AXIS, max(0.1, 1.05 * highest))
    level = f"{100 * summary['interval']['level']:.0f} %"
    heads = ("mechanism", "WER", f"{level} interval", "", "CER", "healthy", *METRICS, "RTFx")
    table = TEMPLATES.table(heads, [_score(row, titles, top, row is rows[0]) for row in rows])
    return TEMPLATES.scores_lead(described(summary["normalizer"])) + table


def _score(row: Mapping[str, Any], titles: Mapping[str, str], top: float, best: bool) -> Markup:
    low, high = row["wer_interval"]
    cells = {
        "wer": percent(row["wer"]),
        "interval": "" if low is None else f"{100 * low:.1f} – {100 * high:.1f}",
        "cer": percent(row["cer"]),
        "healthy": percent(None if row["failure_rate"] is None else 1 - row["failure_rate"]),
        "metrics": [number(row["metrics"][name]) for name in METRICS],
        "rtfx": number(row["rtfx"], 0),
    }
    bar = interval_bar(row["wer"], row["wer_interval"], top)
    title = titles.get(row["name"], row["name"])
    return TEMPLATES.score(title, row, cells, bar, best and row["wer"] is not None)


def pairs(summary: Mapping[str, Any]) -> Markup:
    """Every mechanism against every other."""
    by_pair = pairs_by_name(summary["pairs"])
    ranked = sorted(
        summary["variants"], key=lambda row: row["wer"] if row["wer"] is not None else 9
    )
    names = [row["name"] for row in ranked if any(row["name"] in pair for pair in by_pair)]
    rows = [
        (row, [_pair(row, column, by_pair.get((row, column))) for column in names]) for row in names
    ]
    return TEMPLATES.pairs(len(summary["pairs"]), SURE, FEW, names, rows)


def _pair(row: str, column: str, pair: Pair | None) -> Markup:
    if pair is None or pair.better is None:
        return TEMPLATES.no_pair()
    mark, kind = "", ""
    if pair.sure:
        mark, kind = (" ▲", "win") if pair.better >= 0.5 else (" ▼", "loss")
    return TEMPLATES.pair(kind, pair_title(row, column, pair), chance(pair.better), mark)


def failures(summary: Mapping[str, Any]) -> Markup:
    """Recordings by verdict."""
    kinds = [kind for kind in SIGNS if any(kind in v["verdicts"] for v in summary["variants"])]
    rows = [(row["name"], [_count(row, kind) for kind in kinds]) for row in summary["variants"]]
    return TEMPLATES.failures([badge(kind) for kind in kinds], rows)


def _count(row: Mapping[str, Any], kind: str) -> Markup:
    count = row["verdicts"].get(kind, 0)
    share = count / max(1, row["utterances"])
    return TEMPLATES.count(count, share, kind == "healthy", percent(share))


def stresses(summary: Mapping[str, Any]) -> Markup:
    """Small multiples of every stress: word errors and failures against its level."""
    rows = summary["stresses"]
    names = dict.fromkeys(row["stress"] for row in rows)
    return Markup("").join(
        _stress(name, [row for row in rows if row["stress"] == name]) for name in names
    )


def _stress(name: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    levels = list(dict.fromkeys(row["level"] for row in rows))
    by_name: dict[str, dict[float, Mapping[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["name"], {})[row["level"]] = row
    stress = STRESSES[name]
    parts = []
    for key, title in (("wer", "word error rate"), ("failure_rate", "recordings with a failure")):
        rates = {v: [of.get(at, {}).get(key) for at in levels] for v, of in by_name.items()}
        if all(rate is None for values in rates.values() for rate in values):
            continue
        texts = [f"{level:g}" for level in levels]
        figures = [(variant, curves(texts, rates, variant, stress.unit)) for variant in rates]
        lead = f"{title} by {stress.unit}; the other mechanisms behind it in grey"
        parts.append((_capitalised(lead), figures))
    return TEMPLATES.stress(_capitalised(stress.title), parts)


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]
