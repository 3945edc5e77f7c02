"""One number of every decoding against another, each a point that can be chosen."""

import numpy as np
import plotly.graph_objects as go

from app.charts.axes import frame
from app.theme import Palette

HEIGHT = 460
LEFT, TOP, BOTTOM = 70, 34, 52


def scatter_figure(
    x: np.ndarray,
    y: np.ndarray,
    places: np.ndarray,
    failed: np.ndarray,
    titles: tuple[str, str],
    palette: Palette,
) -> go.Figure:
    """Points, those that failed with a sign of their own.

    Parameters
    ----------
    x, y
        (points,) numbers in the unit their titles name.
    places
        (points,) what a point says of itself when it is chosen (`customdata`).
    failed
        (points,) bool.
    titles
        Of both axes, with their units.
    """
    figure = go.Figure(
        [
            _points("healthy", x, y, places, ~failed, palette.speech, "circle"),
            _points("some failure", x, y, places, failed, palette.failure, "x"),
        ]
    )
    axis = {"showgrid": True, "gridcolor": palette.grid, "zeroline": False,
            "tickfont": {"size": 14, "color": palette.muted}}  # fmt: skip
    for number, name in enumerate(("xaxis", "yaxis")):
        title = {"text": titles[number], "font": {"size": 15}, "standoff": 8}
        figure.update_layout({name: axis | {"title": title}})
    frame(figure, palette, HEIGHT, top=TOP, bottom=BOTTOM)
    figure.update_layout(
        margin={"l": LEFT},
        showlegend=True,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "font": {"size": 14}},
        meta={"kind": "scatter"},
    )
    return figure


def _points(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    places: np.ndarray,
    mask: np.ndarray,
    colour: str,
    symbol: str,
) -> go.Scatter:
    return go.Scatter(
        name=name,
        x=x[mask].astype(np.float32),
        y=y[mask].astype(np.float32),
        customdata=places[mask].astype(np.int32),
        mode="markers",
        marker={"color": colour, "size": 9, "symbol": symbol, "opacity": 0.75,
                "line": {"width": 1.5, "color": colour}},
        hovertemplate="%{x:.3g}<br>%{y:.1f} %<extra>" + name + "</extra>",
    )  # fmt: skip
