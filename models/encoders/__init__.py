"""Every kind of encoder, as a checkpoint's card names it."""

from dataclasses import asdict
from typing import Any

from models import schema
from models.encoders.base import Encoder
from models.encoders.lstm import LSTMEncoder, LSTMOptions
from models.encoders.whisper import WhisperEncoder, WhisperOptions

Options = LSTMOptions | WhisperOptions
KINDS: dict[str, type[Encoder]] = {kind.kind: kind for kind in (LSTMEncoder, WhisperEncoder)}


def kind_of(options: Options) -> type[Encoder]:
    """The kind of encoder that has such sizes."""
    return next(kind for kind in KINDS.values() if kind.sizes is type(options))


def build_encoder(options: Options) -> Encoder:
    """An untrained encoder of those sizes.

    Raises
    ------
    ValueError
        Where a size does not suit it.
    """
    return kind_of(options)(options)


def to_config(options: Options) -> dict[str, Any]:
    """The sizes and the kind of an encoder as a card holds them."""
    return {"kind": kind_of(options).kind, **asdict(options)}


def from_config(config: dict[str, Any]) -> Options:
    """The sizes that a card holds; cards that name no kind are of LSTM encoders.

    Raises
    ------
    ValueError
        Where there is no such kind of encoder, or it has no such sizes.
    """
    sizes = dict(config)
    kind = sizes.pop("kind", LSTMEncoder.kind)
    if kind not in KINDS:
        raise ValueError(f"there is no encoder of the kind {kind!r}; there are {', '.join(KINDS)}")
    return schema.convert(sizes, KINDS[kind].sizes, only=True)
