"""The player: hears the recording, moves one cursor over every figure, keeps their zoom together.

The component draws no figure. It finds the Plotly figures inside the page's `listen` container,
lays a cursor over each, and turns a click on a map, a token label or a word into sound.
"""

from functools import cache
from pathlib import Path

import streamlit as st

FOLDER = Path(__file__).parent
CONTAINER = "listen"  # key of the container whose figures the player follows
AUDIO = "listen_audio"  # key of the container with the audio element the player drives


@cache
def _component():
    parts = {
        kind: (FOLDER / f"player.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    }
    return st.components.v2.component("attnscope.player", isolate_styles=False, **parts)


def player(sound: bytes, seconds: float, digest: str) -> None:
    """Mount the player of one recording.

    Parameters
    ----------
    sound
        The recording as a WAV file; it reaches the browser once, by its own address.
    seconds
        Its length.
    digest
        Content hash: a new one resets position and zoom.
    """
    with st.container(key=AUDIO):
        st.audio(sound, format="audio/wav")
    data = {"seconds": seconds, "digest": digest, "container": CONTAINER, "audio": AUDIO}
    _component()(key="player", data=data)
