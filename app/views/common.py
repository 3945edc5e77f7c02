"""What all pages that show a recording have in common."""

import streamlit as st

from app.controls.recording import Source
from app.data import decoding
from app.data.decoding import Request, Store
from app.data.runs import RunRecording
from app.data.samples import Sample
from app.markup.markdown import escape_markdown
from models.audio import AudioError, Recording
from models.decoding.search import SearchOptions


def write_address(params: dict[str, str]) -> None:
    """Put a view into the address, so that the address shows it again."""
    if st.query_params.to_dict() != params:
        st.query_params.from_dict(params)


def open_recording(source: Source) -> Recording | None:
    """The chosen recording; what is wrong with it is said in its place."""
    if source.recording is not None:
        return source.recording
    if source.problem:
        st.error(escape_markdown(source.problem), icon=":material/error:")
        return None
    if source.content is None:
        _invite(source.kind)
        return None
    try:
        return decoding.open_recording(source.content, source.name)
    except AudioError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return None


def nothing_trained() -> None:
    """Say that there is nothing to decode with, and what to do."""
    st.error(
        "No mechanism has a checkpoint yet: train one, or set ATTNSCOPE_CHECKPOINTS to a "
        "folder that has some.",
        icon=":material/error:",
    )


def _invite(kind: str) -> None:
    messages = {
        "Upload": "Choose an audio file in the sidebar: every mechanism will decode it at once.",
        "Record": "Press the microphone in the sidebar and say a sentence in English.",
        "Sample": "There are no samples in this copy of AttnScope: upload a recording instead.",
    }
    st.info(messages[kind], icon=":material/graphic_eq:")


def request_for(
    recording: Recording, shared: Sample | RunRecording | None, options: SearchOptions
) -> tuple[Request, Store]:
    """What is to be decoded, and where its results live: a sample's or a run's are everybody's."""
    request = Request(decoding.digest_of(recording), options)
    return request, decoding.shared_store() if shared else decoding.private_store()


def address_note(shared: Sample | RunRecording | None) -> None:
    """What the address of the page can and cannot say."""
    if shared:
        st.caption("The address of this page shows this very view to anybody who opens it.")
    else:
        st.caption(
            "The address keeps mechanisms and options, not the recording: an upload is yours alone "
            "and cannot be linked."
        )
