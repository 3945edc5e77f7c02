"""The sidebar of the Compare page, every control with help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from analysis.errors import NORMALISERS
from app import links
from app.controls import decoding, mechanisms, recording
from app.controls.recording import Source
from app.links import View
from app.samples import Sample
from models.recogniser import VariantInfo

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
        state.view = links.read(params, samples, {info.name: info for info in infos}, NORMALIZERS)
    view: View = state.view
    recording.restore(view.sample, samples)
    mechanisms.restore(infos, view.variants)
    decoding.restore(view.options)
    state.setdefault("normalizer", view.normalizer)
    state.setdefault("every_token", view.every_token)


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
            normalizer, every_token = _scoring()
    trained = tuple(info.name for info in infos if info.checkpoint)
    view = View(
        sample=source.sample.name if source.sample else None,
        variants=None if variants == trained else variants,
        options=options,
        normalizer=normalizer,
        every_token=every_token,
    )
    st.session_state.view = view
    return Choice(source, reference, variants, view)


def _scoring() -> tuple[str, bool]:
    normalizer = st.selectbox(
        "Text normaliser",
        NORMALIZERS,
        key="normalizer",
        help="Applied to reference and hypothesis before counting errors. “basic”: lower case, "
        "only letters, apostrophes and single spaces.",
    )
    every_token = st.toggle(
        "Label every token",
        key="every_token",
        help="Make maps as high as it takes to read every single token, instead of whole words.",
    )
    return normalizer, every_token
