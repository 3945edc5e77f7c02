"""A row of the results: one recording as one variant heard it."""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.diagnosis import METRICS
from analysis.scoring.errors import Counts
from app.comparison import VariantResult
from app.evaluation.items import Item
from models.audio import Recording

METRIC_NAMES = (*METRICS, "alignment_error_ms")
COUNT_NAMES = ("hits", "substitutions", "deletions", "insertions")
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
    ]
)


@dataclass(frozen=True, eq=False)
class Heard:
    """A recording that was decoded by a variant."""

    item: Item
    recording: Recording
    result: VariantResult
    encode_seconds: float


def write_rows(rows: Iterable[dict[str, Any]]) -> bytes:
    """A Parquet file of some results."""
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), file, compression="zstd")
    return file.getvalue()


def row(heard: Heard, normalizer: str, part: int) -> dict[str, Any]:
    """What a result has in every column."""
    item, result = heard.item, heard.result
    score, diagnosis = result.score, result.diagnosis.to_json()
    first = item.utterances[0]
    spans = [[each.start, each.end] for each in item.utterances]
    counts = _counts("", score.words) | _counts("character_", score.characters) if score else {}
    return {
        "id": item.id,
        "variant": result.info.name,
        "stress": item.stress,
        "level": item.level,
        "utterances": " + ".join(each.id for each in item.utterances),
        "path": "\n".join(str(each.path) for each in item.utterances)
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
        "seconds": heard.recording.seconds,
        "decode_seconds": result.decoded.decode_seconds,
        "encode_seconds": heard.encode_seconds,
        "warnings": _json(heard.recording.warnings),
        "part": part,
    }


def _counts(prefix: str, counts: Counts) -> dict[str, int]:
    return {f"{prefix}{name}": getattr(counts, name) for name in COUNT_NAMES}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
