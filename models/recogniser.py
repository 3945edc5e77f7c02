"""Recordings in, transcripts and alignments out: one encoder, many variants."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from analysis.alignment import Alignment
from analysis.speech_activity import speech_frames
from models import checkpoint, ctc, search
from models.attention.base import Sizes, mechanisms
from models.audio import Recording
from models.checkpoint import Card, CheckpointError
from models.decoder import Decoder, DecoderOptions, build_decoder
from models.encoder import SUBSAMPLING, Encoder, EncoderOptions
from models.features import HOP, SAMPLE_RATE, log_mel
from models.hypothesis import Hypothesis
from models.search import SearchOptions
from models.text import Alphabet

FRAME_SECONDS = SUBSAMPLING * HOP / SAMPLE_RATE  # one attention frame
CTC = "ctc"


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


@dataclass(frozen=True, eq=False)
class Encoded:
    """A batch of recordings as the encoder heard them: computed once, shared by all variants."""

    frames: Tensor  # (batch, frames, dim)
    lengths: Tensor  # (batch,) valid frames
    ctc_log_probs: Tensor  # (batch, frames, vocabulary)
    frame_seconds: float  # seconds from one frame to the next
    speech: tuple[np.ndarray, ...]  # (frames,) bool of each recording, voice activity
    seconds: tuple[float, ...]  # length of each recording


@dataclass(frozen=True, eq=False)
class Decoded:
    """What one variant made of one recording."""

    text: str
    alignment: Alignment
    log_probs: np.ndarray  # (tokens,) of the chosen tokens
    decode_seconds: float  # wall clock, the shared encoder not included
    alternatives: tuple[str, ...] = ()  # further hypotheses, best first


def checkpoint_folder(folder: Path | None = None) -> Path:
    """Where checkpoints live: `folder`, else ``$ATTNSCOPE_CHECKPOINTS``, else ``checkpoints/``."""
    chosen = folder or os.environ.get("ATTNSCOPE_CHECKPOINTS")
    return Path(chosen) if chosen else Path(__file__).resolve().parent.parent / "checkpoints"


def variants(folder: Path | None = None) -> list[VariantInfo]:
    """Every attention mechanism and CTC, with its checkpoint where there is one."""
    folder = checkpoint_folder(folder)
    found = [_info(m.name, m.family, m.title, m.paper, folder) for m in mechanisms().values()]
    paper = "Graves et al. 2006, Connectionist Temporal Classification (ICML)"
    return [*found, _info(CTC, CTC, "CTC (no attention decoder)", paper, folder)]


def _info(name: str, family: str, title: str, paper: str, folder: Path) -> VariantInfo:
    path = folder / f"{'encoder' if name == CTC else name}.safetensors"
    try:
        card = checkpoint.read_card(path) if path.exists() else None
    except CheckpointError:
        card = None  # a broken card is reported by load_variant, when the variant is asked for
    parameters = card.training.get("parameters") if card else None
    return VariantInfo(name, family, title, paper, parameters, path if card else None, card)


def load_encoder(folder: Path | None = None) -> Encoder:
    """The shared encoder.

    Raises
    ------
    CheckpointError
        Where its checkpoint is missing or damaged.
    """
    path = checkpoint_folder(folder) / "encoder.safetensors"
    card = _card(path)
    encoder = Encoder(_options(EncoderOptions, card, path))
    checkpoint.load(encoder, path)
    return encoder.eval()


def load_variant(name: str, folder: Path | None = None) -> "Variant":
    """A variant ready to decode what the shared encoder heard.

    Raises
    ------
    CheckpointError
        Where the name is unknown, or its checkpoint is missing, damaged or of another encoder.
    """
    folder = checkpoint_folder(folder)
    info = next((info for info in variants(folder) if info.name == name), None)
    if info is None:
        known = ", ".join(info.name for info in variants(folder))
        raise CheckpointError(f"there is no variant {name!r}; there are {known}")
    encoder_path = folder / "encoder.safetensors"
    if name == CTC:
        return Variant(info, Alphabet(_card(encoder_path).alphabet), None)
    path = folder / f"{name}.safetensors"
    card = _card(path)
    if card.encoder and card.encoder != checkpoint.fingerprint(encoder_path):
        raise CheckpointError(
            f"{path.name} was trained on another encoder than {encoder_path.name}"
        )
    encoder_dim = 2 * _card(encoder_path).config["units"]
    options = _options(DecoderOptions, card, path)
    decoder = build_decoder(name, len(card.alphabet), encoder_dim, options)
    checkpoint.load(decoder, path)
    return Variant(info, Alphabet(card.alphabet), decoder.eval())


def _card(path: Path) -> Card:
    if not path.exists():
        raise CheckpointError(f"there is no checkpoint {path.name} in {path.parent.name}/")
    return checkpoint.read_card(path)


def _options(kind: type, card: Card, path: Path):
    config = dict(card.config)
    try:
        if "attention" in config:
            config["attention"] = Sizes(**config["attention"])
        return kind(**config)
    except TypeError as error:
        raise CheckpointError(f"the card of {path.name} does not fit its model: {error}") from None


@torch.inference_mode()
def encode(encoder: Encoder, recordings: Sequence[Recording]) -> Encoded:
    """One pass of the encoder over a batch of recordings."""
    features = [log_mel(torch.from_numpy(recording.samples)) for recording in recordings]
    lengths = torch.tensor([len(rows) for rows in features])
    padded = torch.nn.utils.rnn.pad_sequence(features, batch_first=True)  # (batch, frames, 80)
    frames, lengths = encoder(padded, lengths)
    speech = tuple(
        speech_frames(recording.samples, SAMPLE_RATE, size, FRAME_SECONDS)
        for recording, size in zip(recordings, lengths.tolist(), strict=True)
    )
    seconds = tuple(recording.seconds for recording in recordings)
    log_probs = encoder.ctc_log_probs(frames)
    return Encoded(frames, lengths, log_probs, FRAME_SECONDS, speech, seconds)


class Variant:
    """One way of decoding: an attention decoder, or CTC where `decoder` is None."""

    def __init__(self, info: VariantInfo, alphabet: Alphabet, decoder: Decoder | None) -> None:
        self.name, self.family, self.title = info.name, info.family, info.title
        self.info, self.alphabet, self.decoder = info, alphabet, decoder

    def decode(self, encoded: Encoded, options: SearchOptions | None = None) -> list[Decoded]:
        """Decode a batch, one result per recording in order."""
        options = options or SearchOptions()
        started = time.perf_counter()
        if self.decoder is None:
            found = [self._decode_ctc(encoded, row, options) for row in range(len(encoded.lengths))]
        else:
            found = search.decode(
                self.decoder, encoded.frames, encoded.lengths, self.alphabet, options,
                ctc_log_probs=encoded.ctc_log_probs, frame_seconds=encoded.frame_seconds,
            )  # fmt: skip
        seconds = (time.perf_counter() - started) / max(1, len(found))
        return [self._decoded(encoded, row, best, seconds) for row, best in enumerate(found)]

    def _decode_ctc(self, encoded: Encoded, row: int, options: SearchOptions) -> list[Hypothesis]:
        log_probs = encoded.ctc_log_probs[row, : int(encoded.lengths[row])].numpy()
        blank, eos = self.alphabet.blank, self.alphabet.eos
        if options.beam == 1:
            return [ctc.greedy(log_probs, blank, eos)]
        return ctc.prefix_beam(log_probs, blank, eos, beam=options.beam, nbest=options.nbest)

    def _decoded(
        self, encoded: Encoded, row: int, best: list[Hypothesis], seconds: float
    ) -> Decoded:
        first, *others = best
        text = self.alphabet.decode(first.tokens)
        alignment = Alignment.from_arrays(
            first.weights,
            [self.alphabet.tokens[token] for token in first.tokens],
            encoded.frame_seconds,
            speech=encoded.speech[row],
            ended=first.ended,
            text=text,
            variant=self.name,
        )
        alternatives = tuple(self.alphabet.decode(other.tokens) for other in others)
        return Decoded(text, alignment, first.log_probs, seconds, alternatives)
