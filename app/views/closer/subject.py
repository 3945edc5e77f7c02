"""What Look closer looks at, and its parts as slides."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from app.comparison import VariantResult
from app.controls import collect
from app.controls.collect import Found
from app.data.runs import RunRecording
from app.data.samples import Sample
from app.links.closer import CloserView
from app.presentation import Panel, panels
from models.audio import Recording


@dataclass(frozen=True)
class Subject:
    """What is looked at."""

    recording: Recording
    digest: str
    reference: str | None
    shared: Sample | RunRecording | None  # what everybody may hear, and a link can name
    result: VariantResult
    view: CloserView
    keep: Callable[..., CloserView]  # remembers what is on screen now, also in the address

    @property
    def title(self) -> str:
        return f"{self.recording.name}: {self.result.info.title}"


def add(subject: Subject, key: str, build: Callable[[], list[Panel]], part: str, what: str) -> None:
    """The button that keeps a part of the page, with the recording, for the presentation.

    Parameters
    ----------
    part
        Stands in the slide's title after recording and mechanism.
    what
        Is collected, for the help.
    """
    collect.button(
        f"closer_{key}",
        partial(_collected, subject, build, part),
        what,
        "closer",
        linked=subject.shared is not None,
    )


def _collected(subject: Subject, build: Callable[[], list[Panel]], part: str) -> Found:
    said = subject.reference
    return Found(
        f"{subject.title}, {part}" if part else subject.title,
        [panels.spectrum(subject.digest, subject.recording), *build()],
        panels.sound(subject.digest, subject.recording),
        f"“{said}”" if said else "",
    )


def card(subject: Subject, result: VariantResult, title: str = "") -> Panel:
    """A decoding as a part of a slide."""
    return panels.card(
        result,
        seconds=subject.recording.seconds,
        reference=subject.reference,
        normalizer="basic",
        special=True,
        title=title,
    )
