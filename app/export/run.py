"""A run in the formats of other programs, without decoding anything again.

OUT/kaldi/VARIANT/text       Kaldi's text of the whole set
OUT/VARIANT.ctm              NIST's CTM of the whole set
OUT/VARIANT.sclite.txt       REF/HYP/Eval blocks of the recordings with a reference
OUT/VARIANT/ID.TextGrid      and .srt, .vtt, .json, .npz: a file per recording
OUT/results.csv, words.csv   a row per recording, and with maps a row per word, of all variants
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute
import pyarrow.csv

from analysis.cli.console import printable
from analysis.formats.ctm import ctm
from analysis.formats.timed import TimedText, identifier
from analysis.formats.transcript import timed_text
from app.evaluation import RunError, load_alignment, load_results
from app.evaluation.parquet import to_flat
from app.evaluation.progress import Progress
from app.evaluation.store import opened
from app.export import clips as clip_export
from models.names import told_apart

ALONE = tuple(name for name in clip_export.PER_RESULT if name != "ctm")  # a file per recording
TIMED = ("ctm", *ALONE, "npz")  # need attention maps
UNTIMED = ("text", "sclite", "csv")
FORMATS = (*TIMED, *UNTIMED)
USUAL = (*TIMED[:-1], *UNTIMED)  # npz are large, and the run has them
COLUMNS = ["id", "variant", "reference", "text", "seconds", "part"]


@dataclass(frozen=True)
class ExportJob:
    """What is to be written of a run."""

    run: Path
    out: Path  # folder
    formats: tuple[str, ...]
    variants: tuple[str, ...]
    kept: bool  # the run has its maps
    normalizer: str  # of the run's word errors
    say: Callable[[str], None]  # gets remarks


@dataclass(frozen=True)
class Names:
    """What a recording is called."""

    field: Mapping[str, str]  # by its id: in a line of text, as near to the id as formats allow
    stem: Mapping[str, str]  # by its id: as a file


def write(job: ExportJob) -> int:
    """Write the files, a variant after the other; returns how many.

    Raises
    ------
    RunError
        Where the run has no results yet, or a map is missing.
    """
    results = load_results(job.run, COLUMNS)
    results = results[results["variant"].isin(job.variants)]
    if results.empty:
        raise RunError(f"{printable(str(job.run))} has no results yet; run `evaluate` again")
    if "sclite" in job.formats and results["reference"].isna().all():
        job.say("sclite: nothing to write, the run does not know what was said")
    names, count = _names(results["id"].unique()), 0
    shown = Progress(len(results), what="transcripts")
    with _words(job) as words:
        for variant in job.variants:
            rows = results[results["variant"] == variant]
            count += _write_variant(job, variant, rows, names, words, shown)
    return count + (_write_results(job) if "csv" in job.formats else 0)


def _names(ids: Sequence[str]) -> Names:
    fields = [identifier(name) for name in ids]
    if len(set(fields)) < len(fields):
        fields = told_apart(fields)
    stems = told_apart(clip_export.file_stem(name) for name in ids)
    return Names(dict(zip(ids, fields, strict=True)), dict(zip(ids, stems, strict=True)))


@contextmanager
def _words(job: ExportJob) -> Iterator[Any]:
    """A writer for the rows of ``words.csv``, where it is asked for and there are times."""
    if "csv" not in job.formats or not job.kept:
        yield None
        return
    with (job.out / "words.csv").open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", *clip_export.WORD_COLUMNS])
        yield writer


def _write_variant(
    job: ExportJob, variant: str, rows: pd.DataFrame, names: Names, words: Any, shown: Progress
) -> int:
    folder = job.out / clip_export.file_stem(variant)
    alone = [name for name in job.formats if name in ALONE]
    if alone or "npz" in job.formats:
        folder.mkdir(exist_ok=True)
    heard, lines, count = [], [], 0
    for row in rows.itertuples():
        text = _text(row, names)
        if words is not None or set(job.formats) & set(TIMED):
            alignment = load_alignment(job.run, row.id, variant, part=row.part)
            if "npz" in job.formats:
                alignment.save(folder / f"{names.stem[row.id]}.npz")
                count += 1
            timed = timed_text(alignment, text.name, seconds=row.seconds)
            count += len(clip_export.write_transcript(timed, folder / names.stem[row.id], alone))
            if "ctm" in job.formats:
                lines.append((text.name, ctm([timed])))
            if words is not None:
                words.writerows(clip_export.word_rows(row.id, variant, timed))
        heard.append(text)
        shown.add(1, 0)
    return count + _write_gathered(job, variant, heard, lines)


def _text(row: Any, names: Names) -> TimedText:
    """What was heard, as yet without times."""
    reference = None if pd.isna(row.reference) else row.reference
    return TimedText(
        names.field[row.id], row.variant, row.seconds, row.text, (), (), reference=reference
    )


def _write_gathered(
    job: ExportJob, variant: str, heard: Sequence[TimedText], lines: list[tuple[str, str]]
) -> int:
    """The files that hold the whole set; `lines` are names and their part of the CTM."""
    files = []
    if "ctm" in job.formats:
        path = job.out / f"{clip_export.file_stem(variant)}.ctm"
        files.append(clip_export.write_text(path, "".join(text for _, text in sorted(lines))))
    if "text" in job.formats:
        files.append(clip_export.write_kaldi(heard, job.out, variant))
    if "sclite" in job.formats and any(text.reference is not None for text in heard):
        files.append(clip_export.write_sclite(heard, job.out, variant, job.normalizer))
    return len(files)


def _write_results(job: ExportJob) -> int:
    """The run's table, a bounded number of rows at a time; returns how many tables there are."""
    tables = map(to_flat, opened(job.run).tables())
    first = next(tables)
    chosen = pyarrow.compute.field("variant").isin(job.variants)
    with pyarrow.csv.CSVWriter(job.out / "results.csv", first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table.filter(chosen))
    return 2 if job.kept else 1
