"""HTML whose parts can be chosen: a click on anything with `data-pick` tells the page its value."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import streamlit as st

FOLDER = Path(__file__).parent


@cache
def _component():
    return st.components.v2.component(
        "attnscope.picker",
        html='<div class="attn-picker"></div>',
        js=(FOLDER / "picker.js").read_text(encoding="utf-8"),
        isolate_styles=False,
    )


def picker(html: str, key: str, on_pick: Callable[[], None] = lambda: None) -> str | None:
    """Show HTML and say what was just chosen in it, None where nothing was.

    Parameters
    ----------
    html
        Everything that comes from a user or a model must be escaped in it.
    key
        Of the element; `picked(key)` gives the choice to a callback.
    on_pick
        Runs before the page does.
    """
    return _component()(key=key, data={"html": html}, on_pick_change=on_pick).pick


def picked(key: str) -> str | None:
    """What was just chosen, for callbacks."""
    return getattr(st.session_state.get(key), "pick", None)
