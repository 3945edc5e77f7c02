"""Long work on a page: a bar with a button that ends the waiting, and one that goes on."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

STOP = "Stop after the mechanism that is decoding now; what is finished stays."


def busy(place: DeltaGenerator, key: str, mark: object, help_: str = STOP) -> DeltaGenerator:
    """A place for the bar, and beside it the button that puts `mark` into the state `key`."""
    with place.container(horizontal=True, vertical_alignment="center"):
        bar = st.empty()
        st.button(
            "Stop",
            key=f"{key}_stop",
            icon=":material/stop:",
            on_click=st.session_state.update,
            args=({key: mark},),
            help=help_,
        )
    return bar


def stopped(place: DeltaGenerator, key: str, done: int, total: int) -> None:
    """How far it came, and the button that forgets the state `key` and so goes on."""
    with place.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Stopped after {done} of {total}.")
        st.button(
            "Continue",
            key=f"{key}_continue",
            icon=":material/play_arrow:",
            on_click=st.session_state.pop,
            args=(key, None),
            help="Decode what is still missing.",
        )
