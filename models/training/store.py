"""Features on disk: the rows of a data set as one flat, memory-mapped fp16 array.

Holds log-mel features (58 MB an hour) or encoder outputs (92 MB an hour at 512 dimensions).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.corpora.corpus import Utterance
from models.corpora.utterance import TrainingError
from models.encoders import LSTMEncoder


@dataclass(frozen=True)
class Store:
    """Rows of features with their texts; row `i` holds ``features[starts[i]:starts[i + 1]]``."""

    features: np.ndarray  # (all frames, dim) float16, memory-mapped
    starts: np.ndarray  # (rows + 1,) first frame of every row
    texts: tuple[str, ...]  # transcript of every row
    names: tuple[str, ...]  # utterance id of every row
    corpora: tuple[str, ...]  # data set of every row
    kind: str = LSTMEncoder.kind  # whose features they are, or who encoded them

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def lengths(self) -> np.ndarray:
        """Frames of every row, (rows,)."""
        return np.diff(self.starts)

    def row(self, number: int) -> np.ndarray:
        """Features of one row, (frames, dim) float32."""
        return self.features[self.starts[number] : self.starts[number + 1]].astype(np.float32)


def open_store(folder: Path) -> Store:
    """A store made by `write_store`, memory-mapped.

    Raises
    ------
    FileNotFoundError
        Where the folder holds no finished store.
    """
    folder = Path(folder)
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    features = np.load(folder / "features.npy", mmap_mode="r")
    starts = np.concatenate([[0], np.cumsum(rows["lengths"])])
    texts, names, corpora = (tuple(rows[key]) for key in ("texts", "names", "corpora"))
    return Store(features, starts, texts, names, corpora, rows.get("encoder", LSTMEncoder.kind))


def require_kind(store: Store, path: Path, kind: str) -> None:
    """See that a store holds features or outputs of a kind of encoder.

    Raises
    ------
    TrainingError
        Where they are another's.
    """
    if store.kind != kind:
        raise TrainingError(
            f"{path} belongs to a {store.kind} encoder; make it again for a {kind} encoder: "
            f"models.training.extract --encoder {kind}"
        )


def write_store(
    folder: Path, dim: int, rows: Iterator[tuple[Utterance, np.ndarray]], kind: str
) -> None:
    """Write rows of (utterance, (frames, dim) array) as they come; ``rows.json`` comes last.

    `kind` is that of the encoder whose features or outputs they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lengths, utterances = [], []
    raw = folder / "features.partial"
    with raw.open("wb") as file:
        for utterance, features in rows:
            file.write(features.astype(np.float16).tobytes())
            lengths.append(len(features))
            utterances.append(utterance)
    source = np.memmap(raw, np.float16, "r", shape=(sum(lengths), dim))
    np.save(folder / "features.npy", source)
    raw.unlink()
    record = {
        "encoder": kind,
        "lengths": lengths,
        "texts": [u.text for u in utterances],
        "names": [u.id for u in utterances],
        "corpora": [u.corpus for u in utterances],
    }
    (folder / "rows.json").write_text(json.dumps(record), encoding="utf-8")
