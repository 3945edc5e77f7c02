"""Compare: one recording, every mechanism, side by side."""

from collections.abc import Sequence

import streamlit as st

from app.controls import sidebar
from app.data.samples import samples
from app.links import compare as compare_links
from app.markup import cards
from app.markup.markdown import escape_markdown
from app.views.common import (
    nothing_trained,
    open_recording,
    request_for,
    write_address,
)
from app.views.compare import stored
from app.views.side_by_side import Job, shared_source, side_by_side
from models.recogniser import variants
from models.variant import VariantInfo


def page() -> None:
    """Draw the page."""
    infos = variants()
    clips = samples()
    sidebar.restore(st.query_params, clips, infos)
    choice = sidebar.sidebar(clips, infos)
    write_address(compare_links.write(choice.view))
    if choice.source.heard and choice.source.recording is None:
        stored.without_audio(choice, infos)
        return
    recording = open_recording(choice.source)
    if recording is None:
        return
    title = choice.source.name
    st.html(cards.recording_line(title, recording.seconds, choice.reference))
    if choice.source.heard:
        stored.evidence(choice.source.heard)
    for warning in recording.warnings:
        st.warning(escape_markdown(warning), icon=":material/hearing:")
    chosen = tuple(info for info in infos if info.name in choice.variants)
    if not chosen:
        _nothing_chosen(infos)
        return
    request = request_for(recording, shared_source(choice), choice.view.options)
    side_by_side(Job(recording, choice, *request, chosen))


def _nothing_chosen(infos: Sequence[VariantInfo]) -> None:
    if any(info.checkpoint for info in infos):
        st.info(
            "Choose at least one mechanism in the sidebar to see where it listens.",
            icon=":material/checklist:",
        )
    else:
        nothing_trained()
