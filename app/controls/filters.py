"""Filters of the Failures page: what of a run is shown, and in which order."""

import math

import pandas as pd
import streamlit as st

from app.data import runs
from app.data.run_filters import ORDERS, Filter, Order, known
from app.data.runs import VERDICTS
from app.evaluation.items import PLAIN
from app.links.runs import FailuresView
from app.theme import sign

HIGHEST_WER = 100  # percent; the end of the control means "and above"
FIELDS = ("kinds", "variants", "wer", "seconds", "speakers", "text", "stress", "every")


def restore(view: FailuresView, table: pd.DataFrame) -> None:
    """Give every control that has no value yet the one of the view, as far as it exists."""
    state, chosen = st.session_state, view.filter
    longest = _longest(table)
    state.setdefault("f_kinds", list(chosen.kinds))
    state.setdefault("f_every", chosen.every)
    state.setdefault("f_variants", list(chosen.variants))
    state.setdefault("f_wer", _within(chosen.wer, HIGHEST_WER))
    state.setdefault("f_seconds", _within(chosen.seconds, longest))
    state.setdefault("f_speakers", list(chosen.speakers))
    state.setdefault("f_text", chosen.text)
    state.setdefault("f_stress", chosen.stress)
    state.setdefault("f_by", view.order.by)
    state.setdefault("f_descending", view.order.descending)
    state.setdefault("f_page", view.page)
    state.f_variants = list(known(state.f_variants, runs.variants_of(table)))
    state.f_speakers = list(known(state.f_speakers, _names(table, "speaker")))
    state.f_seconds = _within(state.f_seconds, longest)
    if state.f_stress not in _names(table, "stress"):
        state.f_stress = next(iter(_names(table, "stress")), PLAIN)


def clear() -> None:
    """Show everything again."""
    for name in FIELDS:
        st.session_state.pop(f"f_{name}", None)
    st.session_state.failures_view = FailuresView(order=st.session_state.failures_view.order)
    first_page()


def first_page() -> None:
    st.session_state.f_page = 0


def only(variant: str, kind: str) -> None:
    """Show a cell of the matrix; the same again shows everything."""
    state = st.session_state
    wanted = [kind] if kind in VERDICTS else [], [variant] if variant else []
    if (state.f_kinds, state.f_variants) == wanted:
        wanted = [], []
    state.f_kinds, state.f_variants = wanted
    first_page()


def choose(table: pd.DataFrame) -> Filter:
    """Draw the controls and say what passes."""
    kinds = st.pills(
        "What happened",
        VERDICTS,
        key="f_kinds",
        selection_mode="multi",
        format_func=lambda kind: sign(kind).words,
        on_change=first_page,
        help="Verdicts to show; none chosen shows all. Clicking the table does the same.",
    )
    every = st.toggle(
        "Every failure found, not only the worst",
        key="f_every",
        on_change=first_page,
        help="A decoding may fail in several ways. Off: it counts once, for the most serious one. "
        "On: it counts for each.",
    )
    variants = st.multiselect(
        "Mechanisms",
        runs.variants_of(table),
        key="f_variants",
        on_change=first_page,
        placeholder="all",
        help="Only decodings by these mechanisms; none chosen shows all.",
    )
    text = st.text_input(
        "Text",
        key="f_text",
        on_change=first_page,
        placeholder="said, written or name",
        help="Only recordings with this in what was said, in what was written, or in their name.",
    )
    with st.expander("More filters", icon=":material/filter_alt:"):
        wer, seconds = _ranges(table)
        speakers = _speakers(table)
        stress = _stress(table)
    return Filter(tuple(kinds), every, tuple(variants), wer, seconds, speakers, text, stress)


def _ranges(table: pd.DataFrame) -> tuple[tuple[int, int | None], tuple[int, int | None]]:
    wer = st.slider(
        "Word error rate (%)",
        0,
        HIGHEST_WER,
        key="f_wer",
        step=5,
        on_change=first_page,
        help=f"Of the single decoding. {HIGHEST_WER} means {HIGHEST_WER} and above.",
    )
    longest = _longest(table)
    seconds = st.slider(
        "Length (seconds)",
        0,
        longest,
        key="f_seconds",
        on_change=first_page,
        help="Of the recording.",
    )
    return _open(wer, HIGHEST_WER), _open(seconds, longest)


def _speakers(table: pd.DataFrame) -> tuple[str, ...]:
    names = [name for name in _names(table, "speaker") if name]
    if len(names) < 2:
        return ()
    return tuple(
        st.multiselect(
            "Speakers",
            names,
            key="f_speakers",
            on_change=first_page,
            placeholder="all",
            help="Only recordings of these speakers; none chosen shows all.",
        )
    )


def _stress(table: pd.DataFrame) -> str:
    names = _names(table, "stress")
    if len(names) < 2:
        return names[0] if names else PLAIN
    return st.selectbox(
        "Recordings",
        names,
        key="f_stress",
        on_change=first_page,
        format_func=lambda name: "as they are" if name == PLAIN else name,
        help="This run has recordings under stress as well: longer, noisier, faster, ...",
    )


def order() -> Order:
    """Draw the controls of the order and say what it is."""
    by = st.selectbox(
        "Sort by",
        list(ORDERS),
        key="f_by",
        on_change=first_page,
        format_func=ORDERS.get,
        label_visibility="collapsed",
        width=220,
        help="What decides which decoding comes first.",
    )
    descending = st.toggle(
        "highest first",
        key="f_descending",
        on_change=first_page,
        help="Off: the lowest come first.",
    )
    return Order(by, descending)


def _names(table: pd.DataFrame, column: str) -> list[str]:
    return list(table[column].cat.categories) if column in table else []


def _longest(table: pd.DataFrame) -> int:
    return max(1, math.ceil(table["seconds"].max())) if len(table) else 1


def _within(limits: tuple[int, int | None], most: int) -> tuple[int, int]:
    low, high = limits
    high = most if high is None else min(high, most)
    return min(low, high), high


def _open(limits: tuple[int, int], most: int) -> tuple[int, int | None]:
    low, high = limits
    return low, None if high >= most else high
