"""Plotly figures from NumPy arrays. No formulas live here: what is drawn was computed elsewhere."""

from app.charts.attention import attention_map
from app.charts.axes import seconds_axis
from app.charts.labels import row_labels, shown_token
from app.charts.quantise import CELL_LIMIT, Levels, max_pool, to_levels
from app.charts.spectrogram import spectrogram

__all__ = [
    "CELL_LIMIT",
    "Levels",
    "attention_map",
    "max_pool",
    "row_labels",
    "seconds_axis",
    "shown_token",
    "spectrogram",
    "to_levels",
]
