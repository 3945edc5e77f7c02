"""Data sets in one file: CSV or TSV with a column of recordings, and JSON lines as NeMo's.

Paths are relative to the file. Which column is what, `models.corpora.columns` says; what is not a
known one is kept in `Utterance.extra`.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from models.corpora.columns import Columns, read_columns
from models.corpora.remarks import Remarks
from models.corpora.utterance import ManifestError, Utterance, number, text_lines
from models.schema import SchemaError, values_of

CLAMPED = 0.5  # seconds before the beginning at which a part may be said to start
_QUOTED = r'"(?:[^"]|"")*"'
_CELL = re.compile(rf"(?:^|\t)({_QUOTED}(?=\t|$)|[^\t]*)")
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")
WITHOUT_TEXT = "{n} row{s} without a text, not scored: {first}"


def read_table(path: Path, remarks: Remarks) -> Iterator[Utterance]:
    """Rows of a CSV or TSV file; the header tells which, and names at least the recordings.

    Lines that hold nothing but blanks and separators, which spreadsheets leave at the end, are
    passed over. An empty cell means that nothing is known.
    """
    lines = text_lines(path)
    header = next((text for _, text in lines if text.strip()), "")
    delimiter = max("\t,;|", key=header.count)
    loose = f"{delimiter} " in header  # "path, text": rows are likely to be written so, too
    parse = partial(csv.reader, delimiter=delimiter, skipinitialspace=loose)
    names = [name.strip() for name in next(parse([header]), [])]
    columns = read_columns(tuple(dict.fromkeys(names)))
    if "path" not in columns.known:
        raise ManifestError(
            f"{path.name} has no column path: its first line must name the columns path and text"
        )
    _remark_columns(columns, path.name, remarks)
    if "text" not in columns.known:
        listed = ", ".join(names)
        remarks.say(f"{path.name} has no column text, so nothing is scored (it has {listed})")
    rows = _tabbed(lines, len(names)) if delimiter == "\t" else _quoted(lines, parse, len(names))
    for line, cells in rows:
        where = f"{path.name} line {line}"
        if isinstance(cells, str):
            remarks.left_out(f"{where} {cells}")
            continue
        both = zip(names, cells, strict=True)
        row = {name: cell for name, cell in both if cell.strip() or name in columns.extra}
        for utterance in _read(row, columns, path, where, remarks):
            if utterance.text is None and "text" in columns.known:
                remarks.add(WITHOUT_TEXT, where)
            yield utterance


def read_json_lines(path: Path, remarks: Remarks) -> Iterator[Utterance]:
    """Rows of a NeMo manifest: a JSON object a line with audio_filepath, text and duration."""
    reported: set[int] = set()  # sets of names that were looked at
    for line, text in text_lines(path):
        if not text.strip():
            continue
        where = f"{path.name} line {line}"
        try:
            row = values_of(text)
        except SchemaError as error:
            remarks.left_out(f"{where} is not JSON ({error}); one object a line is needed")
            continue
        if not isinstance(row, dict):
            remarks.left_out(f"{where} is not a JSON object in braces")
            continue
        row = {name: value for name, value in row.items() if value is not None}
        columns = _columns_of(tuple(row))
        if id(columns) not in reported:
            reported.add(id(columns))
            _remark_columns(columns, path.name, remarks)
        if "path" not in columns.known:
            remarks.left_out(f"{where} has no audio_filepath")
            continue
        for utterance in _read(row, columns, path, where, remarks):
            if utterance.text is None:
                remarks.add(WITHOUT_TEXT, where)
            yield utterance


@lru_cache(maxsize=256)
def _columns_of(names: tuple[str, ...]) -> Columns:
    return read_columns(names)


def _remark_columns(columns: Columns, name: str, remarks: Remarks) -> None:
    """Refuse columns that would make another recording of each row, and name unused ones."""
    if columns.refused and "offset" not in columns.known:
        raise ManifestError(
            f"{name} says where parts begin and end in samples or frames "
            f"({', '.join(columns.refused)}); give offset and duration in seconds instead"
        )
    for unused in columns.unused:
        remarks.say(f"the column {unused} of {name} is not used")


def _read(
    row: Mapping[str, Any], columns: Columns, path: Path, where: str, remarks: Remarks
) -> Iterator[Utterance]:
    """The utterance of a row, or a remark why there is none."""
    try:
        yield _utterance(row, columns, path, where, remarks)
    except ManifestError as error:
        remarks.left_out(error)


def _utterance(
    row: Mapping[str, Any], columns: Columns, manifest: Path, where: str, remarks: Remarks
) -> Utterance:
    values = {ours: row[name] for ours, (name, _) in columns.known.items() if name in row}
    path = values.get("path")
    path = path.get("path") if isinstance(path, Mapping) else path  # Hugging Face: {"path": ...}
    if not isinstance(path, str) or not path:
        raise ManifestError(f"{where} is incomplete: it names no recording")
    text = values.get("text")
    text = str(text) if isinstance(text, int | float) and not isinstance(text, bool) else text
    start, end, seconds = _times(values, columns, where, remarks)
    name = str(values.get("id") or "")
    if not name:
        name = Path(path).stem if "offset" not in values else f"{Path(path).stem}-{start:g}"
    plain = {key: str(values[key]) for key in ("corpus", "split", "speaker") if values.get(key)}
    return Utterance(
        id=name,
        path=_file(manifest.parent, path),
        text=text if isinstance(text, str) else None,
        seconds=seconds,
        start=start,
        end=end,
        extra={key: str(row[key]) for key in columns.extra if key in row},
        **plain,
    )


def _file(folder: Path, name: str) -> Path:
    """A recording's file; programs of Windows write backslashes."""
    if "\\" in name and not (folder / name).is_file():
        other = folder / name.replace("\\", "/")
        if other.is_file():
            return other
    return folder / name


def _times(
    values: Mapping[str, Any], columns: Columns, where: str, remarks: Remarks
) -> tuple[float, float | None, float | None]:
    """Start and end of the part of the file that a row is about, and its length.

    ``offset`` with ``duration``, or ``start`` with ``end``; a length alone is that of the file.
    """

    def time(ours: str) -> float | None:
        name, unit = columns.known.get(ours, (ours, 1.0))
        value = values.get(ours)
        if isinstance(value, str) and (clock := _CLOCK.fullmatch(value.strip())):
            hours, minutes, seconds = clock.groups("0")
            return 3600.0 * int(hours) + 60 * int(minutes) + float(seconds.replace(",", "."))
        if ours == "offset" and _slightly_negative(value, unit):
            remarks.add("{n} part{s} said to begin before the recording, taken from 0: {first}",
                        where)  # fmt: skip
            return 0.0
        result = number(value, name, where)
        return None if result is None else result * unit

    start, end = time("offset"), time("end")
    if start is None and end is None:
        try:
            return 0.0, None, time("seconds")
        except ManifestError as error:  # the file itself tells
            remarks.add("{n} length{s} not used: {first}", str(error))
            return 0.0, None, None
    seconds = time("seconds")
    start = start or 0.0
    if end is None:
        end = None if seconds is None else start + seconds
    elif end <= start:
        raise ManifestError(f"{where} ends before it starts ({start:g} to {end:g} s)")
    return start, end, seconds if end is None else end - start


def _slightly_negative(value: Any, unit: float) -> bool:
    try:
        return -CLAMPED <= float(value) * unit < 0
    except (TypeError, ValueError, OverflowError):
        return False


def _quoted(
    lines: Iterable[tuple[int, str]], parse: Callable[..., Iterator[list[str]]], columns: int
) -> Iterator[tuple[int, list[str] | str]]:
    """Rows of a CSV file, whose cells may hold separators and ends of lines in quotes.

    In the place of a row that has not as many cells as there are columns comes what is wrong. Where
    such a row is several lines, a quote was not closed: only its first line is lost.
    """
    again: deque[tuple[int, str]] = deque()  # lines that are read once more
    rest = iter(lines)
    while True:
        used: list[tuple[int, str]] = []
        cells, problem = _next_row(again, rest, parse, used)
        if cells is None and not problem:
            return
        filled = any(cell.strip() for cell in cells or ())
        problem = problem or (_not_columns(len(cells), columns) if filled else "")
        if len(used) > 1 and (problem or not _closed(used, parse)):
            again.extendleft(reversed(used[1:]))
            problem = "has a quote that is not closed"
        if problem:
            yield used[0][0], problem
        elif filled:
            yield used[-1][0], cells


def _next_row(
    again: deque[tuple[int, str]],
    lines: Iterator[tuple[int, str]],
    parse: Callable[..., Iterator[list[str]]],
    used: list[tuple[int, str]],
) -> tuple[list[str] | None, str]:
    """Cells of the next row, or what is wrong with it; `used` gets the lines it is made of."""

    def feed() -> Iterator[str]:
        while line := again.popleft() if again else next(lines, None):
            used.append(line)
            yield line[1] + "\n"

    try:
        return next(parse(feed()), None), ""
    except csv.Error as error:
        return None, f"cannot be read: {error}"


def _closed(lines: Iterable[tuple[int, str]], parse: Callable[..., Iterator[list[str]]]) -> bool:
    """Whether what follows each closing quote is a separator, as it is not where one was lost."""
    try:
        list(parse((text + "\n" for _, text in lines), strict=True))
    except csv.Error:
        return False
    return True


def _not_columns(count: int, expected: int) -> str:
    if count < expected:
        return f"is incomplete: {count} of {expected} columns"
    if count > expected:
        return (
            f"has {count} columns where the first line has {expected}; put quotes around texts "
            "that hold the separator"
        )
    return ""


def _tabbed(
    lines: Iterable[tuple[int, str]], columns: int
) -> Iterator[tuple[int, list[str] | str]]:
    """Rows of a TSV file, where quotes mean something only around a whole cell.

    Some write quotes as part of the text, others (pandas, spreadsheets) around cells that have a
    quote or a tab in them, where quotes are doubled.
    """
    for line, text in lines:
        cells = text.split("\t")
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > columns:  # some of the tabs may be within quotes
            cells = _CELL.findall(text)
        cells = [_unquoted(cell) for cell in cells]
        problem = _not_columns(len(cells), columns)
        yield line, problem or cells


def _unquoted(cell: str) -> str:
    whole = re.fullmatch(_QUOTED, cell)
    return whole[0][1:-1].replace('""', '"') if whole else cell
