"""The stress lab's recordings: one as it is, and under a stress at several levels.

What is done to a recording is `models.stress`; here every level gets its samples, its text and the
request under which its decodings are found again.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import streamlit as st

from analysis.scoring.errors import score
from app.comparison import VariantResult
from app.data import decoding
from app.data.decoding import Request
from models.audio import FRAME_SECONDS, Recording
from models.decoding.search import SearchOptions
from models.stress import STRESSES, Stress, lasts, said, stressed

LONGEST = 600.0  # seconds, as of every recording that is opened
WER = "wer"  # the measure that needs to know what was said


@dataclass(frozen=True)
class Scale:
    """How the levels of a stress are offered and shown."""

    plain: float  # level that leaves a recording as it is; infinite where no number does
    usual: tuple[float, ...]
    more: tuple[float, ...]  # offered as well
    label: str  # of a level, with its unit
    falling: bool = False  # smaller is harder


SCALES = MappingProxyType(
    {
        "repeat": Scale(1, (2, 3, 4), (5, 6, 8), "{:g} times"),
        "silence": Scale(0, (0.5, 1, 2, 4), (8, 16), "{:g} s"),
        "snr": Scale(math.inf, (20, 10, 5, 0), (30, 15, -5), "{:g} dB", falling=True),
        "babble": Scale(math.inf, (20, 10, 5, 0), (30, 15, -5), "{:g} dB", falling=True),
        "speed": Scale(1, (0.5, 0.75, 1.5, 2), (0.25, 0.9, 1.1, 1.25, 3), "{:g}×"),
        "cut": Scale(1, (0.75, 0.5, 0.25), (0.9, 0.1), "{:.3g} left", falling=True),
        "reverb": Scale(0, (0.2, 0.5, 1, 2), (0.3, 3), "{:g} s"),
    }
)  # stresses of one recording, in the order they are offered


@dataclass(frozen=True)
class Trial:
    """A recording, a stress and its levels."""

    recording: Recording  # as it is
    digest: str  # of it
    reference: str | None
    stress: Stress
    levels: tuple[float, ...]  # mild to hard, the plain one among them
    gap: float  # seconds of background between repetitions

    @property
    def scale(self) -> Scale:
        return SCALES[self.stress.name]


@dataclass(frozen=True)
class Point:
    """What curves need of a decoding; its maps may be forgotten sooner."""

    text: str
    verdict: str
    metrics: Mapping[str, float | None]


def in_order(name: str, levels: Sequence[float]) -> tuple[float, ...]:
    """Levels from mild to hard, each once, with the one that changes nothing."""
    scale = SCALES[name]
    return tuple(sorted({*levels, scale.plain}, reverse=scale.falling))


def level_of(name: str, text: str) -> float | None:
    """A level somebody wrote; None where the stress has no such level."""
    stress = STRESSES[name]
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    if not stress.low <= value <= stress.high or (stress.whole and value != int(value)):
        return None
    return value


def title(name: str, level: float) -> str:
    """A level as people read it."""
    scale = SCALES[name]
    return "as it is" if level == scale.plain else scale.label.format(level)


def seconds(trial: Trial, level: float) -> float:
    """How long the recording is at a level."""
    if level == trial.scale.plain:
        return trial.recording.seconds
    return lasts(trial.recording.seconds, trial.stress.name, level, trial.gap)


def problem(trial: Trial, level: float) -> str:
    """Why a level cannot be heard, in one sentence; empty where it can."""
    if level == trial.scale.plain:
        return ""
    length, shown = seconds(trial, level), title(trial.stress.name, level)
    if length > LONGEST:
        return (
            f"At {shown} the recording would last {length:.0f} s, longer than the limit of "
            f"{LONGEST:g} s: choose a milder level or a shorter recording."
        )
    if length < FRAME_SECONDS:
        return (
            f"At {shown} only {1000 * length:.0f} ms are left, less than anybody can hear: "
            "choose a milder level or a longer recording."
        )
    return ""


def heard(trial: Trial, level: float) -> Recording:
    """The recording at a level; the same noise every time."""
    if level == trial.scale.plain:
        return trial.recording
    return _stressed(trial.digest, trial.stress.name, level, trial.gap, trial.recording)


def request(trial: Trial, level: float, options: SearchOptions) -> Request:
    """Under which the decodings of a level are found."""
    if level == trial.scale.plain:
        return Request(trial.digest, options)
    name = trial.stress.name
    return Request(_digest(trial.digest, name, level, trial.gap, trial.recording), options)


def reference(trial: Trial, level: float) -> str | None:
    """What is said at a level, where that is known."""
    return None if trial.reference is None else said(trial.reference, trial.stress.name, level)


def made(recording: Recording, digest: str, name: str, level: float, gap: float) -> Recording:
    """A recording under a stress; what is random in it follows from the recording alone."""
    samples = stressed([recording.samples], name, level, zlib.crc32(digest.encode()), gap)
    return replace(recording, samples=samples)


@st.cache_data(show_spinner=False, scope="session", max_entries=3)
def _stressed(digest: str, name: str, level: float, gap: float, _recording: Recording) -> Recording:
    return made(_recording, digest, name, level, gap)


@st.cache_data(show_spinner=False, scope="session", max_entries=500)
def _digest(digest: str, name: str, level: float, gap: float, _recording: Recording) -> str:
    return decoding.digest_of(_stressed(digest, name, level, gap, _recording))


def point(result: VariantResult) -> Point:
    """What is kept of a decoding for as long as the session."""
    return Point(result.decoded.text, result.diagnosis.verdict, result.diagnosis.metrics)


def value(point: Point, measure: str, reference: str | None, normalizer: str) -> float | None:
    """A measure of a decoding: WER in percent, or a metric; None where it is not defined."""
    if measure != WER:
        return point.metrics.get(measure)
    wer = None if reference is None else score(reference, point.text, normalizer).wer
    return None if wer is None else 100 * wer
