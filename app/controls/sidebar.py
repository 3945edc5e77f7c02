"""The sidebar of the Compare page, every control with help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from analysis.scoring.errors import NORMALISERS
from app.controls import decoding, mechanisms, recording
from app.controls.initial import initial
from app.controls.recording import Source
from app.data import runs
from app.data.samples import Sample
from app.links import compare as compare_links
from app.links.compare import View
from models.variant import VariantInfo

NORMALIZERS = tuple(NORMALISERS)


@dataclass(frozen=True)
class Choice:
    """Everything the sidebar says."""

    source: Source
    reference: str | None
    variants: tuple[str, ...]
    view: View


def restore(
    params: Mapping[str, str], samples: Mapping[str, Sample], infos: Sequence[VariantInfo]
) -> None:
    """Give every control that has no value yet the one from the address, or its last one."""
    state = st.session_state
    if "view" not in state:
        state.view = compare_links.read(
            params, samples, {info.name: info for info in infos}, NORMALIZERS
        )
    view: View = state.view
    heard = runs.find(view.run, view.utterance, view.look)
    recording.restore(view.sample, samples, heard)
    mechanisms.restore(infos, view.variants)
    decoding.restore(view.options)
    initial("normalizer", view.normalizer)
    initial("every_token", view.every_token)
    initial("special", view.special)
    initial("blink", list(view.blink))


def sidebar(samples: Mapping[str, Sample], infos: Sequence[VariantInfo]) -> Choice:
    """Draw all controls and say what is chosen."""
    with st.sidebar:
        st.subheader("Recording", anchor=False)
        source = recording.choose(samples)
        reference = recording.reference(source)
        st.subheader("Mechanisms", anchor=False)
        variants = mechanisms.choose(infos)
        with st.expander("Decoding", icon=":material/tune:"):
            options = decoding.choose()
        with st.expander("Scoring and view", icon=":material/visibility:"):
            normalizer = choose_normalizer()
            every_token, special = choose_rows()
            blink = _blink(infos, variants)
    trained = tuple(info.name for info in infos if info.checkpoint)
    view = View(
        sample=source.sample.name if source.sample else None,
        variants=None if variants == trained else variants,
        options=options,
        normalizer=normalizer,
        every_token=every_token,
        special=special,
        blink=blink,
        **_linked(source),
    )
    st.session_state.view = view
    return Choice(source, reference, variants, view)


def _linked(source: Source) -> dict[str, str | None]:
    """What a link says of a recording of a run."""
    heard = source.heard
    if heard is None:
        return {}
    return {"run": heard.run.name, "utterance": heard.id, "look": heard.variant}


def choose_normalizer() -> str:
    """Draw the control of what is done to texts before counting errors."""
    return st.selectbox(
        "Text normaliser",
        NORMALIZERS,
        key="normalizer",
        persist_state="session",
        help="Applied to reference and hypothesis before counting errors. “none”: the texts as "
        "they are; only outer and repeated spaces go. “basic”: lower case; letters and digits of "
        "any script and apostrophes inside words stay, the rest becomes space. “english”: basic, "
        "and contractions opened, numbers and titles written out, fillers (uh, um, ...) left out, "
        "British spellings made American. Both leave out marks that nobody said, as [noise], "
        "<unk>, {cough} or (laughter); “basic-with-marks” and “english-with-marks” count them as "
        "words. “whisper-english”: Whisper's own, for comparison with the Open ASR Leaderboard.",
    )


def choose_rows() -> tuple[bool, bool]:
    """Draw the controls of which rows maps show: (label every token, special tokens)."""
    every_token = st.toggle(
        "Label every token",
        key="every_token",
        persist_state="session",
        help="Make maps as high as it takes to read every single token, instead of whole words.",
    )
    special = st.toggle(
        "Special tokens",
        key="special",
        persist_state="session",
        help="Show rows of tokens that stand for no sound too, such as the end of the sentence.",
    )
    return every_token, special


def _blink(infos: Sequence[VariantInfo], variants: Sequence[str]) -> tuple[str, ...]:
    """Two mechanisms to be shown in one place by turns; nothing while fewer are chosen."""
    titles = {info.name: info.title for info in infos if info.name in variants}
    st.session_state.blink = [name for name in st.session_state.blink if name in titles]
    chosen = st.multiselect(
        "Blink between two",
        list(titles),
        key="blink",
        persist_state="session",
        max_selections=2,
        format_func=titles.get,
        placeholder="choose two mechanisms",
        help="Shows two maps in one place by turns: what moves is what differs. The key B, or the "
        "button beside the maps, changes from one to the other.",
    )
    return tuple(chosen) if len(chosen) == 2 else ()
