"""Starting from the weights of a checkpoint instead of random ones.

Between two alphabets everything is taken over but what belongs to single characters: the rows of
embeddings and output layers. Those of characters that both alphabets have are taken over, too; the
others keep their random start. An encoder may have more slow layers than the checkpoint: these
start as the identity.
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models import checkpoint
from models.checkpoint import Card, CheckpointError
from models.encoders.pretrained import PREFIX
from models.text import Alphabet

LETTERS = ("ctc", "embedding", "output", "output_bias")  # modules with a row for each character
TRAINING_ONLY = ("phone_ctc",)  # never in a checkpoint


@dataclass(frozen=True)
class Start:
    """What a model took over."""

    checkpoint: str  # file name
    new: tuple[str, ...] = ()  # characters whose rows start at random
    dropped: tuple[str, ...] = ()  # characters of the checkpoint that are no longer written
    layers: tuple[str, ...] = field(default=())  # modules that hold those rows

    def __str__(self) -> str:
        if not (self.new or self.dropped):
            return f"starting from {self.checkpoint}"
        new = " ".join(self.new) or "no character"
        gone = f"; left behind: {' '.join(self.dropped)}" if self.dropped else ""
        return (
            f"starting from {self.checkpoint}; newly initialised in {', '.join(self.layers)}: "
            f"{new}{gone}"
        )


def split_starts(
    parser: argparse.ArgumentParser, starts: list[str]
) -> tuple[list[Path], str | None]:
    """Checkpoints to start from, and the path or name of a Whisper model."""
    whisper = [start.removeprefix(PREFIX) for start in starts if start.startswith(PREFIX)]
    if len(whisper) > 1:
        parser.error(f"an encoder starts from one Whisper model: give --init {PREFIX}... once")
    files = [Path(start) for start in starts if not start.startswith(PREFIX)]
    return files, whisper[0] if whisper else None


def read_start(path: Path, parts: tuple[str, ...]) -> Card:
    """The card of a checkpoint to start from.

    Raises
    ------
    CheckpointError
        Where it cannot be read, or is none of the `parts` that are to be trained.
    """
    if not path.exists():
        raise CheckpointError(f"there is no checkpoint {path} to start from")
    card = checkpoint.read_card(path)
    if card.name not in parts:
        wanted = " or ".join(parts)
        raise CheckpointError(f"{path.name} holds {card.name}; to start from it, train {card.name} "
                              f"(what is trained now is {wanted})")  # fmt: skip
    return card


def start_from(model: nn.Module, path: Path, card: Card, alphabet: Alphabet) -> Start:
    """Load a checkpoint into a model that writes another alphabet, or the same.

    Raises
    ------
    CheckpointError
        Where the checkpoint is damaged, or its sizes are not the model's.
    """
    fresh = (*TRAINING_ONLY, *_added(model, card))
    if card.alphabet == alphabet.tokens:
        checkpoint.load(model, path, leave_out=fresh)
        return Start(path.name)
    try:
        stored = load_file(path)
    except SafetensorError:
        raise CheckpointError(f"{path.name} is not a safetensors file") from None
    own = model.state_dict()
    letters = {name for name in own if _spells(name)}
    _check({key: own[key] for key in own if not key.startswith(fresh)}, stored, letters, path.name)
    places = {token: row for row, token in enumerate(card.alphabet)}
    shared = [(new, places[t]) for new, t in enumerate(alphabet.tokens) if t in places]
    for name, tensor in stored.items():
        own[name] = _rows(own[name], tensor, shared) if name in letters else tensor.float()
    model.load_state_dict(own)
    return Start(
        path.name,
        new=tuple(token for token in alphabet.tokens if token not in places),
        dropped=tuple(token for token in card.alphabet if token not in alphabet.tokens),
        layers=tuple(sorted({name.split(".")[0] for name in letters})),
    )


def _added(model: nn.Module, card: Card) -> list[str]:
    """Beginnings of the names of layers that the checkpoint's encoder does not have.

    A new slow layer brings the condition that stands behind it.
    """
    slow_layers, there = len(getattr(model, "slow", ())), card.config.get("slow_layers", 0)
    slow = [f"slow.{number}." for number in range(there, slow_layers)]
    every = len(getattr(model, "conditions", ()))
    known = max(0, every - (slow_layers - there)) if card.config.get("conditioned") else 0
    return slow + [f"conditions.{number}." for number in range(known, every)]


def _spells(name: str) -> bool:
    """Whether the rows of a tensor of that name are characters."""
    parts = name.split(".")
    if parts[0] == "conditions":
        return parts[2] in ("ctc", "told")
    return parts[0] in LETTERS


def _rows(fresh: Tensor, stored: Tensor, shared: list[tuple[int, int]]) -> Tensor:
    """The fresh tensor with the stored rows of shared characters."""
    new, old = torch.tensor(shared).T
    changed = fresh.clone()
    changed[new] = stored[old].to(fresh.dtype)
    return changed


def _check(own: dict, stored: dict, letters: set[str], name: str) -> None:
    missing = own.keys() ^ stored.keys()
    if missing:
        raise CheckpointError(f"{name} does not fit the model: they differ in {min(missing)}")
    for key, tensor in stored.items():
        skip = 1 if key in letters else 0  # letters differ in their number of rows only
        if tensor.shape[skip:] != own[key].shape[skip:]:
            shapes = f"{tuple(tensor.shape)} where {tuple(own[key].shape)} is needed"
            raise CheckpointError(f"{name} has a wrong shape for {key}: {shapes}")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{name} holds NaN or infinite weights")
