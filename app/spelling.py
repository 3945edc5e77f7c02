"""Words of a decoded text and the rows that wrote them."""

from collections.abc import Sequence

from analysis.signals import labels
from analysis.signals.token_text import is_unspaced, token_texts


def words_of(tokens: Sequence[str]) -> list[tuple[int, int, str]]:
    """Words of a row of tokens as (first row, row after the last, text).

    As `analysis.signals.labels.words` says, but a row of single characters is always spelled:
    without a space, as our own mechanisms write one word, it is that word (not in scripts that
    are written without spaces, where every character is one).
    """
    special, texts = labels.is_special(tokens), token_texts(tokens)
    written = [text for text, left_out in zip(texts, special, strict=True) if not left_out]
    spelled = all(len(text) <= 1 for text in written) and not is_unspaced("".join(written))
    # a single word has no space that would tell characters from whole words
    parts = [*tokens, " "] if spelled else tokens
    return [(word.start, word.end, word.text) for word in labels.words(parts)]
