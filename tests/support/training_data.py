"""A tiny feature store to train on."""

from pathlib import Path

import numpy as np
import soundfile

from models.corpora.utterance import Utterance
from models.encoders import LSTMEncoder
from models.training.store import Store, open_store, write_store


def toy_store(folder: Path, kind: str = LSTMEncoder.kind) -> Store:
    """Twelve rows of noise, 20 to 31 frames long, in a folder."""
    rng = np.random.default_rng(0)
    rows = (
        (
            Utterance(f"u{n}", Path(), "a b a"[: 1 + n % 5].strip(), "toy"),
            rng.normal(size=(20 + n, 80)),
        )
        for n in range(12)
    )
    write_store(folder, 80, rows, kind)
    return open_store(folder)


def toy_manifest(folder: Path) -> Path:
    """Eight half-second recordings of noise, the last two for dev."""
    rng = np.random.default_rng(0)
    lines = ["path\ttext\tsplit"]
    for number in range(8):
        soundfile.write(folder / f"{number}.wav", rng.normal(size=8000) * 0.1, 16_000)
        lines.append(f"{number}.wav\tab\t{'dev' if number > 5 else 'train'}")
    path = folder / "manifest.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path
