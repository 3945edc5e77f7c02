"""Evaluated sets that pages may open: the operator's runs, and the samples as heard here.

A page never names a path. It names a run, and only what the operator's folder lists can be opened.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import streamlit as st

from analysis.diagnosis import SEVERITY
from app.data import sample_run
from app.evaluation import RunError, load_settings, load_summary
from app.evaluation.items import PLAIN
from app.evaluation.parquet import (
    COUNT_NAMES,
    METRIC_NAMES,
    has_kind,
    stored_columns,
    to_frame,
    with_findings,
)
from app.evaluation.replay import recording_of
from models.audio import AudioError, Recording

FOLDER = "ATTNSCOPE_RUNS"  # names the operator's folder of runs
USUAL_FOLDER = "runs"
HEALTHY = "healthy"
VERDICTS = (HEALTHY, *SEVERITY)
NAMES = ["id", "variant", "stress", "verdict", "speaker", "corpus", "split", "reference", "extra"]
TEXTS = ["text", "failure_records"]
NUMBERS = ["level", "wer", "cer", "seconds", "tokens", *METRIC_NAMES]
COUNTS = ["part", *COUNT_NAMES, *(f"character_{name}" for name in COUNT_NAMES)]
KIND = "found {}"  # column that tells whether this kind of failure was found


@dataclass(frozen=True)
class Run:
    """A finished run."""

    name: str  # of its folder: what links say
    path: Path = field(compare=False, hash=False)
    stamp: int = 0  # changes when the run does


@dataclass(frozen=True)
class RunRecording:
    """One recording of a run, and why it is looked at."""

    run: Run
    id: str
    variant: str | None = None  # the mechanism that led here, None: no one in particular


# --- which there are


def folder() -> Path:
    """The operator's folder of runs."""
    return Path(os.environ.get(FOLDER) or USUAL_FOLDER)


def library() -> dict[str, Run]:
    """Finished runs by name: the operator's, then that of the samples, if there is one."""
    root = folder()
    places = [root] if _stamp(root) else sorted(root.iterdir()) if root.is_dir() else []
    folders = {path.resolve().name: path for path in places}
    folders.setdefault(sample_run.NAME, sample_run.place())
    stamps = {name: _stamp(path) for name, path in folders.items()}
    return {name: Run(name, folders[name], stamp) for name, stamp in stamps.items() if stamp}


def _stamp(path: Path) -> int:
    """Time of a run's results and summary, zero where it has none."""
    try:
        return max((path / name).stat().st_mtime_ns for name in ("summary.json", "results.parquet"))
    except OSError:
        return 0


# --- what is in them


@st.cache_resource(show_spinner="The set is read", max_entries=3)
def results(run: Run) -> pd.DataFrame:
    """A row per recording and mechanism, as few bytes as pages need; never to be changed.

    Beside the columns of the results there is one for every kind of failure (`KIND`) that tells
    whether it was found.

    Raises
    ------
    RunError
        Where the results cannot be read.
    """
    stored = _read(run.path)
    table = to_frame(stored)
    for kind in SEVERITY:
        table[KIND.format(kind)] = has_kind(stored["failure_records"], kind)
    verdicts = table["verdict"].cat
    others = [verdict for verdict in verdicts.categories if verdict not in VERDICTS]
    return table.assign(verdict=verdicts.set_categories([*VERDICTS, *others]))


def _read(path: Path) -> pa.Table:
    """What pages need of the results: names as codes, numbers no finer than they are shown."""
    wanted = [*NAMES, *TEXTS, *NUMBERS, *COUNTS]
    try:
        there = set(pq.read_schema(path / "results.parquet").names)  # an older run may lack some
        names = [name for name in stored_columns(wanted) if name in there]
        coded = [name for name in NAMES if name in there]
        table = pq.read_table(path / "results.parquet", columns=names, read_dictionary=coded)
        table = with_findings(table, wanted)
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error
    for name in names:
        if name in NUMBERS:
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].cast(pa.float32()))
    return table.unify_dictionaries()


def _unreadable(path: Path) -> RunError:
    return RunError(f"results.parquet of {path.name} cannot be read; evaluate again")


@st.cache_data(show_spinner=False, max_entries=8)
def summary(run: Run) -> dict[str, Any]:
    """Scores of the run (raises `RunError`)."""
    loaded = load_summary(run.path)
    if not loaded:
        raise RunError(f"{run.name} has no summary; evaluate again")
    return loaded


@st.cache_data(show_spinner=False, max_entries=8)
def settings(run: Run) -> dict[str, Any]:
    """How the run decoded (raises `RunError`)."""
    return load_settings(run.path)


@st.cache_data(show_spinner=False, max_entries=64)
def rows_of(run: Run, name: str) -> list[dict[str, Any]]:
    """The full rows of one recording, one for each mechanism; none where the run has no such.

    Raises
    ------
    RunError
        Where the results cannot be read.
    """
    ids = results(run)["id"].cat
    if name not in ids.categories:
        return []
    places = np.flatnonzero(ids.codes.to_numpy() == ids.categories.get_loc(name))
    return _rows_at(run.path, places).to_pylist()


def _rows_at(path: Path, places: np.ndarray) -> pa.Table:
    """Rows at these places in this order; only the parts of the file that have some are read."""
    row_groups, wanted = [], np.sort(places)
    try:
        with pq.ParquetFile(path / "results.parquet") as file:
            first = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                inside = wanted[(wanted >= first) & (wanted < first + size)]
                if len(inside):
                    row_groups.append(file.read_row_group(group).take(inside - first))
                first += size
            table = pa.concat_tables(row_groups) if row_groups else file.schema_arrow.empty_table()
            table = with_findings(table)
    except (OSError, ValueError) as error:
        raise _unreadable(path) from error
    return table.take(np.argsort(np.argsort(places, kind="stable"), kind="stable"))


def names(run: Run, most: int, wanted: str | None = None) -> list[str]:
    """Names of recordings in order, the first so many, and the wanted one if there is such."""
    there = results(run)["id"].cat.categories
    first_names = list(there[:most])
    return first_names if wanted in first_names or wanted not in there else [wanted, *first_names]


def find(run: str | None, name: str | None, variant: str | None = None) -> RunRecording | None:
    """What a link asks for, None where it does not exist."""
    known_run = library().get(run or "")
    if known_run is None or not name:
        return None
    try:
        rows = rows_of(known_run, name)
    except RunError:
        return None
    return RunRecording(known_run, name, _one(variant, rows)) if rows else None


def _one(variant: str | None, rows: Sequence[dict[str, Any]]) -> str | None:
    return variant if any(row["variant"] == variant for row in rows) else None


def said(heard: RunRecording) -> str | None:
    """What was said in a recording, None where that is not known."""
    return rows_of(heard.run, heard.id)[0]["reference"]


@st.cache_data(show_spinner=False, scope="session", max_entries=4)
def recording(run: Run, name: str) -> Recording:
    """A recording of a run, as the run heard it.

    Raises
    ------
    AudioError
        Where it is no longer there, or no longer what it was.
    """
    row = rows_of(run, name)[0]
    try:
        return recording_of(row, settings(run))
    except AudioError as error:  # a page says which file, not where the operator keeps it
        folders = {f"{Path(path).parent}/" for path in row["path"].split("\n")}
        sentence = str(error)
        for folder in sorted(folders, key=len, reverse=True):
            sentence = sentence.replace(folder, "")
        raise AudioError(sentence) from None


def full_rows(run: Run, places: np.ndarray) -> pa.Table:
    """Rows at these places with every column, as they were written."""
    return _rows_at(run.path, places)


def variants_of(table: pd.DataFrame) -> list[str]:
    """Mechanisms of a run in display order."""
    return list(table["variant"].cat.categories)


def is_plain(table: pd.DataFrame) -> np.ndarray:
    """(rows,) whether a row's recording was left as it is."""
    return (table["stress"] == PLAIN).to_numpy()
