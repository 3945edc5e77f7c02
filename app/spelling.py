"""Words of a text that was decoded character by character."""

from collections.abc import Sequence


def words_of(tokens: Sequence[str]) -> list[tuple[int, int, str]]:
    """Words of a character sequence as (first row, row after the last, text)."""
    words: list[tuple[int, int, str]] = []
    start = 0
    for row in range(len(tokens) + 1):
        if row < len(tokens) and len(tokens[row]) == 1 and tokens[row] != " ":
            continue
        if row > start:
            words.append((start, row, "".join(tokens[start:row])))
        start = row + 1
    return words
