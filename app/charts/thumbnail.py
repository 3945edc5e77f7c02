"""Maps as small as stamps: grey pictures of a few hundred bytes, coloured by the page's theme."""

from dataclasses import dataclass

from analysis.alignment import Alignment
from app.charts.attention import FAINTEST_TOP
from app.charts.png import data_uri, grey_png
from app.charts.quantise import max_pool, to_levels

ROWS, COLUMNS = 90, 240  # at most


@dataclass(frozen=True)
class Thumbnail:
    """A picture and what its edges mean."""

    picture: str  # data URI of a PNG, grey: 0 is no attention
    tokens: int  # rows, from the top
    start: float  # seconds at the left edge
    end: float  # seconds at the right edge


def thumbnail(alignment: Alignment) -> Thumbnail:
    """The map of one decoding, tokens read downwards, time to the right."""
    weights = alignment.map  # (tokens, frames)
    pooled = max_pool(weights, -(-weights.shape[0] // ROWS), -(-weights.shape[1] // COLUMNS))
    top = max(FAINTEST_TOP, float(weights.max(initial=0.0)))
    cells = to_levels(pooled, top=top).cells
    return Thumbnail(
        data_uri(grey_png(cells), "image/png") if cells.size else "",
        len(alignment.tokens),
        alignment.start_seconds,
        alignment.time(alignment.frames),
    )
