"""One output step taken apart, and what would have happened had it listened elsewhere."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts
from app.charts.anatomy import output_figure, step_figure, vector_figure
from app.charts.config import PLOT
from app.charts.labels import shown_token
from app.comparison import too_large
from app.data import decoding
from app.markup import cards
from app.markup.markdown import escape_markdown
from app.markup.transcript import transcript
from app.presentation import Panel, panels
from app.templates import Macros
from app.theme import LIGHT, Palette, palette
from app.views.closer.subject import Subject, add, card
from models.anatomy import Change, Step, formula, parameters
from models.decoders.lstm import LSTMDecoder
from models.variant import Variant

TEMPLATES = Macros(__file__)


def section(subject: Subject) -> None:
    """Draw the step and the experiment, where the decoder is one that has steps of this kind."""
    variant = decoding.models().variant(subject.result.info.name)
    if not isinstance(variant.decoder, LSTMDecoder):
        st.info(
            "Several layers listen at every step of this mechanism, so there is no single look to "
            "take apart: its heads above show all of them.",
            icon=":material/info:",
        )
        return
    _anatomy(subject, variant)


@st.fragment
def _anatomy(subject: Subject, variant: Variant) -> None:
    """Everything below the maps; moving a control here redraws only this."""
    st.subheader("Anatomy of one step", anchor="step")
    step = _step_slider(subject)
    subject.keep(step=step)
    encoded = decoding.encoded(subject.digest, subject.recording)
    taken = variant.dissect(encoded, 0, subject.result.decoded, step)
    head = _head_choice(taken)
    left, right = st.columns([3, 1])
    with left:
        _energies(subject, taken, head)
    with right:
        _output(subject, variant, taken, step)
    token = shown_token(subject.result.decoded.alignment.tokens[step])
    add(subject, "step", lambda: _collected(subject, variant, taken, step, head),
        f"step {step + 1} ({token})", "this step")  # fmt: skip
    _vectors(taken)
    _full_picture(variant.decoder, taken)
    _what_if(subject, variant, taken, step)


def _collected(
    subject: Subject, variant: Variant, taken: Step, step: int, head: int
) -> list[Panel]:
    """The step as a slide: energies and weights, what was written, and the formula."""
    law = TEMPLATES.formula(formula(variant.decoder))
    return [
        panels.plotted("energies", _energies_of(subject, taken, head, LIGHT), body=law),
        panels.plotted("output", _output_of(subject, variant, taken, step, LIGHT)),
    ]


def _step_slider(subject: Subject) -> int:
    tokens = subject.result.decoded.alignment.tokens
    last = len(tokens) - 1
    if last == 0:
        return 0
    st.session_state.setdefault("closer_step", subject.view.step)
    st.session_state.closer_step = min(st.session_state.closer_step, last)
    return st.select_slider(
        "Output step",
        list(range(len(tokens))),
        key="closer_step",
        format_func=lambda index: f"{index + 1}: {shown_token(tokens[index])}",
        help="Which written token to take apart; the arrow keys move it.",
    )


def _head_choice(taken: Step) -> int:
    heads = len(taken.weights)
    if heads == 1:
        return 0
    return st.segmented_control(
        "Head",
        list(range(heads)),
        default=0,
        required=True,
        key="closer_head",
        format_func=lambda index: str(index + 1),
        help="Which head's energies and weights are drawn.",
    )


def _energies_of(subject: Subject, taken: Step, head: int, theme: Palette) -> go.Figure:
    seconds = subject.result.decoded.alignment.frame_seconds
    times = (np.arange(taken.weights.shape[1]) + 0.5) * seconds
    return step_figure(
        {name: term[head] for name, term in taken.terms.items()},
        taken.weights[head],
        times,
        seconds=subject.recording.seconds,
        palette=theme,
    )


def _energies(subject: Subject, taken: Step, head: int) -> None:
    figure = _energies_of(subject, taken, head, palette(st.context.theme.type))
    st.markdown("**Energy terms, then the weights they give**")
    st.plotly_chart(figure, theme=None, config=PLOT, key="plot_step",
                    alt="Energy terms and attention weights of the step over seconds")  # fmt: skip


def _output_of(
    subject: Subject, variant: Variant, taken: Step, step: int, theme: Palette
) -> go.Figure:
    chosen = subject.result.decoded.alignment.tokens[step]
    return output_figure(taken.log_probs, variant.alphabet.tokens, theme, chosen=chosen)


def _output(subject: Subject, variant: Variant, taken: Step, step: int) -> None:
    st.markdown("**What it made of the context**")
    figure = _output_of(subject, variant, taken, step, palette(st.context.theme.type))
    st.plotly_chart(figure, theme=None, config=PLOT, key="plot_output",
                    alt="Probabilities of the likeliest next tokens")  # fmt: skip


def _vectors(taken: Step) -> None:
    theme = palette(st.context.theme.type)
    for name, values, where in (("Query", taken.query, 0), ("Context", taken.context, 1)):
        if where == 0:
            columns = st.columns(2)
        with columns[where]:
            st.markdown(f"**{name}** · {len(values)} numbers")
            st.plotly_chart(vector_figure(values, theme), theme=None, config=PLOT,
                            key=f"plot_{name}", alt=f"{name} vector of the step")  # fmt: skip


def _full_picture(decoder: LSTMDecoder, taken: Step) -> None:
    """The formula, the live shapes, and the matrices that match them."""
    with st.expander("Full picture: formula and tensor shapes", icon=":material/schema:"):
        st.code(formula(decoder), language=None)
        live = pd.DataFrame(
            {
                "tensor": [part.name for part in taken.parts],
                "shape": [" × ".join(map(str, part.shape)) for part in taken.parts],
                "axes": [" × ".join(part.axes) for part in taken.parts],
            }
        )
        weights = pd.DataFrame(
            {
                "trained tensor": list(parameters(decoder)),
                "shape": [" × ".join(map(str, shape)) for shape in parameters(decoder).values()],
            }
        )
        left, right = st.columns(2)
        left.dataframe(live, hide_index=True)
        right.dataframe(weights, hide_index=True)
        st.caption(
            "Keys and query meet in the attention dimension; the context has the size of an "
            "encoded frame (times the heads where each reads its own)."
        )


# --- what if


def _what_if(subject: Subject, variant: Variant, taken: Step, step: int) -> None:
    st.subheader("What if", anchor="what-if", help="Tokens before the step stay as they are; from "
                 "the step on the change applies and decoding goes on greedily.")  # fmt: skip
    change = _change(subject, taken, step)
    if change == Change(step=step):
        st.caption("Change something to see how the rest of the decoding changes.")
        return
    encoded = decoding.encoded(subject.digest, subject.recording)
    longest = subject.view.options.max_length_ratio
    try:
        decoded = variant.rewrite(encoded, 0, subject.result.decoded, change, longest)
        changed = decoding.assessed(subject.result.info, variant, encoded, decoded)
    except MemoryError:
        seconds = subject.recording.seconds
        st.error(too_large(subject.result.info.name, seconds), icon=":material/memory:")
        return
    changed = decoding.scored(changed, subject.reference, "basic")
    left, right = st.columns(2)
    with left:
        _side(subject, subject.result, "As decoded", "before")
    with right:
        _side(subject, changed, "Changed", "after")
    words = _words(change, subject.result.decoded.alignment.frame_seconds)
    add(subject, "what_if", lambda: [card(subject, subject.result, "As decoded"),
                                     card(subject, changed, f"From step {step + 1} on: {words}")],
        f"what if from step {step + 1} on: {words}", "both decodings")  # fmt: skip


def _words(change: Change, frame_seconds: float) -> str:
    """What was changed, for people."""
    parts = [f"without {name}" for name in sorted(change.dropped)]
    if change.temperature != 1:
        parts.append(f"temperature {change.temperature:g}")
    if change.hidden is not None:
        start, end = (frame * frame_seconds for frame in change.hidden)
        parts.append(f"{start:.1f} to {end:.1f} s hidden")
    if change.peak is not None:
        parts.append(f"listening at {change.peak * frame_seconds:.1f} s")
    return ", ".join(parts)


def _change(subject: Subject, taken: Step, step: int) -> Change:
    seconds = subject.recording.seconds
    frame = subject.result.decoded.alignment.frame_seconds
    frames = taken.weights.shape[1]
    first, second, third, fourth = st.columns(4)
    temperature = first.slider(
        "Temperature", 0.1, 4.0, 1.0, 0.1, key="if_temperature",
        help="Energies are divided by this from the step on: below 1 sharper, above 1 flatter.",
    )  # fmt: skip
    dropped = second.multiselect(
        "Drop terms", list(taken.terms), key="if_dropped", placeholder="none",
        help="Leave these energy terms out from the step on.",
    )  # fmt: skip
    hidden = _hidden(third, seconds, frame)
    peak = None
    if fourth.toggle("Move the peak", key="if_move",
                     help="Make this one step listen at another time."):  # fmt: skip
        at = fourth.slider(
            "to (s)", 0.0, float(seconds), float(seconds) / 2, 0.05, key="if_peak",
            help="Where this step listens; the steps after it are free.",
        )  # fmt: skip
        peak = min(frames - 1, int(at / frame))
    return Change(step, temperature, frozenset(dropped), hidden, peak)


def _hidden(place, seconds: float, frame: float) -> tuple[int, int] | None:
    on = place.toggle(
        "Hide a stretch",
        key="if_hide",
        help="Make a stretch of the recording inaudible to the attention.",
    )
    if not on:
        return None
    start, end = place.slider(
        "between (s)", 0.0, float(seconds), (float(seconds) / 3, float(seconds) / 2), 0.05,
        key="if_hidden", help="Frames in this stretch cannot be attended from the step on.",
    )  # fmt: skip
    return int(start / frame), max(int(start / frame) + 1, int(end / frame))


def _side(subject: Subject, result, title: str, key: str) -> None:
    figure = charts.attention_map(
        result.decoded.alignment,
        seconds=subject.recording.seconds,
        palette=palette(st.context.theme.type),
        failures=result.diagnosis.failures,
    )
    rate = cards.rated(result.score) if result.score else ""
    badge = cards.badge(result.diagnosis.verdict, result.decoded.alignment)
    st.html(TEMPLATES.side(title, badge, rate))
    st.plotly_chart(figure, theme=None, config=PLOT, key=f"plot_{key}",
                    alt=f"Attention map, {escape_markdown(title.lower())}")  # fmt: skip
    text = transcript(result.decoded.alignment, result.decoded.text, subject.reference, "basic")
    st.html(text + cards.evidence(result.diagnosis))
