"""Rates as dots on whiskers: what was measured, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from app.charts.axes import RIGHT, frame
from app.charts.labels import as_text
from app.theme import Palette

ROW = 34  # pixels of one rate
TOP, BOTTOM = 8, 48
NAMES = 190  # pixels for the names
VALUES = 74  # and for the numbers at the right


@dataclass(frozen=True)
class Rate:
    """A rate with its interval, all in percent."""

    name: str
    value: float
    low: float
    high: float


def _dots(rates: Sequence[Rate], rows: Sequence[int], palette: Palette) -> go.Scatter:
    """The rates on their whiskers."""
    return go.Scatter(
        x=[rate.value for rate in rates],
        y=rows,
        mode="markers",
        marker={"size": 13, "color": palette.speech},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [rate.high - rate.value for rate in rates],
            "arrayminus": [rate.value - rate.low for rate in rates],
            "thickness": 3,
            "width": 7,
            "color": palette.muted,
        },
        text=[f"{as_text(r.name)}: {r.value:.2f} % ({r.low:.2f} to {r.high:.2f})" for r in rates],
        hovertemplate="%{text}<extra></extra>",
    )


def interval_figure(rates: Sequence[Rate], title: str, palette: Palette) -> go.Figure:
    """One row for each rate, in the order given, from the top.

    Parameters
    ----------
    title
        Of the axis, with its unit.
    """
    rows = list(range(len(rates)))
    end = 1.04 * max((rate.high for rate in rates), default=1.0)
    figure = go.Figure(_dots(rates, rows, palette))
    figure.update_layout(
        xaxis={
            "range": [0, end or 1.0],
            "title": {"text": title, "standoff": 8, "font": {"size": 15}},
            "ticksuffix": " %",
            "tickfont": {"size": 14, "color": palette.muted},
            "gridcolor": palette.grid,
            "showgrid": True,
            "zeroline": True,
            "zerolinecolor": palette.muted,
        },
        yaxis={
            "range": [len(rates) - 0.5, -0.5],
            "tickvals": rows,
            "ticktext": [as_text(rate.name) for rate in rates],
            "tickfont": {"size": 15, "color": palette.ink},
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
        },
        annotations=[
            {
                "x": 1.0, "xref": "paper", "xanchor": "left", "xshift": 8, "y": row,
                "showarrow": False, "text": f"<b>{rate.value:.1f} %</b>",
                "font": {"size": 16, "color": palette.ink},
            }
            for row, rate in zip(rows, rates, strict=True)
        ],
        meta={"kind": "interval"},
    )  # fmt: skip
    frame(figure, palette, TOP + BOTTOM + ROW * max(1, len(rates)), top=TOP, bottom=BOTTOM)
    figure.update_layout(margin={"l": NAMES, "r": RIGHT + VALUES})
    return figure
