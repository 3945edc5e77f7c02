"""What a run's JSON files may say: schemas of ``run.json``, ``summary.json`` and parts' errors."""

from dataclasses import dataclass, field

from models.decoding.search import SearchOptions
from models.schema import Count, Name, Number, Text

Interval = tuple[Number | None, Number | None]


@dataclass(frozen=True)
class RunRecord:
    """``run.json``: how the run decodes."""

    variants: tuple[Name, ...]
    search: SearchOptions
    normalizer: Name
    max_seconds: Number
    keep_alignments: bool
    gap: Number
    checkpoints: dict[Name, Name]
    name: Text | None = None  # for people: what the recordings are


@dataclass(frozen=True)
class VariantSummary:
    """Scores of a variant, under a stress or none."""

    name: Name
    utterances: Count
    scored: Count
    wer: Number | None
    wer_interval: Interval
    cer: Number | None
    cer_interval: Interval
    words: dict[Name, Count]
    characters: dict[Name, Count]
    verdicts: dict[Name, Count]
    failures: dict[Name, Count]
    failure_rate: Number | None
    metrics: dict[Name, Number | None]
    seconds: Number
    rtfx: Number | None
    stress: Name = "none"
    level: Number | None = None


@dataclass(frozen=True)
class PairSummary:
    """One variant against another."""

    a: Name
    b: Name
    wer_difference: Number | None
    interval: Interval
    probability_of_improvement: Number | None
    mapsswe_p: Number | None


@dataclass(frozen=True)
class SummaryRecord:
    """``summary.json``: scores of the run."""

    utterances: Count
    errors: Count
    normalizer: Name
    variants: tuple[VariantSummary, ...]
    pairs: tuple[PairSummary, ...] = ()
    stresses: tuple[VariantSummary, ...] = field(default=())
