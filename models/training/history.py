"""The tables a run writes as it goes: ``curve.tsv`` and ``scores.tsv``.

A run that was killed and started again goes back to its last saved state. Rows it had written after
that state are not part of the run that ended up in the checkpoint: they are passed over in reading
and cut off before the run goes on. A run that goes on may also have other dev sets than before: its
table then gets their columns, and a row has nothing in those that it knows nothing of.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TextIO

from analysis.io.files import replacing

Row = dict[str, float]  # column: value


def read_rows(path: Path) -> list[Row]:
    """Rows in the order of their updates, without those that a restart took back.

    A row lacks the columns in which it has nothing.
    """
    _, rows = _read(path)
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def cut_back(path: Path, update: int) -> None:
    """Leave only rows up to an update, as they are written; no file is no mistake."""
    if path.exists():
        columns, rows = _read(path)
        _write(path, columns, [row for row in rows if float(row["update"]) <= update])


def append(path: Path, row: Mapping[str, object]) -> None:
    """Add a row, and to the table the columns it does not have yet."""
    columns = _columns(path)
    new = [name for name in row if name not in columns]
    if new:
        before = _read(path)[1] if columns else []
        _write(path, [*columns, *new], [*before, row])
    else:
        with path.open("a", newline="", encoding="utf-8") as file:
            _writer(file, columns).writerow(row)


def _columns(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return next(csv.reader(file, delimiter="\t"), [])


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows as written; what a kill left of a line is none."""
    text = path.read_text(encoding="utf-8")
    lines = csv.reader(StringIO(text[: text.rfind("\n") + 1]), delimiter="\t")
    columns = next(lines, [])
    rows: list[dict[str, str]] = []
    for line in lines:
        if not _is_row(line, columns):
            continue
        row = dict(zip(columns, line, strict=True))
        while rows and float(rows[-1]["update"]) >= float(row["update"]):
            rows.pop()
        rows.append(row)
    return columns, rows


def _is_row(line: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether there is a number in every column, or nothing, but never nothing for the update."""
    if len(line) != len(columns) or not line or not line[0]:
        return False
    try:
        return bool([float(value) for value in line if value])
    except ValueError:
        return False


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = _writer(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _writer(file: TextIO, columns: Sequence[str]) -> csv.DictWriter:
    return csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n")
