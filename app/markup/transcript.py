"""Transcripts: differences to the reference marked, every word a button that can be heard."""

from dataclasses import dataclass

from markupsafe import Markup

from analysis.alignment import Alignment
from analysis.scoring.errors import Edit, edit_alignment, normalise
from analysis.signals.labels import spelled_words
from analysis.signals.token_text import glue
from app.templates import Macros

TEMPLATES = Macros(__file__)
HEARD_BEFORE, HEARD_AFTER = 0.12, 0.28  # seconds around a word's attention peaks


@dataclass(frozen=True)
class TimedWord:
    """A decoded word and where the mechanism listened while it wrote it."""

    text: str
    start: float  # seconds
    end: float


def timed_words(alignment: Alignment) -> list[TimedWord]:
    """Words of a spelled alignment, from the first to the last peak of their characters."""
    peaks = alignment.peak_seconds
    words = []
    for word in spelled_words(alignment.tokens):
        inside = peaks[word.start : word.end]
        start = max(0.0, float(inside.min()) - HEARD_BEFORE)
        end = min(alignment.time(alignment.frames), float(inside.max()) + HEARD_AFTER)
        words.append(TimedWord(word.text, start, end))
    return words


def transcript(
    alignment: Alignment | None, text: str, reference: str | None, normalizer: str
) -> Markup:
    """The decoded text, with differences to the reference where there is one.

    Without an alignment there are no times, so its words cannot be heard.
    """
    words = timed_words(alignment) if alignment else []
    if not text.strip():
        return TEMPLATES.nothing_written(reference)
    if reference is not None:
        return TEMPLATES.transcript(_differences(words, text, reference, normalizer))
    return TEMPLATES.transcript(_as_written(words) or text)


def _as_written(words: list[TimedWord]) -> Markup:
    """Buttons with spaces between them, as far as their script has any."""
    parts, before = [], ""
    for word in words:
        parts += [glue(before, word.text), TEMPLATES.button(word.text, word)]
        before = word.text
    return Markup("").join(parts)


def legend() -> Markup:
    """How differences to the reference are marked."""
    return TEMPLATES.legend()


def _normalised(words: list[TimedWord], heard: str, normalizer: str) -> list[TimedWord] | None:
    """Of every word of a normalised text the word it was made of.

    None where that is not known, as a normaliser changed several words together.
    """
    parts = [normalise(word.text, normalizer).split() for word in words]
    if [part for of_word in parts for part in of_word] != heard.split():
        return None
    return [word for word, of_word in zip(words, parts, strict=True) for _ in of_word]


def _differences(words: list[TimedWord], text: str, reference: str, normalizer: str) -> Markup:
    heard = normalise(text, normalizer)
    timed = _normalised(words, heard, normalizer)
    edits = edit_alignment(normalise(reference, normalizer), heard)
    return Markup(" ").join(TEMPLATES.edit(edit, _word_of(edit, timed)) for edit in edits)


def _word_of(edit: Edit, timed: list[TimedWord] | None) -> TimedWord | None:
    return timed[edit.hyp_index] if timed and edit.hyp_index is not None else None
