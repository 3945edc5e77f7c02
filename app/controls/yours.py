"""What a user brings to Your attention: files, the recording, the words; kept between pages."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from analysis.io import toolkits
from analysis.io.toolkits import ReadOptions
from app.controls import sidebar
from app.controls.initial import initial
from app.data import example
from app.data.uploads import FILES, NAMELESS, File
from app.links.compare import View

FILE_MB = 50  # of one upload
LINK = {"example": "1"}  # the only view of this page that an address can name
WIDGETS = {"files": "yours_files", "audio": "yours_audio"}


@dataclass
class Brought:
    """What this session brought; it lives in the session and goes with it."""

    files: tuple[File, ...] = ()
    audio: File | None = None
    example: bool = False  # the files are the example's
    reference: str = ""
    renormalise: bool = False
    frame_seconds: float = toolkits.ESPNET_FRAME  # of files without a time axis
    normalizer: str = "basic"
    every_token: bool = View.every_token
    special: bool = View.special


@dataclass(frozen=True)
class Choice:
    """Everything the sidebar says."""

    files: tuple[File, ...]
    left_out: int  # files beyond the limit
    audio: File | None
    reference: str | None  # None: each file's own, if it has one
    options: ReadOptions
    normalizer: str
    every_token: bool
    special: bool
    example: bool


def brought() -> Brought:
    """What this session brought so far."""
    return st.session_state.setdefault("yours", Brought())


def restore(params: Mapping[str, str]) -> None:
    """Give every control that has no value yet its last one; an address may ask for the example."""
    new = "yours" not in st.session_state
    kept = brought()
    if new and params.get("example") == LINK["example"]:
        show_example()
    initial("yours_reference", kept.reference)
    initial("yours_renormalise", kept.renormalise)
    initial("yours_frame", round(1000 * kept.frame_seconds, 3))
    initial("normalizer", kept.normalizer)
    initial("every_token", kept.every_token)
    initial("special", kept.special)


def show_example() -> None:
    """Put the example where uploads would be."""
    if not example.available():
        return
    made, kept = example.example(), brought()
    kept.files, kept.audio, kept.example = made.files, made.audio, True


def forget() -> None:
    """Take away everything that was brought."""
    kept = brought()
    kept.files, kept.audio, kept.example = (), None, False


def choose() -> Choice:
    """Draw all controls and say what is chosen."""
    kept = brought()
    with st.sidebar:
        st.subheader("Alignments", anchor=False)
        _files(kept)
        st.subheader("Recording", anchor=False)
        _audio()
        if kept.files:
            _forget(kept)
        kept.reference = st.text_area(
            "What is said (optional)",
            key="yours_reference",
            persist_state="session",
            height=110,
            help="The words that were really spoken. With them every file that says what was "
            "decoded gets a word error rate. Without them, a file's own reference counts.",
        )
        with st.expander("Reading", icon=":material/tune:", expanded=True):
            _reading(kept)
        with st.expander("Scoring and view", icon=":material/visibility:"):
            kept.normalizer = sidebar.choose_normalizer()
            kept.every_token, kept.special = sidebar.choose_rows()
    return Choice(
        files=kept.files[:FILES],
        left_out=max(0, len(kept.files) - FILES),
        audio=kept.audio,
        reference=kept.reference if kept.reference.strip() else None,
        options=ReadOptions(kept.frame_seconds, kept.renormalise),
        normalizer=kept.normalizer,
        every_token=kept.every_token,
        special=kept.special,
        example=kept.example,
    )


def _files(kept: Brought) -> None:
    st.file_uploader(
        "Alignment files",
        type=[ending.lstrip(".") for ending in toolkits.ENDINGS],
        accept_multiple_files=True,
        key=WIDGETS["files"],
        on_change=_keep_files,
        max_upload_size=FILE_MB,
        help=f"NumPy archives (.npz) with weights, tokens and frame_seconds; attention that ESPnet "
        f"saved (.npy); words with times from Whisper's relatives (.json). Up to {FILES} files of "
        f"{FILE_MB} MB. They stay in memory and are gone when you close the page.",
    )


def _audio() -> None:
    st.file_uploader(
        "Audio file (optional)",
        key=WIDGETS["audio"],
        on_change=_keep_audio,
        max_upload_size=FILE_MB,
        help="The recording the files listened to: WAV, FLAC, OGG/Opus or MP3, up to 10 minutes. "
        "With it there are a spectrogram and sound, and silence is told from speech.",
    )


def _forget(kept: Brought) -> None:
    """A way to take away what no uploader shows: the example, or files from before."""
    shown = st.session_state.get(WIDGETS["files"])
    if shown and not kept.example:
        return
    st.button(
        "Forget the example" if kept.example else f"Forget {len(kept.files)} files",
        on_click=forget,
        icon=":material/delete:",
        help="Take the files and the recording on this page away again.",
    )


def _reading(kept: Brought) -> None:
    kept.renormalise = st.toggle(
        "Renormalise",
        key="yours_renormalise",
        persist_state="session",
        help="Divide every row of weights by its sum, instead of refusing files whose rows do not "
        "sum to 1. Right for weights cut to a window; wrong for scores before the softmax.",
    )
    if any(file.kind == NAMELESS for file in kept.files):
        milliseconds = st.number_input(
            "Frame (ms)",
            min_value=1.0,
            max_value=1_000.0,
            step=5.0,
            key="yours_frame",
            persist_state="session",
            help="Time of one attention frame in .npy files, which do not say it: hop of the "
            "features times subsampling of the encoder; 10 ms × 4 in most ESPnet recipes.",
        )
        kept.frame_seconds = milliseconds / 1000


def _keep_files() -> None:
    """Remember what was uploaded or taken away; a page that is left forgets its controls."""
    kept = brought()
    uploads = st.session_state.get(WIDGETS["files"]) or []
    if kept.example:
        kept.audio, kept.example = None, False
    kept.files = tuple(File(upload.name, upload.getvalue()) for upload in uploads)


def _keep_audio() -> None:
    upload = st.session_state.get(WIDGETS["audio"])
    brought().audio = None if upload is None else File(upload.name, upload.getvalue())
