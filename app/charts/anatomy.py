"""One output step of a mechanism: its energy terms, their sum, and what becomes of it."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.charts.axes import LEFT, RIGHT, frame, seconds_axis
from app.charts.labels import as_text, shown_token
from app.theme import Palette

HEIGHT = 430
BOTTOM = 44
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # not colour alone
LIKELIEST = 8  # tokens of the output that are shown
VECTOR_HEIGHT = 120


def step_figure(
    terms: Mapping[str, np.ndarray],
    weights: np.ndarray,
    times: np.ndarray,
    *,
    seconds: float,
    palette: Palette,
) -> go.Figure:
    """Energy terms above, the weights they give below, over one time axis.

    Parameters
    ----------
    terms
        (frames,) each; they sum to the energies, which are drawn where there are several.
    weights
        (frames,) after the softmax.
    times
        (frames,) middle of every frame in seconds.
    seconds
        End of the time axis.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for (name, values), dash in zip(terms.items(), DASHES * len(terms), strict=False):
        figure.add_trace(_line(name, times, values, palette.speech, dash, "energy"), row=1, col=1)
    if len(terms) > 1:
        total = np.sum(list(terms.values()), axis=0)
        figure.add_trace(_line("sum", times, total, palette.ink, "solid", "energy"), row=1, col=1)
    bars = go.Scatter(
        name="weight",
        x=times.astype(np.float32),
        y=weights.astype(np.float32),
        mode="lines",
        line={"color": palette.path, "width": 1.5, "shape": "hvh"},
        fill="tozeroy",
        hovertemplate="%{x:.2f} s<br>weight %{y:.3f}<extra></extra>",
        showlegend=False,
    )
    figure.add_trace(bars, row=2, col=1)
    axis = seconds_axis(0.0, seconds, palette)
    figure.update_layout(xaxis=axis | {"title": None, "showticklabels": False}, xaxis2=axis)
    plain = {"showgrid": True, "gridcolor": palette.grid, "zeroline": False, "tickfont":
             {"size": 12, "color": palette.muted}}  # fmt: skip
    figure.update_yaxes(**plain)
    figure.update_layout(
        yaxis={"title": {"text": "energy"}},
        yaxis2={"title": {"text": "weight"}, "rangemode": "tozero"},
        meta={"kind": "anatomy"},
    )
    frame(figure, palette, HEIGHT, top=34, bottom=BOTTOM)
    figure.update_layout(
        showlegend=True, legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}
    )
    return figure


def _line(name: str, x: np.ndarray, y: np.ndarray, colour: str, dash: str, unit: str) -> go.Scatter:
    return go.Scatter(
        name=name,
        x=x.astype(np.float32),
        y=np.asarray(y, dtype=np.float32),
        mode="lines",
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate="%{x:.2f} s<br>" + f"{name} " + "%{y:.2f}" + f"<extra>{unit}</extra>",
    )


def output_figure(
    log_probs: np.ndarray, tokens: Sequence[str], palette: Palette, *, chosen: str
) -> go.Figure:
    """The likeliest next tokens; the one that was written stands out.

    Parameters
    ----------
    log_probs
        (vocabulary,) natural logarithms.
    tokens
        Names of the vocabulary in order.
    chosen
        The token that was written.
    """
    best = np.argsort(log_probs)[::-1][:LIKELIEST]
    names = [tokens[index] for index in best]
    figure = go.Figure(
        go.Bar(
            x=np.exp(log_probs[best]).astype(np.float32),
            y=np.arange(len(best)),
            orientation="h",
            marker={"color": [palette.path if n == chosen else palette.speech for n in names]},
            hovertemplate="probability %{x:.3f}<extra></extra>",
        )
    )
    figure.update_layout(
        xaxis={"range": [0, 1], "title": {"text": "probability"}, "showgrid": True,
               "gridcolor": palette.grid, "zeroline": False},
        yaxis={"tickvals": list(range(len(best))), "range": [len(best) - 0.5, -0.5],
               "ticktext": [as_text(shown_token(name)) for name in names], "showgrid": False},
        meta={"kind": "output"},
    )  # fmt: skip
    frame(figure, palette, 60 + 26 * len(best), top=10, bottom=BOTTOM)
    return figure


def vector_figure(values: np.ndarray, palette: Palette) -> go.Figure:
    """A vector as bars from zero, one for each of its numbers."""
    figure = go.Figure(
        go.Scatter(
            x=np.arange(len(values)),
            y=values.astype(np.float32),
            mode="lines",
            line={"color": palette.speech, "width": 1, "shape": "hvh"},
            fill="tozeroy",
            hovertemplate="number %{x}<br>%{y:.3f}<extra></extra>",
        )
    )
    figure.update_layout(
        xaxis={"title": {"text": ""}, "range": [-0.5, len(values) - 0.5], "showgrid": False},
        yaxis={"showgrid": True, "gridcolor": palette.grid, "nticks": 4},
        meta={"kind": "vector"},
    )
    frame(figure, palette, VECTOR_HEIGHT, top=6, bottom=24)
    figure.update_layout(margin={"l": LEFT, "r": RIGHT})
    return figure
