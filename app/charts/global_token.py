"""What stands beside a map: how much of each row's attention is on the global token."""

import numpy as np
import plotly.graph_objects as go

from app.theme import Palette

MAP, STRIP = (0.0, 0.86), (0.9, 1.0)  # shares of a figure's width


def beside(figure: go.Figure, rows: np.ndarray, share: np.ndarray, palette: Palette) -> None:
    """Make room at the right of a map and draw a share of every row there, from 0 to 1.

    Parameters
    ----------
    rows
        (drawn rows,) middle of every row on the map's vertical axis.
    share
        (drawn rows,) from 0 to 1.
    """
    figure.add_trace(
        go.Scatter(
            name="global token",
            x=share.astype(np.float32),
            y=rows.astype(np.float32),
            xaxis="x2",
            mode="lines",
            line={"color": palette.speech, "width": 1, "shape": "vhv"},
            fill="tozerox",
            hoverinfo="none",
        )
    )
    figure.update_layout(
        xaxis={"domain": list(MAP)},
        xaxis2={
            "domain": list(STRIP),
            "anchor": "y",
            "range": [0, 1],
            "fixedrange": True,
            "tickvals": [0, 1],
            "ticks": "outside",
            "ticklen": 4,
            "tickcolor": palette.muted,
            "tickfont": {"size": 12, "color": palette.muted},
            "title": {"text": "global", "standoff": 6, "font": {"size": 13}},
            "showgrid": False,
            "zeroline": False,
            "showline": True,
            "linecolor": palette.grid,
        },
    )
