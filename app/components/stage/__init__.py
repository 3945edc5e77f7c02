"""The stage: a presentation's own page inside the dashboard, kept apart from it.

The page may carry what a file from elsewhere said, so it runs in a frame without an origin: it can
show, sound and fill the screen, and reach nothing of the dashboard.
"""

from functools import cache
from pathlib import Path

import streamlit as st

from app.theme import Palette
from app.theme.svg import color_filter, hidden

COLOURS = "attn-slide-colours"  # of small pictures, in the style sheet
FOLDER = Path(__file__).parent


@cache
def _component():
    parts = {
        kind: (FOLDER / f"stage.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    }
    return st.components.v2.component("attnscope.stage", isolate_styles=False, **parts)


def stage(html: str, theme: Palette, at: int = 0) -> None:
    """Show a presentation; it stays at its slide when the page changes.

    The small pictures of slides on the page get their colours from here, too.

    Parameters
    ----------
    html
        From `app.presentation.render`.
    theme
        Of the dashboard.
    at
        Slide to go to when this number changes.
    """
    colours = hidden(color_filter(COLOURS, theme.scale))
    _component()(key="stage", data={"html": html, "at": at, "colours": colours})
