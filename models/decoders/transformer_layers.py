"""Layers of the `transformer` variant: attention with a global token, and sinusoids for places."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.attention.base import Intervention, products, weights_dtype
from models.attention.content import split_heads

SLOWEST = 10_000.0  # ratio of the fastest sinusoid's frequency to the slowest one's


class KeysValues(NamedTuple):
    """What positions offer to those that attend to them; a global token is the first of them."""

    keys: Tensor  # (batch, heads, positions, size)
    values: Tensor  # (batch, heads, positions, size)

    def extend(self, more: "KeysValues") -> "KeysValues":
        """These positions, then those."""
        return KeysValues(*(torch.cat(pair, 2) for pair in zip(self, more, strict=True)))


class Attended(NamedTuple):
    """What some positions listened to, the global token's share apart."""

    context: Tensor  # (batch, queries, dim)
    weights: Tensor | None  # (batch, heads, queries, positions), rows sum to 1
    global_mass: Tensor | None  # (batch, heads, queries), 0 to 1


class EncoderLayerOutput(NamedTuple):
    """What an `EncoderLayer` gives."""

    frames: Tensor  # (batch, frames, dim)
    attended: Attended  # of self-attention


class DecoderLayerOutput(NamedTuple):
    """What a `DecoderLayer` gives."""

    hidden: Tensor  # (batch, tokens, dim)
    cache: KeysValues  # of all tokens so far
    written: Attended  # of self-attention: which tokens were read
    heard: Attended  # of cross-attention: which frames were listened to


def sinusoids(places: Tensor, dim: int) -> Tensor:
    """Positions (batch, length) as sines and cosines, (batch, length, dim), `dim` even.

    Vaswani et al. 2017, section 3.5: wavelengths in a geometric progression from 2 pi to 20,000 pi.
    """
    steps = torch.arange(dim // 2, device=places.device, dtype=torch.float32)
    angles = places[..., None] * torch.exp(steps * (-2 / dim * math.log(SLOWEST)))
    return torch.cat((angles.sin(), angles.cos()), -1)


class GlobalAttention(nn.Module):
    r"""Multi-head attention to positions and to one learned global token.

    Per head, with :math:`e_t = q \cdot k_t / \sqrt{d}` for positions and :math:`e_g` for the token:

    .. math::
        w_t = \mathrm{softmax}_t(e),\quad
        g = \sigma\Big(e_g - \log \sum_t \exp e_t\Big),\quad
        c = g\, v_g + (1 - g) \sum_t w_t v_t

    which is one softmax over positions and token (Vaswani et al. 2017), written so that the token's
    mass :math:`g` stands apart and the map :math:`w` sums to one even where :math:`g` is almost 1.
    There is no dropout on weights: what is shown is what was used. Keys need no bias, since it
    would add the same to all energies.

    Raises
    ------
    ValueError
        If `dim` cannot be divided among the heads.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            raise ValueError(f"model dimension {dim} cannot be divided among {heads} heads")
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        for layer in (self.query, self.key, self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def offer(self, source: Tensor) -> KeysValues:
        """Keys and values of positions (batch, positions, dim)."""
        keys, values = self.key(source), self.value(source)
        return KeysValues(split_heads(keys, self.heads), split_heads(values, self.heads))

    def forward(
        self,
        source: Tensor,
        offered: KeysValues,
        visible: Tensor | None = None,
        intervention: Intervention | None = None,
    ) -> Attended:
        """Attend, and say where to.

        Parameters
        ----------
        source
            (batch, queries, dim).
        offered
            Of the global token and of the positions, for each or for several neighbours of a batch.
        visible
            Bool that broadcasts to (batch, heads, queries, positions), at least one in each row;
            all where it is missing. The global token is always visible.
        intervention
            Its temperature, and the terms ``content`` (of positions) and ``global`` to drop.
        """
        # (batch, heads, queries, 1 + positions)
        energies = products(self._queries(source), offered.keys.mT)
        energies = energies.to(weights_dtype(energies))
        token, energies = energies[..., :1], energies[..., 1:]
        if intervention is not None:
            dropped, temperature = intervention.dropped, intervention.temperature
            token = torch.full_like(token, -torch.inf) if "global" in dropped else token
            energies = torch.zeros_like(energies) if "content" in dropped else energies
            token, energies = token / temperature, energies / temperature
        if visible is not None:
            energies = energies.masked_fill(~visible, -torch.inf)
        weights = energies.softmax(-1)
        mass = (token - energies.logsumexp(-1, keepdim=True)).sigmoid()
        shares = torch.cat((mass, (1 - mass) * weights), -1)
        return Attended(self._merge(products(shares, offered.values)), weights, mass.squeeze(-1))

    def fused(self, source: Tensor, offered: KeysValues, visible: Tensor) -> Attended:
        """The same context without maps, whose memory would grow with the square of the length."""
        visible = F.pad(visible, (1, 0), value=True)  # the global token
        queries = self._queries(source, scaled=False)
        context = F.scaled_dot_product_attention(queries, *offered, attn_mask=visible)
        return Attended(self._merge(context), None, None)

    def _queries(self, source: Tensor, scaled: bool = True) -> Tensor:
        queries = split_heads(self.query(source), self.heads)
        return queries * queries.size(-1) ** -0.5 if scaled else queries

    def _merge(self, context: Tensor) -> Tensor:
        return self.output(context.transpose(1, 2).flatten(2))


class FeedForward(nn.Sequential):
    """Two linear layers with a ReLU between them, for each position alone."""

    def __init__(self, dim: int, inner: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(dim, inner), nn.ReLU(), nn.Dropout(dropout), nn.Linear(inner, dim)
        )


class EncoderLayer(nn.Module):
    """Pre-norm self-attention over frames and the global token, then a feed-forward layer."""

    def __init__(self, dim: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = GlobalAttention(dim, heads)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, inner, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, frames: Tensor, token: Tensor, visible: Tensor, maps: bool = False
    ) -> EncoderLayerOutput:
        """One layer.

        Parameters
        ----------
        frames, token
            (batch, frames, dim) and the global token as (batch, 1, dim).
        visible
            (batch, 1, 1, frames) bool, False on padding.
        maps
            Also compute where each frame listened.
        """
        source = self.attention_norm(frames)
        offered = self.attention.offer(torch.cat((token, source), 1))
        attend = self.attention if maps else self.attention.fused
        attended = attend(source, offered, visible)
        frames = frames + self.dropout(attended.context)
        frames = frames + self.dropout(self.feed_forward(self.feed_forward_norm(frames)))
        return EncoderLayerOutput(frames, attended)


class DecoderLayer(nn.Module):
    """Pre-norm causal self-attention over tokens, cross-attention to frames, feed-forward layer."""

    def __init__(self, dim: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.written_norm = nn.LayerNorm(dim)
        self.written = GlobalAttention(dim, heads)
        self.heard_norm = nn.LayerNorm(dim)
        self.heard = GlobalAttention(dim, heads)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, inner, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        hidden: Tensor,
        cache: KeysValues,
        memory: KeysValues,
        causal: Tensor | None,
        audible: Tensor,
        intervention: Intervention | None = None,
    ) -> DecoderLayerOutput:
        """Some tokens further.

        Parameters
        ----------
        hidden
            (batch, tokens, dim), the new tokens.
        cache, memory
            Keys and values of the tokens before, for self-attention, and of the frames, which all
            hypotheses of a recording may have in common.
        causal
            (tokens, tokens before + tokens) bool, which each may see; None: all of them.
        audible
            (batch, 1, 1, frames) bool, False on padding and on what must not be heard.
        """
        source = self.written_norm(hidden)
        cache = cache.extend(self.written.offer(source))
        written = self.written(source, cache, causal)
        hidden = hidden + self.dropout(written.context)
        heard = self.heard(self.heard_norm(hidden), memory, audible, intervention)
        hidden = hidden + self.dropout(heard.context)
        hidden = hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))
        return DecoderLayerOutput(hidden, cache, written, heard)
