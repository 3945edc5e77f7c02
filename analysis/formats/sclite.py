"""Who was heard as whom, in the REF/HYP/Eval blocks that sclite prints."""

import unicodedata
from collections.abc import Iterable

from ..scoring.errors import Edit, edit_alignment
from ..scoring.normalisers import normalise
from .timed import TimedText, identifier

_MARKS = {"equal": "", "substitute": "S", "delete": "D", "insert": "I"}


def sclite(transcripts: Iterable[TimedText], normalizer: str = "basic") -> str:
    """A block per transcript that has a reference, after both texts went through `normalizer`.

    Correct words are in lower case and errors in capitals; stars stand for the missing word.
    """
    return "\n".join(
        _block(transcript, normalizer)
        for transcript in transcripts
        if transcript.reference is not None
    )


def _block(transcript: TimedText, normalizer: str) -> str:
    said = normalise(transcript.reference or "", normalizer)
    heard = normalise(transcript.text, normalizer)
    edits = edit_alignment(said, heard)
    counts = [
        sum(edit.op == op for edit in edits) for op in ("equal", "substitute", "delete", "insert")
    ]
    columns = [_column(edit) for edit in edits]
    rows = zip(*columns, strict=True) if columns else ((), (), ())
    reference, hypothesis, marks = (" ".join(row).rstrip() for row in rows)
    name = f"{identifier(transcript.name)}-{identifier(transcript.variant)}"
    return (
        f"id: ({name})\n"
        f"Scores: (#C #S #D #I) {' '.join(map(str, counts))}\n"
        f"REF:  {reference}".rstrip()
        + f"\nHYP:  {hypothesis}".rstrip()
        + f"\nEval: {marks}".rstrip()
        + "\n"
    )


def _column(edit: Edit) -> tuple[str, str, str]:
    """Reference word, hypothesis word and mark, equally wide on screen."""
    ref, hyp = (
        (edit.ref.lower(), edit.hyp.lower())
        if edit.op == "equal"
        else (edit.ref.upper(), edit.hyp.upper())
    )
    width = max(_width(ref), _width(hyp))
    ref, hyp = ref or "*" * width, hyp or "*" * width
    return _padded(ref, width), _padded(hyp, width), _padded(_MARKS[edit.op], width)


def _width(text: str) -> int:
    """Columns of a terminal: East Asian characters take two, accents that combine none."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
