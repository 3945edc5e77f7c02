"""The presentation of a session: it outlives pages, and its last change can be undone."""

import streamlit as st

from app.presentation import Deck, Slide
from app.presentation.deck import MOST

DECK, BEFORE = "present_deck", "present_before"  # in the session's state


def deck() -> Deck:
    """What was collected so far."""
    return st.session_state.get(DECK, Deck())


def keep(changed: Deck, *, undo: bool = False) -> None:
    """From now on, this is the presentation.

    Parameters
    ----------
    undo
        Offer to go back to what it was before.
    """
    if undo:
        st.session_state[BEFORE] = deck()
    st.session_state[DECK] = changed


def collect(slide: Slide) -> bool:
    """Put a view at the end; False where the presentation is full."""
    if len(deck().slides) >= MOST:
        return False
    keep(deck().added(slide))
    return True


def undoable() -> bool:
    return st.session_state.get(BEFORE) is not None


def undo() -> None:
    """As it was before slides were removed or a file was opened."""
    st.session_state[DECK] = st.session_state.pop(BEFORE)
