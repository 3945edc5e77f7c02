"""Which of the metrics."""

import streamlit as st

from app.data.metrics import METRICS


def choose(key: str) -> str:
    """Draw the control and give the metric's name; its help explains them all."""
    return st.selectbox(
        "Metric",
        list(METRICS),
        key=key,
        persist_state="session",
        width=260,
        format_func=lambda name: METRICS[name].title,
        help="\n".join(f"- {each.title}: {each.help}" for each in METRICS.values()),
    )
