"""All heads of one mechanism: what attends to what, layer by layer, each with what it is for."""

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from analysis.alignment import Alignment
from analysis.diagnosis import HeadReport
from app.charts.self_attention import frames_map, tokens_map
from app.comparison import too_large
from app.data import decoding
from app.data.self_attention import SelfAttention, SquareHead
from app.links.closer import KINDS
from app.presentation import Panel
from app.theme import LIGHT, Palette, palette
from app.views.closer import heads
from app.views.closer.subject import Subject, add
from models.decoders.transformer import MOST_FRAMES, TransformerDecoder

TITLES = {
    "cross": "Text to audio",
    "encoder": "Audio to audio",
    "decoder": "Text to text",
}
WHAT = {
    "cross": "Cross-attention: every row is a token being written, every column a moment of the "
    "recording it listens to.",
    "encoder": "Self-attention of the encoder: every row is a frame of the recording, every column "
    "a frame it takes something from, before anything is written.",
    "decoder": "Self-attention of the decoder: every row is a token being written, every column "
    "something written before it.",
}
BESIDE = " Beside each map: the share of a row's attention on the global token."
KIND_HELP = (
    "A Transformer attends in three ways. Text to audio (cross-attention): tokens listen to the "
    "recording. Audio to audio (self-attention of the encoder): frames look at other frames. Text "
    "to text (self-attention of the decoder): tokens look at what was written before. Every one of "
    "them may also look at the global token, a learned place without sound or text where attention "
    "can rest; its share stands beside each map, and a row of the map is what remains, scaled to 1."
)
MOST_HEADS = 16  # maps on a page; of more, one layer is shown at a time
Show = Callable[[int], None]  # draws the heads of one layer
Draw = Callable[[SquareHead], go.Figure]


@st.fragment
def section(subject: Subject) -> None:
    """Draw the heads; a change of what is shown redraws only this."""
    st.subheader("Heads", anchor="heads", help=heads.HELP)
    alignment = subject.result.decoded.alignment
    variant = decoding.models().variant(subject.result.info.name)
    if not isinstance(variant.decoder, TransformerDecoder):
        layer = _layer(subject, alignment.layers, alignment.heads)
        subject.keep(layer=layer)
        _cross(subject, layer)
        return
    options = variant.decoder.options
    with st.container(horizontal=True):
        kind = _kind(subject)
        count = options.encoder_layers if kind == "encoder" else options.decoder_layers
        layer = _layer(subject, count, options.heads)
    subject.keep(kind=kind, layer=layer)
    st.caption(WHAT[kind] + BESIDE)
    if kind == "cross":
        _cross(subject, layer)
    else:
        _square(subject, kind, layer, count)


def _kind(subject: Subject) -> str:
    st.session_state.setdefault("closer_heads", subject.view.kind)
    return st.segmented_control(
        "What attends to what",
        KINDS,
        key="closer_heads",
        required=True,
        format_func=TITLES.get,
        help=KIND_HELP,
    )


def _layer(subject: Subject, layers: int, heads_per_layer: int) -> int | None:
    """The chosen layer, None for all of them."""
    view = subject.view
    if layers == 1:
        return None
    few = layers * heads_per_layer <= MOST_HEADS
    options = range(0 if few else 1, layers + 1)
    st.session_state.setdefault("closer_layer", 0 if view.layer is None else view.layer + 1)
    if st.session_state.closer_layer not in options:
        st.session_state.closer_layer = 0 if few else layers
    number = st.selectbox(
        "Layer",
        options,
        key="closer_layer",
        width=200,
        format_func=lambda number: f"{number} of {layers}" if number else "all",
        help="The layer whose heads are shown: the first hears or reads first, the last decides.",
    )
    return number - 1 if number else None


def _chosen(layer: int | None, layers: int) -> range:
    return range(layers) if layer is None else range(layer, layer + 1)


def _by_layer(chosen: int | None, layers: int, show: Show) -> None:
    for layer in _chosen(chosen, layers):
        with st.container(key=f"head_maps_{layer}"):
            show(layer)


def _cross(subject: Subject, chosen: int | None) -> None:
    result = subject.result
    alignment: Alignment = result.decoded.alignment

    mass, seconds = result.decoded.global_mass, subject.recording.seconds

    def reports(layers: range) -> list[HeadReport]:
        return [report for report in result.diagnosis.heads if report.layer in layers]

    def show(layer: int) -> None:
        heads.head_maps(alignment, reports(range(layer, layer + 1)), seconds, mass)

    def collected() -> list[Panel]:
        on_slide = reports(_chosen(chosen, alignment.layers))
        return heads.head_panels(alignment, on_slide, seconds, mass)

    _by_layer(chosen, alignment.layers, show)
    add(subject, "heads", collected, _part(chosen), "these heads")


def _part(layer: int | None) -> str:
    return "heads" if layer is None else f"heads of layer {layer + 1}"


def _square(subject: Subject, kind: str, chosen: int | None, layers: int) -> None:
    decoded = subject.result.decoded
    name, tokens = subject.result.info.name, tuple(decoded.alignment.tokens)
    try:
        maps = decoding.self_attention(subject.digest, name, tokens, subject.recording, decoded)
    except MemoryError:
        st.error(too_large(name, subject.recording.seconds), icon=":material/memory:")
        return
    if maps is None:
        st.info("Nothing was decoded, so nothing looked at anything.")
        return
    of_kind = maps.encoder if kind == "encoder" else maps.decoder
    if of_kind is None:
        limit = MOST_FRAMES * decoded.alignment.frame_seconds / 60
        st.info(
            f"Audio to audio is not drawn for recordings longer than {limit:.0f} minutes.",
            icon=":material/info:",
        )
        return
    theme = palette(st.context.theme.type)
    draw = _drawn(subject, kind, maps, theme)
    roles = heads.FRAME_ROLES if kind == "encoder" else heads.TOKEN_ROLES

    def show(layer: int) -> None:
        heads.square_maps((head for head in of_kind if head.layer == layer), draw, layers, roles)

    def collected() -> list[Panel]:
        on_slide = [head for head in of_kind if head.layer in _chosen(chosen, layers)]
        return heads.square_panels(on_slide, _drawn(subject, kind, maps, LIGHT), layers)

    _by_layer(chosen, layers, show)
    part = f"{TITLES[kind].lower()}, {_part(chosen)}"
    add(subject, "square", collected, part, "these heads")


def _drawn(subject: Subject, kind: str, maps: SelfAttention, theme: Palette) -> Draw:
    return _frames(subject, theme) if kind == "encoder" else _tokens(subject, maps, theme)


def _frames(subject: Subject, theme: Palette) -> Draw:
    return lambda head: frames_map(
        head.levels,
        head.on_global,
        frame_seconds=subject.result.decoded.alignment.frame_seconds,
        seconds=subject.recording.seconds,
        palette=theme,
    )


def _tokens(subject: Subject, maps: SelfAttention, theme: Palette) -> Draw:
    alignment = subject.result.decoded.alignment
    return lambda head: tokens_map(
        head.levels,
        head.on_global,
        tokens=alignment.tokens,
        columns=maps.columns,
        peaks=alignment.peak_seconds,
        palette=theme,
    )
