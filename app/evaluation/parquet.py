"""The table of results: a row is one recording as one variant decoded it."""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.diagnosis import METRICS
from analysis.failures.failure import Failure, Finding, Note
from analysis.scoring.errors import Counts
from app.comparison import VariantResult
from app.evaluation.items import Item
from models.audio import Recording

METRIC_NAMES = (*METRICS, "alignment_error_ms")
COUNT_NAMES = ("hits", "substitutions", "deletions", "insertions")
FINDINGS = pa.list_(
    pa.struct(  # fields of `analysis.failures.failure.Finding`
        [
            ("kind", pa.string()),
            ("tokens", pa.list_(pa.int32())),
            ("seconds", pa.list_(pa.float64())),
            ("explanation", pa.string()),
        ]
    )
)
FINDING_COLUMNS = {"failure_records": "failures", "note_records": "notes"}  # and their JSON columns
SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # of the recording, unique in the run
        ("variant", pa.string()),
        ("stress", pa.string()),  # "none" where the recording was left as it is
        ("level", pa.float64()),  # how much of the stress
        ("utterances", pa.string()),  # ids of what was decoded, joined by " + "
        ("path", pa.string()),  # its file, or its files, one a line
        ("start", pa.float64()),  # where in its file it begins; null: the whole file
        ("end", pa.float64()),
        ("spans", pa.string()),  # JSON: where in each of several files; null: a single file
        ("corpus", pa.string()),
        ("split", pa.string()),
        ("speaker", pa.string()),
        ("extra", pa.string()),  # JSON: further columns of the manifest
        ("reference", pa.string()),  # null: not known
        ("text", pa.string()),
        ("normalizer", pa.string()),
        *((name, pa.int32()) for name in COUNT_NAMES),  # words; null without a reference
        *((f"character_{name}", pa.int32()) for name in COUNT_NAMES),
        ("wer", pa.float64()),
        ("cer", pa.float64()),
        ("verdict", pa.string()),
        ("failures", pa.string()),  # JSON, as in `compare --json`
        ("notes", pa.string()),  # JSON
        ("ended", pa.bool_()),
        ("tokens", pa.int32()),  # decoded
        *((name, pa.float64()) for name in METRIC_NAMES),
        ("seconds", pa.float64()),  # length of the recording
        ("decode_seconds", pa.float64()),  # the shared encoder not included
        ("encode_seconds", pa.float64()),  # the recording's share of its batch
        ("warnings", pa.string()),  # JSON: what was converted or looks wrong
        ("part", pa.int32()),  # shard the recording was decoded in
        *((name, FINDINGS) for name in FINDING_COLUMNS),  # failures and notes, explained
    ]
)


@dataclass(frozen=True, eq=False)
class DecodedItem:
    """An item with the result of one variant."""

    item: Item
    recording: Recording
    result: VariantResult
    encode_seconds: float


def write_rows(rows: Iterable[dict[str, Any]]) -> bytes:
    """A Parquet file of some results."""
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), file, compression="zstd")
    return file.getvalue()


def row(decoded_item: DecodedItem, normalizer: str, part: int) -> dict[str, Any]:
    """The value of every column for one result."""
    item, result = decoded_item.item, decoded_item.result
    score, diagnosis = result.score, result.diagnosis.to_json()
    first = item.utterances[0]
    spans = [[utterance.start, utterance.end] for utterance in item.utterances]
    counts = _counts("", score.words) | _counts("character_", score.characters) if score else {}
    return {
        "id": item.id,
        "variant": result.info.name,
        "stress": item.stress,
        "level": item.level,
        "utterances": " + ".join(utterance.id for utterance in item.utterances),
        "path": "\n".join(str(utterance.path) for utterance in item.utterances)
        .encode(errors="replace")
        .decode(),
        "start": first.start or None,
        "end": first.end,
        "spans": _json(spans) if len(spans) > 1 else None,
        "corpus": first.corpus,
        "split": first.split,
        "speaker": first.speaker,
        "extra": _json(dict(first.extra)),
        "reference": item.reference,
        "text": result.decoded.text,
        "normalizer": normalizer,
        **counts,
        "wer": score.wer if score else None,
        "cer": score.cer if score else None,
        "verdict": diagnosis["verdict"],
        "failures": _json(diagnosis["failures"]),
        "notes": _json(diagnosis["notes"]),
        "ended": result.decoded.alignment.ended,
        "tokens": len(result.decoded.alignment.tokens),
        **{name: diagnosis["metrics"].get(name) for name in METRIC_NAMES},
        "seconds": decoded_item.recording.seconds,
        "decode_seconds": result.decoded.decode_seconds,
        "encode_seconds": decoded_item.encode_seconds,
        "warnings": _json(decoded_item.recording.warnings),
        "part": part,
        "failure_records": [failure.to_json() for failure in result.diagnosis.failures],
        "note_records": [note.to_json() for note in result.diagnosis.notes],
    }


def failures_of(row: Mapping[str, Any]) -> tuple[Failure, ...]:
    """The failures of a row that has the column ``failure_records``."""
    return _findings(Failure, row["failure_records"])


def notes_of(row: Mapping[str, Any]) -> tuple[Note, ...]:
    """The notes of a row that has the column ``note_records``."""
    return _findings(Note, row["note_records"])


def _findings(kind: type[Finding], records: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    return tuple(kind.from_json(record) for record in records)


def stored_columns(columns: Iterable[str]) -> list[str]:
    """The columns to read for `with_findings` to give these ones."""
    columns = list(columns)
    texts = [text for name, text in FINDING_COLUMNS.items() if name in columns]
    return [*columns, *(text for text in texts if text not in columns)]


def with_findings(table: pa.Table, columns: Iterable[str] | None = None) -> pa.Table:
    """The table with the record columns that runs of earlier versions have as JSON text only.

    Parameters
    ----------
    columns
        Those of the table that comes back; all by default.

    Raises
    ------
    ValueError
        Where the JSON text is damaged.
    """
    wanted = SCHEMA.names if columns is None else list(columns)
    for name, text in FINDING_COLUMNS.items():
        there = name in table.column_names
        if name not in wanted or (there and not table[name].null_count):
            continue
        known = table[name].to_pylist() if there else [None] * len(table)
        texts = table[text].to_pylist()
        records = pa.array(
            [
                _findings_json(text) if record is None else record
                for record, text in zip(known, texts, strict=True)
            ],
            FINDINGS,
        )
        place = table.column_names.index(name) if there else table.num_columns
        table = table.drop_columns([name]) if there else table
        table = table.add_column(place, name, records)
    return (
        table
        if columns is None
        else table.select([name for name in wanted if name in table.column_names])
    )


def _findings_json(text: str | None) -> list[dict[str, Any]]:
    return [Finding.from_json(values).to_json() for values in json.loads(text or "[]")]


def has_kind(records: pa.ChunkedArray, kind: str) -> np.ndarray:
    """(rows,) whether a failure of this kind is among the records of each row."""
    mask, start = np.zeros(len(records), bool), 0
    for chunk in records.chunks:
        kinds = pc.struct_field(pc.list_flatten(chunk), "kind")
        rows = pc.list_parent_indices(chunk).filter(pc.equal(kinds, kind))
        mask[start + rows.to_numpy()] = True
        start += len(chunk)
    return mask


def to_frame(table: pa.Table) -> pd.DataFrame:
    """The table for pandas; record columns stay Arrow's, whose values are lists of dictionaries."""
    nested = [name for name in FINDING_COLUMNS if name in table.column_names]
    frame = table.drop_columns(nested).to_pandas()
    records = {name: pd.arrays.ArrowExtensionArray(table[name]) for name in nested}
    frame = frame.assign(**records) if records else frame
    return frame[table.column_names]


def to_flat(table: pa.Table) -> pa.Table:
    """The table with records as JSON text: CSV holds nothing nested."""
    for name in FINDING_COLUMNS:
        if name in table.column_names:
            texts = [None if value is None else _json(value) for value in table[name].to_pylist()]
            place = table.column_names.index(name)
            table = table.set_column(place, name, pa.array(texts, pa.string()))
    return table


def _counts(prefix: str, counts: Counts) -> dict[str, int]:
    return {f"{prefix}{name}": getattr(counts, name) for name in COUNT_NAMES}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
