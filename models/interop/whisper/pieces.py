"""Whisper's tokens as pieces of text.

Its tokens are bytes, not characters: one letter of many scripts is spread over several of them. A
piece is the fewest tokens that are whole characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.signals.token_text import BYTE_NAMES


@dataclass(frozen=True)
class TokenPiece:
    """Whole characters and the tokens that spell them."""

    text: str
    start: int  # first token
    end: int  # token after the last


@dataclass(frozen=True)
class ByteAlphabet:
    """A byte-level vocabulary, with what search and pages ask of any alphabet."""

    tokens: tuple[str, ...]  # by number, as the tokenizer names them; "" where it has none
    special: frozenset[int]  # numbers of <|...|>
    eos: int
    blank: int = -1  # there is none: Whisper has no CTC

    def __len__(self) -> int:
        return len(self.tokens)

    def pieces(self, numbers: Sequence[int]) -> list[TokenPiece]:
        """Pieces of text in order; special tokens are pieces by themselves, as ``<|...|>``."""
        pieces: list[TokenPiece] = []
        kept, start = b"", 0

        def flush(end: int) -> None:
            nonlocal kept
            if end > start and kept:
                pieces.append(TokenPiece(kept.decode("utf-8", errors="replace"), start, end))
            kept = b""

        for place, number in enumerate(numbers):
            if number in self.special:
                flush(place)
                pieces.append(TokenPiece(self.tokens[number], place, place + 1))
                start = place + 1
                continue
            kept += token_bytes(self.tokens[number])
            if not _incomplete(kept):
                flush(place + 1)
                start = place + 1
        flush(len(numbers))
        return pieces

    def decode(self, numbers: Sequence[int]) -> str:
        """The text, special tokens left out."""
        written = [number for number in numbers if number not in self.special]
        return "".join(piece.text for piece in self.pieces(written)).strip()


def _incomplete(content: bytes) -> bool:
    """Whether more bytes could make whole characters of these."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return not content


def token_bytes(token: str) -> bytes:
    """The bytes that a token of a byte-level vocabulary stands for."""
    return b"".join(
        bytes([BYTE_NAMES[char]]) if char in BYTE_NAMES else char.encode("utf-8") for char in token
    )
