"""Mechanisms that also see where they listened at earlier steps."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.attention.base import Memory, Shared, register, weights_dtype
from models.attention.content import AdditiveScore, History

CHOROWSKI = "Chorowski et al. 2015, arXiv 1506.07503"


class LocationState(NamedTuple):
    """The last map of each head."""

    weights: Tensor  # (batch, heads, frames)


class WindowState(NamedTuple):
    """The last maps, oldest first."""

    maps: Tensor  # (batch, window, frames)


class RecurrentState(NamedTuple):
    """An LSTM that has read the maps of all earlier steps."""

    hidden: Tensor  # (batch, attention_dim)
    cell: Tensor  # (batch, attention_dim)


def uniform(memory: Memory, heads: int = 1) -> Tensor:
    """(batch, heads, frames) equal weights on the valid frames: the map before the first step."""
    weights = memory.valid / memory.valid.sum(-1, keepdim=True)
    return weights.to(weights_dtype(memory.values)).expand(-1, heads, -1)


def first_frame(memory: Memory) -> Tensor:
    """(batch, 1, frames) all weight on frame 0: where what only moves forward begins."""
    weights = torch.zeros_like(memory.valid, dtype=weights_dtype(memory.values))
    weights[..., 0] = 1.0
    return weights


def location_convolution(heads: int, maps: int, channels: int, kernel: int) -> nn.Conv1d:
    """Filters over the frames of `maps` maps per head, from (batch, heads * maps, frames).

    Raises
    ------
    ValueError
        If the number of taps is not odd, which would shift the features against the frames.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"the location kernel needs an odd number of taps, not {kernel}")
    return nn.Conv1d(
        heads * maps, heads * channels, kernel, padding=kernel // 2, groups=heads, bias=False
    )


class LocationFeatures(nn.Module):
    """Convolve maps along the frames and project: ``U (F * a)``, all heads in one pass."""

    def __init__(
        self, dim: int, *, channels: int, kernel: int, heads: int = 1, maps: int = 1
    ) -> None:
        super().__init__()
        self.heads = heads
        self.filters = location_convolution(heads, maps, channels, kernel)
        self.project = nn.Parameter(torch.empty(heads, channels, dim // heads))
        nn.init.uniform_(self.project, -(channels**-0.5), channels**-0.5)  # as nn.Linear does

    def forward(self, maps: Tensor) -> History:
        """The past that maps (batch, heads * maps, frames) are, (batch, heads, frames, ...)."""
        filtered = self.filters(maps).unflatten(1, (self.heads, -1))  # (batch, heads, channels, fr)
        return History(filtered.mT, Shared(self.project))


@register("location", "location", "Location-aware", CHOROWSKI)
class Location(AdditiveScore):
    """Location-aware attention, ``e_t = scaling * v . tanh(W q + V h_t + b + U (F * a)_t)``.

    Chorowski et al. 2015: filters F run over the map ``a`` of the previous step (uniform before
    the first), so that frames next to the last position can be preferred. Energies and state
    (batch, 1, frames), context (batch, encoder_dim).
    """

    history_term = "location"

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
        self.location = LocationFeatures(attention_dim, channels=channels, kernel=kernel)

    def initial_state(self, memory: Memory) -> LocationState:
        return LocationState(uniform(memory))

    def history(self, memory: Memory, state: LocationState) -> History:
        return self.location(state.weights)

    def advance(self, query, memory, state, context, weights) -> LocationState:
        return LocationState(weights)


@register("location2d", "location", "Location-aware, window of maps", f"ESPnet; {CHOROWSKI}")
class Location2D(AdditiveScore):
    """Location-aware attention over the maps of the last `window` steps.

    ``e_t = scaling * v . tanh(W q + V h_t + b + U (F * A)_t)`` with filters F of `window` x
    `kernel` over the stack A (batch, window, frames) of past maps, oldest first and uniform before
    the first step. ESPnet's extension of Chorowski et al. 2015.
    """

    history_term = "location"

    def __init__(
        self,
        encoder_dim: int,
        query_dim: int,
        *,
        attention_dim: int,
        channels: int,
        kernel: int,
        window: int,
        scaling: float = 2.0,
    ) -> None:
        super().__init__(encoder_dim, query_dim, attention_dim=attention_dim, scaling=scaling)
        self.location = LocationFeatures(
            attention_dim, channels=channels, kernel=kernel, maps=window
        )
        self.window = window

    def initial_state(self, memory: Memory) -> WindowState:
        return WindowState(uniform(memory, self.window))

    def history(self, memory: Memory, state: WindowState) -> History:
        return self.location(state.maps)

    def advance(self, query, memory, state, context, weights) -> WindowState:
        return WindowState(torch.cat([state.maps[:, 1:], weights], dim=1))


@register("location_recurrent", "location", "Location-aware, recurrent", f"ESPnet; {CHOROWSKI}")
class LocationRecurrent(AdditiveScore):
    """Location-aware attention whose memory of past maps is an LSTM.

    ``e_t = scaling * v . tanh(W q + V h_t + b + s)`` where the LSTM state ``s``, the same for all
    frames, has read ``max_t relu(F * a)_t`` of every map so far, the uniform one first. ESPnet's
    extension of Chorowski et al. 2015. As ``s`` has no frame axis it cannot point anywhere by
    itself; it changes what the query means.

    Parameters
    ----------
    padding_as_espnet
        ESPnet takes the maximum over padding too, where the filters still see the end of the map,
        so its result depends on the padding. True repeats that, for comparison with ESPnet.
    """

    history_term = "location"

    def __init__(
        self,
        encoder_dim: int,
        query_dim: int,
        *,
        attention_dim: int,
        channels: int,
        kernel: int,
        scaling: float = 2.0,
        padding_as_espnet: bool = False,
    ) -> None:
        super().__init__(encoder_dim, query_dim, attention_dim=attention_dim, scaling=scaling)
        self.filters = location_convolution(1, 1, channels, kernel)
        self.lstm = nn.LSTMCell(channels, attention_dim, bias=False)
        self.padding_as_espnet = padding_as_espnet

    def initial_state(self, memory: Memory) -> RecurrentState:
        maps = uniform(memory)
        zeros = maps.new_zeros(len(maps), self.lstm.hidden_size)
        return self._remember(maps, memory, RecurrentState(zeros, zeros))

    def history(self, memory: Memory, state: RecurrentState) -> History:
        return History(state.hidden[:, None, None])  # (batch, 1, 1, attention_dim)

    def advance(self, query, memory, state, context, weights) -> RecurrentState:
        return self._remember(weights, memory, state)

    def _remember(self, weights: Tensor, memory: Memory, state: RecurrentState) -> RecurrentState:
        filtered = self.filters(weights).relu()  # (batch, channels, frames)
        if not self.padding_as_espnet:
            filtered = filtered.masked_fill(~memory.valid, 0.0)  # relu: 0 is the least
        return RecurrentState(*self.lstm(filtered.amax(-1), state))
