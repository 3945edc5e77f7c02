"""Alignment maps: decoded tokens down, seconds across."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from analysis.alignment import Alignment
from analysis.diagnosis import Failure
from analysis.signals.labels import is_special
from analysis.signals.runs import find_runs
from analysis.timing.word_times import Timing
from app.charts.axes import frame, seconds_axis
from app.charts.global_token import beside
from app.charts.label_placement import name_places
from app.charts.labels import row_labels, shown_tokens
from app.charts.quantise import Levels, mean_pool, to_levels
from app.theme import Palette, sign

TOP, BOTTOM = 16, 42
FIT_HEIGHT = 400  # pixels of a map that has to share the screen with others
SMALL_HEIGHT = 230  # pixels of one head among many
FINEST_COLUMNS = 400  # of one map among others on a screen; a thin line between them would vanish
TALL_ROW = 13.0  # pixels of a row when every token is to be read
TALLEST = 6_000  # pixels; beyond it rows shrink again
FAINTEST_TOP = (
    0.25  # weight of the full colour at least: attention spread everywhere must look pale
)
FULL_LINES = 120  # rows up to which lines over a map have their full width
FAR, MANY_JUMPS = 1.0, 20  # seconds between two tokens; of more such jumps the ways hide the map
OPPOSITE = {"top": "bottom", "bottom": "top"}
NARROW = 240.0  # pixels of the columns of a narrow map: names that keep apart there do so in others


@dataclass(frozen=True)
class Rows:
    """Vertical layout of a map."""

    height: int  # pixels of the whole figure
    pixels: float  # pixels of one token's row


def rows_of(tokens: int, every_token: bool, fit: int = FIT_HEIGHT) -> Rows:
    """Height of a map: the same for all, or as much as it takes to read every token."""
    inner = fit - TOP - BOTTOM
    if every_token:
        inner = int(min(TALLEST, max(inner, tokens * TALL_ROW)))
    return Rows(inner + TOP + BOTTOM, inner / max(1, tokens))


def _levels(weights: np.ndarray, rows: Rows) -> Levels:
    top = max(FAINTEST_TOP, float(weights.max(initial=0.0)))
    return to_levels(weights, top=top, finest=(rows.height - TOP - BOTTOM, FINEST_COLUMNS))


def _heat(alignment: Alignment, levels: Levels, palette: Palette) -> go.Heatmap:
    step = levels.column_step * alignment.frame_seconds
    return go.Heatmap(
        name="attention",
        z=levels.cells,
        x0=alignment.start_seconds + step / 2,
        dx=step,
        y0=(levels.row_step - 1) / 2,
        dy=levels.row_step,
        zmin=0,
        zmax=255,
        colorscale=[list(stop) for stop in palette.scale],
        showscale=False,
        # The browser gets levels, not weights: the scale stands beside them.
        hovertemplate=(
            "token %{y}<br>%{x:.2f} s<br>weight %{z}/255 × " + f"{levels.top:.3g}<extra></extra>"
        ),
    )


def _width(full: float, rows: int) -> float:
    """Width of a line over so many rows: many strokes would hide what they lie over."""
    return round(full * min(1.0, (FULL_LINES / max(1, rows)) ** 0.5), 2)


def _path(peaks: np.ndarray, palette: Palette) -> go.Scatter:
    """Where every token listens most; of very many jumps only where they lead, not the way."""
    x, y = peaks.astype(np.float32), np.arange(len(peaks), dtype=np.float32)
    jumps = np.flatnonzero(np.abs(np.diff(peaks)) > FAR) + 1
    crowded = len(jumps) > MANY_JUMPS
    if crowded:
        x, y = (np.insert(axis, jumps, np.nan) for axis in (x, y))
    return go.Scatter(
        name="path",
        x=x,
        y=y,
        mode="lines+markers" if crowded else "lines",
        marker={"size": 2, "color": palette.path},
        line={"color": palette.path, "width": _width(1.25, len(peaks))},
        opacity=0.8,
        hoverinfo="skip",
    )


def _said(said: Timing, shown: np.ndarray, palette: Palette) -> go.Scatter:
    """A stroke in each token's row from the beginning to the end of its sound."""
    x, y = [], []
    for token in said.tokens:
        row = int(np.searchsorted(shown, token.rows[0]))
        if row < len(shown) and shown[row] == token.rows[0]:
            x += [round(token.start, 3), round(token.end, 3), None]
            y += [row, row, None]
    return go.Scatter(
        name="forced alignment",
        x=x,
        y=y,
        mode="lines",
        line={"color": palette.forced, "width": _width(2.5, len(shown))},
        hoverinfo="skip",
    )


def _shown_rows(tokens: Sequence[str], special: bool) -> np.ndarray:
    """Numbers of the rows that are drawn; those of special tokens only on request."""
    rows = np.arange(len(tokens))
    lexical = rows[~is_special(tokens)]
    return rows if special or not len(lexical) else lexical


def _speech_shapes(alignment: Alignment, palette: Palette) -> list[dict]:
    """A thin bar above the map wherever somebody speaks."""
    if alignment.speech is None:
        return []
    return [
        {
            "type": "rect",
            "name": "speech",
            "layer": "below",
            "xref": "x",
            "yref": "y domain",
            "x0": alignment.start_seconds + first * alignment.frame_seconds,
            "x1": alignment.start_seconds + last * alignment.frame_seconds,
            "y0": 1.014,
            "y1": 1.027,
            "line": {"width": 0},
            "fillcolor": palette.speech,
        }
        for first, last in find_runs(alignment.speech)
    ]


def _failure_shapes(
    failures: Sequence[Failure], shown: np.ndarray, pixels: float, seconds: float, palette: Palette
) -> list[dict]:
    """A dashed frame around the evidence of every failure, its name in or beside it."""
    rows = [np.searchsorted(shown, fault.tokens).tolist() for fault in failures]
    spans = [(first, max(last, first + 1)) for first, last in rows]
    scale = NARROW / seconds
    boxes = [
        (fault.seconds[0] * scale, first * pixels, fault.seconds[1] * scale, last * pixels)
        for fault, (first, last) in zip(failures, spans, strict=True)
    ]
    words = [sign(fault.kind).words for fault in failures]
    named = zip(failures, spans, words, name_places(boxes, words), strict=True)
    return [
        {
            "type": "rect",
            "name": f"failure {failure.kind}",
            "layer": "above",
            "x0": failure.seconds[0],
            "x1": failure.seconds[1],
            "y0": first - 0.5,
            "y1": last - 0.5,
            "line": {"color": palette.failure, "width": 2, "dash": "dash"},
            "label": {
                "text": name,
                "textposition": place.corner,
                **({"yanchor": OPPOSITE[place.corner.split()[0]]} if place.outside else {}),
                "font": {"size": 12, "color": palette.failure},
            },
        }
        for failure, (first, last), name, place in named
    ]


def _token_axis(tokens: Sequence[str], pixels: float, palette: Palette) -> dict:
    """Rows are numbered and labelled: Plotly would merge rows that carry equal names, which is
    exactly what a repeated token does.
    """
    count = len(tokens)
    return {
        "range": [count - 0.5, -0.5],
        "minallowed": -0.5,
        "maxallowed": count - 0.5,
        "tickmode": "array",
        "tickvals": list(range(count)),
        "ticktext": row_labels(tokens, pixels),
        "tickfont": {"size": int(np.clip(pixels, 11, 13)), "color": palette.ink},
        "ticks": "",
        "ticklabelstandoff": 6,
        "showgrid": False,
        "zeroline": False,
    }


def _meta(
    variant: str | None, tokens: Sequence[str], peaks: np.ndarray, levels: Levels
) -> dict[str, Any]:
    """What the player in the browser reads."""
    return {
        "kind": "map",
        "variant": variant or "",
        "tokens": shown_tokens(tokens),
        "peaks": [round(float(peak), 3) for peak in peaks],
        "top": levels.top,
    }


def _global_beside(
    figure: go.Figure, on_global: np.ndarray, row_step: int, palette: Palette
) -> None:
    """Draw the share of each row's attention on a global token, pooled like the rows."""
    share = mean_pool(on_global, row_step)
    drawn = (row_step - 1) / 2 + row_step * np.arange(len(share))
    beside(figure, drawn, share, palette)
    figure.layout.meta |= {"global": [round(float(mass), 3) for mass in share]}


def attention_map(
    alignment: Alignment,
    *,
    seconds: float,
    palette: Palette,
    failures: Iterable[Failure] = (),
    said: Timing | None = None,
    special: bool = True,
    every_token: bool = False,
    fit: int = FIT_HEIGHT,
    on_global: np.ndarray | None = None,
) -> go.Figure:
    """The map of one decoding, tokens read downwards, time in seconds.

    Parameters
    ----------
    alignment
        What was decoded and where it listened; layers and heads are shown as their mean.
    seconds
        End of the time axis, shared by all figures of a page.
    failures
        Evidence to frame.
    said
        Where each token must have been said, by forced alignment.
    special
        Draw the rows of special tokens (``<eos>``) too.
    every_token
        Make the figure as high as it takes to label every token.
    fit
        Pixels of the figure otherwise.
    on_global
        (tokens,) share of each row's attention on a global token, drawn beside the map.
    """
    shown = _shown_rows(alignment.tokens, special)
    weights = alignment.map[shown]  # (rows, frames)
    tokens = [alignment.tokens[row] for row in shown]
    rows = rows_of(len(tokens), every_token, fit)
    levels = _levels(weights, rows)
    peaks = alignment.peak_seconds[shown]
    figure = go.Figure([_heat(alignment, levels, palette), _path(peaks, palette)])
    if said is not None:
        figure.add_trace(_said(said, shown, palette))
    figure.update_layout(
        xaxis=seconds_axis(0.0, seconds, palette),
        yaxis=_token_axis(tokens, rows.pixels, palette),
        shapes=_speech_shapes(alignment, palette)
        + _failure_shapes(tuple(failures), shown, rows.pixels, seconds, palette),
        meta=_meta(alignment.variant, tokens, peaks, levels),
    )
    if on_global is not None:
        _global_beside(figure, on_global[shown], levels.row_step, palette)
    frame(figure, palette, rows.height, top=TOP, bottom=BOTTOM)
    return figure
