"""Heads of one alignment, each a map of its own with what it is for."""

from collections.abc import Iterable

import streamlit as st

from analysis.alignment import Alignment
from analysis.diagnosis import HeadReport
from app import charts
from app.charts.attention import SMALL_HEIGHT
from app.theme import palette
from app.views.parts import PLOT, plain

HELP = "Each head is a map of its own; the map above is their mean. Its role is judged from this \
recording alone."
ROLES = {
    "aligner": "follows speech sharply, token by token",
    "local": "follows speech loosely, over a wide stretch",
    "global": "has places, but in no order of time",
    "sink": "parks its mass in one place whatever the token",
    "diffuse": "does not know where it listens",
}


def name_of(alignment: Alignment, report: HeadReport) -> str:
    """How people call a head; the layer only where there are several."""
    name = f"head {report.head + 1}"
    return f"layer {report.layer + 1}, {name}" if alignment.layers > 1 else name


def head_maps(alignment: Alignment, reports: Iterable[HeadReport], seconds: float) -> None:
    """A card for every report, to be drawn inside the container with the key "maps" or the like.

    Parameters
    ----------
    seconds
        End of the time axis, shared by all figures of a page.
    """
    theme = palette(st.context.theme.type)
    for report in reports:
        with st.container(key=f"card_head_{report.layer}_{report.head}", border=True):
            name = name_of(alignment, report)
            figure = charts.attention_map(
                alignment.head(report.layer, report.head),
                seconds=seconds,
                palette=theme,
                fit=SMALL_HEIGHT,
            )
            st.markdown(f"**{name}** · {report.role}", help=ROLES.get(report.role, ""))
            st.plotly_chart(figure, theme=None, config=PLOT, alt=f"Attention map of {name}",
                            key=f"plot_head_{report.layer}_{report.head}")  # fmt: skip
            if report.evidence:
                st.caption(plain(report.evidence))
