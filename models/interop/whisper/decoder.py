"""Whisper's decoder step by step, so that our search decodes with it and every map is seen.

The weights are those of transformers' modules; the step is written out, because only then a beam
can re-order what its hypotheses remember, and attention can be changed while decoding.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.attention.base import Intervention, products, share, valid_frames
from models.attention.content import split_heads
from models.decoders.base import Decoder, DecoderStep
from models.decoders.transformer_layers import KeysValues

NEVER = -torch.inf


@dataclass(frozen=True)
class Prompt:
    """What a transcript starts with, and what it may not say."""

    start: int  # <|startoftranscript|>
    languages: tuple[int, ...]  # of which the likeliest is chosen; empty: an English-only model
    rest: tuple[int, ...]  # <|transcribe|>, <|notimestamps|>
    suppressed: tuple[int, ...] = ()  # tokens that are never written
    suppressed_first: tuple[int, ...] = ()  # nor as the first token

    def __len__(self) -> int:
        return 1 + bool(self.languages) + len(self.rest)


class WhisperMemory(NamedTuple):
    """What a batch of windows offers to every step."""

    layers: tuple[KeysValues, ...]  # of each layer's cross-attention, over the whole window
    valid: Tensor  # (batch, 1, frames) bool: the recording's frames


class WhisperState(NamedTuple):
    """What a hypothesis remembers."""

    layers: tuple[KeysValues, ...]  # of each layer's self-attention
    place: Tensor  # (batch,) positions read so far
    pending: Tensor  # (batch,) last token of the prompt until it is read, then -1


class WhisperDecoder(Decoder):
    """The decoder of a `transformers.WhisperForConditionalGeneration`, greedy or in a beam.

    Every window is attended as a whole, padding included, as in training; the maps are those of the
    recording's own frames, normalised there (as Whisper's own word timestamps do it).
    """

    def __init__(self, model: nn.Module, prompt: Prompt) -> None:
        super().__init__()
        self.model, self.prompt = model, prompt
        self.layers = model.model.decoder.layers
        self.heads = model.config.decoder_attention_heads
        self.vocabulary = model.config.vocab_size
        self.map_layers = len(self.layers)
        self.register_buffer("never", _mask(self.vocabulary, prompt.suppressed), persistent=False)
        first = (*prompt.suppressed, *prompt.suppressed_first)
        self.register_buffer("never_first", _mask(self.vocabulary, first), persistent=False)

    def begin(self, encoded: Tensor, lengths: Tensor) -> tuple[WhisperMemory, WhisperState]:
        """Memory of whole windows (batch, window, dim) and the state after the prompt.

        `lengths` (batch,) are the frames of the recording in each window. The last token of the
        prompt is read with the first step.
        """
        layers = []
        for layer in self.layers:
            layers.append(self._offer(layer.encoder_attn, encoded))
        memory = WhisperMemory(tuple(layers), valid_frames(lengths, int(lengths.max())))
        batch, width = len(encoded), encoded.shape[-1] // self.heads
        empty = encoded.new_zeros(batch, self.heads, 0, width)
        place = torch.zeros(batch, dtype=torch.long, device=encoded.device)
        pending = torch.full_like(place, self.prompt.start)
        state = WhisperState(tuple(KeysValues(empty, empty) for _ in layers), place, pending)
        for token in self._prompt_after_start():
            step = self._read(state.pending, memory, state, None)
            chosen = torch.full_like(place, token) if token >= 0 else self._language(step.logits)
            state = step.state._replace(pending=chosen)
        return memory, state

    def repeat(self, memory: WhisperMemory, times: int) -> WhisperMemory:
        return share(memory, times)

    def _prompt_after_start(self) -> tuple[int, ...]:
        """Tokens of the prompt, -1 where the model shall choose the language."""
        return ((-1,) if self.prompt.languages else ()) + self.prompt.rest

    def _language(self, logits: Tensor) -> Tensor:
        choices = torch.tensor(self.prompt.languages, device=logits.device)
        return choices[logits[:, choices].argmax(-1)]

    def step(
        self,
        previous: Tensor,
        memory: WhisperMemory,
        state: WhisperState,
        intervention: Intervention | None = None,
    ) -> DecoderStep:
        first = state.pending >= 0
        tokens = torch.where(first, state.pending, previous)
        read = self._read(tokens, memory, state, intervention)
        barred = torch.where(first[:, None], self.never_first, self.never)
        return read._replace(logits=read.logits.masked_fill(barred, NEVER))

    def _read(
        self,
        tokens: Tensor,
        memory: WhisperMemory,
        state: WhisperState,
        intervention: Intervention | None,
    ) -> DecoderStep:
        """Read one token (batch,), whatever it is."""
        decoder = self.model.model.decoder
        hidden = decoder.embed_tokens(tokens) + decoder.embed_positions.weight[state.place]
        written, maps = [], []
        for layer, own, cross in zip(self.layers, state.layers, memory.layers, strict=True):
            hidden, own = self._look_back(layer, hidden, own)
            hidden, weights = self._listen(layer, hidden, cross, memory.valid, intervention)
            inner = layer.activation_fn(layer.fc1(layer.final_layer_norm(hidden)))
            hidden = hidden + layer.fc2(inner)
            written.append(own)
            maps.append(weights)
        logits = self.model.proj_out(decoder.layer_norm(hidden))
        state = WhisperState(tuple(written), state.place + 1, torch.full_like(state.place, -1))
        return DecoderStep(logits, torch.cat(maps, dim=1), state)

    def _look_back(self, layer, hidden: Tensor, own: KeysValues) -> tuple[Tensor, KeysValues]:
        """Self-attention on what was written: (batch, dim) in and out."""
        attention, normed = layer.self_attn, layer.self_attn_layer_norm(hidden)[:, None]
        query = split_heads(attention.q_proj(normed) * attention.scaling, self.heads)
        own = own.extend(self._offer(attention, normed))
        weights = (query @ own.keys.mT).softmax(-1)
        return hidden + self._joined(attention, weights @ own.values), own

    def _listen(
        self,
        layer,
        hidden: Tensor,
        cross: KeysValues,
        valid: Tensor,
        intervention: Intervention | None,
    ) -> tuple[Tensor, Tensor]:
        """Cross-attention: (batch, dim), and (batch, heads, frames) weights."""
        attention, change = layer.encoder_attn, intervention or Intervention()
        normed = layer.encoder_attn_layer_norm(hidden)[:, None]
        query = split_heads(attention.q_proj(normed) * attention.scaling, self.heads)
        energies = products(query, cross.keys.mT)[:, :, 0]  # (batch, heads, window)
        if "content" in change.dropped:
            energies = torch.zeros_like(energies)
        energies = energies / change.temperature
        seen, size = energies[:, :, : valid.shape[-1]], valid.shape[-1]
        if change.allowed is not None:
            seen = seen.masked_fill(~change.frames(valid), NEVER)
            energies = torch.full_like(energies, NEVER)
            energies[:, :, :size] = seen
        maps = seen.masked_fill(~valid, NEVER).softmax(-1)
        heard = products(energies.softmax(-1)[:, :, None], cross.values)
        return hidden + self._joined(attention, heard), maps

    def _offer(self, attention, source: Tensor) -> KeysValues:
        """Keys and values of positions (batch, positions, dim)."""
        keys, values = attention.k_proj(source), attention.v_proj(source)
        return KeysValues(split_heads(keys, self.heads), split_heads(values, self.heads))

    def _joined(self, attention, heads: Tensor) -> Tensor:
        """(batch, heads, 1, dim / heads) projected to (batch, dim)."""
        return attention.out_proj(heads[:, :, 0].flatten(1))


class Windowed(Decoder):
    """A `WhisperDecoder` for a search that only knows the recordings' own frames."""

    def __init__(self, decoder: WhisperDecoder, windows: Tensor) -> None:
        super().__init__()
        self.decoder, self.windows = decoder, windows  # (batch, window, dim)
        self.vocabulary, self.map_layers = decoder.vocabulary, decoder.map_layers
        self.training = decoder.training

    def begin(self, encoded: Tensor, lengths: Tensor) -> tuple[WhisperMemory, WhisperState]:
        return self.decoder.begin(self.windows, lengths)

    def repeat(self, memory: WhisperMemory, times: int) -> WhisperMemory:
        return self.decoder.repeat(memory, times)

    def step(self, previous, memory, state, intervention=None) -> DecoderStep:
        return self.decoder.step(previous, memory, state, intervention)


def _mask(size: int, numbers: tuple[int, ...]) -> Tensor:
    """(size,) bool: True at the numbers, those out of range left out."""
    mask = torch.zeros(size, dtype=torch.bool)
    mask[[number for number in numbers if 0 <= number < size]] = True
    return mask
