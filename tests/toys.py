"""A tiny feature store to train on."""

from pathlib import Path

import numpy as np

from models.training.store import Store, open_store, write_store
from models.training.utterance import Utterance


def toy_store(folder: Path) -> Store:
    """Twelve rows of noise, 20 to 31 frames long, in a folder."""
    rng = np.random.default_rng(0)
    rows = (
        (
            Utterance(f"u{n}", Path(), "a b a"[: 1 + n % 5].strip(), "toy"),
            rng.normal(size=(20 + n, 80)),
        )
        for n in range(12)
    )
    write_store(folder, 80, rows)
    return open_store(folder)
