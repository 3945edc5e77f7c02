"""The numbers under the maps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """How a metric is shown."""

    title: str  # with its unit
    help: str  # one sentence
    format: str  # printf style


METRICS = {
    "monotonicity": Column("monotonicity", "1 moves forward, −1 is reversed in time.", "%.2f"),
    "forward_share": Column("forward steps", "Share of steps that do not go back.", "%.2f"),
    "backward_seconds": Column("back (s)", "How far attention travelled backwards in all.", "%.2f"),
    "diagonality": Column(
        "diagonality",
        "Mass in a band around the straight line, to either side 10 % of the time from first to "
        "last speech, at least 0.2 s; 0 is no better than uniform, 1 is all.",
        "%.2f",
    ),
    "path_diagonality": Column(
        "path diagonality",
        "Mass in a band as wide (10 % of the speech to either side, at least 0.2 s) around the "
        "best path that never goes back; 0 is no better than uniform, 1 is all.",
        "%.2f",
    ),
    "focus": Column(
        "focus", "Mean of every token's largest weight. Says nothing about order.", "%.2f"
    ),
    "entropy": Column("entropy", "0: one frame per token. 1: all frames alike.", "%.2f"),
    "width_seconds": Column("width (s)", "How much audio a token effectively listens to.", "%.2f"),
    "coverage": Column("coverage", "Share of the speech that some token listened to.", "%.2f"),
    "skipped_seconds": Column("skipped (s)", "Speech that no token listened to.", "%.2f"),
    "reread_seconds": Column(
        "re-read (s)",
        "Audio that attention went through again after having moved on; a stall counts 0.",
        "%.2f",
    ),
    "alignment_error_ms": Column(
        "off by (ms)", "Median distance of attention peaks from the CTC alignment.", "%.0f"
    ),
    "repeated_tokens": Column(
        "repeated",
        "Tokens of text that repeats at once, the first copy not counted; spelling does not count.",
        "%d",
    ),
    "tokens_per_second": Column(
        "tokens/s", "Decoded tokens, without special ones, per second of speech.", "%.1f"
    ),
}
