"""Pictures of a report as SVG: they need no script and stay sharp in print."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from markupsafe import Markup

from analysis.alignment import Alignment
from analysis.failures.failure import Failure
from app.charts.label_placement import name_places
from app.charts.labels import row_labels
from app.charts.png import data_uri, grey_png
from app.charts.quantise import to_levels
from app.templates import Macros
from app.theme import sign

TEMPLATES = Macros(__file__)

MAP_WIDTH, MAP_LEFT, MAP_RIGHT, MAP_TOP, MAP_BOTTOM = 640, 74, 8, 10, 34
MAP_HEIGHT, TALLEST_MAP, ROW_HEIGHT = 260, 720, 11.5  # of the cells
MAP_CELLS = 300_000  # of one picture
FAINTEST_TOP = 0.25  # weight of the full colour at least, as on the Compare page
BAR_WIDTH, BAR_HEIGHT = 170, 20
CURVE_WIDTH, CURVE_HEIGHT, CURVE_LEFT, CURVE_BOTTOM = 230, 150, 40, 24
HIGHEST_RATE = 1.5  # curves are cut off here


def attention_map(alignment: Alignment, failures: Iterable[Failure], seconds: float) -> Markup:
    """The map of one decoding: tokens read downwards, seconds across, failures framed."""
    count = max(1, len(alignment.tokens))
    height = min(TALLEST_MAP, max(MAP_HEIGHT, count * ROW_HEIGHT if count < 40 else 0))
    width = MAP_WIDTH - MAP_LEFT - MAP_RIGHT
    start, end = alignment.start_seconds, max(seconds, alignment.time(alignment.frames))
    scale, row = width / (end - start), height / count

    def x(time: float) -> float:
        return MAP_LEFT + (min(max(time, start), end) - start) * scale

    bottom = MAP_TOP + height
    names = [
        (MAP_TOP + (number + 0.5) * row + 3.5, Markup(label))  # escaped for Plotly, as for SVG
        for number, label in enumerate(row_labels(alignment.tokens, row))
        if label
    ]
    ticks = [(MAP_LEFT + (time - start) * scale, time) for time in _ticks(start, end, 8)]
    parts = [
        _cells(alignment, x(alignment.time(alignment.frames)) - MAP_LEFT, height),
        TEMPLATES.row_names(MAP_LEFT - 6, names),
        TEMPLATES.time_axis(bottom, ticks),
        *_frames(failures, x, row, count),
    ]
    return TEMPLATES.attention_map(
        alignment.variant or "a decoder", MAP_WIDTH, bottom + MAP_BOTTOM, start, scale, MAP_LEFT,
        MAP_TOP, bottom, parts,
    )  # fmt: skip


def _cells(alignment: Alignment, width: float, height: float) -> Markup:
    weights = alignment.map
    if not weights.size:
        return Markup("")
    top = max(FAINTEST_TOP, float(weights.max()))
    picture = data_uri(grey_png(to_levels(weights, top=top, limit=MAP_CELLS).cells), "image/png")
    return TEMPLATES.cells(MAP_LEFT, MAP_TOP, width, height, picture)


def _frames(
    failures: Iterable[Failure], x: Callable[[float], float], row: float, count: int
) -> list[Markup]:
    """The evidence of every failure, its name in a corner where it covers no other."""
    boxes, names, frames = [], [], []
    for failure in failures:
        first, last = failure.tokens[0], min(count, max(failure.tokens[1], failure.tokens[0] + 1))
        left, right = x(failure.seconds[0]), x(max(failure.seconds[1], failure.seconds[0] + 0.1))
        boxes.append((left, MAP_TOP + first * row, right, MAP_TOP + last * row))
        names.append(sign(failure.kind).words)
    for box, name, place in zip(boxes, names, name_places(boxes, names), strict=True):
        left, top, right, bottom = box
        side, end = place.corner.split()
        at = min(right, MAP_WIDTH - 4) - 4 if end == "right" else left + 4
        beside = {"top": top - 4, "bottom": bottom + 13}
        inside = {"top": top + 13, "bottom": bottom - 5}
        line = (beside if place.outside else inside)[side]
        frames.append(TEMPLATES.failure(left, top, right, bottom, name, end, at, line))
    return frames


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between, at most so many."""
    span = max(high - low, 1e-6)
    step = next(
        s * 10.0**power
        for power in range(-2, 6)
        for s in (1, 2, 5)
        if span / (s * 10.0**power) <= most
    )
    return [round(n * step, 6) for n in range(int(np.ceil(low / step)), int(high / step) + 1)]


def interval_bar(rate: float | None, interval: Sequence[float | None], top: float) -> Markup:
    """A rate as a dot with its interval as a line, on an axis from 0 to `top`."""
    if rate is None or interval[0] is None:
        return Markup("")
    scale = (BAR_WIDTH - 12) / top
    at, low, high = (6 + scale * min(value, top) for value in (rate, *interval))
    grid = [6 + scale * tick for tick in _ticks(0, top, 4)]
    return TEMPLATES.interval_bar(BAR_WIDTH, BAR_HEIGHT, grid, low, high, at)


def curves(
    levels: Sequence[str], rates: Mapping[str, Sequence[float | None]], name: str, unit: str
) -> Markup:
    """Rates of one variant against levels, those of all others behind it in grey.

    Parameters
    ----------
    levels
        Written under the axis, in order.
    rates
        Of every variant, one for each level; None where undefined.
    name
        The variant in front.
    unit
        What levels are.
    """
    known = [value for values in rates.values() for value in values if value is not None]
    top = min(HIGHEST_RATE, max(0.1, 1.05 * max(known, default=1.0)))
    behind = [_points(values, top) for other, values in rates.items() if other != name]
    defined = [number for number, value in enumerate(rates[name]) if value is not None]
    titles = [f"{levels[number]}: {100 * rates[name][number]:.1f} %" for number in defined]
    front = TEMPLATES.front(_points(rates[name], top), titles)
    axes = _curve_axes(levels, top)
    return TEMPLATES.curves(CURVE_WIDTH, CURVE_HEIGHT, name, unit, axes, behind, front)


def _curve_x(number: int, count: int) -> float:
    return CURVE_LEFT + 8 + number * (CURVE_WIDTH - CURVE_LEFT - 22) / max(1, count - 1)


def _curve_y(rate: float, top: float) -> float:
    return 8 + (CURVE_HEIGHT - CURVE_BOTTOM - 8) * (1 - min(rate, top) / top)


def _points(values: Sequence[float | None], top: float) -> list[tuple[float, float]]:
    """Place of every value that is defined."""
    return [
        (_curve_x(number, len(values)), _curve_y(value, top))
        for number, value in enumerate(values)
        if value is not None
    ]


def _curve_axes(levels: Sequence[str], top: float) -> Markup:
    rates = [(_curve_y(rate, top), rate) for rate in _ticks(0, top, 4)]
    named = [(_curve_x(number, len(levels)), level) for number, level in enumerate(levels)]
    return TEMPLATES.curve_axes(CURVE_LEFT, CURVE_WIDTH, rates, CURVE_HEIGHT - 7, named)
