"""Stretches of rows with the audio they listened to and the text they wrote."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..alignment import Alignment
from ..signals.token_text import joined, token_texts


@dataclass(frozen=True)
class Span:
    """Rows and frames of a finding."""

    start: int  # first row
    end: int  # row after the last
    first_frame: int
    end_frame: int
    text: str = ""  # what was repeated, or written at the return

    def shared(self, other: "Span") -> float:
        """Share of this span's rows that are rows of the other."""
        return max(0, min(self.end, other.end) - max(self.start, other.start)) / (
            self.end - self.start
        )


def make_span(
    alignment: Alignment, rows: np.ndarray, quoted: tuple[int, int] | None = None
) -> Span:
    """The span of some rows; its text is that of the rows `quoted`, or of all.

    Frames are those of rows that are not strays. A quotation that begins within a word is moved on
    to the next word, as far as there are rows.
    """
    places = alignment.rows
    inside = np.intersect1d(rows, places.steady)
    if len(inside) == 0:
        inside = rows
    start, end = int(rows[0]), int(rows[-1]) + 1
    low, high = quoted or (start, end)
    texts = token_texts(alignment.tokens)
    begins = [row for row in range(low, high) if _begins_word(texts, row)]
    moved = begins[0] - low if begins else 0
    if high + moved <= end:
        low, high = low + moved, high + moved
    return Span(
        start=start,
        end=end,
        first_frame=int(places.low[inside].min()),
        end_frame=int(places.high[inside].max()),
        text=spelled(alignment, low, high),
    )


def spelled(alignment: Alignment, start: int, end: int) -> str:
    """Rows as readable text: words keep spaces between them, characters and pieces do not."""
    tokens, lexical = alignment.tokens, alignment.rows.lexical
    texts = token_texts(tokens)
    chosen = [texts[row] for row in range(start, end) if lexical[row]]
    spaced = any(text[:1] == " " or not text.strip() for text in texts if text)
    if spaced or all(len(text) <= 1 for text in chosen):
        return "".join(chosen).strip()
    return joined(text.strip() for text in chosen)


def _begins_word(texts: Sequence[str], row: int) -> bool:
    return bool(texts[row].strip()) and (
        row == 0 or texts[row][0] == " " or (texts[row - 1] != "" and not texts[row - 1].strip())
    )


def merged(spans: list[Span]) -> tuple[Span, ...]:
    """Spans that overlap made one, in the order of rows."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda s: s.start):
        if joined and span.start < joined[-1].end:
            last = joined[-1]
            joined[-1] = Span(
                last.start,
                max(last.end, span.end),
                min(last.first_frame, span.first_frame),
                max(last.end_frame, span.end_frame),
                last.text,
            )
        else:
            joined.append(span)
    return tuple(joined)
