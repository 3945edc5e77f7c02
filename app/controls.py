"""The controls of the Compare page, all in the sidebar, all with help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from analysis.errors import NORMALISERS
from app import links
from app.links import View
from app.samples import Sample
from models.recogniser import VariantInfo
from models.search import SearchOptions

SOURCES = ("Sample", "Upload", "Record")
NORMALIZERS = tuple(NORMALISERS)
FAMILIES = {"ctc": "CTC"}
USUAL_WINDOW = (0.5, 1.0)  # seconds back and ahead


@dataclass(frozen=True)
class Source:
    """The bytes of the chosen recording, before anything was checked."""

    kind: str  # one of SOURCES
    content: bytes | None  # None: nothing chosen yet
    name: str  # as the user knows it: text to show, never a path
    sample: Sample | None = None


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
    """Give every control that has no value yet the one from the address, or its last one.

    Streamlit forgets a control's value as soon as a run leaves it out: the sample while an upload
    is shown, or all of them while another page is.
    """
    state = st.session_state
    if "view" not in state:
        state.view = links.read(params, samples, {info.name: info for info in infos}, NORMALIZERS)
        state.last_sample = state.view.sample
    view: View = state.view
    state.setdefault("source", "Sample" if samples else "Upload")
    state.setdefault("sample", state.last_sample or next(iter(samples), None))
    for family, members in by_family(infos).items():
        names = [info.name for info in members if info.checkpoint]
        chosen = [name for name in names if view.variants is None or name in view.variants]
        state.setdefault(f"family {family}", chosen)
    for name, limits in links.RANGES.items():
        state.setdefault(name, getattr(view.options, limits.option))
    state.setdefault("window_on", view.options.window is not None)
    state.setdefault("window", view.options.window or USUAL_WINDOW)
    state.setdefault("normalizer", view.normalizer)
    state.setdefault("every_token", view.every_token)


def by_family(infos: Sequence[VariantInfo]) -> dict[str, list[VariantInfo]]:
    """Variants grouped by family, in their order."""
    families: dict[str, list[VariantInfo]] = {}
    for info in infos:
        families.setdefault(info.family, []).append(info)
    return families


def family_title(family: str) -> str:
    return FAMILIES.get(family, family.capitalize())


def sidebar(samples: Mapping[str, Sample], infos: Sequence[VariantInfo]) -> Choice:
    """Draw all controls and say what is chosen."""
    with st.sidebar:
        st.subheader("Recording", anchor=False)
        source = _source(samples)
        reference = _reference(source)
        st.subheader("Mechanisms", anchor=False)
        variants = _variants(infos)
        with st.expander("Decoding", icon=":material/tune:"):
            options = _options()
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


# --- recording


def _source(samples: Mapping[str, Sample]) -> Source:
    kind = st.segmented_control(
        "Where from",
        SOURCES,
        key="source",
        required=True,
        label_visibility="collapsed",
        help="Try one of the samples, bring your own file, or speak into the microphone.",
    )
    if kind == "Upload":
        file = st.file_uploader(
            "Audio file",
            key="upload",
            max_upload_size=50,
            help="WAV, FLAC, OGG/Opus or MP3, up to 10 minutes and 50 MB. It stays in memory, "
            "is seen by nobody else and is gone when you close the page.",
        )
        return Source(kind, file.getvalue() if file else None, file.name if file else "")
    if kind == "Record":
        speech = st.audio_input(
            "Speak",
            key="microphone",
            sample_rate=16_000,
            help="Press the microphone, speak English, press again. The recording stays in memory, "
            "is heard by nobody else and is gone when you close the page.",
        )
        return Source(kind, speech.getvalue() if speech else None, "Your recording")
    return _sample(samples)


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


def _reference(source: Source) -> str | None:
    """What was said; a sample knows, and may be corrected."""
    usual = source.sample.text if source.sample else ""
    text = st.text_area(
        "What is said (optional)",
        value=usual,
        key=f"reference {source.sample.name if source.sample else source.kind}",
        height=110,
        help="The words that were really spoken. With them every mechanism gets a word error rate "
        "and its mistakes are marked; without them you still see maps and verdicts.",
    )
    return text if text.strip() else None


# --- mechanisms


def _set_families(names: Mapping[str, list[str]]) -> None:
    for family, members in names.items():
        st.session_state[f"family {family}"] = members


def _variants(infos: Sequence[VariantInfo]) -> tuple[str, ...]:
    families = by_family(infos)
    trained = {
        family: [info.name for info in members if info.checkpoint]
        for family, members in families.items()
    }
    everything, nothing = st.columns(2)
    everything.button(
        "All",
        on_click=_set_families,
        args=(trained,),
        width="stretch",
        help="Choose every mechanism that has been trained.",
    )
    nothing.button(
        "None",
        on_click=_set_families,
        args=({family: [] for family in families},),
        width="stretch",
        help="Clear the choice.",
    )
    chosen: set[str] = set()
    for family, names in trained.items():
        if names:
            titles = {info.name: info.title for info in families[family]}
            chosen.update(_family(family, names, titles))
    _untrained([info for info in infos if not info.checkpoint])
    return tuple(info.name for info in infos if info.name in chosen)


def _family(family: str, names: list[str], titles: Mapping[str, str]) -> list[str]:
    return st.pills(
        family_title(family),
        names,
        key=f"family {family}",
        selection_mode="multi",
        help=" \n".join(f"`{name}`: {titles[name]}  " for name in names),
    )


def _untrained(infos: Sequence[VariantInfo]) -> None:
    if infos:
        st.caption(
            "Not trained yet: " + ", ".join(f"`{info.name}`" for info in infos),
            help="These mechanisms are implemented but have no checkpoint, so they cannot decode.",
        )


# --- options


def _options() -> SearchOptions:
    beam = st.slider(
        "Beam",
        1,
        20,
        key="beam",
        help="Hypotheses kept at every step. 1 is greedy: the likeliest token, always.",
    )
    ctc_weight = st.slider(
        "CTC weight",
        0.0,
        1.0,
        step=0.1,
        key="ctc",
        help="How much CTC has a say in the beam (joint CTC/attention decoding). 0 is attention "
        "alone, which is where loops and early stops show.",
    )
    temperature = st.slider(
        "Attention temperature",
        0.25,
        2.0,
        step=0.05,
        key="sharpen",
        help="Attention energies are divided by this before the softmax: below 1 sharpens, above 1 "
        "blurs where a mechanism listens.",
    )
    limit = st.slider(
        "Length limit (tokens per 40 ms)",
        0.1,
        2.0,
        step=0.1,
        key="limit",
        help="The decoder is cut off after this many tokens per attention frame; reaching it is "
        "what the verdict “runaway” means.",
    )
    length = st.slider(
        "Length bonus",
        -2.0,
        2.0,
        step=0.1,
        key="length",
        help="Added to the score for every token: above 0 favours longer texts. Needs a beam.",
    )
    coverage = st.slider(
        "Coverage weight",
        0.0,
        1.0,
        step=0.05,
        key="coverage",
        help="Favours hypotheses that listened to more of the recording. Needs a beam.",
    )
    return SearchOptions(
        beam=beam,
        max_length_ratio=limit,
        length_penalty=length,
        ctc_weight=ctc_weight,
        coverage_penalty=coverage,
        temperature=temperature,
        window=_window(),
    )


def _window() -> tuple[float, float] | None:
    on = st.toggle(
        "Window around the last peak",
        key="window_on",
        help="Let each token listen only near where the one before it did: a remedy for jumps.",
    )
    if not on:
        return None
    back, ahead = st.slider(
        "Window (seconds back, ahead)",
        links.WINDOW.low,
        links.WINDOW.high,
        key="window",
        step=0.1,
        help="Seconds before and after the last token's attention peak that stay audible.",
    )
    return back, ahead


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
