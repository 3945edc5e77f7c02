"""Mechanisms that only move forward through the recording."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.attention.base import (
    Attention,
    AttentionStep,
    Intervention,
    Memory,
    register,
    weights_dtype,
)
from models.attention.content import AdditiveScore
from models.attention.location import LocationState, first_frame

RAFFEL = "Raffel et al. 2017, arXiv 1704.00784"
CHIU = "Chiu & Raffel 2018, arXiv 1712.05382"
BATTENBERG = "Battenberg et al. 2020, arXiv 1910.10288"
GRAVES = "Graves 2013, arXiv 1308.0850"
STRIDE = 2.0  # frames from one token to the next before training: a character in frames of 40 ms
WIDTH = 5.0  # frames, of a Gaussian before training: wide enough to see where to move
NARROWEST = 0.3  # frames, of a Gaussian ever: a narrower one would fall between two frames


class MixtureState(NamedTuple):
    """Where the Gaussians of a mixture stand."""

    means: Tensor  # (batch, mixtures), frames


class Mixture(NamedTuple):
    """Gaussians along the frames, each field (batch, mixtures)."""

    log_weights: Tensor  # their exponentials sum to 1
    means: Tensor  # frames
    widths: Tensor  # frames, standard deviations


def last_frame(frames: Tensor) -> Tensor:
    """(batch, 1, frames) bool: True at the last of the frames that are True."""
    place = torch.arange(frames.size(-1), device=frames.device)
    return place == torch.where(frames, place, -1).amax(-1, keepdim=True)


def accumulate(kept: Tensor, added: Tensor) -> Tensor:
    """All of ``q_j = kept_j * q_{j-1} + added_j``, ``q_{-1} = 0``, over the last axis.

    By doubling: after n rounds ``q_j`` sums the last ``2 ** n`` terms. With factors in 0..1 and
    nothing negative no step can overflow, cancel or divide, unlike a quotient of cumulative
    products, whose denominator vanishes after some confident frames (Raffel et al. 2017 clip it).
    """
    reach = 1
    while reach < added.size(-1):
        added = torch.addcmul(added, kept, F.pad(added, (reach, -reach)))
        kept = kept * F.pad(kept, (reach, -reach))
        reach *= 2
    return added


def expected_stops(energies: Tensor, frames: Tensor, previous: Tensor) -> Tensor:
    """Where a walk on from `previous` stops, in expectation (Raffel et al. 2017).

    From each frame it goes on with probability ``1 - sigmoid(energy)``; it never stops at a frame
    not in `frames`, and what is left of it stops at the last of them.

    Parameters
    ----------
    energies, frames, previous
        (batch, 1, frames) logits of stopping, bool, and a map whose row sums to 1.
    """
    stopping = energies.sigmoid().masked_fill(~frames, 0.0)
    passed = F.pad(1.0 - stopping, (1, -1))  # into each frame from the one before
    stops = stopping * accumulate(passed, previous)
    left = (1.0 - stops.sum(-1, keepdim=True)).clamp(min=0.0)
    return stops + left * last_frame(frames)


def hard_stops(energies: Tensor, frames: Tensor, previous: Tensor) -> Tensor:
    """Where a walk on from the peak of `previous` stops: the first frame that is likelier than not.

    That is the last of `frames` if there is no such frame. Shapes as for `expected_stops`, rows
    with a single 1.
    """
    place = torch.arange(energies.size(-1), device=energies.device)
    ahead = place >= previous.argmax(-1, keepdim=True)
    stops = ((energies >= 0.0) & frames & ahead) | last_frame(frames)
    first = torch.where(stops, place, energies.size(-1)).amin(-1, keepdim=True)
    return (place == first).to(energies.dtype)


def spread(stops: Tensor, energies: Tensor, frames: Tensor, width: int) -> Tensor:
    """Share the weight of each stop among the `width` frames that end there, by a softmax.

    Chiu & Raffel 2018: ``b_j = sum_k stops_k exp(e_j) / sum_{l=k-width+1..k} exp(e_l)``
    over k from j to ``j + width - 1``; one softmax a chunk instead of moving sums of exponentials,
    so that no chunk underflows beside a louder one.

    Parameters
    ----------
    stops, energies, frames
        (batch, 1, frames) weights, energies within the chunk, and bool: what may be attended.
    """
    least = torch.finfo(energies.dtype).min  # unlike -inf without NaN where a chunk has no frame
    padded = F.pad(energies.masked_fill(~frames, least), (width - 1, 0), value=least)
    chunks = padded.unfold(-1, width, 1).softmax(-1)  # (batch, 1, frames, width)
    shared = (stops[..., None] * chunks).squeeze(1).mT  # (batch, width, frames)
    summed = F.fold(shared, (1, padded.size(-1)), (1, width))  # (batch, 1, 1, width - 1 + frames)
    return summed[:, 0, :, width - 1 :]


@register("monotonic", "monotonic", "Monotonic", RAFFEL)
class Monotonic(AdditiveScore):
    """Monotonic attention: walk on from the last frame and stop where it is worth stopping.

    ``p_t = sigmoid(g * v / |v| . tanh(W q + V h_t + b) + r)`` is the probability of stopping at
    frame t; the energies are what the sigmoid takes. Raffel et al. 2017. In training mode the map
    is where the walk stops in expectation, and unit noise on the energies drives ``p`` to 0 or 1;
    in evaluation mode it is the first frame with ``p >= 0.5`` at or after the last one, a single 1
    in each row. The walk starts at frame 0, and one that stops nowhere does so at the last valid
    frame: the paper's zero context would be no map. ``g`` starts at ``1 / sqrt(dim)`` as in the
    paper and ``r`` such that the first maps move on by `STRIDE` frames a token. Energies and state
    (batch, 1, frames), context (batch, encoder_dim).

    A temperature changes no decision of evaluation mode. Without the term ``content`` every frame
    is as likely as not, so that decoding stays where it is. Where only frames behind the last one
    are allowed, it goes back to the last of them.

    Parameters
    ----------
    noise
        Standard deviation of the noise in training mode.
    """

    def __init__(
        self, encoder_dim: int, query_dim: int, *, attention_dim: int, noise: float = 1.0
    ) -> None:
        super().__init__(encoder_dim, query_dim, attention_dim=attention_dim, scaling=1.0)
        self.gain = nn.Parameter(torch.tensor(attention_dim**-0.5))
        self.offset = nn.Parameter(torch.tensor(-math.log(STRIDE)))  # (1 - p) / p = STRIDE
        self.noise = noise

    def initial_state(self, memory: Memory) -> LocationState:
        return LocationState(first_frame(memory))

    def direction(self) -> Tensor:
        return self.gain * F.normalize(self.score, dim=-1)

    def content(self, query: Tensor, memory: Memory) -> Tensor:
        return super().content(query, memory) + self.offset

    def normalise(self, energies: Tensor, frames: Tensor, memory: Memory, state) -> Tensor:
        energies = energies.to(weights_dtype(energies))
        if not self.training:
            return hard_stops(energies, frames, state.weights)
        if self.noise:
            energies = energies + self.noise * torch.randn_like(energies)
        return expected_stops(energies, frames, state.weights)

    def advance(self, query, memory, state, context, weights) -> LocationState:
        return LocationState(weights)


@register("mocha", "monotonic", "Monotonic chunkwise (MoChA)", CHIU)
class Mocha(Monotonic):
    """Monotonic chunkwise attention: stop as `Monotonic`, then look back over a few frames.

    ``a_t = sum_k s_k exp(u_t) / sum_{l=k-w+1..k} exp(u_l)`` over the stops ``s`` from t to
    ``t + w - 1``: each is shared among the ``w = chunk`` frames that end there by a softmax over
    ``u_t = v' . tanh(W' q + V' h_t + b')``, energies of their own. In training mode the stops are
    expected ones, in evaluation mode there is one. Chiu & Raffel 2018. Both energies have half of
    the attention space, so that there are as many parameters as in additive attention.

    The state (batch, 1, frames) is where it stopped. `energies` and `terms` are those of stopping;
    temperature, allowed frames and leaving out ``content`` apply to both.
    """

    def __init__(
        self,
        encoder_dim: int,
        query_dim: int,
        *,
        attention_dim: int,
        chunk: int,
        noise: float = 1.0,
    ) -> None:
        if attention_dim < 2:
            raise ValueError(f"mocha needs an attention_dim of at least 2, not {attention_dim}")
        half = attention_dim // 2
        super().__init__(encoder_dim, query_dim, attention_dim=half, noise=noise)
        self.within = AdditiveScore(encoder_dim, query_dim, attention_dim=half, scaling=1.0)
        self.chunk = chunk

    def make_keys(self, encoded: Tensor) -> Tensor:
        """(batch, 2, frames, dim): for stopping and for within the chunk."""
        return torch.cat([super().make_keys(encoded), self.within.make_keys(encoded)], dim=1)

    def content(self, query: Tensor, memory: Memory) -> Tensor:
        return super().content(query, memory._replace(keys=memory.keys[:, :1]))

    def chunk_energies(self, query: Tensor, memory: Memory) -> Tensor:
        """(batch, 1, frames) energies within a chunk."""
        return self.within.content(query, memory._replace(keys=memory.keys[:, 1:]))

    def forward(self, query, memory, state, intervention=None) -> AttentionStep:
        step = super().forward(query, memory, state, intervention)  # its weights are the stops
        change = intervention or Intervention()
        energies = self.chunk_energies(query, memory).to(step.weights.dtype) / change.temperature
        if "content" in change.dropped:
            energies = torch.zeros_like(energies)
        weights = spread(step.weights, energies, change.frames(memory.valid), self.chunk)
        return step._replace(context=self.read(weights, memory), weights=weights)


@register("gmm", "monotonic", "Gaussian mixture (GMM V2)", f"{BATTENBERG}; {GRAVES}")
class GaussianMixture(Attention):
    """Gaussians that slide along the recording; what the frames contain is not looked at.

    ``a_t ~ sum_k w_k N(t; m_k, s_k)`` with ``w = softmax(w')``, ``m_k = m'_k + softplus(d_k)`` and
    ``s_k = softplus(z_k)`` + 0.3 frames, where ``m'`` are the means of the step before (frame 0
    before the first) and ``[w'; d; z] = U tanh(W q + b) + c``. Graves 2013 in the form "V2" of
    Battenberg et al. 2020, whose biases ``c`` start the steps at `STRIDE` and the widths at
    `WIDTH` frames; the least width is ours.

    The density is the softmax of its logarithm, which is therefore the energy: rows sum to 1 over
    the valid frames, where the paper's sum to about 1 over all integers. A mixture that has run
    past the end so stays at the last frames. Energies (batch, 1, frames), their only term is
    ``location``; state (batch, mixtures), context (batch, encoder_dim).

    Parameters
    ----------
    attention_dim
        Half the size of the hidden layer between the query and the Gaussians: without keys there
        are parameters to spare, and a decoder stays about as large as with other mechanisms.
    mixtures
        Number of Gaussians.
    """

    shares_memory = True

    def __init__(
        self, encoder_dim: int, query_dim: int, *, attention_dim: int, mixtures: int
    ) -> None:
        super().__init__(context_dim=encoder_dim)
        hidden = 2 * attention_dim
        self.query = nn.Linear(query_dim, hidden)
        self.gaussians = nn.Linear(hidden, 3 * mixtures)
        with torch.no_grad():
            weights, steps, widths = self.gaussians.bias.chunk(3)
            weights.zero_()
            steps.fill_(math.log(math.expm1(STRIDE)))  # softplus gives STRIDE
            widths.fill_(math.log(math.expm1(WIDTH - NARROWEST)))
        self.mixtures = mixtures

    def initial_state(self, memory: Memory) -> MixtureState:
        shape = (len(memory.values), self.mixtures)
        return MixtureState(memory.values.new_zeros(shape, dtype=weights_dtype(memory.values)))

    def mixture(self, query: Tensor, state: MixtureState) -> Mixture:
        """The Gaussians of this step."""
        parameters = self.gaussians(self.query(query).tanh()).to(state.means.dtype)
        weights, steps, widths = parameters.chunk(3, dim=-1)
        means = state.means + F.softplus(steps)
        return Mixture(weights.log_softmax(-1), means, NARROWEST + F.softplus(widths))

    def energies(self, query: Tensor, memory: Memory, state: MixtureState) -> Tensor:
        weights, means, widths = (field[..., None] for field in self.mixture(query, state))
        place = torch.arange(memory.valid.size(-1), device=means.device)
        exponents = -0.5 * ((place - means) / widths).square()  # (batch, mixtures, frames)
        log_densities = exponents - widths.log() - 0.5 * math.log(2 * math.pi)
        return (weights + log_densities).logsumexp(1, keepdim=True)

    def terms(self, query: Tensor, memory: Memory, state: MixtureState) -> dict[str, Tensor]:
        return {"location": self.energies(query, memory, state)}

    def advance(self, query, memory, state, context, weights) -> MixtureState:
        return MixtureState(self.mixture(query, state).means)
