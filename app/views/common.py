"""What all pages that show a recording have in common."""

import streamlit as st

from app.controls.recording import Source
from app.data import decoding
from app.data.decoding import Request, Store
from app.data.runs import Heard
from app.data.samples import Sample
from models.audio import AudioError, Recording
from models.decoding.search import SearchOptions

PLOT = {"displaylogo": False, "displayModeBar": "hover", "scrollZoom": False, "showTips": False,
        "modeBarButtonsToRemove": ["pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "select2d",
                                   "lasso2d"],
        "toImageButtonOptions": {"format": "svg", "filename": "attnscope-map"}}  # fmt: skip


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is."""
    return "".join(f"\\{char}" if char in r"\`*_[]<>#|$~:" else char for char in text)


def write_address(params: dict[str, str]) -> None:
    """Put a view into the address, so that the address shows it again."""
    if st.query_params.to_dict() != params:
        st.query_params.from_dict(params)


def turn_pages(key: str, page: int, pages: int, what: str, told: str) -> None:
    """Buttons to the page before and the page after, and where one is.

    Parameters
    ----------
    key
        Under which the session state has the number of the page.
    what
        Stands on a page, for the help of the buttons.
    told
        Which page of how many, as Markdown.
    """
    turns = (("Back", -1, "chevron_left", "before"), ("On", 1, "chevron_right", "after"))
    with st.container(horizontal=True, vertical_alignment="center"):
        for title, step, sign, side in turns:
            st.button(
                title,
                key=f"{key}_{title}",
                disabled=not 0 <= page + step < pages,
                on_click=st.session_state.update,
                args=({key: page + step},),
                icon=f":material/{sign}:",
                help=f"The {what} {side} these.",
            )
        st.markdown(told)


def opened(source: Source) -> Recording | None:
    """The chosen recording; what is wrong with it is said in its place."""
    if source.recording is not None:
        return source.recording
    if source.problem:
        st.error(plain(source.problem), icon=":material/error:")
        return None
    if source.content is None:
        _invite(source.kind)
        return None
    try:
        return decoding.open_recording(source.content, source.name)
    except AudioError as error:
        st.error(plain(str(error)), icon=":material/error:")
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
    recording: Recording, shared: Sample | Heard | None, options: SearchOptions
) -> tuple[Request, Store]:
    """What is to be decoded, and where its results live: a sample's or a run's are everybody's."""
    request = Request(decoding.digest_of(recording), options)
    return request, decoding.shared_store() if shared else decoding.private_store()


def address_note(shared: Sample | Heard | None) -> None:
    """What the address of the page can and cannot say."""
    if shared:
        st.caption("The address of this page shows this very view to anybody who opens it.")
    else:
        st.caption(
            "The address keeps mechanisms and options, not the recording: an upload is yours alone "
            "and cannot be linked."
        )
