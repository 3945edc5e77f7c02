"""Which recording: a sample, an upload or the microphone, the same one on every page."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from app.samples import Sample

SOURCES = ("Sample", "Upload", "Record")
WIDGETS = {"Upload": "upload", "Record": "microphone"}


@dataclass(frozen=True)
class Source:
    """The bytes of the chosen recording, before anything was checked."""

    kind: str  # one of SOURCES
    content: bytes | None  # None: nothing chosen yet
    name: str  # as the user knows it: text to show, never a path
    sample: Sample | None = None


def restore(wanted: str | None, samples: Mapping[str, Sample]) -> None:
    """Give the controls that have no value yet the wanted sample, or what was chosen last.

    Streamlit forgets a control's value as soon as a run leaves it out: the sample while an upload
    is shown, or all of them while another page is.
    """
    state = st.session_state
    state.setdefault("last_sample", wanted)
    state.setdefault("last_source", "Sample" if samples else "Upload")
    state.setdefault("kept", {})  # kind -> Source, so that another page still has the upload
    state.setdefault("source", state.last_source)
    state.setdefault("sample", state.last_sample or next(iter(samples), None))


def choose(samples: Mapping[str, Sample]) -> Source:
    """Draw the controls and say what is chosen."""
    kind = st.segmented_control(
        "Where from",
        SOURCES,
        key="source",
        required=True,
        label_visibility="collapsed",
        help="Try one of the samples, bring your own file, or speak into the microphone.",
    )
    st.session_state.last_source = kind
    if kind == "Sample":
        return _sample(samples)
    if kind == "Upload":
        st.file_uploader(
            "Audio file",
            key=WIDGETS[kind],
            on_change=_keep,
            args=(kind,),
            max_upload_size=50,
            help="WAV, FLAC, OGG/Opus or MP3, up to 10 minutes and 50 MB. It stays in memory, "
            "is seen by nobody else and is gone when you close the page.",
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
    st.session_state.kept[kind] = Source(kind, file.getvalue(), name)


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
        format_func=lambda name: samples[name].title,
        help="Short clips that come with AttnScope, with their transcripts.",
    )
    if name is None:
        return Source("Sample", None, "")
    st.session_state.last_sample = name
    sample = samples[name]
    return Source("Sample", sample.path.read_bytes(), sample.title, sample)


def reference(source: Source) -> str | None:
    """What was said; a sample knows, and may be corrected."""
    name = source.sample.name if source.sample else source.kind
    said: dict[str, str] = st.session_state.setdefault("said", {})
    st.session_state.setdefault(
        f"reference {name}", said.get(name, source.sample.text if source.sample else "")
    )
    text = st.text_area(
        "What is said (optional)",
        key=f"reference {name}",
        height=110,
        help="The words that were really spoken. With them every mechanism gets a word error rate "
        "and its mistakes are marked; without them you still see maps and verdicts.",
    )
    said[name] = text
    return text if text.strip() else None
