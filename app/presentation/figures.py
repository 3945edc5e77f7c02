"""Every figure of a presentation as SVG, PDF and PNG, in one archive."""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
import plotly.io as pio

from app.export import clips as clip_export
from app.presentation.deck import Deck, Slide


@dataclass(frozen=True)
class Drawn:
    """What one slide's figures became."""

    title: str  # of the slide
    files: tuple[tuple[str, bytes], ...]  # name and content


def draw(deck: Deck) -> Iterator[Drawn]:
    """Slide after slide; those without figures give nothing.

    Raises
    ------
    app.export.clips.ExportError
        Where Kaleido or a browser is missing, before anything is drawn.
    """
    clip_export.check(clip_export.FIGURES)
    for number, slide in enumerate(deck.slides, start=1):
        named = [(panel.name, panel.figure) for panel in slide.panels if panel.figure]
        if named:
            yield Drawn(slide.title, _files(number, slide, named))


def _files(
    number: int, slide: Slide, named: list[tuple[str, str]]
) -> tuple[tuple[str, bytes], ...]:
    base = f"{number:02d}-{clip_export.file_stem(slide.title)[:60]}"
    with tempfile.TemporaryDirectory() as folder:
        figures, paths = [], []
        for place, (name, figure) in enumerate(named, start=1):
            stem = f"{base}.{place}-{clip_export.file_stem(name)[:60]}"
            figures += [_figure(figure)] * len(clip_export.FIGURES)
            paths += [Path(folder) / f"{stem}.{ending}" for ending in clip_export.FIGURES]
        clip_export.draw(figures, paths)
        return tuple((path.name, path.read_bytes()) for path in paths)


def _figure(text: str) -> go.Figure:
    return pio.from_json(text, skip_invalid=True).update_layout(paper_bgcolor="white")


def archive(drawn: list[Drawn]) -> bytes:
    """All files in one ZIP archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for drawing in drawn:
            for name, content in drawing.files:
                packed.writestr(name, content)
    return file.getvalue()
