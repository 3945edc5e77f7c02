"""The `transformer` variant: self-attention on the shared encoder and a Transformer decoder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.attention.base import Intervention, share, valid_frames
from models.decoders.base import Decoder, DecoderStep
from models.decoders.transformer_layers import (
    Attended,
    DecoderLayer,
    EncoderLayer,
    EncoderLayerOutput,
    KeysValues,
    sinusoids,
)
from models.memory import available_bytes, require
from models.schema import Count, Layers, Number, Size

WORKING = 4  # times the size of all maps: computing them at once takes 2 to 3 (measured)
MOST_FRAMES = 3_000  # two minutes; maps of self-attention on more would take over 300 MB


@dataclass(frozen=True)
class TransformerOptions:
    """Sizes of a `TransformerDecoder`.

    The defaults give 998,942 parameters on an encoder of 512 and an alphabet of 30, 2 % more than
    the LSTM decoders they are compared with, 2.0 MB in half precision. They are the usual
    proportions (feed-forward layers four times as wide, 32 dimensions a head), with as many layers
    that look around in the audio as layers that write.
    """

    dim: Size = 128  # of every position, even
    heads: Size = 4  # of every attention
    encoder_layers: Layers = 2  # self-attention on the shared encoder
    decoder_layers: Layers = 2  # self-attention and cross-attention
    inner: Size = 512  # of feed-forward layers
    dropout: float = 0.0  # on inputs, inside feed-forward layers and on what a sublayer adds
    pace: Number = 2.0  # frames from one token to the next, roughly: positions count frames
    start: Count = 0  # in training, half of the sentences count from a random number below this

    def __post_init__(self) -> None:
        if self.dim % 2 or min(self.dim, self.encoder_layers, self.decoder_layers) < 1:
            raise ValueError("a Transformer needs an even dimension and layers of both kinds")


class TransformerMemory(NamedTuple):
    """What a batch of utterances offers to every step."""

    layers: tuple[KeysValues, ...]  # of each decoder layer's cross-attention
    valid: Tensor  # (batch, 1, frames) bool, False on padding


class TransformerState(NamedTuple):
    """What a hypothesis remembers: nothing but what it wrote."""

    cache: tuple[KeysValues, ...]  # of each decoder layer's self-attention, the global token first
    place: Tensor  # (batch,) position of the next token, in frames


@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """Every map of one transcript: rows attend to columns and sum to one. All float32.

    The mass on the global token is not in the rows but apart: of all attention of a row, the share
    ``1 - global`` is what its map describes.

    Column j of `decoder` is the input of output j, that is the token before it (column 0 the start
    of the sentence); a row sees columns up to its own.
    """

    encoder: np.ndarray | None  # (layers, heads, frames, frames), None: left out, too many frames
    encoder_global: np.ndarray | None  # (layers, heads, frames)
    decoder: np.ndarray  # (layers, heads, tokens, tokens)
    decoder_global: np.ndarray  # (layers, heads, tokens)
    cross: np.ndarray  # (layers, heads, tokens, frames), as search returns them
    cross_global: np.ndarray  # (layers, heads, tokens)


class _Heard(NamedTuple):
    """Frames after self-attention."""

    frames: Tensor  # (batch, frames, dim)
    valid: Tensor  # (batch, 1, frames) bool
    start: Tensor  # (batch,) position of the first frame and the first token
    layers: tuple[EncoderLayerOutput, ...]


class _Written(NamedTuple):
    """Some tokens further."""

    logits: Tensor  # (batch, tokens, vocabulary)
    state: TransformerState
    own: list[Attended]  # of each layer's self-attention
    cross: list[Attended]  # of each layer's cross-attention


class TransformerDecoder(Decoder):
    """Self-attention layers on the shared encoder's frames, and a decoder that reads both.

    Layers are pre-norm (Xiong et al. 2020, arXiv 2002.04745): they train without a long warm-up.

    *The global token* is one learned vector that every attention of every layer offers as one more
    key and value. It hears nothing and is never updated, so that mass on it is attention spent on
    no audio and no text, which attention heads are known to need (Xiao et al. 2024, arXiv
    2309.17453), and all that flows from frames to tokens is in the maps. Without it such mass would
    fall on silence or on the first token and look like listening.

    *Positions* are sinusoids, so that any length has them, and count frames: a token is `pace`
    frames behind the one before it. Counted from 0, positions beyond the longest training sentence
    would never have been seen, at which Transformers fail abruptly. In training the count therefore
    starts anywhere for half of the sentences (`start`; Kiyono et al. 2021, arXiv 2109.05644;
    Likhomanenko et al. 2021, arXiv 2106.03143), so that only the distances within a long recording
    are new. The other half starts at 0, where listening is learned sooner.

    *First weights*: cross-attention starts with the same projection for queries as for keys, so
    that a token listens around its own position until it knows better (Ping et al. 2018, arXiv
    1710.07654). It is a start and no constraint: the loss is that of every other decoder.

    *Maps* of a step are those of cross-attention, layer after layer on the axis of heads;
    `attention_maps` gives all three kinds for a transcript.

    Parameters
    ----------
    vocabulary
        Number of tokens; the last one starts and ends a sentence.
    encoder_dim
        Size of an encoded frame.
    options
        Sizes.
    """

    def __init__(
        self, vocabulary: int, encoder_dim: int, options: TransformerOptions | None = None
    ) -> None:
        super().__init__()
        self.options = options = options or TransformerOptions()
        self.vocabulary, self.encoder_dim = vocabulary, encoder_dim
        self.map_layers = options.decoder_layers
        sizes = (options.dim, options.heads, options.inner, options.dropout)
        self.projection = nn.Linear(encoder_dim, options.dim)
        self.encoder_layers = nn.ModuleList(
            EncoderLayer(*sizes) for _ in range(options.encoder_layers)
        )
        self.encoder_norm = nn.LayerNorm(options.dim)
        self.global_token = nn.Parameter(torch.randn(options.dim))
        self.embedding = nn.Embedding(vocabulary, options.dim)
        self.decoder_layers = nn.ModuleList(
            DecoderLayer(*sizes) for _ in range(options.decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(options.dim)
        self.output = nn.Linear(options.dim, vocabulary)
        self.dropout = nn.Dropout(options.dropout)
        nn.init.normal_(self.embedding.weight, std=0.5)  # what is written does not drown its place
        for layer in self.decoder_layers:
            layer.heard.key.weight.data.copy_(layer.heard.query.weight)

    def begin(self, encoded: Tensor, lengths: Tensor) -> tuple[TransformerMemory, TransformerState]:
        return self._offer(self._listen(encoded, lengths))

    def repeat(self, memory: TransformerMemory, times: int) -> TransformerMemory:
        return share(memory, times)

    def step(
        self,
        previous: Tensor,
        memory: TransformerMemory,
        state: TransformerState,
        intervention: Intervention | None = None,
    ) -> DecoderStep:
        written = self._write(previous[:, None], memory, state, intervention)
        weights = torch.cat([layer.weights for layer in written.cross], 1).squeeze(2)
        mass = torch.cat([layer.global_mass for layer in written.cross], 1).squeeze(2)
        return DecoderStep(written.logits[:, 0], weights, written.state, mass)

    def forward(
        self, encoded: Tensor, lengths: Tensor, targets: Tensor, inputs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        inputs = self.shift_right(targets) if inputs is None else inputs
        written = self._write(inputs, *self.begin(encoded, lengths))
        weights = torch.cat([layer.weights for layer in written.cross], 1)
        return written.logits, weights.transpose(1, 2)

    @torch.inference_mode()
    def attention_maps(
        self, encoded: Tensor, tokens: Sequence[int], most_frames: int = MOST_FRAMES
    ) -> AttentionMaps:
        """All maps of a transcript, in one pass. The decoder must be in evaluation mode.

        Parameters
        ----------
        encoded
            (frames, dim) of one recording, without padding.
        tokens
            The transcript, the end of the sentence included where it was written.
        most_frames
            The encoder's maps of longer recordings are left out.

        Raises
        ------
        MemoryError
            Where the maps are too large.
        """
        count, length, options = len(tokens), len(encoded), self.options
        shown = length <= most_frames
        cells = options.decoder_layers * options.heads * count * (count + length)
        cells += options.encoder_layers * options.heads * length**2 if shown else 0
        require(4 * cells * WORKING, available_bytes(), f"all maps of {count} tokens")
        frames, forced = encoded[None], torch.tensor([tuple(tokens)], device=encoded.device)
        heard = self._listen(frames, torch.tensor([length]), maps=shown)
        written = self._write(self.shift_right(forced), *self._offer(heard))
        return AttentionMaps(
            *(_stack([layer.attended for layer in heard.layers]) if shown else (None, None)),
            *_stack(written.own),
            *_stack(written.cross),
        )

    def _listen(self, encoded: Tensor, lengths: Tensor, maps: bool = False) -> _Heard:
        """Self-attention on the shared encoder's frames."""
        valid = valid_frames(lengths.to(encoded.device), encoded.size(1))
        token, start = self._token(len(encoded)), self._start(encoded)
        frames, layers = self._place(self.projection(encoded), start, 1.0), []
        for layer in self.encoder_layers:
            layers.append(layer(frames, token, valid[:, None], maps))
            frames = layers[-1].frames
        return _Heard(self.encoder_norm(frames), valid, start, tuple(layers))

    def _offer(self, heard: _Heard) -> tuple[TransformerMemory, TransformerState]:
        """Memory and first state: keys and values of frames and global token, computed once."""
        token = self._token(len(heard.frames))
        frames = torch.cat((token, heard.frames), 1)
        memory = tuple(layer.heard.offer(frames) for layer in self.decoder_layers)
        cache = tuple(layer.written.offer(token) for layer in self.decoder_layers)
        return TransformerMemory(memory, heard.valid), TransformerState(cache, heard.start)

    def _write(
        self,
        inputs: Tensor,
        memory: TransformerMemory,
        state: TransformerState,
        intervention: Intervention | None = None,
    ) -> _Written:
        """Read more tokens, `inputs` (batch, tokens), and predict what follows each of them."""
        count = inputs.size(1)
        before = state.cache[0].keys.size(2) - 1
        causal = None
        if count > 1:
            causal = inputs.new_ones(count, before + count, dtype=torch.bool).tril(before)
        audible = memory.valid if intervention is None else intervention.frames(memory.valid)
        pace = self.options.pace
        hidden, layers = self._place(self.embedding(inputs), state.place, pace), []
        for layer, cache, frames in zip(
            self.decoder_layers, state.cache, memory.layers, strict=True
        ):
            layers.append(layer(hidden, cache, frames, causal, audible[:, None], intervention))
            hidden = layers[-1].hidden
        logits = self.output(self.decoder_norm(hidden))
        place = state.place + pace * count
        state = TransformerState(tuple(layer.cache for layer in layers), place)
        own, cross = [layer.written for layer in layers], [layer.heard for layer in layers]
        return _Written(logits, state, own, cross)

    def _token(self, batch: int) -> Tensor:
        return self.global_token.expand(batch, 1, -1)

    def _start(self, batch: Tensor) -> Tensor:
        """(batch,) position of the first frame or token."""
        if not self.training:
            return torch.zeros(len(batch), device=batch.device)
        start = torch.randint(max(1, self.options.start), (len(batch),), device=batch.device)
        return (start * torch.randint_like(start, 2)).float()

    def _place(self, positions: Tensor, start: Tensor, pace: float) -> Tensor:
        """Positions (batch, length, dim) that know where they are."""
        places = start[:, None] + pace * torch.arange(positions.size(1), device=start.device)
        return self.dropout(positions + sinusoids(places, positions.size(2)))


def _stack(layers: list[Attended]) -> Iterator[np.ndarray]:
    """Maps (layers, heads, queries, positions) and masses (layers, heads, queries) of one row."""
    for field in ("weights", "global_mass"):
        yield torch.cat([getattr(layer, field) for layer in layers]).float().cpu().numpy()
