"""Parts of pages as parts of slides: the same cards and figures, kept as they were.

Figures are kept in light colours; the presentation turns them dark where the room wants it.
"""

from collections.abc import Sequence
from dataclasses import replace

import plotly.graph_objects as go

from app import charts
from app.charts.labels import SHOWN, SMALLEST_ROW, row_labels
from app.comparison import VariantResult
from app.data import decoding
from app.markup import cards
from app.markup.document import opus
from app.markup.transcript import transcript
from app.presentation import Panel, Sound, session
from app.theme import LIGHT
from models.audio import Recording


def card(
    result: VariantResult,
    *,
    seconds: float,
    reference: str | None,
    normalizer: str,
    special: bool = False,
    words: bool = True,
    title: str = "",
) -> Panel:
    """A mechanism's card: verdict above, map, transcript and evidence below.

    Parameters
    ----------
    seconds
        End of the time axis.
    words
        Show what was written; not where tokens are only numbered.
    title
        Instead of the mechanism's.
    """
    alignment, text = result.decoded.alignment, result.decoded.text
    figure = charts.attention_map(
        alignment,
        seconds=seconds,
        palette=LIGHT,
        failures=result.diagnosis.failures,
        said=result.said,
        special=special,
    )
    meta = figure.layout.meta
    figure.update_layout(meta=meta | {"words": _words(meta["tokens"])})
    body = transcript(alignment, text, reference, normalizer) if words else ""
    return plotted(
        title or result.info.title,
        figure,
        head=cards.head(replace(result.info, title=title or result.info.title), result),
        body=body + cards.evidence(result.diagnosis),
    )


def _words(shown: Sequence[str]) -> list[str]:
    """Labels of rows that are too low for one each: a stage is not as high as a page."""
    tokens = {label: token for token, label in SHOWN.items()}
    return row_labels([tokens.get(label, label) for label in shown], 0.99 * SMALLEST_ROW)


def spectrum(digest: str, recording: Recording, seconds: float | None = None) -> Panel:
    """The spectrogram over which maps are read."""
    figure = charts.spectrogram(
        decoding.log_mel(digest, recording),
        decoding.band_hz(),
        hop_seconds=decoding.HOP_SECONDS,
        seconds=recording.seconds if seconds is None else seconds,
        palette=LIGHT,
    )
    return plotted("spectrogram", figure)


def plotted(name: str, figure: go.Figure, *, head: str = "", body: str = "") -> Panel:
    """Any figure, drawn in light colours."""
    return Panel(name, head, figure.to_json(), body)


def sound(digest: str, recording: Recording) -> Sound:
    """The recording as small as it can be and still be heard well; the same one only once."""
    known = session.deck().sounds.get(digest)
    return known or Sound(digest, opus(recording.samples), recording.seconds)
