"""A slide as small as a stamp: its first map, or the sign of what it is."""

import base64
import json

import numpy as np
from markupsafe import Markup

from app.charts.png import data_uri, grey_png
from app.charts.quantise import max_pool
from app.presentation.deck import Slide
from app.templates import Macros

TEMPLATES = Macros(__file__)
ROWS, COLUMNS = 60, 110  # at most
SIGNS = {"curves": "📈", "scatter": "⁘", "interval": "⊢•⊣", "anatomy": "∿"}


def thumb(slide: Slide) -> Markup:
    """The picture is grey, for the page's style sheet to colour."""
    figures = [json.loads(panel.figure) for panel in slide.panels if panel.figure]
    kinds = [figure["layout"]["meta"]["kind"] for figure in figures]
    maps = [figure for figure, kind in zip(figures, kinds, strict=True) if kind == "map"]
    picture = _picture(maps[0]["data"][0]) if maps else ""
    if picture:
        return TEMPLATES.picture(picture, len(maps))
    sign = next((SIGNS[kind] for kind in kinds if kind in SIGNS), "▦")
    return TEMPLATES.sign(sign)


def numbered(slide: Slide, number: int) -> Markup:
    """The small picture under its place in the presentation."""
    return TEMPLATES.numbered(number, thumb(slide))


def _picture(trace: dict) -> str:
    cells = trace.get("z")
    if not isinstance(cells, dict) or cells.get("dtype") not in ("u1", "uint8"):
        return ""
    try:
        shape = [int(size) for size in str(cells.get("shape", "")).split(",")]
        levels = np.frombuffer(base64.b64decode(cells["bdata"]), np.uint8).reshape(shape)
    except (ValueError, TypeError, KeyError):  # a file may say anything here
        return ""
    if levels.ndim != 2 or not levels.size:
        return ""
    rows, columns = (-(-size // most) for size, most in zip(shape, (ROWS, COLUMNS), strict=True))
    return data_uri(grey_png(max_pool(levels, rows, columns)), "image/png")
