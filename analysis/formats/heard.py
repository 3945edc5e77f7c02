"""From an alignment to a transcript with times: a word is where its tokens listened."""

from collections.abc import Sequence

import numpy as np

from analysis.alignment import Alignment
from analysis.formats.timed import Piece, TimedText
from analysis.labels import words
from analysis.rows import Rows


def timed_text(
    alignment: Alignment,
    name: str,
    *,
    seconds: float | None = None,
    log_probs: Sequence[float] | np.ndarray | None = None,
) -> TimedText:
    """Words and tokens of an alignment with the times of their rows.

    A token lasts as long as its row's peak is wide at half its height; a word from the start of its
    first token that has a place to the end of its last one. Tokens without a place (flat rows) lie
    between their neighbours.

    Parameters
    ----------
    alignment
        Of the recording.
    name
        Of the recording, as files shall call it.
    seconds
        Its length; by default that of the map. Nothing ends later.
    log_probs : (tokens,)
        Of the tokens; gives tokens and words (their mean) a probability.
    """
    end = alignment.start_seconds + alignment.seconds if seconds is None else seconds
    spans = np.clip(_spans(alignment), 0.0, end)  # (tokens, 2)
    chances = None if log_probs is None else np.exp(np.minimum(np.asarray(log_probs, float), 0.0))
    tokens = tuple(
        Piece(token, float(a), float(b), None if chances is None else float(chances[row]))
        for row, (token, (a, b)) in enumerate(zip(alignment.tokens, spans, strict=True))
    )
    located = alignment.rows.located
    found = []
    for word in words(alignment.tokens):
        rows = np.arange(word.start, word.end)
        rows = rows[located[rows]] if located[rows].any() else rows
        start, stop = float(spans[rows[0], 0]), float(spans[rows[-1], 1])
        if stop <= start:  # the word was read backwards
            start, stop = float(spans[rows, 0].min()), float(spans[rows, 1].max())
        chance = None if chances is None else float(chances[word.start : word.end].mean())
        found.append(Piece(word.text, start, stop, chance))
    return TimedText(
        name=name,
        variant=alignment.variant or "",
        seconds=float(end),
        text=" ".join(word.text for word in found) if alignment.text is None else alignment.text,
        words=tuple(found),
        tokens=tokens,
        reference=alignment.reference,
    )


def _spans(alignment: Alignment) -> np.ndarray:
    """(tokens, 2) seconds in which each row listened."""
    rows: Rows = alignment.rows
    spans = np.stack([rows.low, rows.high], axis=1).astype(float)
    spans = alignment.start_seconds + spans * alignment.frame_seconds
    placed = np.flatnonzero(rows.located)
    lost = np.flatnonzero(~rows.located)
    if len(placed) and len(lost):  # between the end of the row before and the start of the next
        before = np.searchsorted(placed, lost) - 1
        starts = np.where(before >= 0, spans[placed[np.maximum(before, 0)], 1], spans[placed[0], 0])
        following = np.minimum(before + 1, len(placed) - 1)
        ends = np.where(before + 1 < len(placed), spans[placed[following], 0], starts)
        spans[lost] = np.stack([starts, np.maximum(starts, ends)], axis=1)
    return spans
