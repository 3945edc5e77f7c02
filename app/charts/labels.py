"""Token labels of a map's rows that can be read at any height."""

from collections.abc import Sequence

from analysis.signals.labels import spelled_words
from analysis.signals.token_text import token_texts

SMALLEST_ROW = 10.0  # pixels a row needs to carry its own label
LONGEST = 8  # letters of a word that fit beside a map
SHOWN = {" ": "␣", "<sos>": "‹start›", "<eos>": "‹end›", "<blank>": "‹blank›"}


def shown_token(token: str) -> str:
    """A token as people can see it: a space is invisible on an axis."""
    return SHOWN.get(token, token)


def shown_tokens(tokens: Sequence[str]) -> list[str]:
    """Tokens of a row as people read them; a dot where one is the rest of a character's bytes."""
    both = zip(token_texts(tokens), tokens, strict=True)
    return [shown_token(text if text or not token else "·") for text, token in both]


def as_text(label: str) -> str:
    """A label that Plotly shows as it is: it reads a part of HTML in every text."""
    return label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"


def _is_spelled(tokens: Sequence[str]) -> bool:
    return all(len(token) <= 1 or token in SHOWN for token in tokens)


def _spaced(labels: dict[int, str], rows: int, pixels: float) -> list[str]:
    """Leave out every label that would touch the one before it."""
    shown = [""] * rows
    last = -float("inf")
    for row in sorted(labels):
        if (row - last) * pixels >= SMALLEST_ROW + 1:
            shown[row] = as_text(_short(labels[row]))
            last = row
    return shown


def row_labels(tokens: Sequence[str], row_pixels: float) -> list[str]:
    """One label per row, empty where there is no room for it.

    Every token has a label where rows are high enough. Where they are not, spelled text is labelled
    with its words (at their middle row), and other tokens with as many labels as fit.
    """
    if row_pixels >= SMALLEST_ROW:
        return [as_text(_short(token)) for token in shown_tokens(tokens)]
    if _is_spelled(token_texts(tokens)):
        words = spelled_words(tokens)
        labels = {(word.start + word.end - 1) // 2: word.text for word in words}
    else:
        labels = dict(enumerate(shown_tokens(tokens)))
    return _spaced(labels, len(tokens), row_pixels)
