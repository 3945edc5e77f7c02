"""Attention maps of a run: a byte a cell, every utterance found at once, nothing unpickled.

Each shard has one Parquet file with one row group per recording, so that opening a map reads the
file's index and that recording's bytes. A cell is stored as the square root of its share of the
row's largest weight, in 255 steps: fine where weights are small, since the long flat tail of a row
is what a linear byte would lose. A weight comes back within 0.4 % of its row's largest weight.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.alignment import Alignment
from analysis.cli.console import printable
from app.evaluation.settings import RunError
from app.evaluation.store import RunStore

STEPS = 255
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("variant", pa.string()),
        ("shape", pa.list_(pa.int32())),  # layers, heads, tokens, frames
        ("dims", pa.int8()),  # of the weights as they came
        ("levels", pa.binary()),  # uint8 of every cell, in that order
        ("tops", pa.binary()),  # little-endian float32 of every row: its largest weight
        ("tokens", pa.list_(pa.string())),
        ("frame_seconds", pa.float64()),
        ("start_seconds", pa.float64()),
        ("speech", pa.binary()),  # a bit a frame, null: not known
        ("ended", pa.bool_()),
        ("text", pa.string()),
        ("reference", pa.string()),
    ]
)


@dataclass(frozen=True, eq=False)
class PackedMaps:
    """Weights as bytes."""

    levels: np.ndarray  # (layers, heads, tokens, frames) uint8
    tops: np.ndarray  # (layers, heads, tokens) float32


def pack(weights: np.ndarray) -> PackedMaps:
    """Weights (layers, heads, tokens, frames) in 255 steps of the root of their row's share."""
    tops = weights.max(axis=-1, initial=0.0).astype("<f4")
    share = weights / np.maximum(tops, np.finfo(np.float32).tiny)[..., None]
    return PackedMaps(np.rint(STEPS * np.sqrt(share)).astype(np.uint8), tops)


def unpack(packed: PackedMaps) -> np.ndarray:
    """The weights again; rows sum to one only nearly."""
    return (packed.levels.astype(np.float32) / STEPS) ** 2 * packed.tops[..., None]


def write_maps(recordings: Iterable[Sequence[dict[str, Any]]]) -> bytes:
    """A Parquet file of the maps of some recordings: the rows of all variants each."""
    file = io.BytesIO()
    with pq.ParquetWriter(
        file, SCHEMA, compression="zstd", use_dictionary=False, write_statistics=["id"]
    ) as writer:
        for rows in recordings:
            writer.write_table(pa.Table.from_pylist(list(rows), SCHEMA), row_group_size=len(rows))
    return file.getvalue()


def row(name: str, alignment: Alignment) -> dict[str, Any]:
    """A map as it is stored, under its recording's name."""
    packed = pack(alignment.weights)
    speech = alignment.speech
    return {
        "id": name,
        "variant": alignment.variant,
        "shape": alignment.weights.shape,
        "dims": alignment.dims,
        "levels": packed.levels.tobytes(),
        "tops": packed.tops.tobytes(),
        "tokens": alignment.tokens,
        "frame_seconds": alignment.frame_seconds,
        "start_seconds": alignment.start_seconds,
        "speech": None if speech is None else np.packbits(speech).tobytes(),
        "ended": alignment.ended,
        "text": alignment.text,
        "reference": alignment.reference,
    }


def _alignment(row: dict) -> Alignment:
    shape, frames = tuple(row["shape"]), row["shape"][-1]
    levels = np.frombuffer(row["levels"], np.uint8).reshape(shape)
    tops = np.frombuffer(row["tops"], "<f4").reshape(shape[:-1])
    speech = row["speech"]
    if speech is not None:
        speech = np.unpackbits(np.frombuffer(speech, np.uint8), count=frames).astype(bool)
    return Alignment.from_arrays(
        unpack(PackedMaps(levels, tops)).reshape(shape[4 - row["dims"] :]),
        row["tokens"],
        row["frame_seconds"],
        start_seconds=row["start_seconds"],
        speech=speech,
        ended=row["ended"],
        text=row["text"],
        reference=row["reference"],
        variant=row["variant"],
        renormalise=True,
    )


def load_alignment(run: Path | str, id: str, variant: str, *, part: int | None = None) -> Alignment:
    """Where a variant listened in one recording of a run made with ``--keep-alignments``.

    Parameters
    ----------
    run
        RunStore of the run, finished or not.
    id, variant
        As in the results.
    part
        The number in the results' column of that name, where it is at hand: saves a look-up.

    Raises
    ------
    RunError
        Where the run kept no maps, or has no such recording or variant.
    """
    folder = RunStore(Path(run))
    if part is None:
        part = folder.part_of(id)
    path = folder.maps(part) if part is not None else None
    if path is None or not path.exists():
        reason = "is not among its results" if part is None else "was kept without its maps"
        raise RunError(f"{printable(id)} {reason} (evaluate with --keep-alignments keeps maps)")
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            statistics = file.metadata.row_group(group).column(0).statistics
            if statistics is None or statistics.min == id:
                table = file.read_row_group(group)
                stored = [
                    row for row in table.to_pylist() if (row["id"], row["variant"]) == (id, variant)
                ]
                if stored:
                    return _alignment(stored[0])
    raise RunError(f"there is no map of {printable(variant)} for {printable(id)} in this run")
