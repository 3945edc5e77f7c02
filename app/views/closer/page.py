"""Look closer: one mechanism, its heads, and one output step taken apart."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from app import charts
from app.charts.config import PLOT
from app.comparison import VariantResult
from app.components.player import CONTAINER, player
from app.controls import decoding, recording
from app.data import decoding as backend
from app.data import runs
from app.data.runs import RunRecording
from app.data.samples import Sample, samples
from app.links import closer as closer_links
from app.links.closer import CloserView
from app.markup import cards
from app.markup.markdown import escape_markdown
from app.markup.transcript import transcript
from app.theme import palette
from app.views.closer import anatomy, layers
from app.views.closer.subject import Subject, add, card
from app.views.common import (
    address_note,
    nothing_trained,
    open_recording,
    request_for,
    write_address,
)
from models.recogniser import variants
from models.variant import CTC, VariantInfo


def page() -> None:
    """Draw the page."""
    infos = [info for info in variants() if info.checkpoint]
    if not infos:
        nothing_trained()
        return
    clips = samples()
    _restore(clips, infos)
    with st.sidebar:
        st.subheader("Recording", anchor=False)
        source = recording.choose(clips)
        reference = recording.reference(source)
        st.subheader("Mechanism", anchor=False)
        info = _mechanism(infos)
        with st.expander("Decoding", icon=":material/tune:"):
            options = decoding.choose()
    view = _keep(
        sample=source.sample.name if source.sample else None,
        run=source.heard.run.name if source.heard else None,
        utterance=source.heard.id if source.heard else None,
        variant=info.name,
        options=options,
    )
    heard = open_recording(source)
    if heard is None:
        return
    shared = source.sample or source.heard
    request, store = request_for(heard, shared, options)
    result = _decoded(heard, request, info, store)
    if result is None:
        return
    result = backend.scored(result, reference, "basic")
    _look(Subject(heard, request.digest, reference, shared, result, view, _keep))


def _restore(clips: dict[str, Sample], infos: Sequence[VariantInfo]) -> None:
    state = st.session_state
    names = {info.name: info for info in infos}
    if "closer_view" not in state:
        state.closer_view = closer_links.read(st.query_params, clips, names)
    view: CloserView = state.closer_view
    recording.restore(view.sample, clips, runs.find(view.run, view.utterance, view.variant))
    decoding.restore(view.options)
    led: RunRecording | None = state.heard
    if led is not None and led.variant in names and led != state.get("closer_led"):
        state.closer_variant = led.variant  # what led to this recording is what is looked at
    state.closer_led = led
    usual = next((info.name for info in infos if info.name != CTC), infos[0].name)
    state.setdefault("closer_variant", view.variant if view.variant in names else usual)


def _keep(**changes: Any) -> CloserView:
    """Remember what is on screen now, also in the address; returns all of it."""
    view = replace(st.session_state.closer_view, **changes)
    st.session_state.closer_view = view
    write_address(closer_links.write(view))
    return view


def _mechanism(infos: Sequence[VariantInfo]) -> VariantInfo:
    titles = {info.name: info for info in infos}
    name = st.selectbox(
        "Mechanism",
        list(titles),
        key="closer_variant",
        label_visibility="collapsed",
        format_func=lambda name: titles[name].title,
        help="The mechanism to look into; Compare shows all of them side by side.",
    )
    return titles[name]


def _decoded(heard, request, info: VariantInfo, store) -> VariantResult | None:
    known = backend.known(request, [info.name], store)
    if known:
        return known[info.name]
    with st.spinner(f"{escape_markdown(info.title)} listens", show_time=True):
        outcome = next(backend.decode(heard, request, [info.name], store))
    if outcome.result is None:
        st.error(escape_markdown(outcome.error), icon=":material/error:")
    return outcome.result


def _look(subject: Subject) -> None:
    info, alignment = subject.result.info, subject.result.decoded.alignment
    st.html(cards.head(info, subject.result))
    st.caption(f"{escape_markdown(info.paper)} · {escape_markdown(subject.recording.name)}")
    with st.container(key=CONTAINER):
        with st.container(key="player_bar"):
            sound = backend.sound(subject.digest, subject.recording)
            player(sound, subject.recording.seconds, subject.digest)
        _whole(subject)
        if alignment.layers * alignment.heads > 1:
            layers.section(subject)
        if not alignment.tokens:
            st.info("Nothing was decoded, so there is no step to take apart.")
        elif info.name != CTC:
            anatomy.section(subject)
        else:
            st.info(
                "CTC has no attention: its map is the posterior of every token over the frames, so "
                "there is no step to take apart. Choose a mechanism with attention.",
                icon=":material/info:",
            )
    address_note(subject.shared)


def _whole(subject: Subject) -> None:
    result, theme = subject.result, palette(st.context.theme.type)
    figure = charts.spectrogram(
        backend.log_mel(subject.digest, subject.recording),
        backend.band_hz(),
        hop_seconds=backend.HOP_SECONDS,
        seconds=subject.recording.seconds,
        palette=theme,
    )
    with st.container(key="spectrogram"):
        st.plotly_chart(figure, theme=None, config=PLOT, key="plot_spectrogram",
                        alt="Log-mel spectrogram, frequency over seconds")  # fmt: skip
    figure = charts.attention_map(
        result.decoded.alignment,
        seconds=subject.recording.seconds,
        palette=theme,
        failures=result.diagnosis.failures,
    )
    st.plotly_chart(figure, theme=None, config=PLOT, key="plot_whole",
                    alt=f"Attention map of {result.info.title}")  # fmt: skip
    alignment = result.decoded.alignment
    text = transcript(alignment, result.decoded.text, subject.reference, "basic")
    st.html(text + cards.evidence(result.diagnosis))
    add(subject, "whole", lambda: [card(subject, result)], "", "this map and the recording")
