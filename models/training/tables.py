"""Data sets in one file: CSV or TSV with ``path,text``, and NeMo's JSON lines.

Paths are relative to the file. What is not a known column is kept in `Utterance.extra`.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from models.training.utterance import ManifestError, Utterance, number, text_lines

KNOWN = {"id", "path", "text", "corpus", "split", "speaker", "seconds", "offset"}
NEMO = {"audio_filepath": "path", "duration": "seconds", "utt_id": "id"}  # NeMo's names, and ours


def read_table(path: Path) -> Iterator[Utterance]:
    """Rows of a CSV or TSV file; the header tells which, and names at least path and text."""
    lines = (line + "\n" for _, line in text_lines(path))
    header = next(lines, "").rstrip("\n")
    delimiter = max("\t,;", key=header.count)
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    columns = next(csv.reader([header], delimiter=delimiter, quoting=quoting), [])
    if missing := {"path", "text"} - set(columns):
        names = " and ".join(sorted(missing))
        raise ManifestError(
            f"{path.name} has no column {names}: its first line must name the columns path and text"
        )
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)
    try:
        for cells in reader:
            where = f"{path.name} line {reader.line_num + 1}"
            if cells:
                yield _utterance(_row(columns, cells, where), path, where)
    except csv.Error as error:
        line = reader.line_num + 1
        raise ManifestError(f"{path.name} line {line} cannot be read: {error}") from None


def _row(columns: list[str], cells: list[str], where: str) -> dict[str, str]:
    if len(cells) < len(columns):
        raise ManifestError(f"{where} is incomplete: {len(cells)} of {len(columns)} columns")
    if len(cells) > len(columns):
        raise ManifestError(
            f"{where} has {len(cells)} columns where the first line has {len(columns)}; "
            "put quotes around texts that hold the separator"
        )
    return dict(zip(columns, cells, strict=True))


def read_json_lines(path: Path) -> Iterator[Utterance]:
    """Rows of a NeMo manifest: a JSON object a line with audio_filepath, text and duration."""
    for line, text in text_lines(path):
        if not text.strip():
            continue
        where = f"{path.name} line {line}"
        try:
            row = json.loads(text)
        except ValueError:
            raise ManifestError(f"{where} is not JSON; one object a line is needed") from None
        if not isinstance(row, dict):
            raise ManifestError(f"{where} is not a JSON object in braces")
        row = {NEMO.get(name, name): value for name, value in row.items()}
        for name in ("path", "text"):
            if not isinstance(row.get(name), str):
                asked = "audio_filepath" if name == "path" else name
                raise ManifestError(f"{where} has no {asked}")
        yield _part(_utterance(row, path, where), row, where)


def _part(utterance: Utterance, row: Mapping[str, object], where: str) -> Utterance:
    """NeMo's ``offset`` and ``duration`` cut a part out of the file."""
    start = number(row.get("offset"), "offset", where)
    if start is None:
        return utterance
    end = None if utterance.seconds is None else start + utterance.seconds
    name = utterance.id if row.get("id") else f"{utterance.id}-{start:g}"
    return replace(utterance, id=name, start=start, end=end)


def _utterance(row: Mapping[str, object], manifest: Path, where: str) -> Utterance:
    if not row["path"]:
        raise ManifestError(f"{where} is incomplete: it names no recording")
    name = str(row["path"])
    plain = {key: str(row[key]) for key in ("corpus", "split", "speaker") if row.get(key)}
    return Utterance(
        id=str(row.get("id") or Path(name).stem),
        path=manifest.parent / name,
        text=str(row["text"]),
        seconds=number(row.get("seconds"), "the length in seconds", where),
        extra={key: str(row[key]) for key in row if key not in KNOWN and row[key] is not None},
        **plain,
    )
