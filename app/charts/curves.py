"""A number of every mechanism against how much stress there is.

A curve is told by its dash, its marker and its name at its end; colour only helps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app.charts.axes import frame
from app.theme import Palette

HEIGHT, SMALL = 400, 300
LEFT, TOP, BOTTOM = 70, 14, 56
LABEL = 17  # pixels a name takes in height
CHARACTER = 7.6  # and a character in width
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "triangle-down", "pentagon",
           "cross", "hexagon")  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
COLOURS = {  # told apart with every colour vision, on light and on dark
    "light": ("#0072b2", "#c2410c", "#0f766e", "#a1357c", "#7a5c00", "#1c2a31", "#3a7d1e",
              "#5b7083", "#6a45c9"),
    "dark": ("#56b4e9", "#fb923c", "#5eead4", "#f0a3d0", "#f0e442", "#e6edee", "#a3d977",
             "#9fb3c0", "#b9a5ff"),
}  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """One mechanism."""

    name: str
    style: int  # which dash, marker and colour: the mechanism's own, whatever else is drawn
    values: tuple[float | None, ...]  # at every level, None where undefined


@dataclass(frozen=True)
class Ladder:
    """The levels."""

    title: str  # with its unit
    levels: tuple[float, ...]  # mild to hard; an infinite one is drawn one step away
    labels: tuple[str, ...]  # of each, in the axis


def curves_figure(
    curves: Sequence[Curve], ladder: Ladder, title: str, palette: Palette, *, small: bool = False
) -> go.Figure:
    """Curves over the levels, harder to the right.

    Parameters
    ----------
    title
        Of the vertical axis, with its unit.
    """
    height = SMALL if small else HEIGHT
    places = _places(ladder.levels)
    low, high = _range([v for curve in curves for v in curve.values if v is not None])
    figure = go.Figure([_line(curve, places, ladder, palette) for curve in curves])
    unit = (height - TOP - BOTTOM) / (high - low)  # pixels
    figure.update_layout(annotations=_names(curves, places, (low, high), unit, palette))
    frame(figure, palette, height, top=TOP, bottom=BOTTOM)
    longest = max((len(curve.name) for curve in curves), default=0)
    figure.update_layout(margin={"l": LEFT, "r": round(40 + CHARACTER * longest)})
    pad = 0.03 * (abs(places[-1] - places[0]) or 1)
    pad = pad if places[-1] >= places[0] else -pad
    axis = {"showgrid": True, "gridcolor": palette.grid, "zeroline": False,
            "ticks": "outside", "ticklen": 6,
            "tickcolor": "rgba(0,0,0,0)",  # only room, so that the axes' numbers keep apart
            "tickfont": {"size": 14, "color": palette.muted}}  # fmt: skip
    figure.update_layout(
        xaxis=axis
        | {
            "title": {"text": ladder.title, "font": {"size": 15}, "standoff": 8},
            "tickvals": list(places),
            "ticktext": list(ladder.labels),
            "range": [places[0] - pad, places[-1] + pad],
        },
        yaxis=axis
        | {"title": {"text": title, "font": {"size": 15}, "standoff": 8}, "range": [low, high]},
        meta={"kind": "curves", "variants": [curve.name for curve in curves]},
    )
    return figure


def _places(levels: Sequence[float]) -> list[float]:
    """Where levels are drawn: an infinite one as far from the next as the levels lie apart."""
    finite = [level for level in levels if math.isfinite(level)]
    step = (max(finite) - min(finite)) / max(1, len(finite) - 1) if finite else 0
    beyond = max(finite, default=0) + (step or 1)
    return [level if math.isfinite(level) else beyond for level in levels]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(0.0, *values, 0.0), max(values, default=1.0)
    room = 0.06 * ((high - low) or 1.0)
    return (low - room if low < 0 else low), max(high, low) + room


def _line(curve: Curve, places: Sequence[float], ladder: Ladder, palette: Palette) -> go.Scatter:
    colour = COLOURS[palette.name][curve.style % len(COLOURS[palette.name])]
    return go.Scatter(
        name=curve.name,
        x=list(places),
        y=list(curve.values),
        text=list(ladder.labels),
        mode="lines+markers",
        line={"color": colour, "width": 2.5, "dash": DASHES[curve.style % len(DASHES)]},
        marker={"color": colour, "size": 10, "symbol": SYMBOLS[curve.style % len(SYMBOLS)]},
        hovertemplate=f"{curve.name}<br>%{{text}}: %{{y:.3g}}<extra></extra>",
    )


def _names(
    curves: Sequence[Curve],
    places: Sequence[float],
    limits: tuple[float, float],
    unit: float,
    palette: Palette,
) -> list[dict]:
    """Names at the ends, moved apart where they would cover each other, with a line to the end."""
    ends = []
    for curve in curves:
        defined = [n for n, value in enumerate(curve.values) if value is not None]
        if defined:
            ends.append((curve.values[defined[-1]], places[defined[-1]], curve))
    ends.sort(key=lambda end: (-end[0], end[2].style))  # from the top
    wanted = [(limits[1] - value) * unit for value, _, _ in ends]
    rows = spread(wanted, LABEL, (limits[1] - limits[0]) * unit)
    colours = COLOURS[palette.name]
    return [
        {
            "x": x,
            "y": value,
            "ax": 26,
            "ay": row - at,
            "text": curve.name,
            "xanchor": "left",
            "showarrow": True,
            "arrowhead": 0,
            "arrowwidth": 1,
            "arrowcolor": palette.muted,
            "standoff": 6,
            "font": {"size": 14, "color": colours[curve.style % len(colours)]},
        }
        for (value, x, curve), at, row in zip(ends, wanted, rows, strict=True)
    ]


def spread(wanted: Sequence[float], apart: float, end: float) -> list[float]:
    """Places in rising order, near those wanted, so far apart, and before `end` where they fit."""
    rows: list[float] = []
    for place in wanted:
        rows.append(max(place, rows[-1] + apart) if rows else place)
    latest = end
    for number in reversed(range(len(rows))):
        rows[number] = min(rows[number], latest)
        latest = rows[number] - apart
    return rows
