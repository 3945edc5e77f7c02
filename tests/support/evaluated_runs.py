"""Evaluated sets for tests of pages: real runs of tiny models, and runs written row by row."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from analysis.failures.failure import Failure
from analysis.scoring.errors import score
from app.comparison import Models
from app.evaluation import Plan, Settings, evaluate, read_items
from app.evaluation.parquet import COUNT_NAMES, SCHEMA
from app.evaluation.settings import fingerprints
from app.evaluation.store import RunStore, write_json
from app.evaluation.summary import summarise
from models.decoding.search import SearchOptions
from tests.support.recordings import hum

VARIANTS = ("location", "multi_head_dot", "ctc")
TEXTS = ["who will hum along", "with us", "this long evening <b>oh</b> my"]
SECONDS = [0.9, 0.6, 1.3]


def real_run(folder: Path, checkpoints: Path, out: Path) -> Path:
    """Three hums heard by three tiny models, with their maps: u0, u1 and u2."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.tsv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["id", "path", "text", "speaker", "age_group", "seconds"])
        for number, (length, text) in enumerate(zip(SECONDS, TEXTS, strict=True)):
            soundfile.write(folder / f"hum{number}.wav", hum(length), 16_000)
            age = "child" if number else "adult"
            writer.writerow([f"u{number}", f"hum{number}.wav", text, f"s{number % 2}", age, length])
    infos = Models(checkpoints).choose(VARIANTS)
    settings = Settings(
        tuple(info.name for info in infos),
        SearchOptions(max_length_ratio=0.5),  # tiny decoders never end by themselves
        keep_alignments=True,
        folder=str(checkpoints),
        checkpoints=fingerprints(infos, checkpoints),
    )
    evaluate(Plan(lambda: read_items(manifest), settings, out, "hums", workers=1))
    return out


def row(name: str, variant: str, said: str | None, heard: str, **more: Any) -> dict[str, Any]:
    """A row of results: counted, healthy and three seconds long where nothing else is said."""
    counts = {}
    if said is not None:
        found = score(said, heard)
        for prefix, part in (("", found.words), ("character_", found.characters)):
            counts |= {f"{prefix}{each}": getattr(part, each) for each in COUNT_NAMES}
        counts |= {"wer": found.wer, "cer": found.cer}
    kinds = more.pop("kinds", [])
    failures = [Failure(kind, (0, 1), (0.0, 1.0), f"Here is a {kind}.") for kind in kinds]
    return {
        "id": name, "variant": variant, "stress": "none", "reference": said, "text": heard,
        "path": f"/nowhere/{name}.wav", "normalizer": "basic", **counts, "ended": True,
        "verdict": kinds[0] if kinds else "healthy", "notes": "[]",
        "failures": json.dumps([failure.span_json() for failure in failures]),
        "failure_records": [failure.to_json() for failure in failures], "note_records": [],
        "warnings": "[]", "extra": "{}", "speaker": "", "corpus": "", "split": "",
        "tokens": len(heard), "seconds": 3.0, "decode_seconds": 0.1, "encode_seconds": 0.1,
        "part": 0, **more,
    }  # fmt: skip


def written_run(out: Path, rows: list[dict[str, Any]]) -> Path:
    """A finished run that consists of these rows."""
    out.mkdir(parents=True)
    variants = tuple(dict.fromkeys(each["variant"] for each in rows))
    write_json(out / "run.json", Settings(variants).to_json() | {"name": "written"})
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), out / "results.parquet")
    summary = {"schema": 1, "utterances": len({each["id"] for each in rows}), "errors": 0}
    write_json(out / "summary.json", summary | summarise(RunStore(out).tables, "basic"))
    return out
