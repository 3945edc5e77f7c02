"""A recogniser that decodes recordings: what it is called, what it is given and what it returns."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from analysis.alignment import Alignment
from models import anatomy
from models.anatomy import Change, Step
from models.audio import Recording
from models.checkpoint import Card, CheckpointError
from models.decoders.base import Decoder
from models.decoders.transformer import AttentionMaps, TransformerDecoder
from models.decoding import ctc, search
from models.decoding.hypothesis import Hypothesis
from models.decoding.language_model import Fusion, LanguageModel
from models.decoding.search import SearchOptions
from models.encoders.base import SUBSAMPLING
from models.features import HOP, SAMPLE_RATE
from models.text import Alphabet
from models.threads import one_thread

FRAME_SECONDS = SUBSAMPLING * HOP / SAMPLE_RATE  # one attention frame
CTC = "ctc"
TOOLKITS = ("espnet", "whisper")  # families of recognisers that other toolkits trained


@dataclass(frozen=True)
class VariantInfo:
    """A way of decoding, trained or not."""

    name: str  # as on the command line
    family: str  # no attention, content, location, ...
    title: str  # for people
    paper: str  # source
    parameters: int | None  # of the checkpoint, None where there is none
    checkpoint: Path | None
    card: Card | None

    @property
    def own_encoder(self) -> bool:
        """Whether it is another toolkit's recogniser, with an encoder of its own."""
        return self.family in TOOLKITS


@dataclass(frozen=True, eq=False)
class Encoded:
    """A batch of recordings as the encoder heard them: computed once, shared by all variants."""

    frames: Tensor  # (batch, frames, dim)
    lengths: Tensor  # (batch,) valid frames
    ctc_log_probs: Tensor | None  # (batch, frames, vocabulary), None: the encoder has no CTC
    frame_seconds: float  # seconds from one frame to the next
    speech: tuple[np.ndarray, ...]  # (frames,) bool of each recording, voice activity
    seconds: tuple[float, ...]  # length of each recording
    recordings: tuple[Recording, ...] = ()  # for variants with encoders of their own
    listener: str = ""  # the variant whose own encoder heard this; "": the shared encoder
    others: dict[str, "Encoded"] = field(default_factory=dict)  # what those heard, by variant


@dataclass(frozen=True, eq=False)
class Decoded:
    """What one variant made of one recording."""

    text: str
    alignment: Alignment
    log_probs: np.ndarray  # (tokens,) of the chosen tokens
    decode_seconds: float  # wall clock, the shared encoder not included
    alternatives: tuple[str, ...] = ()  # further hypotheses, best first
    global_mass: np.ndarray | None = None  # (layers, heads, tokens) on a global token, if any


class Variant:
    """One way of decoding: an attention decoder, or CTC where `decoder` is None.

    Recognisers of other toolkits have encoders of their own: they define `listen`.
    """

    own_encoder = ""  # names the encoding that only this variant understands; "": the shared one

    def __init__(self, info: VariantInfo, alphabet: Alphabet, decoder: Decoder | None) -> None:
        self.name, self.family, self.title = info.name, info.family, info.title
        self.info, self.alphabet, self.decoder = info, alphabet, decoder

    def listen(self, recordings: Sequence[Recording]) -> Encoded:
        """Recordings as the variant's own encoder hears them, where it has one."""
        raise NotImplementedError

    def heard(self, encoded: Encoded) -> Encoded:
        """What this variant decodes: the shared encoding, or that of its own encoder, kept there.

        Raises
        ------
        CheckpointError
            Where an encoder of its own is to hear recordings that `encoded` does not carry.
        """
        if encoded.listener == self.own_encoder:
            return encoded
        if self.own_encoder not in encoded.others:
            if len(encoded.recordings) != len(encoded.lengths):
                raise CheckpointError(f"{self.name} hears with its own encoder, from recordings")
            encoded.others[self.own_encoder] = self.listen(encoded.recordings)
        return encoded.others[self.own_encoder]

    @one_thread()
    def decode(
        self,
        encoded: Encoded,
        options: SearchOptions | None = None,
        language_model: LanguageModel | None = None,
    ) -> list[Decoded]:
        """Decode a batch, one result per recording in order.

        Raises
        ------
        CheckpointError
            Where `options` weigh a language model and there is none, or one of other characters.
        """
        options, encoded = options or SearchOptions(), self.heard(encoded)
        if encoded.ctc_log_probs is None:  # nothing to decode jointly with
            options = replace(options, ctc_weight=0.0)
        if self.own_encoder:  # other tokens than those of our language models
            options, language_model = replace(options, lm_weight=0.0, word_bonus=0.0), None
        started = time.perf_counter()
        if self.decoder is None:
            rows = range(len(encoded.lengths))
            hypotheses = [self._decode_ctc(encoded, row, options, language_model) for row in rows]
        else:
            hypotheses = search.decode(
                self.decoder, encoded.frames, encoded.lengths, self.alphabet, options,
                ctc_log_probs=encoded.ctc_log_probs, frame_seconds=encoded.frame_seconds,
                language_model=language_model,
            )  # fmt: skip
        seconds = (time.perf_counter() - started) / max(1, len(hypotheses))
        return [self._decoded(encoded, row, best, seconds) for row, best in enumerate(hypotheses)]

    def _decode_ctc(
        self, encoded: Encoded, row: int, options: SearchOptions, model: LanguageModel | None
    ) -> list[Hypothesis]:
        log_probs = encoded.ctc_log_probs[row, : int(encoded.lengths[row])].numpy()
        blank, eos = self.alphabet.blank, self.alphabet.eos
        fusion = Fusion.of(model, self.alphabet, options.lm_weight, options.word_bonus)
        if options.beam == 1 and fusion is None:
            return [ctc.greedy(log_probs, blank, eos)]
        return ctc.prefix_beam(
            log_probs, blank, eos, beam=options.beam, nbest=options.nbest, fusion=fusion
        )

    def _decoded(
        self, encoded: Encoded, row: int, best: list[Hypothesis], seconds: float
    ) -> Decoded:
        first, *others = best
        text = self.alphabet.decode(first.tokens)
        alignment = Alignment.from_arrays(
            self._by_layer(first.weights),
            [self.alphabet.tokens[token] for token in first.tokens],
            encoded.frame_seconds,
            speech=encoded.speech[row],
            ended=first.ended,
            text=text,
            variant=self.name,
        )
        alternatives = tuple(self.alphabet.decode(other.tokens) for other in others)
        mass = None if first.global_mass is None else self._by_layer(first.global_mass)
        return Decoded(text, alignment, first.log_probs, seconds, alternatives, mass)

    def _by_layer(self, maps: np.ndarray) -> np.ndarray:
        """(heads, ...) as (layers, heads, ...) where the decoder has maps in layers."""
        layers = self.decoder.map_layers if self.decoder else 0
        return maps.reshape(layers, -1, *maps.shape[1:]) if layers else maps

    def attention_maps(self, encoded: Encoded, row: int, decoded: Decoded) -> AttentionMaps | None:
        """Everything that attended while recording `row` was decoded; None if not a Transformer.

        Self-attention of encoder and decoder too, and the global token's mass beside every map.
        """
        if not isinstance(self.decoder, TransformerDecoder):
            return None
        return self.decoder.attention_maps(*self._again(encoded, row, decoded))

    def dissect(self, encoded: Encoded, row: int, decoded: Decoded, step: int) -> Step:
        """One step of a decoding taken apart: query, energy terms, weights, context, output.

        Raises
        ------
        TypeError
            If there is no single attention step: CTC and Transformers.
        ValueError
            If the step lies beyond the decoding.
        """
        return anatomy.dissect(self.decoder, *self._again(encoded, row, decoded), step)

    @one_thread()
    def rewrite(
        self,
        encoded: Encoded,
        row: int,
        decoded: Decoded,
        change: Change,
        max_length_ratio: float = 1.0,
    ) -> Decoded:
        """The same decoding up to a step, changed there, and greedy afterwards.

        Raises
        ------
        ValueError
            If the step of the change lies beyond the decoding.
        """
        started, encoded = time.perf_counter(), self.heard(encoded)
        frames, tokens = self._again(encoded, row, decoded)
        hypothesis = anatomy.rewrite(
            self.decoder, frames, tokens, change, max_length_ratio=max_length_ratio
        )
        return self._decoded(encoded, row, [hypothesis], time.perf_counter() - started)

    def _again(self, encoded: Encoded, row: int, decoded: Decoded) -> tuple[Tensor, list[int]]:
        """The encoded frames (frames, dim) of a recording and the tokens decoded from it."""
        numbers = {token: number for number, token in enumerate(self.alphabet.tokens)}
        tokens = [numbers[token] for token in decoded.alignment.tokens]
        heard = self.heard(encoded)
        return heard.frames[row, : int(heard.lengths[row])], tokens
