"""A transcript with times: what every format writes.

Times of an attention decoder may overlap and may go back (that is what a failure looks like). They
are kept as they are here; formats whose rules forbid that tidy them with `in_order`.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

SHORTEST = 0.001  # seconds: what is left of a piece without length


@dataclass(frozen=True)
class Piece:
    """A word or token and when it was heard."""

    text: str
    start: float  # seconds
    end: float  # seconds, not before start
    probability: float | None = None  # 0..1, of the model; None: not known


@dataclass(frozen=True)
class TimedText:
    """A transcript of one recording by one recogniser."""

    name: str  # of the recording; no path
    variant: str  # who heard it
    seconds: float  # length of the recording
    text: str
    words: tuple[Piece, ...]  # in the order they were written
    tokens: tuple[Piece, ...]  # spaces are tokens, special tokens have no time
    reference: str | None = None  # what was said


# ASCII signs that some programs read as marks, and twins that are only text; NFKC joins them again
_TWINS = str.maketrans({sign: chr(ord(sign) + 0xFEE0) for sign in "<>{}()@;\\"})
JOINERS = "\u200c\u200d"  # part of how words of Persian and of Indian languages are spelt


def full_width(text: str) -> str:
    """`text` with full-width brackets and signs, which no program takes for markup.

    Examples
    --------
    >>> full_width("<unk>")
    '＜unk＞'
    """
    return text.translate(_TWINS)


def identifier(name: str) -> str:
    """`name` as one field of a text format: no spaces or control characters, never empty.

    Joiners within words stay, other invisible characters go; a comment of CTM is none.

    Examples
    --------
    >>> identifier("my talk\\t1")
    'my_talk_1'
    """
    seen = (c for c in name if c in JOINERS or unicodedata.category(c) != "Cf")
    kept = (c if c in JOINERS or (c.isprintable() and not c.isspace()) else "_" for c in seen)
    return re.sub(r"^;+", "_", "".join(kept)).strip(f"_{JOINERS}") or "recording"


def one_line(text: str) -> str:
    """`text` on one line, without control characters or halves of surrogate pairs."""
    kept = (" " if c.isspace() else c for c in text)
    return "".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cs", "Co")).strip()


def spoken(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces that have a text, each on one line."""
    cleaned = (replace(piece, text=one_line(piece.text)) for piece in pieces)
    return [piece for piece in cleaned if piece.text]


def in_order(pieces: Sequence[Piece], seconds: float) -> list[Piece]:
    """The pieces sorted by time, none overlapping, each of some length, all within the recording.

    A piece ends where the next one starts. Where several start at once, or one starts at the very
    end, they share what there is.
    """
    shortest = min(SHORTEST, seconds / (len(pieces) + 1))
    ordered = sorted(pieces, key=lambda piece: piece.start)
    count = len(ordered)
    starts: list[float] = []
    for number, piece in enumerate(ordered):
        earliest = starts[-1] + shortest if starts else 0.0
        latest = seconds - (count - number) * shortest
        starts.append(max(earliest, min(piece.start, latest)))
    limits = [*starts[1:], seconds][:count]
    return [
        replace(piece, start=start, end=min(max(piece.end, start + shortest), limit))
        for piece, start, limit in zip(ordered, starts, limits, strict=True)
    ]
