"""Every decoder by name: an LSTM decoder for each attention mechanism, and those of other kinds."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from models.attention.base import FAMILIES, mechanisms
from models.decoders.base import Decoder
from models.decoders.lstm import DecoderOptions, build_decoder
from models.decoders.transformer import TransformerDecoder, TransformerOptions


@dataclass(frozen=True)
class DecoderInfo:
    """A decoder that can be trained."""

    name: str  # as in commands and files
    family: str  # one of FAMILIES
    title: str  # for people
    paper: str  # where it comes from
    options: type  # frozen dataclass of its sizes; a card's config holds its fields
    make: Callable[[int, int, Any], Decoder]  # from vocabulary, encoder_dim and options


OTHERS = (
    DecoderInfo(
        "transformer",
        "transformer",
        "Transformer",
        "Vaswani et al. 2017, arXiv 1706.03762",
        TransformerOptions,
        TransformerDecoder,
    ),
)


def decoders() -> dict[str, DecoderInfo]:
    """All decoders by name, family by family: the order in which they are shown."""
    lstm = [
        DecoderInfo(
            m.name, m.family, m.title, m.paper, DecoderOptions, partial(build_decoder, m.name)
        )
        for m in mechanisms().values()
    ]
    ordered = sorted((*lstm, *OTHERS), key=lambda info: FAMILIES.index(info.family))
    return {info.name: info for info in ordered}


def build(name: str, vocabulary: int, encoder_dim: int, options: Any = None) -> Decoder:
    """An untrained decoder.

    Parameters
    ----------
    name
        One of `decoders`.
    vocabulary, encoder_dim
        Number of tokens, and size of an encoded frame.
    options
        Sizes, of the type that the decoder's `DecoderInfo.options` names; its defaults if missing.

    Raises
    ------
    ValueError
        If there is no decoder of that name, or a size does not suit it.
    TypeError
        If `options` are those of another kind of decoder.
    """
    known = decoders()
    if name not in known:
        raise ValueError(f"there is no decoder {name!r}; there are {', '.join(known)}")
    kind = known[name].options
    if not isinstance(options, kind | None):
        raise TypeError(f"{name} takes {kind.__name__}, not {type(options).__name__}")
    return known[name].make(vocabulary, encoder_dim, options)
