"""Decodings of a run as tiles: a small map, its verdict, what was written. HTML, all escaped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from analysis.failures.failure import Failure
from app.charts.thumbnail import Thumbnail, thumbnail
from app.data.runs import Run
from app.evaluation import RunError, load_alignment
from app.evaluation.parquet import failures_of
from app.formatting import percent
from app.markup.cards import badge
from app.theme import Palette
from app.theme.svg import color_filter

FILTER = "attn-thumb-colours"  # id of the filter that colours the grey pictures
LEAST = 1.5  # percent: a finding smaller than that could not be seen


@dataclass(frozen=True)
class Span:
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


def tiles(run: Run, rows: pd.DataFrame, palette: Palette) -> str:
    """One tile for each row; `data-pick` of a tile is the row's label."""
    found = "".join(_tile(run, row) for row in rows.itertuples())
    colours = color_filter(FILTER, palette.scale)
    return (
        f'<svg width="0" height="0" style="position:absolute" aria-hidden="true">{colours}</svg>'
        f'<div class="attn-tiles">{found}</div>'
    )


def _tile(run: Run, row: Any) -> str:
    small = small_map(run, row.id, row.variant, int(row.part))
    rate = "" if pd.isna(row.wer) else f"<span><b>{percent(row.wer, 0)}</b> WER</span>"
    text = escape(row.text) or "<i>wrote nothing</i>"
    name = escape(row.id)
    return (
        f'<button type="button" class="attn-tile" data-pick="{row.Index}" '
        f'aria-label="{escape(row.variant)}, {name}: open in Compare" '
        'title="open in Compare: hear it, beside every mechanism">'
        f"{_picture(small, row)}"
        f'<span class="attn-tile-line">{badge(row.verdict)}{rate}</span>'
        f'<span class="attn-tile-line"><code>{escape(row.variant)}</code>'
        f'<span class="attn-tile-id">{name}</span><span>{row.seconds:.1f} s</span></span>'
        f'<span class="attn-tile-text">{text}</span></button>'
    )


def _picture(small: Thumbnail | None, row: Any) -> str:
    failures = failures_of(row._asdict())
    if small is None or not small.picture:
        blank = Thumbnail("", max(1, int(row.tokens)), 0.0, float(row.seconds))
        note = '<span class="attn-thumb-none">map not kept</span>' if row.tokens else ""
        return f'<span class="attn-thumb">{note}{_frames(blank, failures)}</span>'
    image = f'<img src="{small.picture}" alt="" loading="lazy" style="filter:url(#{FILTER})">'
    return f'<span class="attn-thumb">{image}{_frames(small, failures)}</span>'


def _frames(small: Thumbnail, failures: Sequence[Failure]) -> str:
    return "".join(
        f'<i style="left:{at.left:.1f}%;top:{at.top:.1f}%;width:{at.width:.1f}%;'
        f'height:{at.height:.1f}%"></i>'
        for at in _spans(small, failures)
    )


def _spans(small: Thumbnail, failures: Sequence[Failure]) -> Iterator[Span]:
    length = max(small.end - small.start, 1e-6)
    for failure in failures:
        (first, last), (start, end) = failure.tokens, failure.seconds
        left, right = (_inside(100 * (time - small.start) / length) for time in (start, end))
        top, bottom = (_inside(100 * row / max(1, small.tokens)) for row in (first, last))
        yield Span(
            min(left, 100 - LEAST), min(top, 100 - LEAST),
            max(LEAST, right - left), max(LEAST, bottom - top),
        )  # fmt: skip


def _inside(share: float) -> float:
    return min(100.0, max(0.0, share))
