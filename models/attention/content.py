"""Mechanisms that choose frames by what they contain: no memory of where they listened before."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.attention.base import Attention, Memory, Shared, State, products, register, rows

CACHED = 2**20  # numbers inside the tanh at once: 4 MB, so that many hypotheses stay in the cache


def tanh_score(vector: Tensor, twice: Tensor) -> Tensor:
    """Compute ``vector . tanh(twice / 2)`` over the last axis; `twice` is overwritten.

    On CPU ``tanh x = 2 sigmoid(2x) - 1`` is several times faster than PyTorch's tanh, which would
    be most of an additive step; in half precision the difference would cost digits.

    Parameters
    ----------
    vector
        (heads, 1, dim).
    twice
        (batch, heads, frames, dim).

    Returns
    -------
    Tensor
        (batch, heads, frames).
    """
    if twice.device.type != "cpu" or twice.dtype != torch.float32:
        return (vector @ twice.mul_(0.5).tanh_().mT).squeeze(2)
    doubled = (2 * vector) @ twice.sigmoid_().mT  # rows times columns: 8x a column gemv
    return doubled.squeeze(2) - vector.sum(-1)


def split_heads(frames: Tensor, heads: int) -> Tensor:
    """(batch, frames, heads * dim) to contiguous (batch, heads, frames, dim)."""
    return frames.unflatten(-1, (heads, -1)).transpose(1, 2).contiguous()


class DotScore(Attention):
    """Scaled dot product ``scaling * tanh(W q + b) . tanh(V h_t + c)`` per head."""

    shares_memory = True

    def __init__(
        self,
        encoder_dim: int,
        query_dim: int,
        *,
        attention_dim: int,
        heads: int,
        scaling: float,
        key_bias: bool,
    ) -> None:
        super().__init__(context_dim=encoder_dim, heads=heads)
        self.scaling = scaling
        self.key = nn.Linear(encoder_dim, attention_dim, bias=key_bias)
        self.query = nn.Linear(query_dim, attention_dim)

    def make_keys(self, encoded: Tensor) -> Tensor:
        return split_heads(self.key(encoded).tanh(), self.heads)

    def energies(self, query: Tensor, memory: Memory, state: State) -> Tensor:
        projected = self.query(query).tanh() * self.scaling
        projected = projected.unflatten(-1, (self.heads, 1, -1))  # (batch, heads, 1, dim)
        return products(projected, memory.keys.mT).squeeze(2)


class History(NamedTuple):
    """What the past adds inside the tanh of an additive energy: features, projected."""

    features: Tensor  # (batch, heads, frames or 1, channels)
    projection: Shared | None = None  # of (heads, channels, dim); None: as large as they must be


class AdditiveScore(Attention):
    """Additive energies ``scaling * v . tanh(W q + V h_t + b + history_t)`` per head.

    Subclasses that remember return their features from `history` and name them in `history_term`.
    Because the terms meet inside the tanh, they are told apart by leaving out: ``content`` is the
    energy without the history, the history's term is the full energy minus ``content``.
    ESPnet's bias on the energy is left out: the softmax does not see it.
    """

    shares_memory = True
    history_term: str | None = None  # name of what `history` adds

    def __init__(
        self,
        encoder_dim: int,
        query_dim: int,
        *,
        attention_dim: int,
        heads: int = 1,
        scaling: float = 2.0,
    ) -> None:
        super().__init__(context_dim=encoder_dim, heads=heads)
        self.scaling = scaling
        self.key = nn.Linear(encoder_dim, attention_dim)
        self.query = nn.Linear(query_dim, attention_dim, bias=False)
        reach = (attention_dim // heads) ** -0.5
        self.score = nn.Parameter(torch.empty(heads, 1, attention_dim // heads))
        nn.init.uniform_(self.score, -reach, reach)  # as nn.Linear does

    def make_keys(self, encoded: Tensor) -> Tensor:
        return split_heads(self.key(encoded), self.heads)

    def ask(self, query: Tensor) -> Tensor:
        """(batch, heads, 1, dim) from the query."""
        return self.query(query).unflatten(-1, (self.heads, 1, -1))

    def history(self, memory: Memory, state: State) -> History | None:
        """What the past adds inside the tanh."""
        return None

    def direction(self) -> Tensor:
        """(heads, 1, dim): what the tanh is multiplied with."""
        return self.score * self.scaling

    def content(self, query: Tensor, memory: Memory) -> Tensor:
        """(batch, heads, frames) energies without the history."""
        return self._score(memory.keys, self.ask(query), None)

    def energies(self, query: Tensor, memory: Memory, state: State) -> Tensor:
        history = self.history(memory, state)
        if history is None:
            return self.content(query, memory)
        return self._score(memory.keys, self.ask(query), history)

    def _score(self, keys: Tensor, query: Tensor, history: History | None) -> Tensor:
        """(batch, heads, frames) energies, many hypotheses in parts that stay in the cache."""
        direction, times = self.direction(), len(query) // len(keys)
        at_once = max(1, CACHED // keys[0].numel())
        if at_once >= len(query) or torch.is_grad_enabled():
            return tanh_score(direction, _twice_inside(keys, query, history))
        energies = [
            tanh_score(direction, _twice_inside(keys[recordings], query[p], rows(history, p)))
            for recordings, p in _parts(len(keys), times, at_once)
        ]
        return torch.cat(energies)

    def terms(self, query: Tensor, memory: Memory, state: State) -> dict[str, Tensor]:
        content = self.content(query, memory)
        if self.history_term is None:
            return {"content": content}
        full = self.energies(query, memory, state)
        return {"content": content, self.history_term: full - content}


def _twice_inside(keys: Tensor, query: Tensor, history: History | None) -> Tensor:
    """(batch, heads, frames, dim): two times what the tanh is taken of, a new tensor."""
    projected = history is not None and history.projection is not None
    if history is not None and not projected:
        query = query + history.features
    doubled = (2 * query).unflatten(0, (len(keys), -1))  # (recordings, each, heads, 1, dim)
    inside = torch.add(doubled, keys[:, None], alpha=2).flatten(0, 1)
    if not projected:
        return inside
    features, projection = history.features, history.projection.value
    if torch.is_grad_enabled() or features.dtype != inside.dtype:
        return inside + features @ (2 * projection)
    every = projection.expand(len(features), *projection.shape).flatten(0, 1)
    inside.flatten(0, 1).baddbmm_(features.flatten(0, 1), every, alpha=2)  # no copy of the largest
    return inside


def _parts(recordings: int, times: int, at_once: int) -> Iterator[tuple[slice, slice]]:
    """Recordings and their hypotheses, so many hypotheses at once."""
    if at_once >= times:
        step = at_once // times
        for start in range(0, recordings, step):
            yield slice(start, start + step), slice(start * times, (start + step) * times)
        return
    for recording in range(recordings):
        end = (recording + 1) * times
        for start in range(recording * times, end, at_once):
            yield slice(recording, recording + 1), slice(start, min(start + at_once, end))


@register("equal", "no attention", "Equal (no attention)", "ESPnet's NoAtt; the uniform baseline")
class Equal(Attention):
    """Every valid frame gets the same weight: ``a_t = 1 / T``; the query is not looked at.

    The context is the mean of the encoder output, (batch, encoder_dim), at every step.
    """

    shares_memory = True

    def __init__(self, encoder_dim: int, query_dim: int) -> None:
        super().__init__(context_dim=encoder_dim)

    def energies(self, query: Tensor, memory: Memory, state: State) -> Tensor:
        return torch.zeros_like(memory.valid, dtype=memory.values.dtype)


@register("dot", "content", "Dot product", "Luong, Pham & Manning 2015, arXiv 1508.04025")
class Dot(DotScore):
    """Dot-product attention, ``e_t = scaling * tanh(W q + b) . tanh(V h_t + c)``.

    Luong et al. 2015 with projections of both sides, as ESPnet's AttDot. Energies (batch, 1,
    frames), context (batch, encoder_dim).
    """

    def __init__(
        self, encoder_dim: int, query_dim: int, *, attention_dim: int, scaling: float = 2.0
    ) -> None:
        super().__init__(
            encoder_dim,
            query_dim,
            attention_dim=attention_dim,
            heads=1,
            scaling=scaling,
            key_bias=True,
        )


@register("additive", "content", "Additive", "Bahdanau, Cho & Bengio 2015, arXiv 1409.0473")
class Additive(AdditiveScore):
    """Additive attention, ``e_t = scaling * v . tanh(W q + V h_t + b)``.

    Bahdanau et al. 2015, as ESPnet's AttAdd. Energies (batch, 1, frames), context
    (batch, encoder_dim).
    """

    def __init__(
        self, encoder_dim: int, query_dim: int, *, attention_dim: int, scaling: float = 2.0
    ) -> None:
        super().__init__(encoder_dim, query_dim, attention_dim=attention_dim, scaling=scaling)
