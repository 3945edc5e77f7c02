"""Which evaluated set: the operator's runs by name, and what to do where there is none yet."""

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.controls.initial import initial
from app.data import runs, sample_run
from app.data.runs import Run
from app.evaluation import RunError
from models.checkpoint import CheckpointError

COMMAND = "python -m app evaluate MANIFEST --out {}/NAME --keep-alignments"


KEY = "run"  # of the control on pages about sets, which keep their choice together


def restore(wanted: str | None, library: Mapping[str, Run], key: str = KEY) -> None:
    """Choose the wanted run, or the one chosen last, where none is chosen yet."""
    state = st.session_state
    initial(key, wanted)
    if state[key] not in library:
        state[key] = next(iter(library), None)


def choose(library: Mapping[str, Run], key: str = KEY) -> Run:
    """Draw the control and say which run is chosen; there must be one."""
    name = st.selectbox(
        "Evaluated set",
        list(library),
        key=key,
        persist_state="session",
        format_func=lambda name: "The samples" if name == sample_run.NAME else name,
        help="Runs of `python -m app evaluate` in the folder that the dashboard was started with "
        "(`--runs`, by default `runs`).",
    )
    return library[name]


def invite(what: str) -> None:
    """What a page shows where there is nothing evaluated yet.

    Parameters
    ----------
    what
        One sentence: what the page shows.
    """
    with st.container(key="invite"):
        st.markdown(f"### {what}")
        st.markdown("There is no evaluated set yet. This command makes one of your own recordings:")
        st.code(COMMAND.format(runs.folder()), language="bash")
        if sample_run.possible():
            _offer()
        else:
            st.caption("The samples cannot be evaluated here: mechanisms or samples are missing.")


def _offer() -> None:
    """One row that keeps its place: how far it is, and the button that starts or stops it."""
    state = st.session_state.get("trial", "")
    with st.container(horizontal=True, vertical_alignment="center"):
        bar = st.empty()
        if state == "running":
            _button("Stop", "stopped", "stop", "secondary", "Stop after the clip that is being "
                    "decoded; what is done stays.")  # fmt: skip
        else:
            _button("Go on" if state == "stopped" else "Evaluate the samples now", "running",
                    "play_arrow", "primary", "Decode the short clips that come with AttnScope by "
                    "every trained mechanism. It takes seconds, and everything this page does can "
                    "be tried on them.")  # fmt: skip
    if state == "stopped":
        bar.markdown("Stopped; what is done stays.")
    if state == "running":
        _evaluate(bar)


def _button(title: str, then: str, icon: str, kind: str, help_: str) -> None:
    st.button(
        title,
        key=f"trial_{then}",
        type=kind,
        icon=f":material/{icon}:",
        on_click=st.session_state.update,
        args=({"trial": then},),
        help=help_,
    )


def _evaluate(bar: DeltaGenerator) -> None:
    bar.progress(0.0, text="The mechanisms are loaded …")

    def show(done: int, total: int) -> None:
        bar.progress(done / max(1, total), text=f"{done} of {total} clips heard by everyone")

    try:
        sample_run.run(show)
    except (RunError, CheckpointError) as error:
        st.session_state.trial = ""
        st.error(str(error), icon=":material/error:")
        return
    st.session_state.trial = ""
    st.rerun()
