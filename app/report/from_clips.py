"""A report of what `compare` found: results at hand, or the JSON it wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from analysis.cli.console import printable
from analysis.failures.failure import Failure
from analysis.scoring.normalisers import NORMALISERS
from app.comparison import SCHEMA, ClipResult, VariantResult
from app.report.content import Case, Report, ReportError, ReportVariant
from models import schema
from models.audio import AudioError, load
from models.recogniser import variants

TITLE = "How each mechanism listened"


def from_clips(clips: Sequence[ClipResult]) -> Report:
    """Every clip with the maps of all its variants."""
    titles = {result.info.name: result.info.title for clip in clips for result in clip.variants}
    cases = tuple(
        Case(
            title=clip.recording.name,
            seconds=clip.recording.seconds,
            reference=clip.reference,
            variants=tuple(map(_report_variant, clip.variants)),
            samples=clip.recording.samples,
            warnings=clip.recording.warnings,
        )
        for clip in clips
    )
    return _report(cases, titles, clips[0].normalizer)


def _report_variant(result: VariantResult) -> ReportVariant:
    return ReportVariant(
        result.info.name,
        result.decoded.text,
        result.diagnosis.verdict,
        result.score.wer if result.score else None,
        result.diagnosis.failures,
        result.decoded.alignment,
    )


def from_json(path: Path) -> Report:
    """What ``compare --json`` wrote: texts and verdicts, and the sound where the file still is.

    Raises
    ------
    ReportError
        Where the file is not of that kind.
    """
    name = printable(path.name)
    try:
        with path.open("rb") as file:
            values = schema.values_of(file.read(schema.MAX_BYTES + 1))
        if isinstance(values, dict) and values.get("schema", SCHEMA) != SCHEMA:
            raise ReportError(f"{name} was written by another version of AttnScope")
        compared = schema.convert(values, _Compared)
        cases = tuple(map(_case, compared.clips))
    except OSError as error:
        raise ReportError(f"{name} cannot be read ({error.strerror})") from None
    except ReportError:
        raise
    except ValueError as error:
        raise ReportError(
            f"{name} is neither a run nor what `compare --json` writes ({error})"
        ) from None
    if not cases:
        raise ReportError(f"{name} holds no recording: none could be decoded")
    titles = {info.name: info.title for info in variants()}
    return _report(cases, titles, compared.clips[0].normalizer)


@dataclass(frozen=True)
class _ComparedVariant:
    """What is read of a variant's result in a clip."""

    name: schema.Name
    text: schema.Text
    verdict: schema.Name
    wer: schema.Number | None
    failures: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class _ComparedRecording:
    path: schema.Text
    seconds: schema.Seconds
    warnings: tuple[schema.Text, ...]


@dataclass(frozen=True)
class _Clip:
    clip: _ComparedRecording
    reference: schema.Text | None
    normalizer: Literal[tuple(NORMALISERS)]
    variants: tuple[_ComparedVariant, ...]


@dataclass(frozen=True)
class _Compared:
    """What is read of the document."""

    schema: int
    clips: tuple[_Clip, ...]


def _case(clip: _Clip) -> Case:
    variants = tuple(
        ReportVariant(
            result.name,
            result.text,
            result.verdict,
            result.wer,
            tuple(map(Failure.from_json, result.failures)),
            None,
        )
        for result in clip.variants
    )
    recording = clip.clip
    return Case(
        printable(Path(recording.path).name),
        recording.seconds,
        clip.reference,
        variants,
        _samples(recording.path, recording.seconds),
        recording.warnings,
    )


def _samples(path: str, seconds: float):
    try:
        recording = load(path)
    except AudioError:
        return None
    return recording.samples if abs(recording.seconds - seconds) < 0.01 else None


def _report(cases: tuple[Case, ...], titles: dict[str, str], normalizer: str) -> Report:
    facts = (
        ("recordings", str(len(cases))),
        ("mechanisms", str(len({variant.name for case in cases for variant in case.variants}))),
        ("normaliser", normalizer),
    )
    return Report(TITLE, facts, normalizer, titles, None, cases, "Recordings")
