"""A report of what `compare` found: results at hand, or the JSON it wrote."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.comparison import SCHEMA, ClipResult, VariantResult
from app.report.content import Case, Heard, Report, ReportError, evidence
from models.audio import AudioError, load, plain
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
            heard=tuple(map(_heard, clip.variants)),
            samples=clip.recording.samples,
            warnings=clip.recording.warnings,
        )
        for clip in clips
    )
    return _report(cases, titles, clips[0].normalizer)


def _heard(result: VariantResult) -> Heard:
    failures = result.diagnosis.to_json()["failures"]
    return Heard(
        result.info.name,
        result.decoded.text,
        result.diagnosis.verdict,
        result.score.wer if result.score else None,
        tuple(map(evidence, failures)),
        result.decoded.alignment,
    )


def from_json(path: Path) -> Report:
    """What ``compare --json`` wrote: texts and verdicts, and the sound where the file still is.

    Raises
    ------
    ReportError
        Where the file is not of that kind.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["schema"] != SCHEMA:
            raise ReportError(f"{plain(path.name)} was written by another version of AttnScope")
        if not values["clips"]:
            raise ReportError(f"{plain(path.name)} holds no recording: none could be decoded")
        cases = tuple(map(_case, values["clips"]))
        normalizer = values["clips"][0]["normalizer"]
    except (OSError, UnicodeDecodeError, ValueError, LookupError, TypeError) as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(
            f"{plain(path.name)} is neither a run nor what `compare --json` writes"
        ) from None
    return _report(cases, {info.name: info.title for info in variants()}, normalizer)


def _case(found: dict[str, Any]) -> Case:
    clip = found["clip"]
    heard = tuple(
        Heard(
            each["name"],
            each["text"],
            each["verdict"],
            each["wer"],
            tuple(map(evidence, each["failures"])),
            None,
        )
        for each in found["variants"]
    )
    return Case(
        plain(Path(clip["path"]).name),
        clip["seconds"],
        found["reference"],
        heard,
        _samples(clip["path"], clip["seconds"]),
        tuple(clip["warnings"]),
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
        ("mechanisms", str(len({heard.name for case in cases for heard in case.heard}))),
        ("normaliser", normalizer),
    )
    return Report(TITLE, facts, normalizer, titles, None, cases, "Recordings")
