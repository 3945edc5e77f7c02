"""Checkpoints: fp16 safetensors with a JSON card beside them. Nothing is ever unpickled."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import nn

from analysis.io.files import write
from models import schema
from models.text import Alphabet

FORMAT = 1
MODEL_FILES = (".safetensors", ".json", ".txt")  # of a model's folder: weights, sizes, vocabulary
MAX_CARD = 5_000_000  # bytes


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one sentence for the user."""


@dataclass(frozen=True)
class Version:
    """A file as it is now; another where the file was written anew."""

    path: Path
    size: int  # bytes
    written: int  # nanoseconds
    number: int  # of its inode


@dataclass(frozen=True)
class Card:
    """What is known of a checkpoint: how it was made and what it reaches."""

    name: str  # variant, or "encoder"
    config: dict[str, Any]  # sizes, as the model's options
    alphabet: tuple[str, ...]  # output tokens in order
    encoder: str = ""  # fingerprint of the encoder a decoder was trained on
    training: dict[str, Any] = field(default_factory=dict)  # data, seed, updates, hours, commit
    scores: dict[str, Any] = field(default_factory=dict)  # measured; see models.training.cards
    format: int = FORMAT


def fingerprint(path: Path) -> str:
    """The first 16 hex digits of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def identity(*paths: Path) -> str:
    """As `fingerprint`, of all a model is made of: files, a folder of such, or a public name.

    A file is read once, and again only where `version` tells that it was written anew.
    """
    files = version(*paths)
    if len(files) == 1 and paths == (files[0].path,):
        return _fingerprint(files[0])
    listing = [f"{file.path.name} {_fingerprint(file)}" for file in files]
    listing = listing or [str(path) for path in paths]
    return hashlib.sha256("\n".join(listing).encode()).hexdigest()[:16]


def version(*paths: Path) -> tuple[Version, ...]:
    """How the files a model is made of look without reading them; none of a public name."""
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [file for file in inside if file == path or file.suffix in MODEL_FILES]
    stats = [(file, file.stat()) for file in files if file.is_file()]
    return tuple(Version(file, of.st_size, of.st_mtime_ns, of.st_ino) for file, of in stats)


@lru_cache(maxsize=256)
def _fingerprint(file: Version) -> str:
    return fingerprint(file.path)


def save(model: nn.Module, path: Path, card: Card, leave_out: tuple[str, ...] = ()) -> None:
    """Write a model's tensors as fp16 and its card; names starting with `leave_out` stay out."""
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith(leave_out)
    }
    write(path, save_tensors(tensors))
    write_card(card, path)


def write_card(card: Card, path: Path) -> None:
    """Write the card that belongs beside the checkpoint `path`."""
    text = json.dumps(asdict(card), indent=2, ensure_ascii=False)
    write(path.with_suffix(".json"), f"{text}\n".encode())


def read_card(path: Path) -> Card:
    """The card beside a checkpoint.

    Raises
    ------
    CheckpointError
        Where it is missing, is not JSON, is of a newer format, or lacks what is needed to build the
        model.
    """
    card = path.with_suffix(".json")
    try:
        with card.open("rb") as file:
            values = schema.values_of(file.read(MAX_CARD + 1), MAX_CARD)
        newer = values.get("format", FORMAT) if isinstance(values, dict) else FORMAT
        if not (isinstance(newer, int) and newer > FORMAT):
            return _card(values)
    except FileNotFoundError:
        raise CheckpointError(f"{path.name} has no card {card.name} beside it") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{card.name} is not a checkpoint card AttnScope can read ({error})"
        ) from None
    raise CheckpointError(
        f"{card.name} is of format {newer}, of which this AttnScope knows {FORMAT}: "
        "a newer AttnScope is needed"
    )


def _card(values: Any) -> Card:
    """A card of our format, or the error that `read_card` puts into words."""
    card = schema.convert(values, Card, only=True)
    if card.format != FORMAT:
        raise ValueError(f"format must be {FORMAT}")
    Alphabet(card.alphabet)
    return card


def load(model: nn.Module, path: Path, leave_out: tuple[str, ...] = ()) -> None:
    """Load a checkpoint into a model built from its card, in float32.

    A model on the meta device, where nothing was initialised, gets the loaded tensors themselves.
    Names and shapes are compared first, so that a wrong file changes nothing. Tensors whose names
    start with `leave_out` are neither expected nor touched.

    Raises
    ------
    CheckpointError
        Where the file is missing, is not safetensors, or does not fit the model.
    """
    with _opened(path) as file:
        names = _compare(model, file, path.name, leave_out)
        tensors = {name: file.get_tensor(name) for name in names}
    if any(t.is_floating_point() and not torch.isfinite(t).all() for t in tensors.values()):
        raise CheckpointError(f"{path.name} holds NaN or infinite weights")
    unmade = any(parameter.is_meta for parameter in model.parameters())
    if unmade:
        tensors = {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}
    model.load_state_dict(tensors, strict=not leave_out, assign=unmade)


def check(model: nn.Module, path: Path, leave_out: tuple[str, ...] = ()) -> None:
    """See that a checkpoint fits a model, which may be on the meta device, by its header alone.

    So that sizes in a card, which may say anything, ask for no memory that the file does not have.

    Raises
    ------
    CheckpointError
        As `load`.
    """
    with _opened(path) as file:
        _compare(model, file, path.name, leave_out)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (FileNotFoundError, IsADirectoryError):
        raise CheckpointError(f"there is no checkpoint {path.name}; train it first") from None
    except SafetensorError:
        raise CheckpointError(f"{path.name} is not a safetensors file") from None


def _compare(model: nn.Module, file: Any, name: str, leave_out: tuple[str, ...]) -> list[str]:
    """Names of the tensors in a file that are, with their shapes, those of the model."""
    expected = {
        key: tuple(tensor.shape)
        for key, tensor in model.state_dict().items()
        if not key.startswith(leave_out)
    }
    shapes_in_file = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    for key in sorted(expected.keys() | shapes_in_file.keys()):
        if key not in shapes_in_file:
            raise CheckpointError(f"{name} lacks the tensor {key}")
        if key not in expected:
            raise CheckpointError(f"{name} has a tensor {key} that its model does not know")
        if expected[key] != shapes_in_file[key]:
            shapes = f"{shapes_in_file[key]} where {expected[key]} is needed"
            raise CheckpointError(f"{name} has a wrong shape for {key}: {shapes}")
    return list(shapes_in_file)
