"""Metrics of decodings: a table of all, and the choice of one."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from analysis.scoring.normalisers import described
from app.comparison import VariantResult
from app.data.metrics import METRICS
from app.theme import sign


def choose_metric(key: str) -> str:
    """Draw the control and give the metric's name; its help explains them all."""
    return st.selectbox(
        "Metric",
        list(METRICS),
        key=key,
        persist_state="session",
        width=260,
        format_func=lambda name: METRICS[name].title,
        help="\n".join(f"- {metric.title}: {metric.help}" for metric in METRICS.values()),
    )


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
