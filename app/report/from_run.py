"""A report of a run: its scores, and the recordings on which most went wrong."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.alignment import Alignment
from analysis.cli.console import printable
from analysis.diagnosis import SEVERITY
from app.evaluation import (
    RunError,
    load_alignment,
    load_errors,
    load_results,
    load_settings,
    load_summary,
)
from app.evaluation.parquet import failures_of
from app.evaluation.replay import recording_of
from app.evaluation.settings import Settings
from app.evaluation.store import opened
from app.evaluation.summary import summarise
from app.evaluation.work import results_of
from app.report.content import Case, Report, ReportVariant
from models import schema
from models.audio import AudioError, Recording
from models.checkpoint import CheckpointError
from models.decoding.options import SearchOptions, changed
from models.recogniser import variants

CASES = 10  # recordings shown in full
ERRORS = 50  # unreadable recordings named
COLUMNS = [
    "id", "variant", "stress", "level", "path", "start", "end", "spans", "reference", "text",
    "substitutions", "deletions", "insertions", "wer", "verdict", "failure_records", "seconds",
    "warnings", "part",
]  # fmt: skip


def from_run(path: Path, cases: int = CASES) -> Report:
    """Scores and worst cases of a run; of one that is not finished, as far as it got.

    Maps come from the run where they were kept. Otherwise the shown recordings are decoded again,
    if they and the checkpoints are still what they were.

    Raises
    ------
    RunError
        Where the folder holds no run.
    """
    settings = load_settings(path)
    summary = load_summary(path)
    finished = summary is not None
    if not finished:
        summary = summarise(opened(path).tables, settings["normalizer"])
    results = load_results(path, COLUMNS)
    errors = load_errors(path)
    return Report(
        title=printable(path.resolve().name),
        facts=tuple(_facts(settings, summary, results, len(errors), finished)),
        normalizer=settings["normalizer"],
        titles={info.name: info.title for info in variants()},
        summary=summary,
        cases=tuple(_Cases(path, settings, results).worst(cases)),
        cases_title="Worst cases",
        errors=tuple((e.id, e.error) for e in errors.head(ERRORS).itertuples()),
        more_errors=max(0, len(errors) - ERRORS),
    )


def _facts(
    settings: dict[str, Any],
    summary: dict[str, Any],
    results: pd.DataFrame,
    bad: int,
    finished: bool,
) -> Iterator[tuple[str, str]]:
    recordings = results.drop_duplicates("id")
    yield "recordings", f"{len(recordings):,}" + ("" if finished else " so far (not finished)")
    if bad:
        yield "unreadable", f"{bad:,}"
    yield "speech", f"{recordings['seconds'].sum() / 3600:.2f} h"
    yield "mechanisms", str(len(settings["variants"]))
    yield from _search(settings["search"])
    yield "normaliser", settings["normalizer"]
    interval = summary["interval"]
    level, draws = f"{100 * interval['level']:.0f} %", interval["resamples"]
    yield "intervals", f"{level}, bootstrap over {interval['unit']}s, {draws} draws"
    if settings.get("name"):
        yield "source", printable(Path(settings["name"]).name)  # where it lies is nobody's business


def _search(search: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Decoding options of a run: the kind of search, and what is not at its default."""
    options = schema.convert(search, SearchOptions)
    yield "search", "greedy" if options.beam == 1 else f"beam {options.beam}"
    for option, value in changed(options).items():
        if option.name != "beam":
            yield option.fact, option.text(value)


@dataclass(frozen=True, eq=False)
class _Cases:
    """Recordings of a run worth showing."""

    path: Path
    settings: dict[str, Any]
    results: pd.DataFrame

    def worst(self, count: int) -> Iterator[Case]:
        """One after the other the worst of every kind of failure, beside who did best there."""
        rows = self.results.assign(
            errors=self.results[["substitutions", "deletions", "insertions"]].sum(axis=1),
            severity=self.results["verdict"].map(_severity),
        )
        failed = rows[(rows["verdict"] != "healthy") | (rows["errors"] > 0)]
        failed = failed.sort_values(["errors", "severity"], ascending=[False, True], kind="stable")
        failed = failed.assign(turn=failed.groupby("verdict").cumcount())
        failed = failed.sort_values(["turn", "severity"], kind="stable").drop_duplicates("id")
        for row in failed.head(count).itertuples():
            same = rows[rows["id"] == row.id].sort_values(["errors", "severity"], kind="stable")
            yield self._case(row, next(same.itertuples()))

    def _case(self, worst: Any, best: Any) -> Case:
        shown = {worst.variant: (worst, "went wrong here")}
        if best.variant != worst.variant:
            shown[best.variant] = (best, "did best here")
        recording = self._recording(worst)
        maps = self._maps(worst, list(shown), recording)
        variants = tuple(
            ReportVariant(
                name,
                row.text,
                row.verdict,
                None if pd.isna(row.wer) else row.wer,
                failures_of(row._asdict()),
                maps.get(name),
                remark,
            )
            for name, (row, remark) in shown.items()
        )
        return Case(
            title=printable(worst.id),
            seconds=worst.seconds,
            reference=None if pd.isna(worst.reference) else worst.reference,
            variants=variants,
            samples=recording.samples if recording else None,
            warnings=tuple(json.loads(worst.warnings)),
        )

    def _recording(self, row: Any) -> Recording | None:
        """What was decoded, where its files still are what they were."""
        try:
            return recording_of(row._asdict(), self.settings)
        except AudioError:
            return None

    def _maps(
        self, row: Any, names: list[str], recording: Recording | None
    ) -> dict[str, Alignment]:
        if self.settings["keep_alignments"]:
            try:
                return {
                    name: load_alignment(self.path, row.id, name, part=row.part) for name in names
                }
            except RunError:
                return {}
        if recording is None:
            return {}
        try:
            results = results_of(recording, Settings.from_json(self.settings), names)
        except (RunError, CheckpointError):
            return {}
        return {result.info.name: result.decoded.alignment for result in results}


def _severity(verdict: str) -> int:
    return SEVERITY.index(verdict) if verdict in SEVERITY else len(SEVERITY)
