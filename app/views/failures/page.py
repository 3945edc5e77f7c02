"""Failures: what went wrong in an evaluated set, how often, and where to hear it."""

import io
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from pyarrow import csv, parquet

from analysis.scoring.normalisers import described
from app.components.picker import picked, picker
from app.controls import collect, filters
from app.controls import runs as run_control
from app.controls.collect import Found
from app.controls.pager import turn_pages
from app.data import run_filters, runs, sample_run
from app.data.run_filters import Filter, Order
from app.data.runs import HEALTHY, Run
from app.evaluation import RunError
from app.evaluation.parquet import to_flat
from app.links import runs as run_links
from app.links.runs import FailuresView
from app.markup import cards, matrices
from app.markup.markdown import escape_markdown
from app.presentation import Panel
from app.templates import Macros
from app.theme import LIGHT, palette
from app.views.common import write_address
from app.views.failures import tiles
from app.views.navigation import open_in_compare

TEMPLATES = Macros(__file__)
WHAT = (
    "Failures shows what went wrong in a whole evaluated set: how often, by which mechanism, and "
    "where to hear it."
)
TILES, LINES = 24, 100  # decodings of a page
COLLECTED = 12  # of a gallery on a slide: more could not be read
USUAL_COLUMNS = ("id", "variant", "verdict", "wer", "seconds", "reference", "text")
EXPORTS = {"csv": ("CSV", "text/csv"), "parquet": ("Parquet", "application/vnd.apache.parquet")}


@dataclass(frozen=True)
class Chosen:
    """A run and what of it is on screen."""

    run: Run
    table: pd.DataFrame  # all results
    view: FailuresView
    places: np.ndarray  # of the rows that pass all filters, in order


def page() -> None:
    """Draw the page."""
    library = runs.library()
    state = st.session_state
    if "failures_view" not in state:
        state.failures_view = run_links.read_failures(st.query_params, library)
    if not library:
        run_control.invite(WHAT)
        return
    run_control.restore(state.failures_view.run, library)
    with st.sidebar:
        st.subheader("Set", anchor=False)
        run = run_control.choose(library)
    try:
        table = runs.results(run)
        normalizer = runs.summary(run)["normalizer"]
    except RunError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return
    _show(run, table, normalizer)


def _show(run: Run, table: pd.DataFrame, normalizer: str) -> None:
    state = st.session_state
    filters.restore(state.failures_view, table)
    with st.sidebar:
        st.subheader("Show only", anchor=False)
        chosen = filters.choose(table)
        st.button("Show everything", on_click=filters.clear, icon=":material/filter_alt_off:",
                  width="stretch", help="Clear all filters.")  # fmt: skip
    _head(run, table, normalizer)
    _matrix(run, table, chosen)
    st.subheader("Decodings", anchor="decodings")
    with st.container(horizontal=True, vertical_alignment="center"):
        order = filters.order()
        as_table = _form(state.failures_view.table)
    places = _places(run, chosen, order, table)
    page = min(state.f_page, max(0, len(places) - 1) // (LINES if as_table else TILES))
    view = FailuresView(run.name, chosen, order, page, as_table, state.failures_view.columns)
    _decodings(Chosen(run, table, view, places))


@st.cache_resource(show_spinner=False, max_entries=32)
def _places(run: Run, chosen: Filter, order: Order, _table: pd.DataFrame) -> np.ndarray:
    mask = run_filters.shown(_table, chosen, run_filters.around(_table, chosen))
    return run_filters.in_order(_table, mask, order)


@st.cache_data(show_spinner=False, max_entries=64)
def _counts(run: Run, chosen: Filter, _table: pd.DataFrame) -> pd.DataFrame:
    return run_filters.counts(_table, run_filters.around(_table, chosen), chosen.every)


def _head(run: Run, table: pd.DataFrame, normalizer: str) -> None:
    recordings = len(table["id"].cat.categories)
    failed = int((table["verdict"] != HEALTHY).sum())
    name = _name(run)
    mechanisms = len(runs.variants_of(table))
    normalizer = described(normalizer)
    sentence = TEMPLATES.summary(recordings, mechanisms, failed, len(table), normalizer)
    st.html(cards.heading(f"Failures in {name}", sentence))


def _name(run: Run) -> str:
    return "the samples" if run.name == sample_run.NAME else run.name


# --- how often


def _matrix(run: Run, table: pd.DataFrame, chosen: Filter) -> None:
    counts = _counts(run, chosen, table)
    if counts.empty:
        return
    unit, how = "Decodings by mechanism and verdict", "click a number, a name or a kind to see them"
    if chosen.every:
        unit, how = "Decodings in which each kind of failure was found", "click to see them"
    draw = partial(matrices.counts_table, counts, chosen.kinds, chosen.variants)
    picker(draw(f"{unit}: {how}"), "failures_matrix", _pick_cell)
    title = f"Failures in {_name(run)}"
    collect.button("failures", lambda: Found(title, [Panel("failures", body=draw(unit))]),
                   "this table", "failures")  # fmt: skip


def _pick_cell() -> None:
    cell = matrices.picked(picked("failures_matrix"))
    if cell:
        filters.only(*cell)


# --- which


def _form(table: bool) -> bool:
    st.session_state.setdefault("f_form", "Table" if table else "Gallery")
    form = st.segmented_control(
        "Form",
        ("Gallery", "Table"),
        key="f_form",
        required=True,
        on_change=filters.first_page,
        label_visibility="collapsed",
        help="Small maps to look at, or a table with the columns of your choice.",
    )
    return form == "Table"


def _decodings(chosen: Chosen) -> None:
    if not len(chosen.places):
        st.info("Nothing passes these filters: widen them in the sidebar, or show everything.",
                icon=":material/filter_alt_off:")  # fmt: skip
        _keep(chosen.view)
        return
    size = LINES if chosen.view.table else TILES
    first = chosen.view.page * size
    rows = chosen.table.iloc[chosen.places[first : first + size]]
    total = len(chosen.places)
    label = f"**{first + 1:,}–{first + len(rows):,}** of {total:,}"
    turn_pages("f_page", chosen.view.page, -(-total // size), "decodings", label)
    columns = chosen.view.columns
    if chosen.view.table:
        columns = _lines(chosen, rows)
    else:
        place = picker(tiles.tiles(chosen.run, rows, palette(st.context.theme.type)), "tiles")
        collect.button(
            "tiles",
            partial(_collected, chosen.run, rows),
            f"the first {COLLECTED} of these small maps",
            "failures",
        )
        if place is not None and place.isdecimal() and int(place) in rows.index:
            row = chosen.table.loc[int(place)]
            open_in_compare(chosen.run, row["id"], row["variant"])
    _keep(replace(chosen.view, columns=columns))
    _export(chosen)


def _collected(run: Run, rows: pd.DataFrame) -> Found:
    """Small maps as a slide."""
    html = tiles.tiles(run, rows.head(COLLECTED), LIGHT)
    return Found(f"Decodings of {_name(run)}", [Panel("decodings", body=html)])


def _keep(view: FailuresView) -> None:
    st.session_state.failures_view = view
    write_address(run_links.write_failures(view))


def _lines(chosen: Chosen, rows: pd.DataFrame) -> tuple[str, ...]:
    """The table; returns its columns where they are not the usual ones."""
    there = [name for name in chosen.table.columns if not name.startswith("found ")]
    usual = run_filters.known(USUAL_COLUMNS, there)
    st.session_state.setdefault(
        "f_columns", list(run_filters.known(chosen.view.columns, there) or usual)
    )
    columns = st.multiselect(
        "Columns",
        there,
        key="f_columns",
        help="Of the table. The exports below have all columns whatever is chosen here.",
    )
    shown = rows[columns].assign(
        **{name: 100 * rows[name] for name in ("wer", "cer") if name in columns}
    )
    number = st.column_config.NumberColumn
    event = st.dataframe(
        shown,
        hide_index=True,
        width="stretch",
        placeholder="–",
        key="f_table",
        on_select="rerun",
        selection_mode="single-row",
        column_config={"wer": number("WER (%)", format="%.1f"),
                       "cer": number("CER (%)", format="%.1f"),
                       "seconds": number("length (s)", format="%.1f")},
    )  # fmt: skip
    if event.selection.rows:
        row = rows.iloc[event.selection.rows[0]]
        st.button(
            f"Open {escape_markdown(str(row['id']))} in Compare",
            on_click=st.session_state.update,
            args=({"f_open": (str(row["id"]), str(row["variant"]))},),
            icon=":material/compare:",
            help="Hear it, beside every mechanism.",
        )
    if opened := st.session_state.pop("f_open", None):
        open_in_compare(chosen.run, *opened)
    return () if tuple(columns) == usual else tuple(columns)


def _content(run: Run, places: np.ndarray, kind: str) -> bytes:
    rows, file = runs.full_rows(run, places), io.BytesIO()
    if kind == "csv":
        csv.write_csv(to_flat(rows), file)
    else:
        parquet.write_table(rows, file, compression="zstd")
    return file.getvalue()


def _export(chosen: Chosen) -> None:
    with st.container(horizontal=True):
        for kind, (title, mime) in EXPORTS.items():
            st.download_button(
                f"All {len(chosen.places):,} as {title}",
                partial(_content, chosen.run, chosen.places, kind),
                file_name=f"attnscope-failures.{kind}",
                mime=mime,
                key=f"f_export_{kind}",
                icon=":material/download:",
                on_click="ignore",
                help="The decodings that pass the filters, in this order, with every column.",
            )
    st.caption("The address of this page shows this very view to anybody who opens it.")
