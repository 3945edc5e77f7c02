"""What the command line prints for people."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from analysis.cli.console import aligned
from analysis.scoring.errors import Score
from app import formatting
from app.comparison import ClipResult, VariantResult
from app.formatting import inserted
from models.variant import VariantInfo

SHOWN = ("monotonicity", "diagonality", "focus", "coverage")  # metrics with a column of their own

percent = partial(formatting.percent, none="-")
number = partial(formatting.number, none="-")


def clip(result: ClipResult) -> str:
    """A recording, its warnings, and one row per variant."""
    lines = [f"{result.recording.name}  {result.recording.seconds:.1f} s"]
    lines += [f"  warning: {warning}" for warning in result.recording.warnings]
    if result.reference is not None:
        lines.append(f"  reference: {result.reference}")
    errors = () if result.reference is None else (f"WER ({result.normalizer})", "CER")
    head = ("variant", *errors, "verdict", *SHOWN, "text")
    rows = [_row(variant) for variant in result.variants]
    return "\n".join([*lines, "", aligned([head, *rows]), ""])


def _row(result: VariantResult) -> tuple[str, ...]:
    score = result.score
    errors = () if score is None else _errors(score)
    metrics = (number(result.diagnosis.metrics.get(name)) for name in SHOWN)
    return (
        result.info.name,
        *errors,
        result.diagnosis.verdict,
        *metrics,
        result.decoded.text,
    )


def _errors(score: Score) -> tuple[str, str]:
    """WER and CER; where the reference has no words, how many were written."""
    wer = percent(score.wer) if score.words.reference else inserted(score)
    return wer, percent(score.cer)


def variants(infos: Sequence[VariantInfo]) -> str:
    """Names, families, sizes, and what the cards say of the scores."""
    head = ("name", "family", "parameters", "checkpoint", "title", "scores")
    return aligned([head, *(_info(info) for info in infos)])


def _info(info: VariantInfo) -> tuple[str, ...]:
    scores = info.card.scores if info.card else {}
    rates = {key: value for key, value in scores.items() if key.endswith(("_wer", "_cer"))}
    return (
        info.name,
        info.family,
        f"{info.parameters:,}" if info.parameters else "-",
        info.checkpoint.name if info.checkpoint else "not trained",
        info.title,
        "  ".join(f"{key} {percent(value)}" for key, value in rates.items()) or "-",
    )


def summary(values: Mapping[str, Any]) -> str:
    """Scores of a run: one row per variant, then one per stress, level and variant."""
    unstressed = [{"stress": "none", "level": None, **row} for row in values["variants"]]
    rows = unstressed + values["stresses"]
    stressed = len(rows) > len(unstressed)
    head = ("variant", f"WER ({values['normalizer']})", "95 % interval", "CER", "healthy", "RTFx")
    table = [(*(("stress", "level") if stressed else ()), *head, "failures")]
    for row in rows:
        level = "-" if row["level"] is None else f"{row['level']:g}"
        table.append((*((row["stress"], level) if stressed else ()), *_summary_row(row)))
    return aligned(table) + "\n"


def _summary_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = row["wer_interval"]
    failures = ", ".join(f"{kind} {count}" for kind, count in row["failures"].items())
    return (
        row["name"],
        percent(row["wer"]),
        "-" if low is None else f"{100 * low:.1f} to {100 * high:.1f}",
        percent(row["cer"]),
        percent(None if row["failure_rate"] is None else 1 - row["failure_rate"]),
        "-" if row["rtfx"] is None else f"{row['rtfx']:.0f}",
        failures or "-",
    )
