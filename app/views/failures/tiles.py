"""Decodings of a run as tiles: a small map, its verdict, what was written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st
from markupsafe import Markup

from analysis.failures.failure import Failure
from app.charts.thumbnail import Thumbnail, thumbnail
from app.data.runs import Run
from app.evaluation import RunError, load_alignment
from app.evaluation.parquet import failures_of
from app.markup import cards
from app.templates import Macros
from app.theme import Palette
from app.theme.svg import color_filter, hidden

TEMPLATES = Macros(__file__)
FILTER = "attn-thumb-colours"  # id of the filter that colours the grey pictures
LEAST = 1.5  # percent: a finding smaller than that could not be seen


@dataclass(frozen=True)
class TileSpan:
    """Where a failure is on a thumbnail, in percent of its width and height."""

    left: float
    top: float
    width: float
    height: float


@st.cache_data(show_spinner=False, max_entries=4_000)
def small_map(run: Run, name: str, variant: str, part: int) -> Thumbnail | None:
    """The small map of one decoding, None where the run did not keep it."""
    try:
        return thumbnail(load_alignment(run.path, name, variant, part=part))
    except (RunError, OSError):
        return None


def tiles(run: Run, rows: pd.DataFrame, palette: Palette) -> Markup:
    """One tile for each row; `data-pick` of a tile is the row's label."""
    drawn = [_tile(run, row) for row in rows.itertuples()]
    return TEMPLATES.tiles(hidden(color_filter(FILTER, palette.scale)), drawn)


def _tile(run: Run, row: Any) -> Markup:
    rate = "" if pd.isna(row.wer) else cards.word_error_rate(row.wer)
    small = small_map(run, row.id, row.variant, int(row.part))
    return TEMPLATES.tile(row, _picture(small, row), cards.badge(row.verdict), rate)


def _picture(small: Thumbnail | None, row: Any) -> Markup:
    if small is None or not small.picture:
        small = Thumbnail("", max(1, int(row.tokens)), 0.0, float(row.seconds))
    spans = _spans(small, failures_of(row._asdict()))
    return TEMPLATES.picture(small.picture, FILTER, bool(row.tokens), spans)


def _spans(small: Thumbnail, failures: Sequence[Failure]) -> Iterator[TileSpan]:
    length = max(small.end - small.start, 1e-6)
    for failure in failures:
        (first, last), (start, end) = failure.tokens, failure.seconds
        left, right = (_inside(100 * (time - small.start) / length) for time in (start, end))
        top, bottom = (_inside(100 * row / max(1, small.tokens)) for row in (first, last))
        yield TileSpan(
            min(left, 100 - LEAST), min(top, 100 - LEAST),
            max(LEAST, right - left), max(LEAST, bottom - top),
        )  # fmt: skip


def _inside(share: float) -> float:
    return min(100.0, max(0.0, share))
