"""What a report says, wherever it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.alignment import Alignment
from analysis.failures.failure import Failure


class ReportError(ValueError):
    """A report cannot be made; the message is one sentence for the user."""


@dataclass(frozen=True, eq=False)
class ReportVariant:
    """The decoding of a recording by one variant."""

    name: str
    text: str
    verdict: str
    wer: float | None
    failures: tuple[Failure, ...]
    alignment: Alignment | None  # None: was not kept
    remark: str = ""  # why it is shown


@dataclass(frozen=True, eq=False)
class Case:
    """A recording shown in full."""

    title: str
    seconds: float
    reference: str | None
    variants: tuple[ReportVariant, ...]
    samples: np.ndarray | None  # (n,) float32 16 kHz, None: the file is not there any more
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Report:
    """All of a report."""

    title: str
    facts: tuple[tuple[str, str], ...]  # what was measured and how: name, value
    normalizer: str
    titles: Mapping[str, str]  # of each variant, for people
    summary: Mapping[str, Any] | None  # as in summary.json; None for single recordings
    cases: tuple[Case, ...]
    cases_title: str  # which recordings these are
    errors: tuple[tuple[str, str], ...] = ()  # recording and why it could not be decoded
    more_errors: int = 0  # not listed
