"""The output tokens of other toolkits, by the names AttnScope gives them."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.text import BLANK, EOS, Alphabet


@dataclass(frozen=True)
class Pieces(Alphabet):
    """Tokens that may be characters, pieces of words or words; blank first, end last."""

    spelling: str = "char"  # "char": joined; "bpe": joined, ▁ is a space; "word": spaces between

    def decode(self, numbers) -> str:
        """Text of a row of numbers, blank and end of sentence left out."""
        pieces = [self.tokens[n] for n in numbers if n not in (self.blank, self.eos)]
        if self.spelling == "word":
            return " ".join(pieces)
        text = "".join(pieces)
        return text.replace("▁", " ").strip() if self.spelling == "bpe" else text


def pieces(tokens: Sequence[str], spelling: str) -> Pieces:
    """Another toolkit's tokens; its blank, end and space get the names they have here.

    Raises
    ------
    ValueError
        If a token is there twice.
    """
    names = [BLANK, *tokens[1:-1], EOS]
    if spelling == "char" and " " not in names:
        names = [" " if name == "<space>" else name for name in names]
    return Pieces(tuple(names), spelling)
