"""Deep links of the pages about evaluated sets: what stands in their address.

An address comes from anybody: what does not exist is ignored. Names of mechanisms, speakers and
columns are checked by the page, which knows the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from app.data.run_filters import ORDERS, Filter, Order
from app.data.runs import VERDICTS
from app.evaluation.items import PLAIN

LONGEST_TEXT = 200  # characters that are looked for
MEASURES = ("wer", "cer")
Range = tuple[int, int | None]


@dataclass(frozen=True)
class FailuresView:
    """Everything a link to the page of failures can say."""

    run: str | None = None
    filter: Filter = field(default_factory=Filter)
    order: Order = field(default_factory=Order)
    page: int = 0  # of the gallery or the table
    table: bool = False  # instead of the gallery
    columns: tuple[str, ...] = ()  # of the table; none: the usual ones


@dataclass(frozen=True)
class ScoresView:
    """Everything a link to the page of scores can say."""

    run: str | None = None
    measure: str = "wer"  # one of MEASURES
    by: str = "length"  # column whose groups are told apart
    metric: str = "monotonicity"  # against the error rate
    variant: str | None = None  # whose recordings are drawn, None: all
    texts: str | None = None  # mechanism whose texts are shown beside what was said
    wrong: bool = True  # of those texts, only what is wrong
    page: int = 0  # of those texts


def read_failures(params: Mapping[str, str], runs: Mapping[str, object]) -> FailuresView:
    """The view an address asks for."""
    chosen = Filter(
        kinds=tuple(kind for kind in _names(params, "kind") if kind in VERDICTS),
        every=params.get("count") == "all",
        variants=_names(params, "variants"),
        wer=_range(params.get("wer", "")),
        seconds=_range(params.get("seconds", "")),
        speakers=_names(params, "speakers"),
        text=params.get("text", "")[:LONGEST_TEXT],
        stress=params.get("stress", PLAIN),
    )
    by = params.get("sort", Order.by)
    order = Order(by if by in ORDERS else Order.by, params.get("order") != "up")
    return FailuresView(
        _run(params, runs),
        chosen,
        order,
        _page(params),
        params.get("show") == "table",
        _names(params, "columns"),
    )


def write_failures(view: FailuresView) -> dict[str, str]:
    """The address of a view; what is as usual is left out."""
    chosen = view.filter
    params = {
        "run": view.run or "",
        "kind": _joined(chosen.kinds),
        "count": "all" if chosen.every else "",
        "variants": _joined(chosen.variants),
        "wer": _range_text(chosen.wer),
        "seconds": _range_text(chosen.seconds),
        "speakers": _joined(chosen.speakers),
        "text": chosen.text,
        "stress": "" if chosen.stress == PLAIN else chosen.stress,
        "sort": "" if view.order.by == Order.by else view.order.by,
        "order": "" if view.order.descending else "up",
        "page": str(view.page + 1) if view.page else "",
        "show": "table" if view.table else "",
        "columns": _joined(view.columns),
    }
    return {name: value for name, value in params.items() if value}


def read_scores(
    params: Mapping[str, str], runs: Mapping[str, object], metrics: Sequence[str]
) -> ScoresView:
    """The view an address asks for."""
    measure, metric = params.get("measure"), params.get("metric")
    return ScoresView(
        run=_run(params, runs),
        measure=measure if measure in MEASURES else ScoresView.measure,
        by=params.get("by", ScoresView.by),
        metric=metric if metric in metrics else ScoresView.metric,
        variant=params.get("variant"),
        texts=params.get("texts"),
        wrong=params.get("words") != "all",
        page=_page(params),
    )


def write_scores(view: ScoresView) -> dict[str, str]:
    """The address of a view; what is as usual is left out."""
    usual = ScoresView()
    params = {
        "run": view.run or "",
        "measure": "" if view.measure == usual.measure else view.measure,
        "by": "" if view.by == usual.by else view.by,
        "metric": "" if view.metric == usual.metric else view.metric,
        "variant": view.variant or "",
        "texts": view.texts or "",
        "words": "" if view.wrong else "all",
        "page": str(view.page + 1) if view.page else "",
    }
    return {name: value for name, value in params.items() if value}


def _run(params: Mapping[str, str], runs: Mapping[str, object]) -> str | None:
    name = params.get("run")
    return name if name in runs else None


def _names(params: Mapping[str, str], name: str) -> tuple[str, ...]:
    names = (unquote(part) for part in params.get(name, "").split(",") if part)
    return tuple(dict.fromkeys(names))


def _joined(names: Sequence[str]) -> str:
    """Names with commas between; commas of their own are written otherwise."""
    return ",".join(name.replace("%", "%25").replace(",", "%2C") for name in names)


def _page(params: Mapping[str, str]) -> int:
    text = params.get("page", "")
    return max(0, int(text) - 1) if text.isdecimal() and len(text) < 8 else 0


def _range(text: str) -> Range:
    """Read ``10-50``, ``10-`` or nothing."""
    low, dash, high = text.partition("-")
    if not dash or not all(part == "" or (part.isdecimal() and len(part) < 8)
                           for part in (low, high)):  # fmt: skip
        return (0, None)
    return (int(low or 0), int(high) if high else None)


def _range_text(limits: Range) -> str:
    low, high = limits
    return "" if not low and high is None else f"{low}-{'' if high is None else high}"
