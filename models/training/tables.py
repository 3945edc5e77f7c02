"""Data sets in one file: CSV or TSV with ``path,text``, and NeMo's JSON lines.

Paths are relative to the file. What is not a known column is kept in `Utterance.extra`.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from models.schema import SchemaError, values_of
from models.training.utterance import ManifestError, Utterance, number, text_lines

KNOWN = {"id", "path", "text", "corpus", "split", "speaker", "seconds", "offset"}
NEMO = {"audio_filepath": "path", "duration": "seconds", "utt_id": "id"}  # NeMo's names, and ours

_QUOTED = r'"(?:[^"]|"")*"'
_CELL = re.compile(rf"(?:^|\t)({_QUOTED}(?=\t|$)|[^\t]*)")


def read_table(path: Path) -> Iterator[Utterance]:
    """Rows of a CSV or TSV file; the header tells which, and names at least path and text.

    Capitals and blanks around the names of known columns make no difference. Lines that hold
    nothing but blanks and separators, which spreadsheets leave at the end, are passed over.
    """
    lines = text_lines(path)
    first, header = next(((line, text) for line, text in lines if text.strip()), (0, ""))
    delimiter = max("\t,;", key=header.count)
    loose = f"{delimiter} " in header  # "path, text": rows are likely to be written so, too
    parse = partial(csv.reader, delimiter=delimiter, skipinitialspace=loose)
    columns = _columns(next(parse([header]), []))
    if missing := {"path", "text"} - set(columns):
        names = " and ".join(sorted(missing))
        raise ManifestError(
            f"{path.name} has no column {names}: its first line must name the columns path and text"
        )
    tabbed = delimiter == "\t"
    rows = _tabbed(lines, len(columns)) if tabbed else _quoted(lines, parse, path, first)
    for line, cells in rows:
        where = f"{path.name} line {line}"
        if any(cell.strip() for cell in cells):
            yield _utterance(_row(columns, cells, where), path, where)


def _columns(names: list[str]) -> list[str]:
    """Names of columns, the known ones in our spelling."""
    names = [name.strip() for name in names]
    ours = [name.casefold() for name in names]
    return [
        our if our in KNOWN and our not in names else name
        for name, our in zip(names, ours, strict=True)
    ]


def _quoted(
    lines: Iterable[tuple[int, str]],
    parse: Callable[..., Iterator[list[str]]],
    path: Path,
    header: int,
) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV file, whose cells may hold separators and ends of lines in quotes."""
    reader = parse(text + "\n" for _, text in lines)
    try:
        for cells in reader:
            yield header + reader.line_num, cells
    except csv.Error as error:
        line = header + reader.line_num
        raise ManifestError(f"{path.name} line {line} cannot be read: {error}") from None


def _tabbed(lines: Iterable[tuple[int, str]], columns: int) -> Iterator[tuple[int, list[str]]]:
    """Rows of a TSV file, where quotes mean something only around a whole cell.

    Some write quotes as part of the text, others (pandas, spreadsheets) around cells that have a
    quote or a tab in them, where quotes are doubled.
    """
    for line, text in lines:
        cells = text.split("\t")
        if len(cells) > columns:  # some of the tabs may be within quotes
            cells = _CELL.findall(text)
        yield line, [_unquoted(cell) for cell in cells]


def _unquoted(cell: str) -> str:
    whole = re.fullmatch(_QUOTED, cell)
    return whole[0][1:-1].replace('""', '"') if whole else cell


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
            row = values_of(text)
        except SchemaError as error:
            raise ManifestError(
                f"{where} is not JSON ({error}); one object a line is needed"
            ) from None
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
