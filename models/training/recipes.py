"""What is trained by default: sizes, and how long with which learning rate."""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from models.attention.base import Sizes
from models.checkpoint import Card, CheckpointError
from models.corpora.utterance import TrainingError
from models.decoders.lstm import DecoderOptions
from models.decoders.registry import build, decoders
from models.decoders.transformer import TransformerOptions
from models.encoders import (
    Encoder,
    LSTMEncoder,
    LSTMOptions,
    WhisperEncoder,
    build_encoder,
    from_config,
    kind_of,
)
from models.encoders.pretrained import PretrainedEncoder
from models.recogniser import options_of
from models.text import Alphabet
from models.training.augment import FeatureAugmentation
from models.training.lexicon import read_lexicon
from models.training.objectives import CTCObjective, DecoderObjective, JointObjective
from models.variant import CTC

ENCODER = "encoder"  # name of its checkpoint
DECODER = DecoderOptions(
    embedding_dim=64,
    units=256,
    dropout=0.1,
    context_residual=True,
    attention=Sizes(attention_dim=128, heads=4, channels=10, kernel=31, window=5),
)
ENCODER_RECIPE = {"updates": 15_000, "rate": 1.2e-3, "warmup": 250, "batch_seconds": 128.0}
JOINT_RECIPE = ENCODER_RECIPE | {"batch_seconds": 96.0}  # the decoder's maps need memory, too
# An encoder that starts from Whisper's: the rate is that of the layers on top, which are new.
WHISPER_RECIPE = {"updates": 6_000, "rate": 2e-3, "warmup": 150, "batch_seconds": 72.0}
DECODER_RECIPE = {"updates": 3_000, "rate": 2e-3, "warmup": 100, "batch_seconds": 100.0}
TRANSFORMER = TransformerOptions(dropout=0.1, start=1_000)
# The same data and updates as for every other decoder; attention layers want a gentler start.
TRANSFORMER_RECIPE = DECODER_RECIPE | {"rate": 1.5e-3, "warmup": 300}
SIZES = {DecoderOptions: DECODER, TransformerOptions: TRANSFORMER}  # by kind of decoder
RECIPES = {DecoderOptions: DECODER_RECIPE, TransformerOptions: TRANSFORMER_RECIPE}
KINDS = {  # recipes by what is trained, in words
    "ctc": ENCODER_RECIPE,
    "--joint": JOINT_RECIPE,
    "--init whisper:": WHISPER_RECIPE,
    "RNN decoders": DECODER_RECIPE,
    "Transformers": TRANSFORMER_RECIPE,
}

Objective = CTCObjective | DecoderObjective | JointObjective


def recipe(options: argparse.Namespace) -> Mapping[str, float]:
    """Defaults of what the command line did not say."""
    if options.whisper:
        return WHISPER_RECIPE
    if options.joint:
        return JOINT_RECIPE
    return (
        ENCODER_RECIPE if options.variant == CTC else RECIPES[decoders()[options.variant].options]
    )


def usual(name: str) -> str:
    """What the recipes say of an option, and for what, in words."""
    kinds: dict[float, list[str]] = {}
    for kind, chosen in KINDS.items():
        kinds.setdefault(chosen[name], []).append(kind)
    return ", ".join(f"{value:g} for {' and '.join(kinds[value])}" for value in kinds)


def part_names(options: argparse.Namespace) -> tuple[str, ...]:
    """Checkpoints a run makes: the encoder, a decoder, or both."""
    if options.variant == CTC:
        return (ENCODER,)
    return (ENCODER, options.variant) if options.joint else (options.variant,)


def parts(objective: Objective, options: argparse.Namespace) -> dict[str, nn.Module]:
    """The models of an objective under their checkpoints' names."""
    names = part_names(options)
    models = {ENCODER: getattr(objective, "encoder", None)}
    models[options.variant] = getattr(objective, "decoder", None)
    return {name: models[name] for name in names}


def sizes_of(name: str, options: argparse.Namespace, starts: Mapping[str, Card]) -> Any:
    """Sizes of a part: of the checkpoint it starts from, else as for the shipped ones.

    Raises
    ------
    CheckpointError
        Where the checkpoint's card holds no such sizes.
    """
    kind = None if name == ENCODER else decoders()[name].options
    if name not in starts:
        return LSTMOptions() if kind is None else SIZES[kind]
    try:
        return from_config(starts[name].config) if kind is None else options_of(kind, starts[name])
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the card of {name} does not fit its model: {error}") from None


def make_objective(
    options: argparse.Namespace,
    alphabet: Alphabet,
    encoder_dim: int | None,
    starts: Mapping[str, Card] | None = None,
    pretrained: PretrainedEncoder | None = None,
) -> Objective:
    """A freshly initialised model with its loss, the same for the same seed.

    `encoder_dim` is that of the frozen encoder below a decoder; None where the encoder is trained.
    `pretrained` is the encoder of a Whisper model to start from.
    """
    starts = starts or {}
    torch.manual_seed(options.seed)
    ctc = None
    if encoder_dim is None:
        lexicon = read_lexicon(options.lexicon) if options.lexicon else {}
        phones = len({phone for word in lexicon.values() for phone in word})
        sizes = pretrained.options if pretrained else sizes_of(ENCODER, options, starts)
        sizes = replace(sizes, vocabulary=len(alphabet), dropout=options.dropout)
        if isinstance(sizes, LSTMOptions):
            sizes = replace(
                sizes, phones=phones + 1 if phones else 0,
                slow_layers=max(sizes.slow_layers, options.slow_layers),
                conditioned=sizes.conditioned or options.conditioned,
            )  # fmt: skip
        elif phones or options.slow_layers or options.conditioned:
            raise TrainingError(
                "--lexicon, --slow-layers and --conditioned belong to the LSTM encoder, not to one "
                "that starts from Whisper"
            )
        encoder = build_encoder(sizes)
        if pretrained:
            pretrained.load_into(encoder)
        ctc = CTCObjective(encoder, alphabet, lexicon, options.consistency)
        if not options.joint:
            return ctc
        encoder_dim = ctc.encoder.dim
    sizes = sizes_of(options.variant, options, starts)
    decoder = build(options.variant, len(alphabet), encoder_dim, sizes)
    attention = DecoderObjective(decoder, alphabet)
    return JointObjective(ctc, attention, options.joint) if ctc else attention


def encoder_kind(starts: Mapping[str, Card], pretrained: PretrainedEncoder | None) -> type[Encoder]:
    """The kind of encoder that a run trains."""
    if pretrained:
        return WhisperEncoder
    return kind_of(from_config(starts[ENCODER].config)) if ENCODER in starts else LSTMEncoder


def masking(strength: float) -> FeatureAugmentation:
    """SpecAugment with narrower frequency and fewer time masks where `strength` is below 1."""
    plain = FeatureAugmentation()
    return replace(
        plain,
        frequency_width=round(plain.frequency_width * strength),
        time_masks_per_second=plain.time_masks_per_second * strength,
    )
