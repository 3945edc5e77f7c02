"""What the tokens of an alignment are: special, space, character or word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# tokens that stand for no sound: sentence ends, padding, CTC's blank, Whisper's <|...|>;
# <unk> is not among them, since it stands for something that was said
_SPECIAL = re.compile(
    r"<(sos|eos|sos/eos|bos|s|/s|pad|blank|blk|eps|epsilon|no_speech)>|<\|[^|]*\|>|\[(cls|sep|pad)\]",
    re.IGNORECASE,
)
_SPACES = frozenset({"<space>", "<sp>", "▁", "Ġ", "␣", "|", "_"})
_WORD_STARTS = ("▁", "Ġ", " ")  # SentencePiece, byte-level BPE, Whisper


@dataclass(frozen=True)
class Word:
    """A word and the rows that spell it."""

    text: str
    start: int  # first row
    end: int  # row after the last


def is_special(tokens: Sequence[str]) -> np.ndarray:
    """(tokens,) bool: tokens that stand for no sound (``<eos>``, ``<blank>``, ``<|...|>``)."""
    return np.array([_SPECIAL.fullmatch(token) is not None for token in tokens], bool)


def is_space(tokens: Sequence[str]) -> np.ndarray:
    """(tokens,) bool: tokens that only separate words."""
    return np.array([not token.strip() or token in _SPACES for token in tokens], bool)


def words(tokens: Sequence[str]) -> tuple[Word, ...]:
    """Words of a row of tokens, put together from characters or pieces of words.

    Space tokens separate words, and so do pieces that carry a word start (SentencePiece, byte-level
    BPE, Whisper). Without any of these, every token is a word of its own.
    """
    special, space = is_special(tokens), is_space(tokens)
    marked = any(len(token) > 1 and token.startswith(_WORD_STARTS) for token in tokens)
    if not marked and not (space & ~special).any():
        return tuple(Word(t, i, i + 1) for i, t in enumerate(tokens) if not special[i])
    found: list[Word] = []
    open_word = False
    for row, token in enumerate(tokens):
        if special[row] or space[row]:
            open_word = False
        elif open_word and not (marked and token.startswith(_WORD_STARTS)):
            found[-1] = Word(found[-1].text + token, found[-1].start, row + 1)
        else:
            found.append(Word(token.lstrip("".join(_WORD_STARTS)), row, row + 1))
            open_word = True
    return tuple(found)


def mean_length(tokens: Sequence[str]) -> float:
    """Characters per token, special and space tokens left out; 1 where there are no others."""
    skip = is_special(tokens) | is_space(tokens)
    lengths = [
        len(token.strip()) for token, left_out in zip(tokens, skip, strict=True) if not left_out
    ]
    return float(np.mean(lengths)) if lengths else 1.0
