"""Forward attention: from one step to the next the map may stay or move one frame on."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.attention.base import AttentionStep, Memory, register
from models.attention.location import Location, LocationState, first_frame

ZHANG = "Zhang, Ling & Dai 2018, arXiv 1807.06736"
FLOOR = 1e-6  # least weight before normalising: without it gradients become NaN (ESPnet)


class TransitionState(NamedTuple):
    """The last map and how likely the next one stays."""

    weights: Tensor  # (batch, 1, frames)
    stay: Tensor  # (batch, 1, 1), probability of staying at the frame


@register("forward", "forward", "Forward", ZHANG)
class Forward(Location):
    """Forward attention: a location-aware softmax times where the last map can have gone.

    ``a_t ~ max((a'_t + a'_{t-1}) * softmax(e)_t, 1e-6)``, normalised over the allowed frames, where
    ``a'`` is the map of the previous step (all on frame 0 before the first) and ``e`` the energies
    of `Location` with scaling 1. Zhang et al. 2018, as ESPnet's AttForward.

    The prior ``a'_t + a'_{t-1}`` multiplies after the softmax, as an energy term of its logarithm
    would; it is not among `terms`, which sum to ``e``, and the temperature does not flatten it.

    Parameters
    ----------
    padding_as_espnet
        ESPnet gives the least weight to padding too, so that its result depends on the padding.
        True repeats that in the normalisation, the context and the state, for comparison with
        ESPnet; the returned weights are 0 on padding either way.
    """

    def __init__(
        self,
        encoder_dim: int,
        query_dim: int,
        *,
        attention_dim: int,
        channels: int,
        kernel: int,
        scaling: float = 1.0,
        padding_as_espnet: bool = False,
    ) -> None:
        super().__init__(
            encoder_dim,
            query_dim,
            attention_dim=attention_dim,
            channels=channels,
            kernel=kernel,
            scaling=scaling,
        )
        self.padding_as_espnet = padding_as_espnet

    def initial_state(self, memory: Memory) -> LocationState:
        return LocationState(first_frame(memory))

    def prior(self, state: LocationState) -> Tensor:
        """(batch, 1, frames): what a map that stays or moves one frame on can reach."""
        return state.weights + F.pad(state.weights, (1, 0))[..., :-1]

    def align(self, weights: Tensor, frames: Tensor, memory: Memory, state) -> Tensor:
        floored = (self.prior(state) * weights).clamp(min=FLOOR)
        kept = frames | ~memory.valid if self.padding_as_espnet else frames
        return F.normalize(floored.masked_fill(~kept, 0.0), p=1.0, dim=-1)

    def forward(self, query, memory, state, intervention=None) -> AttentionStep:
        step = super().forward(query, memory, state, intervention)
        if not self.padding_as_espnet:
            return step
        return step._replace(weights=step.weights.masked_fill(~memory.valid, 0.0))


@register("forward_ta", "forward", "Forward, transition agent", ZHANG)
class ForwardTA(Forward):
    """Forward attention that learns when to move on.

    ``a_t ~ max((s * a'_t + (1 - s) * a'_{t-1}) * softmax(e)_t, 1e-6)``, as `Forward` otherwise; the
    transition agent ``s = sigmoid(w . [c; q; y'] + b)`` decides after each step from context,
    decoder state and previous output how likely the next map stays (0.5 at first). Zhang et al.
    2018, as ESPnet's AttForwardTA.

    Parameters
    ----------
    query_dim
        Size of the whole query ``[decoder state; previous output]``.
    previous_dim
        Size of the previous output at its end.
    """

    wants_previous_output = True

    def __init__(
        self,
        encoder_dim: int,
        query_dim: int,
        *,
        attention_dim: int,
        channels: int,
        kernel: int,
        previous_dim: int,
        scaling: float = 1.0,
        padding_as_espnet: bool = False,
    ) -> None:
        if not 0 < previous_dim < query_dim:
            raise ValueError(
                "forward_ta needs previous_dim, the size of the previous output at the end of its "
                f"query: between 1 and {query_dim - 1}, not {previous_dim}"
            )
        super().__init__(
            encoder_dim,
            query_dim - previous_dim,
            attention_dim=attention_dim,
            channels=channels,
            kernel=kernel,
            scaling=scaling,
            padding_as_espnet=padding_as_espnet,
        )
        self.agent = nn.Linear(encoder_dim + query_dim, 1)

    def initial_state(self, memory: Memory) -> TransitionState:
        weights = super().initial_state(memory).weights
        return TransitionState(weights, torch.full_like(weights[..., :1], 0.5))

    def ask(self, query: Tensor) -> Tensor:
        return super().ask(query[:, : self.query.in_features])  # the decoder state only

    def prior(self, state: TransitionState) -> Tensor:
        moved = F.pad(state.weights, (1, 0))[..., :-1]
        return state.stay * state.weights + (1.0 - state.stay) * moved

    def advance(self, query, memory, state, context, weights) -> TransitionState:
        stay = self.agent(torch.cat([context, query], dim=-1)).sigmoid()
        return TransitionState(weights, stay[..., None])
