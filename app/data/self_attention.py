"""Self-attention of a Transformer, head by head: roles, and maps as small as a screen needs them.

The maps of all heads of a recording of two minutes take 300 MB; what is kept here takes a few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.heads.self_attention import self_heads
from app.charts.quantise import Levels, mean_pool, to_levels
from models.variant import Decoded, Encoded, Variant

START = "<sos>"  # what a decoder reads before it has written anything
FINEST = (200, 240)  # rows and columns: a head is one of many on a screen
BRIGHT = 99.5  # percentile of weights at the full colour: a few stand out and must not dim the rest
PALE = 8  # times a uniform row's weights, the full colour at least: looking everywhere is pale


@dataclass(frozen=True, eq=False)
class SquareHead:
    """One head whose positions look at positions."""

    layer: int
    head: int
    role: str
    evidence: str  # the role in one plain sentence
    levels: Levels  # rows look at columns; pooled, and clipped at the top
    on_global: np.ndarray  # (drawn rows,) share of a row's attention on the global token


@dataclass(frozen=True, eq=False)
class SelfAttention:
    """What frames see of frames, and tokens of the tokens before them."""

    encoder: tuple[SquareHead, ...] | None  # None: the recording is too long
    decoder: tuple[SquareHead, ...]
    columns: tuple[str, ...]  # tokens that the decoder's rows look at: the start, all but the last


def self_attention(
    variant: Variant, encoded: Encoded, row: int, decoded: Decoded
) -> SelfAttention | None:
    """All heads that looked while recording `row` was decoded; None where there are none."""
    maps = variant.attention_maps(encoded, row, decoded) if decoded.alignment.tokens else None
    if maps is None:
        return None
    columns = (START, *decoded.alignment.tokens[:-1])
    encoder = None if maps.encoder is None else square_heads(maps.encoder, maps.encoder_global)
    return SelfAttention(encoder, square_heads(maps.decoder, maps.decoder_global, columns), columns)


def square_heads(
    weights: np.ndarray, global_mass: np.ndarray, tokens: Sequence[str] | None = None
) -> tuple[SquareHead, ...]:
    """Heads of one self-attention.

    Parameters
    ----------
    weights : (layers, heads, n, n)
        Rows look at columns.
    global_mass : (layers, heads, n)
        Share of each row's attention on the global token.
    tokens : (n,), optional
        The columns of a decoder, whose rows see none beyond their own.
    """
    layers, heads = weights.shape[:2]
    return tuple(
        _head(layer, head, weights, global_mass, tokens)
        for layer in range(layers)
        for head in range(heads)
    )


def _head(
    layer: int,
    head: int,
    weights: np.ndarray,
    global_mass: np.ndarray,
    tokens: Sequence[str] | None,
) -> SquareHead:
    one = slice(layer, layer + 1), slice(head, head + 1)  # by itself: it takes a copy at a time
    causal = tokens is not None
    report = self_heads(weights[one], causal=causal, global_mass=global_mass[one], tokens=tokens)[0]
    own = weights[layer, head]  # (n, n)
    top = min(1.0, max(PALE / len(own), float(np.percentile(own, BRIGHT))))
    levels = to_levels(own, top=top, finest=FINEST)
    mass = mean_pool(global_mass[layer, head], levels.row_step)
    return SquareHead(layer, head, report.role, report.evidence, levels, mass)
