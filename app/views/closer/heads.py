"""Heads of one alignment, each a map of its own with what it is for."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.alignment import Alignment
from analysis.diagnosis import HeadReport
from app import charts
from app.charts.attention import SMALL_HEIGHT
from app.charts.config import PLOT
from app.data.self_attention import SquareHead
from app.markup import cards
from app.markup.markdown import escape_markdown
from app.presentation import Panel, panels
from app.theme import LIGHT, Palette, palette

FRAME_ROLES = {
    "diagonal": "every frame looks at itself",
    "previous": "every frame looks at the one before it",
    "next": "every frame looks at the one after it",
    "local": "looks at the sound around it",
    "global": "looks at particular places that are not nearby; this has nothing to do with the "
    "global token",
    "sink": "parks its mass in one place, or on the global token, whatever the frame",
    "diffuse": "looks everywhere alike",
}
TOKEN_ROLES = {
    "diagonal": "looks at the token written last",
    "previous": "looks at the token before the one written last",
    "local": "looks at the last few tokens",
    "global": "looks at particular tokens further back; this has nothing to do with the global "
    "token",
    "sink": "parks its mass on one token, or on the global token, whatever is written",
    "diffuse": "looks at all that was written alike",
}
HELP = "Each head is a map of its own; the map above is the mean of all that listen to the \
recording. Its role is judged from this recording alone."
ROLES = {
    "aligner": "follows speech sharply, token by token",
    "local": "follows speech loosely, over a wide stretch",
    "reversed": "goes through speech backwards in time",
    "global": "has places, but in no order of time",
    "sink": "parks its mass in one place whatever the token",
    "diffuse": "does not know where it listens",
}


def name_of(alignment: Alignment, report: HeadReport) -> str:
    """How people call a head; the layer only where there are several."""
    return called(alignment.layers, report.layer, report.head)


def called(layers: int, layer: int, head: int) -> str:
    """As `name_of`, for any head of so many layers."""
    name = f"head {head + 1}"
    return f"layer {layer + 1}, {name}" if layers > 1 else name


def head_maps(
    alignment: Alignment,
    reports: Iterable[HeadReport],
    seconds: float,
    on_global: np.ndarray | None = None,
) -> None:
    """A card for every report, to be drawn inside a container whose key begins with "head_maps".

    Parameters
    ----------
    seconds
        End of the time axis, shared by all figures of a page.
    on_global
        (layers, heads, tokens) share of each row's attention on a global token, if there is one.
    """
    theme = palette(st.context.theme.type)
    for report in reports:
        with st.container(key=f"card_head_{report.layer}_{report.head}", border=True):
            name = name_of(alignment, report)
            mass = None if on_global is None else on_global[report.layer, report.head]
            figure = _figure(alignment, report, seconds, theme, mass)
            st.markdown(f"**{name}** · {report.role}", help=ROLES.get(report.role, ""))
            st.plotly_chart(figure, theme=None, config=PLOT, alt=f"Attention map of {name}",
                            key=f"plot_head_{report.layer}_{report.head}")  # fmt: skip
            _caption(report.evidence, mass)


def square_maps(
    heads: Iterable[SquareHead],
    figure_of: Callable[[SquareHead], go.Figure],
    layers: int,
    roles: Mapping[str, str],
) -> None:
    """As `head_maps`, for heads whose positions look at positions."""
    for head in heads:
        key = f"{head.layer}_{head.head}"
        with st.container(key=f"card_square_{key}", border=True):
            name = called(layers, head.layer, head.head)
            st.markdown(f"**{name}** · {head.role}", help=roles.get(head.role, ""))
            st.plotly_chart(figure_of(head), theme=None, config=PLOT, key=f"plot_square_{key}",
                            alt=f"Self-attention map of {name}")  # fmt: skip
            _caption(head.evidence, head.on_global)


def _caption(evidence: str, mass: np.ndarray | None) -> None:
    words = [evidence] if evidence else []
    if mass is not None and len(mass):
        words.append(f"On the global token: {mass.mean():.0%}.")
    if words:
        st.caption(escape_markdown(" ".join(words)))


def _figure(
    alignment: Alignment,
    report: HeadReport,
    seconds: float,
    theme: Palette,
    mass: np.ndarray | None = None,
) -> go.Figure:
    return charts.attention_map(
        alignment.head(report.layer, report.head),
        seconds=seconds,
        palette=theme,
        fit=SMALL_HEIGHT,
        on_global=mass,
    )


def head_panels(
    alignment: Alignment,
    reports: Iterable[HeadReport],
    seconds: float,
    on_global: np.ndarray | None = None,
) -> list[Panel]:
    """The cards of `head_maps` for a slide."""
    slide_panels = []
    for report in reports:
        mass = None if on_global is None else on_global[report.layer, report.head]
        figure = _figure(alignment, report, seconds, LIGHT, mass)
        slide_panels.append(_panel(name_of(alignment, report), report.role, figure))
    return slide_panels


def square_panels(
    heads: Iterable[SquareHead], figure_of: Callable[[SquareHead], go.Figure], layers: int
) -> list[Panel]:
    """The cards of `square_maps` for a slide."""
    return [
        _panel(called(layers, head.layer, head.head), head.role, figure_of(head)) for head in heads
    ]


def _panel(name: str, role: str, figure: go.Figure) -> Panel:
    return panels.plotted(name, figure, head=cards.head_title(name, role))
