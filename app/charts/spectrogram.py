"""The log-mel spectrogram over which all maps are read."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.charts.axes import frame, seconds_axis
from app.charts.quantise import to_levels
from app.theme import Palette

TOP, BOTTOM = 14, 26
FINEST_COLUMNS = 600  # a screen is hardly twice as wide
LABELLED_HZ = (500, 1000, 2000, 4000)
QUIET, LOUD = (
    5.0,
    99.8,
)  # percentiles at the ends of the colour scale: one click must not dim the rest


def _band_axis(bands: np.ndarray, palette: Palette) -> dict:
    """An axis of bands, (bands,) in Hz, on which the nearest to round frequencies are labelled."""
    return {
        "range": [-0.5, len(bands) - 0.5],
        "fixedrange": True,
        "tickvals": [int(np.abs(bands - hz).argmin()) for hz in LABELLED_HZ],
        "ticktext": [f"{hz / 1000:g} kHz" for hz in LABELLED_HZ],
        "tickfont": {"size": 12, "color": palette.muted},
        "ticks": "",
        "ticklabelstandoff": 6,
        "showgrid": False,
        "zeroline": False,
    }


def spectrogram(
    log_mel: np.ndarray,
    band_hz: Sequence[float] | np.ndarray,
    *,
    hop_seconds: float,
    seconds: float,
    palette: Palette,
    start_seconds: float = 0.0,
    height: int = 150,
) -> go.Figure:
    """Log-mel energy over time.

    Parameters
    ----------
    log_mel
        (frames, bands) natural log of mel power.
    band_hz
        (bands,) centre of every band in Hz, rising.
    hop_seconds
        Time from one frame to the next.
    seconds
        Length of the time axis, shared with the maps below.
    """
    quiet, loud = np.percentile(log_mel, (QUIET, LOUD))
    finest = (log_mel.shape[1], FINEST_COLUMNS)
    levels = to_levels(log_mel.T, bottom=float(quiet), top=float(loud), finest=finest)
    step = levels.column_step * hop_seconds
    figure = go.Figure(
        go.Heatmap(
            z=levels.cells,
            x0=start_seconds + step / 2,
            dx=step,
            y0=(levels.row_step - 1) / 2,
            dy=levels.row_step,
            zmin=0,
            zmax=255,
            colorscale=[list(stop) for stop in palette.scale],
            showscale=False,
            hovertemplate="%{x:.2f} s · %{y}<extra>log-mel</extra>",
        )
    )
    bands = np.asarray(band_hz)
    figure.update_layout(
        xaxis=seconds_axis(start_seconds, start_seconds + seconds, palette, title=False),
        yaxis=_band_axis(bands, palette),
        meta={"kind": "spectrogram", "hz": [round(float(hz)) for hz in bands]},
    )
    frame(figure, palette, height, top=TOP, bottom=BOTTOM)
    return figure
