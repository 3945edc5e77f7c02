"""Words of a decoded text and the rows that wrote them."""

from collections.abc import Sequence

from analysis import labels


def words_of(tokens: Sequence[str]) -> list[tuple[int, int, str]]:
    """Words of a row of tokens as (first row, row after the last, text).

    Characters, as our own mechanisms write them, are parted by spaces; pieces of words and whole
    words, which files of other toolkits bring, as `analysis.labels.words` says.
    """
    special = labels.is_special(tokens)
    if any(len(t) > 1 and not left_out for t, left_out in zip(tokens, special, strict=True)):
        return [(word.start, word.end, word.text) for word in labels.words(tokens)]
    words: list[tuple[int, int, str]] = []
    start = 0
    for row in range(len(tokens) + 1):
        if row < len(tokens) and len(tokens[row]) == 1 and tokens[row] != " ":
            continue
        if row > start:
            words.append((start, row, "".join(tokens[start:row])))
        start = row + 1
    return words
