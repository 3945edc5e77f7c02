"""Scores: who makes fewer errors in an evaluated set, how sure that is, and on what."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from markupsafe import Markup

from analysis.scoring.multiplicity import FEW, SURE
from analysis.scoring.normalisers import described
from app.charts.config import PLOT
from app.charts.interval import Rate, interval_figure
from app.charts.scatter import scatter_figure
from app.components.picker import picker
from app.controls import collect
from app.controls import runs as run_control
from app.controls.collect import Found
from app.controls.metrics_table import choose_metric
from app.controls.pager import turn_pages
from app.data import run_scores, runs, sample_run
from app.data.metrics import METRICS
from app.data.runs import HEALTHY, Run
from app.evaluation import RunError
from app.links import runs as run_links
from app.links.runs import MEASURES, ScoresView
from app.markup import cards, matrices, word_diff
from app.markup.markdown import escape_markdown
from app.presentation import Panel, panels
from app.templates import Macros
from app.theme import LIGHT, Palette, palette
from app.views.common import write_address
from app.views.navigation import open_in_compare

TEMPLATES = Macros(__file__)
WHAT = "Scores shows who makes fewer errors in a whole evaluated set, and how sure that is."
NAMES = {"wer": "word error rate", "cer": "character error rate"}
GROUPS = 10  # columns of the table of groups
TEXTS = 8  # decodings of a page


@dataclass(frozen=True)
class Shown:
    """A run, its summary, and what is asked of it."""

    run: Run
    summary: dict[str, Any]
    view: ScoresView

    @property
    def rate(self) -> str:
        """Name of the error rate with its normaliser, for titles."""
        return f"{NAMES[self.view.measure]} (normaliser “{self.summary['normalizer']}”)"

    @property
    def name(self) -> str:
        """Of the set, for titles."""
        return "the samples" if self.run.name == sample_run.NAME else self.run.name


def page() -> None:
    """Draw the page."""
    library, state = runs.library(), st.session_state
    if "scores_view" not in state:
        state.scores_view = run_links.read_scores(st.query_params, library, list(METRICS))
    if not library:
        run_control.invite(WHAT)
        return
    view: ScoresView = state.scores_view
    run_control.restore(view.run, library)
    with st.sidebar:
        st.subheader("Set", anchor=False)
        run = run_control.choose(library)
        measure = _measure(view)
    try:
        shown = Shown(run, runs.summary(run), replace(view, run=run.name, measure=measure))
        runs.results(run)
    except RunError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return
    _sections(shown)


def _measure(view: ScoresView) -> str:
    st.session_state.setdefault("s_measure", view.measure)
    return st.segmented_control(
        "Error rate",
        MEASURES,
        key="s_measure",
        required=True,
        format_func=str.upper,
        help="Of words (WER) or of characters (CER): wrong, missing and added ones for each one "
        "that was said, pooled over the whole set.",
    )


def _sections(shown: Shown) -> None:
    summary = shown.summary
    name = shown.name
    first = run_scores.order(summary, shown.view.measure)
    if not first:
        st.html(cards.heading(f"Scores on {name}", ""))
        st.info("No recording of this set has a reference, so there is nothing to score: evaluate "
                "a manifest with texts.", icon=":material/edit_note:")  # fmt: skip
        return
    interval = summary["interval"]
    sentence = (
        f"{summary['utterances']:,} recordings, {first[0]['words']['reference']:,} words. Errors "
        f"are counted after the normaliser {described(summary['normalizer'])}; whiskers are the "
        f"{100 * interval['level']:.0f} % bootstrap interval over {interval['unit']}s."
    )
    st.html(cards.heading(f"Scores on {name}", sentence))
    _rates(shown, first)
    _pairs(shown)
    view = _groups(shown)
    view = _scatter(replace(shown, view=view))
    view = _texts(replace(shown, view=view))
    st.session_state.scores_view = view
    write_address(run_links.write_scores(view))
    st.caption("The address of this page shows this very view to anybody who opens it.")


def _add(key: str, build: Callable[[], Found], what: str) -> None:
    collect.button(f"scores_{key}", build, what, "scores")


def _as_table(title: str, html: str) -> Found:
    """A table of the page as a slide."""
    return Found(title, [Panel(title, body=html)])


# --- rates


def _rates(shown: Shown, records: list[dict[str, Any]]) -> None:
    rates = run_scores.rates(records, shown.view.measure)
    figure = interval_figure(rates, shown.rate, palette(st.context.theme.type))
    st.plotly_chart(figure, theme=None, config=PLOT, key="s_rates",
                    alt=f"{shown.rate} of every mechanism with its interval")  # fmt: skip
    _add("rates", lambda: _collected_rates(shown, rates), "these rates with their intervals")
    table = run_scores.table(shown.summary)
    with st.expander("The numbers", icon=":material/table:"):
        _numbers(table, shown.summary["normalizer"])


def _collected_rates(shown: Shown, rates: list[Rate]) -> Found:
    figure = interval_figure(rates, shown.rate, LIGHT)
    return Found(f"Scores on {shown.name}", [panels.plotted(shown.rate, figure)])


def _numbers(table: pd.DataFrame, normalizer: str) -> None:
    shares = [name for name in table if name.startswith(("wer", "cer", "failed"))]
    number, help_ = (
        st.column_config.NumberColumn,
        f"After the normaliser {described(normalizer)}.",
    )
    titles = {"wer": "WER (%)", "wer_low": "from", "wer_high": "to", "cer": "CER (%)",
              "cer_low": "from ", "cer_high": "to ", "failed": "failed (%)"}  # fmt: skip
    st.dataframe(
        table.assign(**{name: 100 * table[name].astype("Float64") for name in shares}),
        hide_index=True,
        width="stretch",
        height="content",
        placeholder="–",
        key="s_numbers",
        column_config={
            **{name: number(titles[name], help=help_, format="%.2f") for name in shares},
            "rtfx": number("RTFx", help="Seconds of audio decoded in a second.", format="%.0f"),
            "normalizer": None,
        },
    )
    _download(table, "attnscope-scores", "s_numbers_csv")


def _download(table: pd.DataFrame, name: str, key: str) -> None:
    st.download_button(
        "Download as CSV",
        table.to_csv(index=False),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=key,
        icon=":material/download:",
        on_click="ignore",
        help="Rates as shares, with full precision.",
    )


def _pairs(shown: Shown) -> None:
    pairs = shown.summary["pairs"]
    if not pairs:
        return
    st.subheader("Who is better, and how sure is it?", anchor="better")
    st.markdown(
        "Each row against each column: how likely it makes fewer **word errors** on another draw "
        "of such recordings, and *p*, how often equal mechanisms would differ as much (MAPSSWE). "
        f"Called sure where *p*, corrected for there being {len(pairs)} pairs, is below "
        f"{SURE:g} and at least {FEW} segments differ."
    )
    names = [record["name"] for record in run_scores.order(shown.summary, "wer")]
    html = matrices.pairs_table(names, matrices.pairs_by_name(pairs))
    st.html(html)
    title = f"Who is better on {shown.name}, and how sure is it?"
    _add("pairs", partial(_as_table, title, html), "this table")


def _groups(shown: Shown) -> ScoresView:
    st.subheader("On what?", anchor="groups")
    options = run_scores.groupings(shown.run)
    state = st.session_state
    state.setdefault("s_by", shown.view.by)
    if state.s_by not in options:
        state.s_by = options[0]
    by = st.selectbox(
        "By",
        options,
        key="s_by",
        width=260,
        format_func=lambda name: name.replace("_", " "),
        help="What recordings are told apart by: their length, or a column of the manifest.",
    )
    groups = run_scores.by_group(shown.run, shown.view.measure, by)
    few = run_scores.largest(groups, by, GROUPS)
    total = groups["group"].nunique()
    title = f"{shown.rate.capitalize()} in %, with its interval, by {by.replace('_', ' ')}"
    if total > GROUPS:
        title += f": the {GROUPS} of {total} with the most words"
    html = matrices.groups_table(few, title)
    st.html(html)
    heading = f"Who is good at what on {shown.name}"
    _add("groups", partial(_as_table, heading, html), "this table")
    _download(groups, f"attnscope-scores-by-{by}", "s_groups_csv")
    return replace(shown.view, by=by)


# --- metric against error rate


def _scatter(shown: Shown) -> ScoresView:
    st.subheader("Does listening badly mean writing badly?", anchor="metrics")
    metric, variant = _axes(shown)
    view = replace(shown.view, metric=metric, variant=variant)
    results = runs.results(shown.run)
    places = run_scores.points(shown.run, metric, view.measure, variant)
    rows = results.iloc[places]
    figure = _points(rows, places, view, palette(st.context.theme.type))
    event = st.plotly_chart(
        figure, theme=None, config=PLOT, key="s_scatter", on_select="rerun",
        selection_mode="points", alt=f"{METRICS[metric].title} against error rate, a point for "
        "each decoding",
    )  # fmt: skip
    note = f"{len(places):,} decodings"
    if len(places) == run_scores.POINTS:
        note = f"{len(places):,} decodings, drawn evenly from all"
    title = f"{METRICS[metric].title} and {NAMES[view.measure]} on {shown.name}"
    draw = partial(_points, rows, places, view, LIGHT)
    _add("scatter", lambda: Found(title, [panels.plotted(title, draw())]), "these points")
    st.caption(f"{note}. {METRICS[metric].help} Click a point to see its maps and hear it.")
    for point in event.selection.points[:1]:
        row = results.iloc[_place(point["customdata"])]
        open_in_compare(shown.run, row["id"], row["variant"])
    return view


def _points(rows: pd.DataFrame, places: Any, view: ScoresView, theme: Palette) -> go.Figure:
    return scatter_figure(
        rows[view.metric].to_numpy(),
        100 * rows[view.measure].to_numpy(),
        places,
        (rows["verdict"] != HEALTHY).to_numpy(),
        (METRICS[view.metric].title, f"{view.measure.upper()} of the decoding (%)"),
        theme,
    )


def _place(value: Any) -> int:
    return int(value[0] if isinstance(value, list) else value)


def _axes(shown: Shown) -> tuple[str, str | None]:
    state, view = st.session_state, shown.view
    variants = [record["name"] for record in shown.summary["variants"]]
    state.setdefault("s_metric", view.metric)
    state.setdefault("s_variant", view.variant)
    if state.s_variant not in variants:
        state.s_variant = None
    with st.container(horizontal=True):
        metric = choose_metric("s_metric")
        variant = st.selectbox(
            "Mechanism",
            variants,
            key="s_variant",
            width=260,
            placeholder="all",
            help="Only decodings by this mechanism; none chosen shows all.",
        )
    return metric, variant


# --- texts


def _texts(shown: Shown) -> ScoresView:
    st.subheader("What exactly was wrong?", anchor="texts")
    variant, wrong = _which_texts(shown)
    view = replace(shown.view, texts=variant, wrong=wrong)
    if variant is None:
        return replace(view, page=0)
    places = run_scores.worst(shown.run, variant)
    pages = max(1, -(-len(places) // TEXTS))
    number = st.session_state.s_page = min(st.session_state.s_page, pages - 1)
    rows = runs.results(shown.run).iloc[places[number * TEXTS : (number + 1) * TEXTS]]
    if not len(rows):
        st.success("Not a single error.", icon=":material/check:")
        return view
    label = f"page **{number + 1}** of {pages}: {len(places):,} decodings with errors"
    turn_pages("s_page", number, pages, "texts", label)
    articles = [_text(row, shown.summary["normalizer"], wrong) for row in rows.itertuples()]
    place = picker(TEMPLATES.texts(articles), "s_texts_list")
    if place is not None and place.isdecimal() and int(place) in rows.index:
        open_in_compare(shown.run, rows.loc[int(place), "id"], variant)
    return replace(view, page=number)


def _which_texts(shown: Shown) -> tuple[str | None, bool]:
    state, view = st.session_state, shown.view
    names = [record["name"] for record in shown.summary["variants"]]
    state.setdefault("s_texts", view.texts)
    state.setdefault("s_wrong", view.wrong)
    state.setdefault("s_page", view.page)
    if state.s_texts not in names:
        state.s_texts = None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        variant = st.selectbox(
            "Texts of",
            names,
            key="s_texts",
            width=260,
            placeholder="choose a mechanism",
            on_change=state.update,
            args=({"s_page": 0},),
            help="Shows what was said over what this mechanism wrote, most errors first.",
        )
        wrong = st.toggle(
            "Only what is wrong",
            key="s_wrong",
            help="Leave out stretches of right words; their number stands in their place.",
        )
    return variant, wrong


def _text(row: Any, normalizer: str, wrong: bool) -> Markup:
    words = word_diff.aligned(row.reference, row.text, normalizer, only_wrong=wrong)
    rate = "" if pd.isna(row.wer) else cards.word_error_rate(row.wer)
    return TEMPLATES.text(row, cards.badge(row.verdict), rate, normalizer, words)
