"""Transcripts as HTML: differences to the reference marked, every word a button that can be heard.

Everything that comes from a user or a model is escaped here.
"""

from dataclasses import dataclass
from html import escape

from analysis.alignment import Alignment
from analysis.scoring.errors import edit_alignment, normalise
from analysis.signals.labels import spelled_words
from analysis.signals.token_text import glue

HEARD_BEFORE, HEARD_AFTER = 0.12, 0.28  # seconds around a word's attention peaks
LEGEND = (
    '<p class="attn-legend"><span><ins>added</ins></span>'
    "<span><del>left out</del></span><span><mark>wrong</mark> <del>meant</del></span>"
    "<span>click a word to hear where it was read</span></p>"
)


@dataclass(frozen=True)
class Word:
    """A decoded word and where the mechanism listened while it wrote it."""

    text: str
    start: float  # seconds
    end: float


def timed_words(alignment: Alignment) -> list[Word]:
    """Words of a spelled alignment, from the first to the last peak of their characters."""
    peaks = alignment.peak_seconds
    words = []
    for word in spelled_words(alignment.tokens):
        inside = peaks[word.start : word.end]
        start = max(0.0, float(inside.min()) - HEARD_BEFORE)
        end = min(alignment.time(alignment.frames), float(inside.max()) + HEARD_AFTER)
        words.append(Word(word.text, start, end))
    return words


def _button(text: str, word: Word | None) -> str:
    if word is None:
        return f'<span class="attn-word">{escape(text)}</span>'
    times = f'data-from="{word.start:.2f}" data-to="{word.end:.2f}"'
    title = f"hear {word.start:.1f} to {word.end:.1f} s"
    return (
        f'<button type="button" class="attn-word" {times} title="{title}">{escape(text)}</button>'
    )


def transcript(
    alignment: Alignment | None, text: str, reference: str | None, normalizer: str
) -> str:
    """The decoded text as HTML, with differences to the reference where there is one.

    Without an alignment there are no times, so its words cannot be heard.
    """
    words = timed_words(alignment) if alignment else []
    if not text.strip():
        return '<p class="attn-text attn-nothing">wrote nothing</p>' + _left_out(reference)
    if reference is None:
        marked = _as_written(words) or escape(text)
    else:
        marked = " ".join(_differences(words, text, reference, normalizer))
    return f'<p class="attn-text">{marked}</p>'


def _as_written(words: list[Word]) -> str:
    """Buttons with spaces between them, as far as their script has any."""
    html, before = "", ""
    for word in words:
        html += glue(before, word.text) + _button(word.text, word)
        before = word.text
    return html


def _left_out(reference: str | None) -> str:
    return f'<p class="attn-text"><del>{escape(reference)}</del></p>' if reference else ""


def _normalised(words: list[Word], heard: str, normalizer: str) -> list[Word] | None:
    """Of every word of a normalised text the word it was made of.

    None where that is not known, as a normaliser changed several words together.
    """
    parts = [normalise(word.text, normalizer).split() for word in words]
    if [part for of_word in parts for part in of_word] != heard.split():
        return None
    return [word for word, of_word in zip(words, parts, strict=True) for _ in of_word]


def _differences(words: list[Word], text: str, reference: str, normalizer: str) -> list[str]:
    heard = normalise(text, normalizer)
    timed, marked = _normalised(words, heard, normalizer), []
    for edit in edit_alignment(normalise(reference, normalizer), heard):
        word = timed[edit.hyp_index] if timed and edit.hyp_index is not None else None
        if edit.op == "equal":
            marked.append(_button(edit.hyp, word))
        elif edit.op == "substitute":
            marked.append(f"<mark>{_button(edit.hyp, word)}</mark> <del>{escape(edit.ref)}</del>")
        elif edit.op == "insert":
            marked.append(f"<ins>{_button(edit.hyp, word)}</ins>")
        else:
            marked.append(f"<del>{escape(edit.ref)}</del>")
    return marked
