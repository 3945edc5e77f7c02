"""What all figures share: the time axis and the quiet frame around it."""

import plotly.graph_objects as go

from app.theme import Palette

LEFT = 64  # pixels for row labels: equal everywhere, so that time lines up between figures
RIGHT = 12
FONT = "Source Sans, sans-serif"  # Streamlit's own, so that figures and page speak with one voice


def seconds_axis(start: float, end: float, palette: Palette, *, title: bool = True) -> dict:
    """A time axis in seconds from start to end, the same in every figure of a page."""
    return {
        "range": [start, end],
        "minallowed": start,
        "maxallowed": end,
        "title": {"text": "time (s)" if title else "", "standoff": 6, "font": {"size": 13}},
        "ticksuffix": "" if title else " s",  # the unit stands at one place or the other
        "nticks": 9,
        "showgrid": False,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": palette.muted,
        "tickfont": {"size": 12, "color": palette.muted},
        "showline": False,
    }


def frame(figure: go.Figure, palette: Palette, height: int, *, top: int, bottom: int) -> None:
    """Margins, fonts and background of a figure; no legend, no colour bar, nothing that moves."""
    figure.update_layout(
        height=height,
        margin={"l": LEFT, "r": RIGHT, "t": top, "b": bottom, "pad": 0, "autoexpand": False},
        font={"family": FONT, "size": 13, "color": palette.ink},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor=palette.paper,
        showlegend=False,
        dragmode="zoom",
        hovermode="closest",
        hoverlabel={"font": {"family": FONT, "size": 14}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": palette.muted, "activecolor": palette.ink},
        template="none",
    )
