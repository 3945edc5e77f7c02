"""Everything the analysis says about one alignment, in one record."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np

from .alignment import Alignment, mean_maps
from .failures.failure import Failure, Note
from .failures.rules import find_failures
from .failures.thresholds import SEVERITY, Thresholds
from .heads.cross_attention import (
    Aggregates,
    HeadReport,
    Roles,
    alignment_score,
    all_evidence,
    head_reports,
    listening,
)
from .maps import Maps
from .metrics.coverage import coverage, reread_seconds, skipped_seconds
from .metrics.diagonality import diagonality, path_diagonality
from .metrics.focus import entropy, focus, width_seconds
from .metrics.metric import none_if_nan
from .metrics.monotonicity import backward_seconds, forward_share, monotonicity
from .metrics.repetition import repeated_tokens, tokens_per_second
from .timing.forced_alignment import alignment_error_ms, forced_seconds

__all__ = [
    "METRICS",
    "SEVERITY",
    "Diagnosis",
    "Failure",
    "HeadReport",
    "Note",
    "Thresholds",
    "diagnose",
    "measure",
    "measure_many",
    "measure_maps",
]

MAPS_AT_ONCE = 16

# every metric of an alignment alone; `alignment_error_ms` needs a second aligner as well
METRICS = MappingProxyType(
    {
        metric.__name__: metric
        for metric in (
            monotonicity,
            forward_share,
            backward_seconds,
            diagonality,
            path_diagonality,
            focus,
            entropy,
            width_seconds,
            coverage,
            skipped_seconds,
            reread_seconds,
            repeated_tokens,
            tokens_per_second,
        )
    }
)


@dataclass(frozen=True)
class Diagnosis:
    """Verdict, evidence and numbers of one alignment."""

    verdict: str  # "healthy" or the kind of the most serious failure
    failures: tuple[Failure, ...]  # most serious first
    notes: tuple[Note, ...]  # genuine repetitions, what may have been missed, what is not known
    metrics: dict[str, float | None]  # of the mean map, None where undefined
    heads: tuple[HeadReport, ...]  # every layer and head

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers, as in the command line's JSON."""
        return {
            "verdict": self.verdict,
            "failures": [failure.span_json() for failure in self.failures],
            "notes": [note.span_json() for note in self.notes],
            "metrics": dict(self.metrics),
            "heads": [
                {"layer": h.layer, "head": h.head, "role": h.role, "metrics": dict(h.metrics)}
                for h in self.heads
            ],
        }


def diagnose(
    alignment: Alignment,
    *,
    thresholds: Thresholds | None = None,
    ctc_log_probs: np.ndarray | None = None,
    token_ids: Sequence[int] | None = None,
    token_seconds: Sequence[float] | np.ndarray | None = None,
    global_mass: np.ndarray | None = None,
) -> Diagnosis:
    """All metrics, failures and head roles of an alignment.

    Metrics describe the mean over layers and heads; failures are looked for in the mean of those
    heads that know where to listen (`analysis.heads.cross_attention.listening`), since one sink
    among aligners is no failure.

    Parameters
    ----------
    thresholds : Thresholds, optional
        Limits of the failure rules.
    ctc_log_probs : (frames, vocabulary), optional
        With `token_ids`, gives `alignment_error_ms` by forced alignment of the decoded tokens.
    token_ids : (tokens,), optional
        Number of each token of the alignment; those of special tokens are not used.
    token_seconds : (tokens,), optional
        Times at which the tokens were really said, instead of a forced alignment.
    global_mass : (layers, heads, tokens), optional
        Attention that rows gave to a global token instead of the audio: tells sinks.

    Raises
    ------
    ValueError
        If log-probabilities, numbers or times do not fit the alignment.
    """
    if token_seconds is None and ctc_log_probs is not None and token_ids is not None:
        token_seconds = forced_seconds(alignment, ctc_log_probs, token_ids)  # once for all heads
    metrics = measure(alignment, token_seconds=token_seconds)
    findings = find_failures(listening(alignment), thresholds)
    return Diagnosis(
        verdict=findings.verdict,
        failures=findings.failures,
        notes=(*findings.notes, *_unknown(alignment)),
        metrics=metrics,
        heads=_heads(alignment, metrics, token_seconds, global_mass),
    )


def _unknown(alignment: Alignment) -> Iterator[Note]:
    """What is not judged, as the alignment does not tell it."""
    rows = (0, len(alignment.tokens))
    seconds = (alignment.time(0), alignment.time(alignment.frames))
    if alignment.speech is None:
        yield Note(
            "speech_unknown",
            rows,
            seconds,
            "Which frames hold speech is not known: skips and early stops are not judged, and "
            "coverage, skipped seconds and tokens per second stay open.",
        )
    if alignment.ended is None:
        yield Note(
            "end_unknown",
            rows,
            seconds,
            "Whether the decoder ended by itself is not known: a runaway is not judged.",
        )


def measure_maps(maps: Maps) -> dict[str, np.ndarray]:
    """Every metric of a batch of maps by its JSON name, (batch,) with NaN where undefined."""
    return {name: metric.of_maps(maps) for name, metric in METRICS.items()}


def measure_many(
    alignments: Iterable[Alignment], at_once: int = MAPS_AT_ONCE
) -> dict[str, np.ndarray]:
    """Every metric of many mean maps by its JSON name, (alignments,) with NaN where undefined.

    So many at once as a processor's cache holds: more are not faster, and would fill the memory.
    """
    rest, parts = iter(alignments), []
    while chosen := list(islice(rest, at_once)):
        parts.append(measure_maps(mean_maps(chosen)))
    empty = np.zeros(0)
    return {name: np.concatenate([empty, *(p[name] for p in parts)]) for name in METRICS}


def measure(alignment: Alignment, **extra: Any) -> dict[str, float | None]:
    """Every metric of the alignment's mean map by its JSON name; `extra` as for `diagnose`."""
    metrics = {
        name: none_if_nan(values[0]) for name, values in measure_maps(alignment.maps).items()
    }
    metrics["alignment_error_ms"] = alignment_error_ms(alignment, **extra)
    return metrics


def aggregate(alignment: Alignment) -> Aggregates:
    """A layered map in single numbers: of the mean, of the best head, of the heads that listen.

    The three answer different questions: what a reader of the mean map sees; whether any head
    aligns; what the verdict is made from. Each contains the best monotonic path over its map
    (`path_diagonality`), so that of the mean is the alignment of all heads together.
    """
    scores = [alignment_score(head) for head in all_evidence(alignment, Roles())]
    best_head = divmod(int(np.argmax(scores)), alignment.heads)
    return Aggregates(
        mean=measure(alignment),
        best=measure(alignment.head(*best_head)),
        best_head=best_head,
        listening=measure(listening(alignment)),
    )


def _heads(
    alignment: Alignment,
    metrics: Mapping[str, float | None],
    token_seconds: Sequence[float] | np.ndarray | None,
    global_mass: np.ndarray | None,
) -> tuple[HeadReport, ...]:
    if alignment.layers * alignment.heads == 1:
        numbers = {name: np.array([_or_nan(value)]) for name, value in metrics.items()}
        return head_reports(alignment, lambda maps: numbers, global_mass=global_mass)
    timed = metrics["alignment_error_ms"] is not None
    errors = iter(_timing_errors(alignment, token_seconds) if timed else ())

    def measured(maps: Maps) -> dict[str, np.ndarray]:
        own = np.fromiter(islice(errors, len(maps)), float) if timed else np.full(len(maps), np.nan)
        return measure_maps(maps) | {"alignment_error_ms": own}

    return head_reports(alignment, measured, global_mass=global_mass)


def _timing_errors(
    alignment: Alignment, token_seconds: Sequence[float] | np.ndarray | None
) -> Iterator[float]:
    """`alignment_error_ms` of every head, layer by layer."""
    for layer in range(alignment.layers):
        for head in range(alignment.heads):
            one = alignment.head(layer, head)
            yield _or_nan(alignment_error_ms(one, token_seconds=token_seconds))


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
