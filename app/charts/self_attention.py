"""Maps of self-attention: frames that look at frames, tokens that look at tokens."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.charts.axes import LEFT, RIGHT, frame, seconds_axis
from app.charts.global_token import beside
from app.charts.labels import row_labels, shown_tokens
from app.charts.quantise import Levels
from app.theme import Palette

HEIGHT = 360
TOP, BOTTOM = 10, 42
TOKEN_BOTTOM = 66  # pixels under a map whose columns are tokens: their labels stand upright
USUAL_WIDTH = 360  # pixels of the columns of a map among others, as far as can be known here


def frames_map(
    levels: Levels,
    on_global: np.ndarray,
    *,
    frame_seconds: float,
    seconds: float,
    palette: Palette,
) -> go.Figure:
    """Frames of a recording down, the frames they look at across, both in seconds.

    Parameters
    ----------
    levels
        Rows look at columns.
    on_global
        (drawn rows,) share of each row's attention on the global token.
    frame_seconds
        From one frame to the next, before pooling.
    seconds
        End of both axes.
    """
    heat = _heat(levels, palette, frame_seconds, origin=0.5)
    figure = go.Figure(heat)
    across = seconds_axis(0.0, seconds, palette)
    down = across | {"range": [seconds, 0.0], "nticks": 7}
    figure.update_layout(
        xaxis=across | {"title": across["title"] | {"text": "looks at (s)"}},
        yaxis=down | {"title": across["title"] | {"text": "frame at (s)"}},
        meta=_meta("frames", levels, on_global),
    )
    beside(figure, heat.y0 + heat.dy * np.arange(len(on_global)), on_global, palette)
    frame(figure, palette, HEIGHT, top=TOP, bottom=BOTTOM)
    return figure


def tokens_map(
    levels: Levels,
    on_global: np.ndarray,
    *,
    tokens: Sequence[str],
    columns: Sequence[str],
    peaks: np.ndarray,
    palette: Palette,
) -> go.Figure:
    """Tokens as they are written down, the tokens they look back at across.

    Parameters
    ----------
    levels, on_global
        As in `frames_map`.
    tokens
        What every row writes.
    columns
        What it may look at: the start of the sentence and all tokens but the last.
    peaks
        (tokens,) seconds at which each token listens most.
    """
    count = len(tokens)
    heat = _heat(levels, palette, 1.0, origin=0.0)
    figure = go.Figure(heat)
    axis = {"minallowed": -0.5, "maxallowed": count - 0.5, "tickmode": "array", "ticks": "",
            "tickvals": list(range(count)), "ticklabelstandoff": 6, "showgrid": False,
            "zeroline": False}  # fmt: skip
    height = (HEIGHT - TOP - TOKEN_BOTTOM) / count
    figure.update_layout(
        xaxis=axis
        | {
            "range": [-0.5, count - 0.5],
            "ticktext": row_labels(columns, USUAL_WIDTH / count),
            "tickangle": -90,
            "tickfont": {"size": 11, "color": palette.muted},
        },
        yaxis=axis
        | {
            "range": [count - 0.5, -0.5],
            "ticktext": row_labels(tokens, height),
            "tickfont": {"size": 11, "color": palette.ink},
        },
        meta=_meta("tokens", levels, on_global)
        | {
            "tokens": shown_tokens(tokens),
            "columns": shown_tokens(columns),
            "peaks": [round(float(peak), 3) for peak in peaks],
        },
    )
    beside(figure, heat.y0 + heat.dy * np.arange(len(on_global)), on_global, palette)
    frame(figure, palette, HEIGHT, top=TOP, bottom=TOKEN_BOTTOM)
    figure.update_layout(margin={"l": LEFT, "r": RIGHT})
    return figure


def _heat(levels: Levels, palette: Palette, size: float, origin: float) -> go.Heatmap:
    """Cells; a position is `size` on both axes, and the first one's middle is `origin` of it."""
    across, down = levels.column_step, levels.row_step
    return go.Heatmap(
        name="attention",
        z=levels.cells,
        x0=((across - 1) / 2 + origin) * size,
        dx=across * size,
        y0=((down - 1) / 2 + origin) * size,
        dy=down * size,
        zmin=0,
        zmax=255,
        colorscale=[list(stop) for stop in palette.scale],
        showscale=False,
        hoverinfo="none",  # the player says it, with names
    )


def _meta(kind: str, levels: Levels, on_global: np.ndarray) -> dict:
    return {
        "kind": kind,
        "top": levels.top,
        "clipped": True,
        "global": [round(float(share), 3) for share in on_global],
    }
