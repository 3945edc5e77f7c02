"""Words of a decoded text and the rows that wrote them."""

from collections.abc import Sequence

from analysis import labels


def words_of(tokens: Sequence[str]) -> list[tuple[int, int, str]]:
    """Words of a row of tokens as (first row, row after the last, text).

    As `analysis.labels.words` says, but a row of single characters is always spelled: without a
    space, as our own mechanisms write one word, it is that word.
    """
    special = labels.is_special(tokens)
    spelled = all(len(t) <= 1 or left_out for t, left_out in zip(tokens, special, strict=True))
    # a single word has no space that would tell characters from whole words
    parts = [*tokens, " "] if spelled else tokens
    return [(word.start, word.end, word.text) for word in labels.words(parts)]
