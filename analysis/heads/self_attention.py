"""What self-attention heads are for: square maps, in which every position looks at all others.

In an encoder positions are frames, in a decoder tokens (each row then sees columns up to its own).
All shares are compared with what a uniform row over the columns it can see would have there, so
that short rows of a causal map do not look local by themselves.

The patterns are those found again and again in trained Transformers: diagonal and previous-token
heads, windows, heads that look anywhere, and sinks (Clark et al. 2019, arXiv 1906.04341; Zhang et
al. 2021, arXiv 2005.13895, for speech; Xiao et al. 2024, arXiv 2309.17453).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..signals.labels import is_space, is_special


@dataclass(frozen=True)
class SelfRoles:
    """Limits between roles of self-attention heads."""

    sink_share: float = 0.5  # of all mass on a global token, or on one column seen from afar
    away: int = 2  # positions from a column from which a look at it is no look beside oneself
    diagonal_share: float = 0.5  # of the mass at one distance, beyond uniform
    local_share: float = 0.5  # of the mass within the window, beyond uniform
    window: int = 8  # positions to each side that count as local context
    diffuse_entropy: float = 0.9  # of a uniform row's: nothing is looked at in particular


@dataclass(frozen=True)
class SelfHead:
    """One self-attention head: its role and the numbers from which it was told."""

    layer: int
    head: int
    role: str  # "diagonal", "previous", "next", "local", "global", "sink" or "diffuse"
    evidence: str  # the role in one plain sentence
    on_itself: float  # mass on the position itself, beyond uniform (0 none, 1 all)
    on_previous: float  # on the one before
    on_next: float  # on the one after
    nearby: float  # within the window
    sink: float  # share of rows' mass on one and the same column, seen from afar
    sink_column: int  # that column
    on_global: float  # mean mass on a global token, 0 where there is none
    on_marks: float  # mass on spaces, punctuation and special tokens, 0 where tokens are not known
    entropy: float  # mean over rows, of a uniform row's


def self_heads(
    weights: np.ndarray,
    *,
    causal: bool = False,
    global_mass: np.ndarray | None = None,
    tokens: Sequence[str] | None = None,
    limits: SelfRoles | None = None,
) -> tuple[SelfHead, ...]:
    """Roles of all heads of a self-attention, layer by layer.

    Parameters
    ----------
    weights : (layers, heads, n, n)
        Rows attend to columns and sum to one.
    causal : bool
        Rows see columns up to their own only, as in a decoder.
    global_mass : (layers, heads, n), optional
        Share of each row's attention that went to a global token instead.
    tokens : (n,), optional
        What the columns are, if they are tokens: tells sinks on spaces and punctuation.

    Raises
    ------
    ValueError
        If the maps are not square, or tokens or masses do not fit them.
    """
    weights = np.asarray(weights, np.float64)
    if weights.ndim != 4 or weights.shape[2] != weights.shape[3] or weights.shape[3] == 0:
        raise ValueError(f"weights: (layers, heads, n, n) is needed, not {weights.shape}")
    layers, heads, size, _ = weights.shape
    if tokens is not None and len(tokens) != size:
        raise ValueError(f"tokens: {size} are needed, not {len(tokens)}")
    mass = np.zeros((layers, heads, size)) if global_mass is None else np.asarray(global_mass)
    if mass.shape != (layers, heads, size):
        raise ValueError(f"global_mass: {(layers, heads, size)} is needed, not {mass.shape}")
    marks = _marks(tokens) if tokens is not None else np.zeros(size, bool)
    limits = limits or SelfRoles()
    return tuple(
        _head(layer, head, weights[layer, head], mass[layer, head], causal, marks, limits)
        for layer in range(layers)
        for head in range(heads)
    )


def _head(
    layer: int,
    head: int,
    weights: np.ndarray,
    mass: np.ndarray,
    causal: bool,
    marks: np.ndarray,
    limits: SelfRoles,
) -> SelfHead:
    size = len(weights)
    distance = np.arange(size) - np.arange(size)[:, None]  # column minus row
    seen = distance <= 0 if causal else np.ones((size, size), bool)
    numbers = {
        "on_itself": _beyond_uniform(weights, distance == 0, seen),
        "on_previous": _beyond_uniform(weights, distance == -1, seen),
        "on_next": _beyond_uniform(weights, distance == 1, seen),
        "nearby": _beyond_uniform(weights, np.abs(distance) <= limits.window, seen),
        "on_global": float(mass.mean()),
        "on_marks": float(weights[:, marks].sum(axis=1).mean()),
        "entropy": _entropy(weights, seen),
    }
    sink, column = _sink(weights, seen & (np.abs(distance) > limits.away))
    role, sentence = _told(numbers, sink, column, bool(marks[column]), limits)
    return SelfHead(layer, head, role, sentence, sink=sink, sink_column=column, **numbers)


def _told(
    numbers: dict[str, float], sink: float, column: int, mark: bool, limits: SelfRoles
) -> tuple[str, str]:
    """The role that the numbers tell, and the reason in one sentence."""
    if numbers["on_global"] >= limits.sink_share:
        return "sink", f"{numbers['on_global']:.0%} of all attention goes to the global token."
    places = {"on_itself": "diagonal", "on_previous": "previous", "on_next": "next"}
    best = max(places, key=lambda name: numbers[name])
    if numbers[best] >= limits.diagonal_share:
        where = {"diagonal": "the position itself", "previous": "the one before"}
        place = where.get(places[best], "the one after")
        return places[best], f"{numbers[best]:.0%} of the attention goes to {place}."
    if sink >= limits.sink_share:
        kind = ", a space or mark" if mark else ""
        return "sink", f"{sink:.0%} of all attention from afar goes to position {column}{kind}."
    if numbers["nearby"] >= limits.local_share:
        share = numbers["nearby"]
        return "local", f"{share:.0%} of the attention stays within {limits.window} positions."
    if numbers["entropy"] >= limits.diffuse_entropy:
        return "diffuse", f"Rows are nearly uniform ({numbers['entropy']:.0%} of their entropy)."
    return "global", "Looks at particular positions, but neither nearby nor always the same ones."


def _beyond_uniform(weights: np.ndarray, band: np.ndarray, seen: np.ndarray) -> float:
    """Mass inside a band relative to uniform rows: 0 as much, 1 all of it.

    Rows that see no column inside the band, or none outside, say nothing.
    """
    inside = band & seen
    uniform = inside.sum(axis=1) / seen.sum(axis=1)
    rows = (uniform > 0) & (uniform < 1)
    if not rows.any():
        return 0.0
    mass = np.where(inside, weights, 0).sum(axis=1)[rows]
    share = (mass.mean() - uniform[rows].mean()) / (1 - uniform[rows].mean())
    return float(np.clip(share, 0, 1))


def _sink(weights: np.ndarray, afar: np.ndarray) -> tuple[float, int]:
    """Largest mean weight of one column, over the rows that see it from afar, and the column.

    Columns that few rows see from afar are no place to park at.
    """
    counts = afar.sum(axis=0)
    total = np.where(afar, weights, 0).sum(axis=0)
    enough = counts >= max(3, 0.4 * len(weights))
    mean = np.divide(total, counts, out=np.zeros(len(weights)), where=enough)
    column = int(mean.argmax())
    return float(mean[column]), column


def _entropy(weights: np.ndarray, seen: np.ndarray) -> float:
    """Mean entropy of the rows that see more than one column, of a uniform row's."""
    counts = seen.sum(axis=1)
    rows = counts > 1
    if not rows.any():
        return 0.0
    logs = np.log(np.maximum(weights, np.finfo(np.float64).tiny))
    entropy = -(weights * logs).sum(axis=1)[rows] / np.log(counts[rows])
    return float(np.clip(entropy.mean(), 0, 1))


def _marks(tokens: Sequence[str]) -> np.ndarray:
    """(n,) bool: special tokens, spaces and punctuation."""
    plain = np.array([not any(letter.isalnum() for letter in token) for token in tokens], bool)
    return plain | is_special(tokens) | is_space(tokens)
