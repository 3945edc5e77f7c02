"""Scores of a run: pooled rates with intervals, failures, and what a difference is worth.

Read from the results a part at a time; what is kept of an utterance are its counts.
"""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.scoring.errors import Counts
from analysis.scoring.intervals import bootstrap_interval
from analysis.scoring.significance import WordErrors, compare_word_errors, word_errors
from app.evaluation.items import PLAIN
from app.evaluation.parquet import COUNT_NAMES, METRIC_NAMES

LEVEL, RESAMPLES, SEED = 0.95, 1000, 0  # of every interval
COLUMNS = (
    "variant", "stress", "level", "reference", "text", *COUNT_NAMES,
    *(f"character_{name}" for name in COUNT_NAMES), "verdict", "failure_records", *METRIC_NAMES,
    "seconds", "decode_seconds", "encode_seconds",
)  # fmt: skip


@dataclass
class VariantTally:
    """What one variant did under one stress."""

    recordings: int = 0
    scored: int = 0  # those with a reference
    words: Counts = field(default_factory=Counts)
    characters: Counts = field(default_factory=Counts)
    errors: array = field(default_factory=lambda: array("i"))  # of each scored utterance, in words
    lengths: array = field(default_factory=lambda: array("i"))  # of each reference, in words
    character_errors: array = field(default_factory=lambda: array("i"))
    character_lengths: array = field(default_factory=lambda: array("i"))
    verdicts: Counter = field(default_factory=Counter)  # recordings of each verdict
    failures: Counter = field(default_factory=Counter)  # recordings in which each kind was found
    sums: Counter = field(default_factory=Counter)  # of each metric where it is defined
    defined: Counter = field(default_factory=Counter)
    seconds: float = 0.0
    decode_seconds: float = 0.0
    encode_seconds: float = 0.0
    places: list[WordErrors] = field(default_factory=list)  # where the errors are, for MAPSSWE

    def add(self, rows: dict[str, list], normalizer: str, *, places: bool) -> None:
        """Count rows, given by column; with `places` also where the errors stand."""
        self.recordings += len(rows["variant"])
        self.verdicts.update(rows["verdict"])
        for records in rows["failure_records"]:
            self.failures.update({record["kind"] for record in records})
        for name in METRIC_NAMES:
            values = [value for value in rows[name] if value is not None]
            self.sums[name] += math.fsum(values)
            self.defined[name] += len(values)
        self.seconds += math.fsum(rows["seconds"])
        self.decode_seconds += math.fsum(rows["decode_seconds"])
        self.encode_seconds += math.fsum(rows["encode_seconds"])
        self._add_counts(rows)
        if places:
            both = zip(rows["reference"], rows["text"], strict=True)
            known = [(said, heard) for said, heard in both if said is not None]
            errors = word_errors(
                [said for said, _ in known], [heard for _, heard in known], normalizer
            )
            self.places.append(replace(errors, places=errors.places.astype(np.int16)))

    def _add_counts(self, rows: dict[str, list]) -> None:
        for row, reference in enumerate(rows["reference"]):
            if reference is None:
                continue
            words = Counts(*(rows[name][row] for name in COUNT_NAMES))
            characters = Counts(*(rows[f"character_{name}"][row] for name in COUNT_NAMES))
            self.scored += 1
            self.words += words
            self.characters += characters
            self.errors.append(words.errors)
            self.lengths.append(words.reference)
            self.character_errors.append(characters.errors)
            self.character_lengths.append(characters.reference)

    def to_json(self, name: str) -> dict[str, Any]:
        """The record of the variant in ``summary.json``."""
        healthy = self.verdicts.get("healthy", 0)
        return {
            "name": name,
            "utterances": self.recordings,
            "scored": self.scored,
            "wer": self.words.rate,
            "wer_interval": _interval(self.errors, self.lengths),
            "cer": self.characters.rate,
            "cer_interval": _interval(self.character_errors, self.character_lengths),
            "words": _counts(self.words),
            "characters": _counts(self.characters),
            "verdicts": dict(self.verdicts.most_common()),
            "failures": dict(self.failures.most_common()),
            "failure_rate": 1 - healthy / self.recordings if self.recordings else None,
            "metrics": {
                metric: self.sums[metric] / self.defined[metric] if self.defined[metric] else None
                for metric in METRIC_NAMES
            },
            "seconds": self.seconds,
            "decode_seconds": self.decode_seconds,
            "rtfx": _ratio(self.seconds, self.decode_seconds),
            "rtfx_with_encoder": _ratio(self.seconds, self.decode_seconds + self.encode_seconds),
        }


def summarise(
    tables: Callable[[Sequence[str]], Iterable[pa.Table]], normalizer: str
) -> dict[str, Any]:
    """Scores of every variant, of every pair, and of every stress.

    Parameters
    ----------
    tables
        Gives the results' tables with the columns asked for.
    normalizer
        Through which texts went before errors were counted.
    """
    tallies: dict[tuple[str, float | None], dict[str, VariantTally]] = {}
    for table in tables(COLUMNS):
        for key, rows in _groups(table):
            stress, level, variant = key
            tally = tallies.setdefault((stress, level), {}).setdefault(variant, VariantTally())
            tally.add(rows, normalizer, places=stress == PLAIN)
    base = tallies.get((PLAIN, None), {})
    return {
        "normalizer": normalizer,
        "interval": {"level": LEVEL, "resamples": RESAMPLES, "seed": SEED, "unit": "utterance"},
        "variants": [tally.to_json(name) for name, tally in base.items()],
        "pairs": pairs(base),
        "stresses": [
            {"stress": stress, "level": level, **tally.to_json(name)}
            for (stress, level), of_stress in tallies.items()
            if stress != PLAIN
            for name, tally in of_stress.items()
        ],
    }


def _groups(table: pa.Table) -> Iterable[tuple[tuple[str, float | None, str], dict[str, list]]]:
    """Rows of a table by stress, level and variant, each group as columns of Python values."""
    keys = list(
        zip(*(table[name].to_pylist() for name in ("stress", "level", "variant")), strict=True)
    )
    for key in dict.fromkeys(keys):
        chosen = [row for row, row_key in enumerate(keys) if row_key == key]
        yield key, table.take(chosen).to_pydict()


def pairs(tallies: dict[str, VariantTally]) -> list[dict[str, Any]]:
    """Every pair of variants: difference, probability of improvement, MAPSSWE."""
    systems = {
        name: WordErrors(
            places=np.concatenate([part.places for part in tally.places]),
            words=np.concatenate([part.words for part in tally.places]),
            errors=np.concatenate([part.errors for part in tally.places]),
        )
        for name, tally in tallies.items()
        if tally.words.reference
    }
    table = compare_word_errors(systems, level=LEVEL, resamples=RESAMPLES, seed=SEED)
    return [
        {
            "a": row["a"],
            "b": row["b"],
            "wer_difference": _number(row["difference"]),  # of a minus b
            "interval": [_number(row["low"]), _number(row["high"])],
            "probability_of_improvement": _number(row["improvement"]),  # that b is better than a
            "mapsswe_p": _number(row["p"]),
            "mapsswe_statistic": _number(row["statistic"]),
            "segments": int(row["segments"]),
        }
        for row in table.to_dict("records")
    ]


def _interval(errors: Sequence[int], lengths: Sequence[int]) -> list[float | None]:
    if not len(errors):
        return [None, None]
    interval = bootstrap_interval(errors, lengths, level=LEVEL, resamples=RESAMPLES, seed=SEED)
    return [interval.low, interval.high]


def _counts(counts: Counts) -> dict[str, int]:
    values = {name: getattr(counts, name) for name in COUNT_NAMES}
    return values | {"reference": counts.reference, "errors": counts.errors}


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
