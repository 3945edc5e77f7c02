"""Mechanisms that see how much every frame has been listened to so far."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.attention.base import Memory, Shared, register
from models.attention.content import AdditiveScore, History
from models.attention.location import LocationFeatures, uniform


class CoverageState(NamedTuple):
    """Sum of all maps so far, the uniform one before the first step included."""

    total: Tensor  # (batch, 1, frames)


@register("coverage", "coverage", "Coverage", "See, Liu & Manning 2017, arXiv 1704.04368")
class Coverage(AdditiveScore):
    """Additive attention with coverage, ``e_t = scaling * v . tanh(W q + V h_t + b + u C_t)``.

    See et al. 2017 (after Tu et al. 2016, arXiv 1601.04811), as ESPnet's AttCov: ``C_t`` is the
    weight that frame t got in all steps so far, plus the uniform 1 / T. ESPnet's bias beside ``u``
    is part of ``b``. Energies and coverage (batch, 1, frames), context (batch, encoder_dim).
    """

    history_term = "coverage"

    def __init__(
        self, encoder_dim: int, query_dim: int, *, attention_dim: int, scaling: float = 2.0
    ) -> None:
        super().__init__(encoder_dim, query_dim, attention_dim=attention_dim, scaling=scaling)
        self.coverage = nn.Parameter(torch.empty(attention_dim))
        nn.init.uniform_(self.coverage, -1.0, 1.0)  # as nn.Linear does with one input

    def initial_state(self, memory: Memory) -> CoverageState:
        return CoverageState(uniform(memory))

    def history(self, memory: Memory, state: CoverageState) -> History:
        return History(state.total[..., None], Shared(self.coverage[None, None]))

    def advance(self, query, memory, state, context, weights) -> CoverageState:
        return CoverageState(state.total + weights)


@register(
    "coverage_location",
    "coverage",
    "Coverage, location-aware",
    "ESPnet; See et al. 2017, arXiv 1704.04368, and Chorowski et al. 2015, arXiv 1506.07503",
)
class CoverageLocation(AdditiveScore):
    """Coverage seen through filters, ``e_t = scaling * v . tanh(W q + V h_t + b + U (F * C)_t)``.

    As `Coverage`, but filters F run over ``C`` as over the last map in location-aware attention,
    so that the border between what was heard and what was not can be found. ESPnet's AttCovLoc.
    """

    history_term = "coverage"

    def __init__(
        self,
        encoder_dim: int,
        query_dim: int,
        *,
        attention_dim: int,
        channels: int,
        kernel: int,
        scaling: float = 2.0,
    ) -> None:
        super().__init__(encoder_dim, query_dim, attention_dim=attention_dim, scaling=scaling)
        self.coverage = LocationFeatures(attention_dim, channels=channels, kernel=kernel)

    def initial_state(self, memory: Memory) -> CoverageState:
        return CoverageState(uniform(memory))

    def history(self, memory: Memory, state: CoverageState) -> History:
        return self.coverage(state.total)

    def advance(self, query, memory, state, context, weights) -> CoverageState:
        return CoverageState(state.total + weights)
