"""Colour scales as SVG filters: a grey picture takes the colours of the page it is on."""

import numpy as np

from app.theme import DARK_SCALE, LIGHT_SCALE, Scale

TABLE_STOPS = 32  # equal steps of a colour scale


def color_filter(name: str, scale: Scale) -> str:
    """An SVG filter that turns grey into the colours of a scale."""
    at = np.linspace(0, 1, TABLE_STOPS)
    stops = [stop for stop, _ in scale]
    colors = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for _, c in scale])
    tables = "".join(
        f'<feFunc{channel} type="table" tableValues="'
        + " ".join(f"{value:.3f}" for value in np.interp(at, stops, colors[:, number]))
        + '"/>'
        for number, channel in enumerate("RGB")
    )
    return (
        f'<filter id="{name}" color-interpolation-filters="sRGB" x="0" y="0" width="1" height="1">'
        f"<feComponentTransfer>{tables}</feComponentTransfer></filter>"
    )


def color_filters() -> str:
    """Both themes' filters, as an element that takes no room: ``url(#light)``, ``url(#dark)``."""
    return (
        '<svg width="0" height="0" style="position:absolute" aria-hidden="true">'
        f"{color_filter('light', LIGHT_SCALE)}{color_filter('dark', DARK_SCALE)}</svg>"
    )
