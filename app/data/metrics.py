"""The numbers under the maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from analysis.scoring.normalisers import described
from app.comparison import VariantResult
from app.theme import sign


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


@dataclass(frozen=True)
class Rows:
    """What the rows of the table are."""

    title: str  # of the first column
    help: str  # one sentence
    file_name: str  # of the download
    hidden: tuple[str, ...] = ()  # columns that say nothing here


MECHANISMS = Rows("mechanism", "Name as on the command line.", "attnscope-compare.csv")
FILES = Rows(
    "file",
    "Name of the file you brought.",
    "attnscope-your-attention.csv",
    hidden=("alignment_error_ms", "decode_seconds"),
)


def frame(results: Sequence[VariantResult], normalizer: str) -> pd.DataFrame:
    """One row per variant: scores, verdict, metrics, text; column names as in the JSON output."""
    rows = []
    for result in results:
        score = result.score
        rows.append(
            {
                "name": result.info.name,
                "family": result.info.family,
                "verdict": result.diagnosis.verdict,
                "wer": score.wer if score else None,
                "cer": score.cer if score else None,
                "normalizer": normalizer if score else None,
                **{name: result.diagnosis.metrics.get(name) for name in METRICS},
                "decode_seconds": result.decoded.decode_seconds,
                "text": result.decoded.text,
            }
        )
    return pd.DataFrame(rows)


def _columns(normalizer: str, rows: Rows) -> dict:
    column = st.column_config
    scored = f"after the normaliser {described(normalizer)}"
    shown = {
        "name": column.TextColumn(rows.title, help=rows.help, pinned=True),
        "family": None,
        "normalizer": None,
        "text": None,
        "verdict": column.TextColumn("verdict", help="Healthy, or the most serious failure."),
        "wer": column.NumberColumn(
            "WER (%)", help=f"Words wrong per word of the reference, {scored}.", format="%.1f"
        ),
        "cer": column.NumberColumn(
            "CER (%)", help=f"Characters wrong per character of the reference, {scored}.",
            format="%.1f",
        ),
        "decode_seconds": column.NumberColumn(
            "decoded in (s)", help="Wall clock, without the shared encoder.", format="%.2f"
        ),
    }  # fmt: skip
    for name, metric in METRICS.items():
        shown[name] = column.NumberColumn(metric.title, help=metric.help, format=metric.format)
    return shown | dict.fromkeys(rows.hidden)


def table(results: Sequence[VariantResult], normalizer: str, kind: Rows = MECHANISMS) -> None:
    """Draw the table and offer it as CSV."""
    rows = frame(results, normalizer)
    shown = rows.assign(
        verdict=[sign(verdict).words for verdict in rows["verdict"]],
        wer=100 * rows["wer"].astype("Float64"),
        cer=100 * rows["cer"].astype("Float64"),
    )
    st.dataframe(
        shown,
        hide_index=True,
        width="stretch",
        height="content",
        placeholder="–",
        column_config=_columns(normalizer, kind),
        key="scores",
    )
    st.download_button(
        "Download as CSV",
        rows.drop(columns=list(kind.hidden)).to_csv(index=False),
        file_name=kind.file_name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help="All columns with full precision, and the decoded texts.",
    )
