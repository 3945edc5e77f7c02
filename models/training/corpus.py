"""Speech data sets as lists of utterances."""

import csv
from dataclasses import dataclass
from pathlib import Path


class ManifestError(ValueError):
    """A manifest that cannot be read; the message says which line and why."""


@dataclass(frozen=True)
class Utterance:
    """One recording and what was said in it."""

    id: str  # unique in its data set
    path: Path  # audio file
    text: str  # transcript
    corpus: str = ""  # data set it comes from
    split: str = "train"  # train or dev
    speaker: str = ""
    seconds: float = 0.0  # 0 when unknown


def read_manifest(path: Path, split: str | None = None) -> list[Utterance]:
    """Utterances of a CSV or TSV file with at least the columns ``path`` and ``text``.

    Paths are relative to the manifest. Columns ``id``, ``corpus``, ``split``, ``speaker`` and
    ``seconds`` are used where present; with `split`, only its rows are returned.

    Raises
    ------
    ManifestError
        Where a column is missing or a row is incomplete.
    """
    path = Path(path)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, delimiter=delimiter, quoting=quoting)
        missing = {"path", "text"} - set(reader.fieldnames or ())
        if missing:
            raise ManifestError(f"{path.name} has no column {' and '.join(sorted(missing))}")
        rows = [_utterance(row, path, number) for number, row in enumerate(reader, 2)]
    return [row for row in rows if split is None or row.split == split]


def _utterance(row: dict[str, str], manifest: Path, line: int) -> Utterance:
    if not row["path"] or row["text"] is None:
        raise ManifestError(f"{manifest.name} line {line} is incomplete")
    optional = {name: row[name] for name in ("corpus", "split", "speaker") if row.get(name)}
    return Utterance(
        id=row.get("id") or Path(row["path"]).stem,
        path=manifest.parent / row["path"],
        text=row["text"],
        seconds=float(row.get("seconds") or 0),
        **optional,
    )
