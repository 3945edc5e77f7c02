"""A slide as small as a stamp: its first map, or the sign of what it is."""

import base64
import json
from html import escape

import numpy as np

from app.charts.png import data_uri, grey_png
from app.charts.quantise import max_pool
from app.presentation.deck import Slide

ROWS, COLUMNS = 60, 110  # at most
SIGNS = {"curves": "📈", "scatter": "⁘", "interval": "⊢•⊣", "anatomy": "∿"}


def thumb(slide: Slide) -> str:
    """HTML; the picture is grey, for the page's style sheet to colour."""
    figures = [json.loads(panel.figure) for panel in slide.panels if panel.figure]
    kinds = [figure["layout"]["meta"]["kind"] for figure in figures]
    maps = [figure for figure, kind in zip(figures, kinds, strict=True) if kind == "map"]
    picture = _picture(maps[0]["data"][0]) if maps else ""
    count = max(1, len(maps))
    more = f"<b>{count}</b>" if count > 1 else ""
    if picture:
        return f'<span class="attn-slide-thumb"><img src="{picture}" alt="">{more}</span>'
    sign = next((SIGNS[kind] for kind in kinds if kind in SIGNS), "▦")
    return f'<span class="attn-slide-thumb" aria-hidden="true"><i>{escape(sign)}</i></span>'


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
