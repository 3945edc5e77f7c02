"""First values of controls that several pages share."""

from typing import Any

import streamlit as st


def initial(key: str, value: Any) -> None:
    """Give a control that is about to be drawn its first value, or again the one it has.

    Setting a value that is there already is not idle. ``persist_state="session"`` keeps the value
    while no page draws the control, but a value that was set here and never touched is lost when
    the next page draws a control of the same key at once: Streamlit (1.67) then still holds it
    under the other page's control, and this one would start empty.
    """
    state = st.session_state
    state[key] = state.get(key, value)
