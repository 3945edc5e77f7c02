"""Recordings in, transcripts and alignments out: one encoder, many variants."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from analysis.signals.speech_activity import speech_frames
from models import checkpoint, schema
from models.audio import Recording
from models.checkpoint import Card, CheckpointError
from models.decoders.registry import build, decoders
from models.decoding.language_model import LanguageModel
from models.decoding.language_model import load as load_trie
from models.encoders import Encoder, build_encoder, from_config
from models.features import SAMPLE_RATE
from models.interop import external
from models.text import Alphabet
from models.variant import CTC, FRAME_SECONDS, Encoded, Variant, VariantInfo

LANGUAGE_MODEL = "lm.safetensors"


def checkpoint_folder(folder: Path | None = None) -> Path:
    """Where checkpoints live: `folder`, else ``$ATTNSCOPE_CHECKPOINTS``, else ``checkpoints/``."""
    chosen = folder or os.environ.get("ATTNSCOPE_CHECKPOINTS")
    return Path(chosen) if chosen else Path(__file__).resolve().parent.parent / "checkpoints"


def variants(folder: Path | None = None) -> list[VariantInfo]:
    """Every decoder and CTC, with its checkpoint where there is one; then other toolkits'."""
    folder = checkpoint_folder(folder)
    infos = [_info(m.name, m.family, m.title, m.paper, folder) for m in decoders().values()]
    paper = "Graves et al. 2006, Connectionist Temporal Classification (ICML)"
    infos.append(_info(CTC, CTC, "CTC (no attention decoder)", paper, folder))
    ours = {info.name for info in infos}
    others = [other for other in external.listed(folder) if other.name not in ours]
    return infos + [
        VariantInfo(other.name, other.toolkit, other.title, other.paper, None, other.weights, None)
        for other in others
    ]


def _info(name: str, family: str, title: str, paper: str, folder: Path) -> VariantInfo:
    path = folder / f"{'encoder' if name == CTC else name}.safetensors"
    try:
        card = _card(path) if path.exists() else None
    except CheckpointError:
        card = None  # a broken card is reported by load_variant, when the variant is asked for
    parameters = card.training.get("parameters") if card else None
    parameters = parameters if isinstance(parameters, int) else None
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
    with _fitting(path), torch.device("meta"):  # initial weights would be made for nothing
        encoder = build_encoder(from_config(card.config))
    checkpoint.load(encoder, path)
    return encoder.eval()


def load_language_model(folder: Path | None = None) -> LanguageModel:
    """The language model for shallow fusion, one for all variants.

    Raises
    ------
    CheckpointError
        Where its checkpoint is missing or damaged.
    """
    return load_trie(checkpoint_folder(folder) / LANGUAGE_MODEL)


def load_variant(name: str, folder: Path | None = None) -> Variant:
    """A variant ready to decode what the shared encoder heard.

    Raises
    ------
    CheckpointError
        Where the name is unknown, or its checkpoint is missing, damaged or of another encoder.
    """
    folder = checkpoint_folder(folder)
    infos = {info.name: info for info in variants(folder)}
    if name not in infos:
        raise CheckpointError(f"there is no variant {name!r}; there are {', '.join(infos)}")
    info = infos[name]
    if info.own_encoder:
        return external.load(next(o for o in external.listed(folder) if o.name == name))
    encoder_path = folder / "encoder.safetensors"
    if name == CTC:
        return Variant(info, Alphabet(_card(encoder_path).alphabet), None)
    path = folder / f"{name}.safetensors"
    card = _card(path)
    if card.encoder and card.encoder != checkpoint.fingerprint(encoder_path):
        raise CheckpointError(
            f"{path.name} was trained on another encoder than {encoder_path.name}"
        )
    encoder_card = _card(encoder_path)
    with _fitting(encoder_path):
        encoder_dim = from_config(encoder_card.config).dim
    with _fitting(path):
        options = options_of(decoders()[name].options, card)
        with torch.device("meta"):
            checkpoint.check(build(name, len(card.alphabet), encoder_dim, options), path)
        decoder = build(name, len(card.alphabet), encoder_dim, options)
    checkpoint.load(decoder, path)
    return Variant(info, Alphabet(card.alphabet), decoder.eval())


def _card(path: Path) -> Card:
    if not path.exists():
        raise CheckpointError(f"there is no checkpoint {path.name} in {path.parent.name}/")
    versions = checkpoint.version(path.with_suffix(".json"))
    return _read_card(path, versions) if versions else checkpoint.read_card(path)


@lru_cache(maxsize=256)
def _read_card(path: Path, versions: tuple[checkpoint.Version, ...]) -> Card:
    """The card beside a checkpoint, read again only where its file was written anew."""
    return checkpoint.read_card(path)


@contextmanager
def _fitting(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, RuntimeError) as error:
        first = str(error).partition("\n")[0]  # of what torch says of sizes that are none
        raise CheckpointError(f"the card of {path.name} does not fit its model: {first}") from None


def options_of(kind: type, card: Card) -> Any:
    """The sizes that a card holds, as the model's frozen dataclass of options."""
    return schema.convert(card.config, kind, only=True)


@torch.inference_mode()
def encode(encoder: Encoder, recordings: Sequence[Recording]) -> Encoded:
    """One pass of the encoder over a batch of recordings."""
    features = [encoder.features(torch.from_numpy(recording.samples)) for recording in recordings]
    lengths = torch.tensor([len(rows) for rows in features])
    padded = torch.nn.utils.rnn.pad_sequence(features, batch_first=True)  # (batch, frames, 80)
    frames, lengths = encoder(padded, lengths)
    speech = tuple(
        speech_frames(recording.samples, SAMPLE_RATE, size, FRAME_SECONDS)
        for recording, size in zip(recordings, lengths.tolist(), strict=True)
    )
    seconds = tuple(recording.seconds for recording in recordings)
    log_probs = encoder.ctc_log_probs(frames)
    return Encoded(frames, lengths, log_probs, FRAME_SECONDS, speech, seconds, tuple(recordings))


def unheard(recordings: Sequence[Recording]) -> Encoded:
    """Recordings for variants that all have encoders of their own: the shared one hears nothing."""
    none = torch.zeros(len(recordings), 0, 0)
    lengths = torch.zeros(len(recordings), dtype=torch.long)
    seconds = tuple(recording.seconds for recording in recordings)
    return Encoded(none, lengths, None, FRAME_SECONDS, (), seconds, tuple(recordings))
