"""The folder of a run: parts as they come, one table in the end, readable at every moment.

    RUN/run.json             how the run decodes; a run resumes only with the same
    RUN/parts/000012.parquet results of a shard, until all are there
    RUN/maps/000012.parquet  its attention maps, where they are kept
    RUN/results.parquet      a row per recording and variant
    RUN/errors.csv           recordings that could not be decoded, and why
    RUN/summary.json         scores, intervals, failures, significance

Every file is written under another name and then renamed, so that a file that is there is whole,
whenever the process is killed. A part is there when its results are: its maps and errors are
written before.
"""

import csv
import fcntl
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.cli.console import printable
from analysis.io.files import replacing, write
from app.evaluation.parquet import SCHEMA, stored_columns, to_frame, with_findings
from app.evaluation.record import SummaryRecord
from app.evaluation.settings import SCHEMA as RUN_SCHEMA
from app.evaluation.settings import RunError, Settings
from models import schema
from models.schema import SchemaError

GROUP_ROWS = 32_768  # of one row group of the results: what is in memory when they are merged
READ_ROWS = 8_192  # in memory when they are read bit by bit
ERROR_FIELDS = ("id", "path", "stress", "level", "error")


@dataclass(frozen=True)
class BadItem:
    """A recording that could not be decoded."""

    id: str
    path: str
    stress: str
    level: float | None
    error: str  # one sentence


@dataclass(frozen=True)
class Part:
    """What became of a shard."""

    number: int
    rows: bytes  # Parquet
    maps: bytes | None  # Parquet, where maps are kept
    bad: tuple[BadItem, ...]
    items: int  # decoded


class RunStore:
    """Names, reading and writing of a run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings, self.results = path / "run.json", path / "results.parquet"
        self.summary, self.errors = path / "summary.json", path / "errors.csv"
        self.parts = path / "parts"

    def part(self, number: int) -> Path:
        return self.parts / f"{number:06d}.parquet"

    def maps(self, number: int) -> Path:
        return self.path / "maps" / f"{number:06d}.parquet"

    def done(self) -> list[int]:
        """Numbers of the parts that are there, in order."""
        return sorted(int(path.stem) for path in self.parts.glob("[0-9]*.parquet"))

    def save(self, part: Part) -> None:
        """Keep a part: after this it is never decoded again."""
        if part.maps is not None:
            write(self.maps(part.number), part.maps)
        if part.bad:
            lines = "".join(json.dumps(vars(bad), ensure_ascii=False) + "\n" for bad in part.bad)
            write(self._bad(part.number), lines.encode(errors="replace"))
        write(self.part(part.number), part.rows)

    def _bad(self, number: int) -> Path:
        return self.parts / f"{number:06d}.errors.jsonl"

    def bad(self, numbers: Sequence[int]) -> Iterator[BadItem]:
        """Recordings of these parts that could not be decoded."""
        for number in numbers:
            if (path := self._bad(number)).exists():
                for line in path.read_text(encoding="utf-8").splitlines():
                    yield schema.decode(line, BadItem)

    def write_errors(self, numbers: Sequence[int]) -> None:
        """Write ``errors.csv`` of these parts, in order."""
        with replacing(self.errors) as path:
            _write_errors(path, "w", [ERROR_FIELDS, *map(_error_row, self.bad(numbers))])

    def append_errors(self, bad: Sequence[BadItem]) -> None:
        """Let ``errors.csv`` name recordings as soon as they are known."""
        _write_errors(self.errors, "a", map(_error_row, bad))

    def count_errors(self) -> int:
        """Recordings in ``errors.csv``."""
        with self.errors.open(newline="", encoding="utf-8") as file:
            return sum(1 for _ in csv.reader(file)) - 1

    def merge(self, numbers: Sequence[int]) -> None:
        """One table of all parts, in order, a few parts in memory at a time."""
        with (
            replacing(self.results) as path,
            pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer,
        ):
            held, rows = [], 0
            for number in numbers:
                held.append(pq.read_table(self.part(number), schema=SCHEMA))
                rows += held[-1].num_rows
                if rows >= GROUP_ROWS:
                    writer.write_table(pa.concat_tables(held))
                    held, rows = [], 0
            if held:
                writer.write_table(pa.concat_tables(held))

    def others(self) -> list[Path]:
        """What is in the folder and is neither the lock nor half of a file of a killed process."""
        there = self.path.iterdir() if self.path.is_dir() else ()
        return [path for path in there if not re.fullmatch(r"\.lock|\.run\.json\.\d+", path.name)]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else may write to the run meanwhile; a killed process leaves no lock behind.

        Raises
        ------
        RunError
            Where another process is writing to it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(
                    f"another process is working on {printable(str(self.path))}; wait for it, or "
                    "use another --out"
                ) from None
            for left in self.path.rglob(".*.[0-9]*"):  # half of a file that a killed process wrote
                left.unlink(missing_ok=True)
            yield

    def drop_parts(self) -> None:
        """Remove the parts, which the results have made superfluous."""
        for path in [*self.parts.glob("*.parquet"), *self.parts.glob("*.errors.jsonl")]:
            path.unlink(missing_ok=True)
        if self.parts.is_dir() and not any(self.parts.iterdir()):
            self.parts.rmdir()

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The results so far, in order, a bounded number of rows at a time.

        Raises
        ------
        RunError
            Where they are damaged.
        """
        try:
            for table in self._stored(None if columns is None else stored_columns(columns)):
                yield with_findings(table, columns)
        except ValueError:
            raise RunError(f"the results of {self.path.name} are damaged; evaluate again") from None

    def _stored(self, columns: list[str] | None) -> Iterator[pa.Table]:
        """The tables as they were written, perhaps by an earlier version."""
        try:
            with pq.ParquetFile(self.results) as file:
                for batch in file.iter_batches(READ_ROWS, columns=columns):
                    yield pa.Table.from_batches([batch])
                return
        except FileNotFoundError:
            pass
        for number in self.done():
            yield pq.read_table(self.part(number), columns=columns, schema=SCHEMA)

    def part_of(self, name: str) -> int | None:
        """The part that has a recording's maps."""
        done = [self.part(number) for number in self.done()]
        if not (source := self.results if self.results.exists() else done):
            return None
        parts = pq.read_table(source, columns=["part"], filters=[("id", "==", name)])
        return parts["part"][0].as_py() if parts.num_rows else None


def _error_row(bad: BadItem) -> list:
    return [getattr(bad, name) for name in ERROR_FIELDS]


def _write_errors(path: Path, mode: str, rows: Iterable[Sequence]) -> None:
    with path.open(mode, newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows(rows)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    text = json.dumps(values, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    write(path, text.encode("utf-8", errors="replace"))


def opened(run: Path | str) -> RunStore:
    """The folder of a run.

    Raises
    ------
    RunError
        Where the folder holds no run.
    """
    folder = RunStore(Path(run))
    if not folder.settings.is_file():
        raise RunError(
            f"{printable(str(run))} is not a run; `python -m app evaluate --out` makes one"
        )
    return folder


def load_results(run: Path | str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The results of a run, as far as it got: a row per recording and variant, in order.

    Parameters
    ----------
    run
        RunStore of the run, finished or not.
    columns
        Only these, which saves memory; all by default (`app.evaluation.parquet.SCHEMA`).

    Raises
    ------
    RunError
        Where the folder holds no run.
    """
    folder = opened(run)
    try:
        tables = list(folder.tables(columns))
    except FileNotFoundError:  # the run was finished meanwhile, its parts are gone
        tables = list(folder.tables(columns))
    if not tables:
        wanted = SCHEMA.names if columns is None else columns
        tables = [pa.schema([SCHEMA.field(name) for name in wanted]).empty_table()]
    return to_frame(pa.concat_tables(tables))


def load_errors(run: Path | str) -> pd.DataFrame:
    """Recordings of a run that could not be decoded, with the reason.

    Raises
    ------
    RunError
        Where the folder holds no run.
    """
    folder = opened(run)
    if not folder.errors.exists():
        return pd.DataFrame(columns=list(ERROR_FIELDS))
    return pd.read_csv(folder.errors, dtype={"id": str, "path": str}, keep_default_na=False)


def load_settings(run: Path | str) -> dict[str, Any]:
    """How a run decodes: the content of its ``run.json``.

    Raises
    ------
    RunError
        Where the folder holds no run, or its record is damaged.
    """
    values = _json(opened(run).settings)
    if values.get("schema") == RUN_SCHEMA:  # another version's may say anything else
        Settings.from_json(values)
    return values


def load_summary(run: Path | str) -> dict[str, Any] | None:
    """The summary of a finished run, None while it is not finished.

    Raises
    ------
    RunError
        Where the folder holds no run, or its summary is damaged.
    """
    folder = opened(run)
    if not folder.summary.exists():
        return None
    values = _json(folder.summary)
    try:
        schema.convert(values, SummaryRecord)
    except SchemaError as error:
        raise _damaged(folder.summary, error) from None
    return values


def _json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            values = schema.values_of(file.read(schema.MAX_BYTES + 1))
        return schema.convert(values, dict[str, Any])
    except SchemaError as error:
        raise _damaged(path, error) from None
    except OSError as error:
        raise RunError(f"{path.name} cannot be read ({error.strerror})") from None


def _damaged(path: Path, error: SchemaError) -> RunError:
    return RunError(
        f"{path.name} of {printable(path.parent.name)} is damaged ({error}); use another --out"
    )
