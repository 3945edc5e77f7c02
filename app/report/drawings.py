"""Pictures of a report as SVG text: they need no script and stay sharp in print.

Colours are the page's (`report.css`); texts are escaped here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

import numpy as np

from analysis.alignment import Alignment
from analysis.failures.failure import Failure
from app.charts.label_placement import name_places
from app.charts.labels import row_labels
from app.charts.png import data_uri, grey_png
from app.charts.quantise import to_levels
from app.theme import sign

MAP_WIDTH, MAP_LEFT, MAP_RIGHT, MAP_TOP, MAP_BOTTOM = 640, 74, 8, 10, 34
MAP_HEIGHT, TALLEST_MAP, ROW_HEIGHT = 260, 720, 11.5  # of the cells
MAP_CELLS = 300_000  # of one picture
FAINTEST_TOP = 0.25  # weight of the full colour at least, as on the Compare page
BAR_WIDTH, BAR_HEIGHT = 170, 20
CURVE_WIDTH, CURVE_HEIGHT, CURVE_LEFT, CURVE_BOTTOM = 230, 150, 40, 24
HIGHEST_RATE = 1.5  # curves are cut off here


def attention_map(alignment: Alignment, failures: Iterable[Failure], seconds: float) -> str:
    """The map of one decoding: tokens read downwards, seconds across, failures framed."""
    count = max(1, len(alignment.tokens))
    height = min(TALLEST_MAP, max(MAP_HEIGHT, count * ROW_HEIGHT if count < 40 else 0))
    width = MAP_WIDTH - MAP_LEFT - MAP_RIGHT
    start, end = alignment.start_seconds, max(seconds, alignment.time(alignment.frames))
    scale, row = width / (end - start), height / count

    def x(time: float) -> float:
        return MAP_LEFT + (min(max(time, start), end) - start) * scale

    body = [_cells(alignment, x(alignment.time(alignment.frames)) - MAP_LEFT, height)]
    body += _row_names(alignment.tokens, row)
    body += _time_axis(start, end, scale, height)
    body += _frames(failures, x, row, count)
    total = height + MAP_TOP + MAP_BOTTOM
    label = f"attention of {escape(alignment.variant or 'a decoder')}, tokens down, seconds across"
    return (
        f'<svg class="map" viewBox="0 0 {MAP_WIDTH} {total:.0f}" role="img" aria-label="{label}" '
        f'data-start="{start:.3f}" data-scale="{scale:.3f}" data-left="{MAP_LEFT}">'
        f'{"".join(body)}<line class="cursor" y1="{MAP_TOP}" y2="{MAP_TOP + height:.0f}" '
        'x1="-9" x2="-9"/></svg>'
    )


def _cells(alignment: Alignment, width: float, height: float) -> str:
    weights = alignment.map
    if not weights.size:
        return ""
    top = max(FAINTEST_TOP, float(weights.max()))
    picture = data_uri(grey_png(to_levels(weights, top=top, limit=MAP_CELLS).cells), "image/png")
    return (
        f'<image class="cells" x="{MAP_LEFT}" y="{MAP_TOP}" width="{width:.1f}" '
        f'height="{height:.1f}" preserveAspectRatio="none" href="{picture}"/>'
    )


def _row_names(tokens: Sequence[str], row: float) -> list[str]:
    return [
        f'<text class="token" x="{MAP_LEFT - 6}" y="{MAP_TOP + (number + 0.5) * row + 3.5:.1f}">'
        f"{label}</text>"
        for number, label in enumerate(row_labels(tokens, row))
        if label
    ]


def _time_axis(start: float, end: float, scale: float, height: float) -> list[str]:
    found, y = [], MAP_TOP + height
    for time in _ticks(start, end, 8):
        x = MAP_LEFT + (time - start) * scale
        found.append(
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{y:.0f}" y2="{y + 4:.0f}"/>'
        )
        found.append(f'<text class="time" x="{x:.1f}" y="{y + 17:.0f}">{time:g} s</text>')
    return found


def _frames(
    failures: Iterable[Failure], x: Callable[[float], float], row: float, count: int
) -> list[str]:
    """The evidence of every failure, its name in a corner where it covers no other."""
    boxes, names, found = [], [], []
    for each in failures:
        first, last = each.tokens[0], min(count, max(each.tokens[1], each.tokens[0] + 1))
        left, right = x(each.seconds[0]), x(max(each.seconds[1], each.seconds[0] + 0.1))
        boxes.append((left, MAP_TOP + first * row, right, MAP_TOP + last * row))
        names.append(sign(each.kind).words)
    for box, name, place in zip(boxes, names, name_places(boxes, names), strict=True):
        left, top, right, bottom = box
        side, end = place.corner.split()
        at = min(right, MAP_WIDTH - 4) - 4 if end == "right" else left + 4
        beside = {"top": top - 4, "bottom": bottom + 13}
        inside = {"top": top + 13, "bottom": bottom - 5}
        line = (beside if place.outside else inside)[side]
        found.append(
            f'<g class="failure"><rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{bottom - top:.1f}"/>'
            f'<text class="{end}" x="{at:.1f}" y="{line:.1f}">{escape(name)}</text></g>'
        )
    return found


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


def interval_bar(rate: float | None, interval: Sequence[float | None], top: float) -> str:
    """A rate as a dot with its interval as a line, on an axis from 0 to `top`."""
    if rate is None or interval[0] is None:
        return ""
    scale, y = (BAR_WIDTH - 12) / top, BAR_HEIGHT / 2
    at, low, high = (6 + scale * min(value, top) for value in (rate, *interval))
    grid = "".join(
        f'<line class="grid" x1="{6 + scale * t:.1f}" x2="{6 + scale * t:.1f}" y1="0" y2="20"/>'
        for t in _ticks(0, top, 4)
    )
    return (
        f'<svg class="bar" viewBox="0 0 {BAR_WIDTH} {BAR_HEIGHT}" aria-hidden="true">{grid}'
        f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
        f'<circle cx="{at:.1f}" cy="{y}" r="4.5"/></svg>'
    )


def curves(
    levels: Sequence[str], rates: Mapping[str, Sequence[float | None]], name: str, unit: str
) -> str:
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
    behind = [_curve(v, top) for other, v in rates.items() if other != name]
    front = _front(levels, rates[name], top)
    return (
        f'<svg class="curves" viewBox="0 0 {CURVE_WIDTH} {CURVE_HEIGHT}" role="img" '
        f'aria-label="{escape(name)}: rate against {escape(unit)}">'
        f"{_curve_axes(levels, top)}{''.join(behind)}{front}</svg>"
    )


def _curve_x(number: int, count: int) -> float:
    return CURVE_LEFT + 8 + number * (CURVE_WIDTH - CURVE_LEFT - 22) / max(1, count - 1)


def _curve_y(rate: float, top: float) -> float:
    return 8 + (CURVE_HEIGHT - CURVE_BOTTOM - 8) * (1 - min(rate, top) / top)


def _curve(values: Sequence[float | None], top: float) -> str:
    line = " ".join(
        f"{_curve_x(number, len(values)):.1f},{_curve_y(value, top):.1f}"
        for number, value in enumerate(values)
        if value is not None
    )
    return f'<polyline points="{line}"/>'


def _front(levels: Sequence[str], values: Sequence[float | None], top: float) -> str:
    dots = "".join(
        f'<circle cx="{_curve_x(number, len(values)):.1f}" cy="{_curve_y(value, top):.1f}" '
        f'r="3.2"><title>{escape(levels[number])}: {100 * value:.1f} %</title></circle>'
        for number, value in enumerate(values)
        if value is not None
    )
    return f'<g class="front">{_curve(values, top)}{dots}</g>'


def _curve_axes(levels: Sequence[str], top: float) -> str:
    parts = []
    for rate in _ticks(0, top, 4):
        y = _curve_y(rate, top)
        parts.append(
            f'<line class="grid" x1="{CURVE_LEFT}" x2="{CURVE_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="rate" x="{CURVE_LEFT - 5}" y="{y + 3.5:.1f}">{100 * rate:.0f} %</text>'
        )
    for number, level in enumerate(levels):
        x = _curve_x(number, len(levels))
        parts.append(
            f'<text class="level" x="{x:.1f}" y="{CURVE_HEIGHT - 7}">{escape(level)}</text>'
        )
    return "".join(parts)
