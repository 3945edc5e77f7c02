"""The short clips that ship with AttnScope."""

import csv
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "samples"


@dataclass(frozen=True)
class Sample:
    """A clip with its transcript."""

    name: str  # stable, used in links
    title: str  # for people
    text: str  # what is said
    path: Path


def samples() -> dict[str, Sample]:
    """Samples by name, in the order of the manifest; clips that are missing are left out."""
    manifest = FOLDER / "manifest.tsv"
    if not manifest.exists():
        return {}
    with manifest.open(encoding="utf-8", newline="") as rows:
        listed = [_sample(row) for row in csv.DictReader(rows, delimiter="\t")]
    return {sample.name: sample for sample in listed if sample.path.exists()}


def _sample(row: dict[str, str]) -> Sample:
    path = FOLDER / row["path"]
    title = row.get("title") or path.stem.replace("_", " ")
    return Sample(path.stem, title, row["text"], path)
