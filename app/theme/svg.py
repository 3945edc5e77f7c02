"""Colour scales as SVG filters: a grey picture gets the colours of the page it is shown on."""

import numpy as np
from markupsafe import Markup

from app.templates import Macros
from app.theme import DARK_SCALE, LIGHT_SCALE, Scale

TEMPLATES = Macros(__file__)
TABLE_STOPS = 32  # equal steps of a colour scale


def color_filter(name: str, scale: Scale) -> Markup:
    """A filter with this id that turns grey into the colours of a scale."""
    at = np.linspace(0, 1, TABLE_STOPS)
    stops = [stop for stop, _ in scale]
    colors = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for _, c in scale])
    tables = [
        (channel, " ".join(f"{value:.3f}" for value in np.interp(at, stops, colors[:, number])))
        for number, channel in enumerate("RGB")
    ]
    return TEMPLATES.color_filter(name, tables)


def hidden(*filters: Markup) -> Markup:
    """Filters in an element that takes no room."""
    return TEMPLATES.hidden(filters)


def color_filters() -> Markup:
    """Both themes' filters: ``url(#light)`` and ``url(#dark)``."""
    return hidden(color_filter("light", LIGHT_SCALE), color_filter("dark", DARK_SCALE))
