"""Which stress, and how much of it."""

import math
from dataclasses import dataclass

import streamlit as st

from app.controls.initial import initial
from app.data import stress_lab
from app.links import stress as stress_links
from app.links.stress import MOST, StressView
from app.markup.markdown import escape_markdown
from models.stress import STRESSES


@dataclass(frozen=True)
class Chosen:
    """What the controls say."""

    name: str  # one of lab.SCALES
    levels: tuple[float, ...]  # without the plain one; in their order
    gap: float


def restore(view: StressView) -> None:
    """Give every control that has no value yet the one of the view, or its last one."""
    state = st.session_state
    if view.levels:
        state.setdefault(f"lab_levels_{view.stress}", _texts(view.levels))
    initial("lab_stress", view.stress)
    initial("lab_gap", view.gap)


def choose() -> Chosen:
    """Draw the controls and say what they say."""
    name = st.selectbox(
        "What is done to it",
        list(stress_lab.SCALES),
        key="lab_stress",
        persist_state="session",
        format_func=lambda name: STRESSES[name].title,
        help="Repeating is the classic test of attention: mechanisms that only compare content "
        "lose their place when the same words come again.",
    )
    texts = _levels(name)
    parsed = {text: stress_lab.level_of(name, text) for text in texts}
    levels = tuple(level for level in parsed.values() if level is not None)
    for text, level in parsed.items():
        if level is None:
            _refuse(name, text)
    ordered = (
        level
        for level in stress_lab.in_order(name, levels)
        if level != stress_lab.SCALES[name].plain
    )
    return Chosen(name, tuple(ordered), _gap() if name == "repeat" else 0.0)


def _levels(name: str) -> list[str]:
    scale, stress, state = stress_lab.SCALES[name], STRESSES[name], st.session_state
    key = f"lab_levels_{name}"
    initial(key, _texts(scale.usual))
    offered = _texts(stress_lab.in_order(name, (*scale.usual, *scale.more)))
    own = [text for text in state[key] if text not in offered]
    return st.multiselect(
        f"Levels ({stress.unit})",
        [text for text in (*offered, *own) if stress_lab.level_of(name, text) != scale.plain],
        key=key,
        persist_state="session",
        accept_new_options=True,
        max_selections=MOST,
        placeholder="choose or write a number",
        help=f"Up to {MOST} levels, or your own: any number from {stress.low:g} to "
        f"{stress.high:g}. The recording as it is comes first, always.",
    )


def _texts(levels: tuple[float, ...]) -> list[str]:
    return [f"{level:g}" for level in levels if math.isfinite(level)]


def _refuse(name: str, text: str) -> None:
    stress = STRESSES[name]
    kind = "a whole number" if stress.whole else "a number"
    sentence = f"“{text[:20]}” is no level: write {kind} from {stress.low:g} to {stress.high:g}."
    st.warning(escape_markdown(sentence), icon=":material/edit:")


def _gap() -> float:
    return st.slider(
        "Pause between (seconds)",
        *stress_links.GAP,
        key="lab_gap",
        persist_state="session",
        step=0.5,
        help="Background as loud as the recording's own, put between the repetitions.",
    )
