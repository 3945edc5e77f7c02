"""From an alignment to a transcript with times."""

from collections.abc import Sequence

import numpy as np

from ..alignment import Alignment
from ..signals.token_text import is_unspaced, joined
from ..timing.word_times import Timed, Timing, attention_timing, timing
from .timed import Piece, TimedText


def timed_text(
    alignment: Alignment,
    name: str,
    *,
    seconds: float | None = None,
    log_probs: Sequence[float] | np.ndarray | None = None,
) -> TimedText:
    """Words and tokens with the times of `analysis.timing.word_times`; special tokens are left out.

    Where the weights tell no times (no row differs from the others), tokens share the recording
    evenly.

    Parameters
    ----------
    alignment
        Of the recording.
    name
        Of the recording, as files shall call it.
    seconds
        Its length; by default that of the map. Nothing ends later.
    log_probs : (tokens,)
        Of the tokens; gives tokens and words (the mean over their tokens) a probability.
    """
    end = alignment.start_seconds + alignment.seconds if seconds is None else float(seconds)
    attention_times = attention_timing(alignment) if alignment.tokens else None
    times = attention_times or _even(alignment, end)
    chances = None if log_probs is None else np.exp(np.minimum(np.asarray(log_probs, float), 0.0))

    def piece(timed: Timed) -> Piece:
        chance = None if chances is None else float(chances[slice(*timed.rows)].mean())
        start = min(max(timed.start, 0.0), end)
        return Piece(timed.text, start, min(max(timed.end, start), end), chance)

    words = tuple(piece(word) for word in _as_written(times.words, alignment.text))
    return TimedText(
        name=name,
        variant=alignment.variant or "",
        seconds=end,
        text=joined(w.text for w in words) if alignment.text is None else alignment.text,
        words=words,
        tokens=tuple(piece(token) for token in times.tokens),
        reference=alignment.reference,
    )


def _as_written(words: Sequence[Timed], text: str | None) -> Sequence[Timed]:
    """The words of the text: where it is a single one, its letters are not words of their own."""
    if len(words) < 2 or text is None or "".join(word.text for word in words) != text.strip():
        return words
    if is_unspaced(text):
        return words
    first, last = words[0], words[-1]
    return (Timed(text.strip(), first.start, last.end, (first.rows[0], last.rows[1])),)


def _even(alignment: Alignment, end: float) -> Timing:
    edges = np.linspace(0.0, end, len(alignment.tokens) + 1)
    return timing(alignment.tokens, edges[:-1], edges[1:])
