"""The JSON that Whisper writes with ``--word_timestamps``: segments and their words."""

from typing import Any

from ..signals.token_text import glue
from .subtitles import stretches
from .timed import Piece, TimedText, spoken


def whisper_json(transcript: TimedText) -> dict[str, Any]:
    """Plain JSON values with Whisper's names; pauses split the words into segments.

    As in Whisper's own files a word carries the space before it (none in scripts without spaces),
    so that joining the words of a segment gives its text. `probability` is null where it is not
    known.
    """
    stretched = enumerate(stretches(spoken(transcript.words)))
    segments = [_segment(number, words) for number, words in stretched]
    return {"text": "".join(segment["text"] for segment in segments).strip(), "segments": segments}


def _segment(number: int, words: list[Piece]) -> dict[str, Any]:
    said = [word.text for word in words]
    pairs = zip([said[0], *said[:-1]], said, strict=True)  # a segment begins with a space, too
    texts = [f"{glue(before, word)}{word}" for before, word in pairs]
    return {
        "id": number,
        "start": _rounded(min(word.start for word in words)),
        "end": _rounded(max(word.end for word in words)),
        "text": "".join(texts),
        "words": [
            {
                "word": text,
                "start": _rounded(word.start),
                "end": _rounded(word.end),
                "probability": None if word.probability is None else round(word.probability, 6),
            }
            for word, text in zip(words, texts, strict=True)
        ],
    }


def _rounded(seconds: float) -> float:
    return round(float(seconds), 3)
