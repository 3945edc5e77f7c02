"""Values of controls that several pages share."""

from typing import Any

import streamlit as st


def keep(key: str, value: Any) -> None:
    """Give a control the value it has had, or this one where it had none, before it is drawn.

    Setting a value that is there already is not idle: after a change of page Streamlit still knows
    the control's value but takes it for that of the other page's control, and would start this one
    empty.
    """
    state = st.session_state
    state[key] = state.get(key, value)
