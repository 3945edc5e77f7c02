"""Mechanisms with several maps per step; all heads are computed in one pass.

`attention_dim` is divided among the heads, so that one with more heads costs no more. ESPnet's
`adim` is the size of each head: its modules are ours with ``attention_dim = aheads * adim``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.attention.base import Attention, Memory, Shared, register
from models.attention.content import AdditiveScore, DotScore, History, split_heads
from models.attention.location import LocationFeatures, LocationState, uniform

VASWANI = "Vaswani et al. 2017, arXiv 1706.03762"


class ProjectedValues(Attention):
    """Mixin: each head sums its own projection of the frames, ``c = O [V_1 c_1; ...; V_H c_H]``.

    Raises
    ------
    ValueError
        If `attention_dim` cannot be divided among the heads.
    """

    def __init__(
        self, encoder_dim: int, query_dim: int, *, attention_dim: int, heads: int, **score
    ) -> None:
        if heads < 1 or attention_dim % heads:
            raise ValueError(f"attention_dim {attention_dim} cannot be divided among {heads} heads")
        super().__init__(encoder_dim, query_dim, attention_dim=attention_dim, heads=heads, **score)
        self.value = nn.Linear(encoder_dim, attention_dim, bias=False)
        self.output = nn.Linear(attention_dim, encoder_dim, bias=False)

    def make_values(self, encoded: Tensor) -> Tensor:
        return split_heads(self.value(encoded), self.heads)

    def read(self, weights: Tensor, memory: Memory) -> Tensor:
        return self.output(super().read(weights, memory))


@register("multi_head_dot", "multi-head", "Multi-head dot product", VASWANI)
class MultiHeadDot(ProjectedValues, DotScore):
    """Scaled dot products, ``e_ht = tanh(W_h q + b_h) . tanh(K_h x_t) / sqrt(d)`` for each head h.

    Vaswani et al. 2017 with the tanh of ESPnet's AttMultiHeadDot; ``d = attention_dim / heads``.
    Energies (batch, heads, frames), context (batch, encoder_dim).
    """

    def __init__(self, encoder_dim: int, query_dim: int, *, attention_dim: int, heads: int) -> None:
        super().__init__(
            encoder_dim,
            query_dim,
            attention_dim=attention_dim,
            heads=heads,
            scaling=(attention_dim / heads) ** -0.5,
            key_bias=False,
        )


@register("multi_head_add", "multi-head", "Multi-head additive", f"ESPnet; {VASWANI}")
class MultiHeadAdd(ProjectedValues, AdditiveScore):
    """Additive energies, ``e_ht = v_h . tanh(W_h q + K_h x_t + b_h) / sqrt(d)`` for each head h.

    ESPnet's AttMultiHeadAdd; ``d = attention_dim / heads``. Energies (batch, heads, frames),
    context (batch, encoder_dim).
    """

    def __init__(self, encoder_dim: int, query_dim: int, *, attention_dim: int, heads: int) -> None:
        super().__init__(
            encoder_dim,
            query_dim,
            attention_dim=attention_dim,
            heads=heads,
            scaling=(attention_dim / heads) ** -0.5,
        )


class MultiHeadLocationScore(ProjectedValues, AdditiveScore):
    """Location-aware energies; each head sees its own last map through `self.location`."""

    history_term = "location"

    def initial_state(self, memory: Memory) -> LocationState:
        return LocationState(uniform(memory, self.heads))

    def history(self, memory: Memory, state: LocationState) -> History:
        return self.location(state.weights)

    def advance(self, query, memory, state, context, weights) -> LocationState:
        return LocationState(weights)


@register(
    "multi_head_loc",
    "multi-head",
    "Multi-head location-aware",
    "ESPnet; Chorowski et al. 2015, arXiv 1506.07503",
)
class MultiHeadLoc(MultiHeadLocationScore):
    """Location-aware heads: ``e_ht = scaling * v_h . tanh(W_h q + K_h x_t + b_h + l_ht)``.

    Head h convolves its own last map, ``l_ht = U_h (F_h * a_h)_t`` (Chorowski et al. 2015).
    ESPnet's AttMultiHeadLoc, which scales by 2 as single-head attention does. Energies and state
    (batch, heads, frames), context (batch, encoder_dim).
    """

    def __init__(
        self,
        encoder_dim: int,
        query_dim: int,
        *,
        attention_dim: int,
        heads: int,
        channels: int,
        kernel: int,
        scaling: float = 2.0,
    ) -> None:
        super().__init__(
            encoder_dim, query_dim, attention_dim=attention_dim, heads=heads, scaling=scaling
        )
        self.location = LocationFeatures(
            attention_dim, channels=channels, kernel=kernel, heads=heads
        )


def head_radius(head: int, heads: int, kernel: int) -> int:
    """Taps on each side of the middle one that a head (from 0) uses; the last uses all."""
    return kernel // 2 * (head + 1) // heads


class MultiResolutionFeatures(LocationFeatures):
    """`LocationFeatures` whose filters get longer from head to head; outer taps of others are 0."""

    def __init__(self, dim: int, *, channels: int, kernel: int, heads: int) -> None:
        super().__init__(dim, channels=channels, kernel=kernel, heads=heads)
        radius = torch.tensor([head_radius(head, heads, kernel) for head in range(heads)])
        offset = torch.arange(kernel) - kernel // 2
        live = (offset.abs() <= radius[:, None]).repeat_interleave(channels, 0)[:, None]
        self.register_buffer("live", live, persistent=False)  # (heads * channels, 1, kernel)
        with torch.no_grad():
            self.filters.weight.mul_(live)

    def forward(self, maps: Tensor) -> History:
        filters = self.filters.weight * self.live
        filtered = F.conv1d(maps, filters, padding=filters.size(-1) // 2, groups=self.heads)
        return History(filtered.unflatten(1, (self.heads, -1)).mT, Shared(self.project))


@register(
    "multi_head_multi_res_loc",
    "multi-head",
    "Multi-head, multi-resolution location-aware",
    "ESPnet; Chorowski et al. 2015, arXiv 1506.07503",
)
class MultiHeadMultiResLoc(MultiHeadLocationScore):
    """Location-aware heads with filters of different length.

    ``e_ht = v_h . tanh(W_h q + K_h x_t + b_h + l_ht) / sqrt(d)`` with the location features
    ``l_h = U_h (F_h * a_h)`` as `MultiHeadLoc`, but head h (from 1) has filters of
    ``2 * (r * h // heads) + 1`` taps where ``kernel = 2 r + 1``; ``d = attention_dim / heads``.
    ESPnet's AttMultiHeadMultiResLoc.
    """

    def __init__(
        self,
        encoder_dim: int,
        query_dim: int,
        *,
        attention_dim: int,
        heads: int,
        channels: int,
        kernel: int,
    ) -> None:
        super().__init__(
            encoder_dim,
            query_dim,
            attention_dim=attention_dim,
            heads=heads,
            scaling=(attention_dim / heads) ** -0.5,
        )
        self.location = MultiResolutionFeatures(
            attention_dim, channels=channels, kernel=kernel, heads=heads
        )
