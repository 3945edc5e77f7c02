"""What the tokens of an alignment are: special, space, character or word."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .token_text import SPECIAL, is_unspaced, token_texts

_SPACES = frozenset({"<space>", "<sp>", "▁", "Ġ", "␣", "|", "_"})


@dataclass(frozen=True)
class Word:
    """A word and the rows that spell it."""

    text: str
    start: int  # first row
    end: int  # row after the last


class Kinds(NamedTuple):
    """What each of a row of tokens is."""

    special: np.ndarray  # (tokens,) bool: stands for no sound (``<eos>``, ``<blank>``)
    space: np.ndarray  # (tokens,) bool: only separates words
    lengths: np.ndarray  # (tokens,) int: characters of its text


@lru_cache(maxsize=512)
def kinds(tokens: tuple[str, ...]) -> Kinds:
    """Kind and length of every token."""
    texts = token_texts(tokens)
    special = [SPECIAL.fullmatch(token) is not None for token in tokens]
    space = [
        not token or (text != "" and (not text.strip() or text in _SPACES))
        for token, text in zip(tokens, texts, strict=True)
    ]
    lengths = [len(text.strip()) for text in texts]
    kinds_of_rows = Kinds(
        np.array(special, bool), np.array(space, bool), np.array(lengths, np.int64)
    )
    for values in kinds_of_rows:
        values.flags.writeable = False  # they are shared
    return kinds_of_rows


def is_special(tokens: Sequence[str]) -> np.ndarray:
    """(tokens,) bool: tokens that stand for no sound (``<eos>``, ``<blank>``, ``<|...|>``)."""
    return kinds(tuple(tokens)).special


def is_space(tokens: Sequence[str]) -> np.ndarray:
    """(tokens,) bool: tokens that only separate words."""
    return kinds(tuple(tokens)).space


def words(tokens: Sequence[str]) -> tuple[Word, ...]:
    """Words of a row of tokens, put together from characters or pieces of words.

    Space tokens separate words, and so do pieces that say where words start or end, as each
    tokenizer does it (`analysis.signals.token_text`). Without any of these, every token is a word
    of its own.
    """
    return _words(tuple(tokens))


def spelled_words(tokens: Sequence[str]) -> tuple[Word, ...]:
    """The same, but tokens that are all single characters spell words even without a space.

    Without one, as our own mechanisms write a single word, they are that word. Not so in scripts
    that are written without spaces, where every character is a word.
    """
    special, texts = is_special(tokens), token_texts(tokens)
    written = [text for text, left_out in zip(texts, special, strict=True) if not left_out]
    characters = all(len(text) <= 1 for text in written) and not is_unspaced("".join(written))
    # a single word has no space that would tell characters from whole words
    return words([*tokens, " "] if characters else tokens)


@lru_cache(maxsize=512)
def _words(tokens: tuple[str, ...]) -> tuple[Word, ...]:
    texts, (special, space, _) = token_texts(tokens), kinds(tokens)
    starts = [len(text) > 1 and text[0] == " " for text in texts]
    marked = any(starts)
    if not marked and not (space & ~special).any():
        return _one_by_one(texts, special)
    words: list[Word] = []
    open_word = False
    for row, text in enumerate(texts):
        if special[row] or space[row]:
            open_word = False
        elif open_word and not starts[row]:
            words[-1] = Word(words[-1].text + text, words[-1].start, row + 1)
        else:
            words.append(Word(text.lstrip(" "), row, row + 1))
            open_word = True
    return tuple(words)


def _one_by_one(texts: Sequence[str], special: np.ndarray) -> tuple[Word, ...]:
    """Every token a word, together with those that hold only the rest of its last character."""
    words: list[Word] = []
    for row, text in enumerate(texts):
        if special[row]:
            continue
        if text == "" and words and words[-1].end == row:
            words[-1] = Word(words[-1].text, words[-1].start, row + 1)
        else:
            words.append(Word(text, row, row + 1))
    return tuple(words)


def mean_length(tokens: Sequence[str]) -> float:
    """Characters per token, special and space tokens left out; 1 where there are no others."""
    special, space, lengths = kinds(tuple(tokens))
    spoken = lengths[~special & ~space]
    return float(spoken.mean()) if len(spoken) else 1.0
