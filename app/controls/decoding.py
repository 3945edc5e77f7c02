"""Decoding options, the same on every page that decodes."""

from dataclasses import dataclass

import streamlit as st

from app.controls.kept import keep
from app.links import compare as compare_links
from models.decoding.search import SearchOptions

USUAL_WINDOW = (0.5, 1.0)  # seconds back and ahead


@dataclass(frozen=True)
class Slider:
    """How an option of `links.RANGES` is chosen."""

    label: str
    step: float
    help: str


SLIDERS = {
    "beam": Slider(
        "Beam", 1, "Hypotheses kept at every step. 1 is greedy: the likeliest token, always."
    ),
    "ctc": Slider(
        "CTC weight",
        0.1,
        "How much CTC has a say in the beam (joint CTC/attention decoding). 0 is attention alone, "
        "which is where loops and early stops show. Needs a beam: at beam 1 only the decoder's "
        "likeliest token is looked at, unless the weight is 1.",
    ),
    "sharpen": Slider(
        "Attention temperature",
        0.05,
        "Attention energies are divided by this before the softmax: below 1 sharpens, above 1 "
        "blurs where a mechanism listens.",
    ),
    "limit": Slider(
        "Length limit (tokens per 40 ms)",
        0.1,
        "The decoder is cut off after this many tokens per attention frame; reaching it is what "
        "the verdict “runaway” means.",
    ),
    "length": Slider(
        "Length bonus",
        0.1,
        "Added to the score for every token: above 0 favours longer texts. Needs a beam.",
    ),
    "coverage": Slider(
        "Coverage weight",
        0.05,
        "Favours hypotheses that listened to more of the recording. Needs a beam.",
    ),
    "lm": Slider(
        "Language model weight",
        0.1,
        "How much a character language model has a say (shallow fusion). 0 leaves the recogniser "
        "to itself, which is what shows how it listens. Best with a beam; at beam 1 it chooses "
        "between the next tokens only, and not at all beside a CTC weight below 1.",
    ),
    "words": Slider(
        "Word bonus",
        0.5,
        "With a language model: added to the score for every word, since a language model favours "
        "short texts.",
    ),
}


def restore(options: SearchOptions) -> None:
    """Give every control that has no value yet the one from `options`."""
    for name, limits in compare_links.RANGES.items():
        keep(name, getattr(options, limits.option))
    keep("window_on", options.window is not None)
    if st.session_state.window_on:
        keep("window", options.window or USUAL_WINDOW)
    else:  # the control is not drawn; switched on again it starts as usual
        st.session_state.setdefault("window", USUAL_WINDOW)


def forget() -> None:
    """Let the controls take their values from `restore` when they are drawn next."""
    for name in (*compare_links.RANGES, "window_on", "window"):
        st.session_state.pop(name, None)


def choose() -> SearchOptions:
    """Draw the controls and say what they say."""
    values: dict[str, float] = {}
    for name, slider in SLIDERS.items():
        limits = compare_links.RANGES[name]
        values[limits.option] = st.slider(
            slider.label, limits.low, limits.high, step=slider.step, key=name, help=slider.help,
            disabled=name == "words" and not values["lm_weight"],
        )  # fmt: skip
    if not values["lm_weight"]:
        values["word_bonus"] = 0.0
    return SearchOptions(**values, window=_window())


def _window() -> tuple[float, float] | None:
    on = st.toggle(
        "Window around the last peak",
        key="window_on",
        help="Let each token listen only near where the one before it did: a remedy for jumps.",
    )
    if not on:
        return None
    back, ahead = st.slider(
        "Window (seconds back, ahead)",
        compare_links.WINDOW.low,
        compare_links.WINDOW.high,
        key="window",
        step=0.1,
        help="Seconds before and after the last token's attention peak that stay audible.",
    )
    return back, ahead
