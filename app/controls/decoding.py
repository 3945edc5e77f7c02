"""Decoding options, the same on every page that decodes."""

import streamlit as st

from app import links
from app.controls.kept import keep
from models.search import SearchOptions

USUAL_WINDOW = (0.5, 1.0)  # seconds back and ahead


def restore(options: SearchOptions) -> None:
    """Give every control that has no value yet the one from `options`."""
    for name, limits in links.RANGES.items():
        keep(name, getattr(options, limits.option))
    keep("window_on", options.window is not None)
    if st.session_state.window_on:
        keep("window", options.window or USUAL_WINDOW)
    else:  # the control is not drawn; switched on again it starts as usual
        st.session_state.setdefault("window", USUAL_WINDOW)


def forget() -> None:
    """Let the controls take their values from `restore` when they are drawn next."""
    for name in (*links.RANGES, "window_on", "window"):
        st.session_state.pop(name, None)


def choose() -> SearchOptions:
    """Draw the controls and say what they say."""
    beam = st.slider(
        "Beam",
        1,
        20,
        key="beam",
        help="Hypotheses kept at every step. 1 is greedy: the likeliest token, always.",
    )
    ctc_weight = st.slider(
        "CTC weight",
        0.0,
        1.0,
        step=0.1,
        key="ctc",
        help="How much CTC has a say in the beam (joint CTC/attention decoding). 0 is attention "
        "alone, which is where loops and early stops show.",
    )
    temperature = st.slider(
        "Attention temperature",
        0.25,
        2.0,
        step=0.05,
        key="sharpen",
        help="Attention energies are divided by this before the softmax: below 1 sharpens, above 1 "
        "blurs where a mechanism listens.",
    )
    limit = st.slider(
        "Length limit (tokens per 40 ms)",
        0.1,
        2.0,
        step=0.1,
        key="limit",
        help="The decoder is cut off after this many tokens per attention frame; reaching it is "
        "what the verdict “runaway” means.",
    )
    length = st.slider(
        "Length bonus",
        -2.0,
        2.0,
        step=0.1,
        key="length",
        help="Added to the score for every token: above 0 favours longer texts. Needs a beam.",
    )
    coverage = st.slider(
        "Coverage weight",
        0.0,
        1.0,
        step=0.05,
        key="coverage",
        help="Favours hypotheses that listened to more of the recording. Needs a beam.",
    )
    lm_weight = st.slider(
        "Language model weight",
        0.0,
        1.5,
        step=0.1,
        key="lm",
        help="How much a character language model has a say in the beam (shallow fusion). 0 leaves "
        "the recogniser to itself, which is what shows how it listens. Needs a beam.",
    )
    word_bonus = st.slider(
        "Word bonus",
        -2.0,
        4.0,
        step=0.5,
        key="words",
        help="With a language model: added to the score for every word, since a language model "
        "favours short texts.",
        disabled=lm_weight == 0,
    )
    return SearchOptions(
        beam=beam,
        lm_weight=lm_weight,
        word_bonus=word_bonus if lm_weight else 0.0,
        max_length_ratio=limit,
        length_penalty=length,
        ctc_weight=ctc_weight,
        coverage_penalty=coverage,
        temperature=temperature,
        window=_window(),
    )


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
        links.WINDOW.low,
        links.WINDOW.high,
        key="window",
        step=0.1,
        help="Seconds before and after the last token's attention peak that stay audible.",
    )
    return back, ahead
