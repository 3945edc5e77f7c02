"""Small models with random weights, saved as training saves them."""

from dataclasses import asdict
from pathlib import Path

import torch

from models import checkpoint
from models.attention.base import Sizes
from models.checkpoint import Card
from models.decoders.lstm import DecoderOptions
from models.decoders.registry import build, decoders
from models.decoders.transformer import TransformerOptions
from models.encoders import LSTMEncoder, LSTMOptions
from models.text import Alphabet

TINY_ENCODER = LSTMOptions(channels=4, projection=16, units=8, layers=1)
TINY_DECODER = DecoderOptions(
    embedding_dim=8,
    units=12,
    attention=Sizes(attention_dim=8, heads=2, channels=2, kernel=5, window=2),
)
TINY_TRANSFORMER = TransformerOptions(dim=8, heads=2, encoder_layers=1, decoder_layers=2, inner=16)
TINY = {DecoderOptions: TINY_DECODER, TransformerOptions: TINY_TRANSFORMER}


def tiny_checkpoints(folder: Path) -> Path:
    """The same folder with an encoder and every variant, random weights saved as training does."""
    torch.manual_seed(0)
    alphabet = Alphabet()
    encoder = LSTMEncoder(TINY_ENCODER)
    _save(encoder, folder, "encoder", asdict(TINY_ENCODER), "")
    fingerprint = checkpoint.fingerprint(folder / "encoder.safetensors")
    for info in decoders().values():
        decoder = build(info.name, len(alphabet), encoder.dim, TINY[info.options])
        _save(decoder, folder, info.name, asdict(TINY[info.options]), fingerprint)
    return folder


def _save(model: torch.nn.Module, folder: Path, name: str, config: dict, encoder: str) -> None:
    training = {"parameters": sum(parameter.numel() for parameter in model.parameters())}
    card = Card(name, config, Alphabet().tokens, encoder, training)
    checkpoint.save(model, folder / f"{name}.safetensors", card)
