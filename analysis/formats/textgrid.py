"""Praat's TextGrid in its long text form: a tier of words and one of tokens."""

import unicodedata
from collections.abc import Sequence

from .timed import Piece, TimedText, in_order, spoken

_BREAKS = ("Cc", "Cs", "Zl", "Zp")  # controls, halves of characters, ends of lines and paragraphs


def textgrid(transcript: TimedText) -> str:
    """The transcript as a TextGrid; intervals without words are there with an empty text.

    Praat's tiers know neither overlaps nor ways back, so the pieces are put in order first. Spaces
    among the tokens are intervals like any other.
    """
    tokens = [piece for piece in transcript.tokens if piece.text]
    tiers = (("words", spoken(transcript.words)), ("tokens", tokens))
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_number(transcript.seconds)}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, pieces) in enumerate(tiers, 1):
        lines.append(f"    item [{number}]:")
        lines += _tier(name, _filled(pieces, transcript.seconds), transcript.seconds)
    return "\n".join(lines) + "\n"


def _tier(name: str, intervals: Sequence[Piece], seconds: float) -> list[str]:
    lines = [
        'class = "IntervalTier"',
        f"name = {_quoted(name)}",
        "xmin = 0",
        f"xmax = {_number(seconds)}",
        f"intervals: size = {len(intervals)}",
    ]
    for number, interval in enumerate(intervals, 1):
        lines += [
            f"intervals [{number}]:",
            f"    xmin = {_number(interval.start)}",
            f"    xmax = {_number(interval.end)}",
            f"    text = {_quoted(interval.text)}",
        ]
    return [f"        {line}" for line in lines]


def _filled(pieces: Sequence[Piece], seconds: float) -> list[Piece]:
    """The pieces in order and the gaps between them, from zero to the end without a hole."""
    intervals, now = [], 0.0
    for piece in in_order(pieces, seconds):
        if _number(piece.start) != _number(now):
            intervals.append(Piece("", now, piece.start))
        intervals.append(piece)
        now = piece.end
    if _number(now) != _number(seconds):
        intervals.append(Piece("", now, seconds))
    return intervals


def _number(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    kept = "".join(" " if unicodedata.category(c) in _BREAKS else c for c in text)
    return '"' + kept.replace('"', '""') + '"'
