"""Long work on a page: a bar with a button that ends the waiting, and one that goes on."""

import time
from dataclasses import dataclass, field

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.markup.markdown import escape_markdown

SHORT_SECONDS, LONG_SECONDS = 3, 90  # of waiting: not worth a word, and said in minutes
STOP = "Stop after the mechanism that is decoding now; what is finished stays."


@dataclass
class Progress:
    """How far it is, and how long it will take: audio is what takes time."""

    bar: DeltaGenerator
    done: int  # decodings
    total: int
    audio: float  # seconds still to be listened to, by each mechanism
    started: float = field(default_factory=time.monotonic)
    heard: float = 0.0  # of them

    def show(self, what: str) -> None:
        """Say what is being done now."""
        position = f"{min(self.done + 1, self.total)} of {self.total}"
        text = f"{escape_markdown(what)} · {position}{self._left()}"
        self.bar.progress(self.done / self.total, text=text)

    def add(self, seconds: float) -> None:
        """One more has listened to so much."""
        self.done += 1
        self.heard += seconds

    def _left(self) -> str:
        if not self.heard:
            return ""
        elapsed = time.monotonic() - self.started
        seconds = elapsed / self.heard * max(0.0, self.audio - self.heard)
        if seconds < SHORT_SECONDS:
            return ""
        return (
            f" · about {seconds:.0f} s left"
            if seconds < 90
            else f" · about {seconds / 60:.0f} min left"
        )


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
