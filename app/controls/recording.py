"""Which recording: a sample, an upload or the microphone, the same one on every page."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from app.controls import runs as run_control
from app.controls.initial import initial
from app.data import decoding, runs
from app.data.runs import RunRecording
from app.data.samples import Sample
from app.evaluation import RunError
from models.audio import AudioError, Recording

SOURCES = ("Sample", "Upload", "Record")
RUN = "Run"  # a source only where there are evaluated sets
SET = "recording_run"  # key of the control that chooses the set
LISTED = 300  # recordings of a run that the control offers; the Failures page finds any
WIDGETS = {"Upload": "upload", "Record": "microphone"}


@dataclass(frozen=True)
class Source:
    """The bytes of the chosen recording, before anything was checked."""

    kind: str  # one of SOURCES, or RUN
    content: bytes | None  # None: nothing chosen yet
    name: str  # as the user knows it: text to show, never a path
    sample: Sample | None = None
    heard: RunRecording | None = None  # of a run, whose recording was read and checked already:
    recording: Recording | None = None
    problem: str = ""  # why there is none
    digest: str = ""  # of the bytes of what the user brought


def restore(
    wanted: str | None, samples: Mapping[str, Sample], heard: RunRecording | None = None
) -> None:
    """Give the controls that have no value yet what is wanted, or what was chosen last.

    Wanted is a sample, or a recording of a run.

    The controls keep their values while they are not drawn: the sample while an upload is shown,
    or all of them while another page is.
    """
    state = st.session_state
    if heard is not None and "heard" not in state:
        state.heard = heard
        state.setdefault("source", RUN)
    state.setdefault("heard", None)
    state.setdefault("kept", {})  # kind -> Source, so that another page still has the upload
    initial("source", "Sample" if samples else "Upload")
    initial("sample", wanted or next(iter(samples), None))


def turn_to(heard: RunRecording) -> None:
    """Let the controls choose this recording of a run when they are drawn next."""
    state = st.session_state
    state.heard = heard
    state.source = RUN
    state[SET] = heard.run.name
    state.utterance = heard.id


def choose(samples: Mapping[str, Sample]) -> Source:
    """Draw the controls and say what is chosen."""
    library = runs.library()
    sources = (*SOURCES, RUN) if library else SOURCES
    if st.session_state.source not in sources:
        st.session_state.source = sources[0]
    kind = st.segmented_control(
        "Where from",
        sources,
        key="source",
        persist_state="session",
        required=True,
        label_visibility="collapsed",
        help="Try one of the samples, bring your own file, or speak into the microphone.",
    )
    if kind == "Sample":
        return _sample(samples)
    if kind == RUN:
        return _of_run(library)
    if kind == "Upload":
        st.file_uploader(
            "Audio file",
            key=WIDGETS[kind],
            on_change=_keep,
            args=(kind,),
            max_upload_size=50,
            help="WAV, FLAC, OGG/Opus, MP3, M4A, WebM and most other kinds, videos with sound; "
            "up to 10 minutes and 50 MB. It stays in memory, is seen by nobody else and is gone "
            "when you close the page.",
        )
    else:
        st.audio_input(
            "Speak",
            key=WIDGETS[kind],
            on_change=_keep,
            args=(kind,),
            sample_rate=16_000,
            help="Press the microphone, speak English, press again. The recording stays in memory, "
            "is heard by nobody else and is gone when you close the page.",
        )
    return _own(kind)


def _keep(kind: str) -> None:
    """Remember what the user brought or took away; a page that is left forgets its controls."""
    file = st.session_state.get(WIDGETS[kind])
    if file is None:
        st.session_state.kept.pop(kind, None)
        return
    name = file.name if kind == "Upload" else "Your recording"
    content = file.getvalue()
    digest = decoding.digest_of_bytes(content)
    st.session_state.kept[kind] = Source(kind, content, name, digest=digest)


def _own(kind: str) -> Source:
    kept = st.session_state.kept.get(kind)
    if kept is None:
        return Source(kind, None, "")
    if st.session_state.get(WIDGETS[kind]) is None:  # brought on another page
        st.button(
            f"Forget {kept.name}"[:40],
            on_click=st.session_state.kept.pop,
            args=(kind, None),
            icon=":material/delete:",
            help="The recording you brought on another page is still in use; this removes it.",
        )
    return kept


def _sample(samples: Mapping[str, Sample]) -> Source:
    name = st.selectbox(
        "Sample",
        list(samples),
        key="sample",
        persist_state="session",
        format_func=lambda name: samples[name].title,
        help="Short clips that come with AttnScope, with their transcripts.",
    )
    if name is None:
        return Source("Sample", None, "")
    sample = samples[name]
    return Source("Sample", sample.path.read_bytes(), sample.title, sample)


def _of_run(library: Mapping[str, runs.Run]) -> Source:
    """A recording of an evaluated set, by its name there."""
    before: RunRecording | None = st.session_state.heard
    run_control.restore(before.run.name if before else None, library, SET)
    run = run_control.choose(library, SET)
    try:
        name = _name_in(run, before)
    except RunError as error:
        return Source(RUN, None, "", problem=str(error))
    if name is None:
        return Source(RUN, None, "", problem=f"{run.name} has no recordings.")
    if before is None or (before.run, before.id) != (run, name):
        before = RunRecording(run, name)
    st.session_state.heard = before
    try:
        return Source(RUN, None, name, heard=before, recording=runs.recording(run, name))
    except AudioError as error:
        return Source(RUN, None, name, heard=before, problem=str(error))


def _name_in(run: runs.Run, before: RunRecording | None) -> str | None:
    wanted = st.session_state.get("utterance", before.id if before else None)
    names = runs.names(run, LISTED, wanted)
    if not names:
        return None
    st.session_state.utterance = wanted if wanted in names else names[0]
    return st.selectbox(
        "Recording",
        names,
        key="utterance",
        persist_state="session",
        help=f"The first {LISTED} of the set; the Failures page finds any, and brings you here.",
    )


def _said(source: Source) -> tuple[str, str]:
    """Name of the recording's reference transcript, and what is known of it."""
    if source.heard:
        return f"{source.heard.run.name} {source.heard.id}", runs.said(source.heard) or ""
    if source.sample:
        return source.sample.name, source.sample.text
    return f"{source.kind} {source.digest}".rstrip(), ""


def reference(source: Source) -> str | None:
    """What was said; a sample or a run knows, and may be corrected."""
    name, text = _said(source)
    if source.digest:  # what was written before there was a recording is of the first one
        text = st.session_state.pop(f"reference {source.kind}", text)
    initial(f"reference {name}", text)
    text = st.text_area(
        "What is said (optional)",
        key=f"reference {name}",
        persist_state="session",
        height=110,
        help="The words that were really spoken. With them every mechanism gets a word error rate "
        "and its mistakes are marked; without them you still see maps and verdicts.",
    )
    return text if text.strip() else None
