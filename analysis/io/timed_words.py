"""Words with times, in the JSON of whatever program wrote them.

======================================================  =========================================
program                                                 where its words are
======================================================  =========================================
openai/whisper, faster-whisper, whisper-timestamped,    ``segments[].words[]``
stable-ts, WhisperX, and our own export
OpenAI's API and its relatives (speaches, LocalAI)      ``words[]``, beside segments without words
Hugging Face pipelines (``return_timestamps="word"``)   ``chunks[]`` with ``timestamp``
whisper.cpp (``-ojf``)                                  ``transcription[].tokens[]``
Vosk, Gentle, and bare lists                            ``result[]``, ``words[]``, the list itself
======================================================  =========================================

The text that a file states is its text; the words are put together only where it states none. One
odd word or time is left out, clamped or guessed from its neighbours, and counted in `remarks`.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from ..signals.token_text import SPECIAL, glue, is_unspaced

MOST_WORDS = 50_000  # that are looked at: five hours of fast speech
MAX_SECONDS = 86_400.0  # a day
CLAMPED = 1.0  # seconds before zero that an aligner may err; earlier is no time
LONGEST_WORD = 20.0  # what lasts longer than this in the middle is not counted in seconds
UNITS = ((1e4, 1e-3), (2e9, 1e-9))  # median length of a word, and the seconds of such a unit
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")
_TEXT = ("word", "text", "alignedWord")  # names of a word's text, best first
_LISTS = ("words", "word_segments", "chunks", "result", "tokens")  # names of lists of words
_SEGMENTS = ("segments", "transcription", "result", "results")
_STATED = ("text", "transcript", "transcription")  # names of the whole text


class WordTimesError(ValueError):
    """A document has no words with times; the message is one sentence."""


@dataclass(frozen=True)
class TimedWord:
    """A word and when it was heard, as far as its file says."""

    text: str
    start: float | None  # seconds
    end: float | None  # seconds
    low: float | None = None  # start of its segment
    high: float | None = None  # end of its segment


@dataclass(frozen=True)
class WordTimes:
    """The words of a document."""

    words: tuple[TimedWord, ...]  # in the order of the document, every one with both times
    text: str  # as the document states it
    remarks: tuple[str, ...]  # what was put right or guessed, a sentence each


def timed_words(values: Any) -> WordTimes:
    """Words, times and text of a parsed JSON document.

    Raises
    ------
    WordTimesError
        Where there are no words, or none has a time.
    """
    counts: Counter[str] = Counter()
    segments: list[_Segment] = []
    words: list[TimedWord] = []
    for segment in _segments(values, counts):
        segments.append(segment)
        words += segment.words
        if len(words) > MOST_WORDS:
            raise WordTimesError(f"words: the file has more than {MOST_WORDS}")
    if not words:
        raise WordTimesError(_nothing(counts, segments))
    words, unit = _in_seconds(words)
    words = [_checked(word, counts) for word in words]
    if all(word.start is None for word in words):
        raise WordTimesError("words: the file has no times")
    missing = sum(word.start is None or word.end is None for word in words)
    counts["{} without a time of {its} own lie{s} between the neighbours"] += missing
    counts += Counter()  # drops zeros
    remarks = [_counted(what, count) for what, count in counts.items()]
    if unit != 1.0:
        remarks.append(f"times are read as units of {unit:g} s, as words would last minutes")
    stated = _stated(values) or _as_text([_segment_text(segment) for segment in segments])
    return WordTimes(tuple(_filled(words)), stated, tuple(remarks))


@dataclass(frozen=True)
class _Segment:
    """A part of a document: its words, and the text as it states it."""

    words: tuple[TimedWord, ...]
    text: str | None = None
    raw: tuple[str, ...] = ()  # the words with the spaces around them


def _segments(values: Any, counts: Counter[str]) -> Iterator[_Segment]:
    """The parts of a document that have words; words outside of segments are one part."""
    items = _items(values, _SEGMENTS, counts) if isinstance(values, Mapping) else []
    if isinstance(values, list):
        items = [item for item in values if isinstance(item, Mapping)]
        counts["{} that {is} no object {was} left out"] += len(values) - len(items)
    if any(_own_words(item) for item in items):
        for item in items:
            yield _segment(item, counts)
        return
    if isinstance(values, Mapping):
        for name in _LISTS:
            listed = values.get(name)
            if isinstance(listed, list) and _are_words(listed):
                yield _listed(listed, None, counts)
                return
    if _are_words(items):
        yield _listed(items, None, counts)


def _items(
    values: Mapping[str, Any], names: Iterable[str], counts: Counter[str]
) -> list[Mapping[str, Any]]:
    """The objects of the first list with one of these names."""
    for name in names:
        if isinstance(listed := values.get(name), list):
            items = [item for item in listed if isinstance(item, Mapping)]
            counts["{} that {is} no object {was} left out"] += len(listed) - len(items)
            if items:
                return items
    return []


def _own_words(item: Mapping[str, Any]) -> list[Any] | None:
    """The list of words within a segment, if it has one that is not empty."""
    for name in _LISTS:
        listed = item.get(name)
        if isinstance(listed, list) and any(
            isinstance(item_, Mapping) and _text_of(item_) for item_ in listed
        ):
            return listed
    return None


def _are_words(items: Sequence[Any]) -> bool:
    """Whether these are words rather than sentences: hardly any holds a space."""
    items = [item for item in items if isinstance(item, Mapping)]
    texts = [text.strip() for item in items if (text := _text_of(item)) and text.strip()]
    if not texts:
        return any("word" in item for item in items)
    if any("word" in item or "alignedWord" in item for item in items):
        return True
    if any("words" in item for item in items):
        return False
    numbered = any("seek" in item or "id" in item for item in items)  # a segment's marks
    several = sum(" " in text or (len(text) > 4 and is_unspaced(text)) for text in texts)
    return several <= 0.1 * len(texts) and not (numbered and len(texts) < 2)


def _segment(item: Mapping[str, Any], counts: Counter[str]) -> _Segment:
    listed = _own_words(item)
    text = item.get("text") if isinstance(item.get("text"), str) else None
    if listed is not None:
        return replace(_listed(listed, item, counts), text=text)
    if text is None or not text.strip():
        return _Segment(())
    low, high = _times(item)
    text = text.strip()
    said = list(text[:MOST_WORDS]) if is_unspaced(text[:1000]) else text.split(maxsplit=MOST_WORDS)
    counts["{} of segments that could not be aligned"] += len(said)
    words = (TimedWord(token, None, None, low, high) for token in said if not token.isspace())
    return _Segment(tuple(words), text)


def _listed(
    listed: Sequence[Any], segment: Mapping[str, Any] | None, counts: Counter[str]
) -> _Segment:
    """Words of a list; pieces of words (whisper.cpp's tokens) are put together."""
    low, high = (None, None) if segment is None else _times(segment)
    pieces = segment is not None and listed is segment.get("tokens")
    words: list[TimedWord] = []
    raw: list[str] = []
    for item in listed:
        if len(words) > MOST_WORDS:
            break
        text = _text_of(item) if isinstance(item, Mapping) else None
        if text is None:
            counts["{} without a text {was} left out"] += 1
            continue
        if not text.strip() or (pieces and SPECIAL.fullmatch(text.strip())):
            if raw and text.isspace():
                raw[-1] += text
            continue
        start, end = _times(item)
        if pieces and words and not text[0].isspace():
            words[-1] = replace(words[-1], text=words[-1].text + text.rstrip(), end=end)
            raw[-1] += text
        else:
            words.append(TimedWord(text.strip(), start, end, low, high))
            raw.append(text)
    return _Segment(tuple(words), raw=tuple(raw))


def _text_of(item: Mapping[str, Any]) -> str | None:
    return next((item[name] for name in _TEXT if isinstance(item.get(name), str)), None)


def _times(item: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Start and end of a word or segment as they are written, whatever the unit."""
    pair = item.get("timestamp")
    if isinstance(pair, list) and len(pair) == 2:
        return _time(pair[0]), _time(pair[1])
    offsets = item.get("offsets")  # whisper.cpp: milliseconds
    if isinstance(offsets, Mapping):
        times = _time(offsets.get("from")), _time(offsets.get("to"))
        start, end = (None if time is None else time / 1000 for time in times)
        return start, end
    start = item.get("start", item.get("start_time", item.get("startTime")))
    end = item.get("end", item.get("end_time", item.get("endTime")))
    return _time(start), _time(end)


def _time(value: Any) -> float | None:
    """A number of seconds; infinity where something is written that is none."""
    if value is None:
        return None
    if isinstance(value, str):
        clock = _CLOCK.fullmatch(value.strip())
        if clock:
            hours, minutes, seconds = clock.groups("0")
            return 3600.0 * int(hours) + 60 * int(minutes) + float(seconds.replace(",", "."))
        value = value.strip().removesuffix("s")
    try:
        time = math.inf if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.inf
    return time if math.isfinite(time) else math.inf


def _in_seconds(words: list[TimedWord]) -> tuple[list[TimedWord], float]:
    """The words with times in seconds, and the seconds of the file's unit.

    Programs that write whole numbers of milliseconds or nanoseconds do not say so: no word lasts
    for minutes.
    """
    both = [(w.start, w.end) for w in words if w.start is not None and w.end is not None]
    both = [(start, end) for start, end in both if max(abs(start), abs(end)) < 1e18]
    if not both or not all(time.is_integer() for pair in both for time in pair):
        return words, 1.0
    usual = median(end - start for start, end in both)
    if usual <= LONGEST_WORD:
        return words, 1.0
    unit = next((seconds for most, seconds in UNITS if usual <= most), 1.0)
    # lengths between the units' are of none of them: those times will be found too late

    def scaled(time: float | None) -> float | None:
        return None if time is None else time * unit

    return [
        TimedWord(w.text, scaled(w.start), scaled(w.end), scaled(w.low), scaled(w.high))
        for w in words
    ], unit


def _checked(word: TimedWord, counts: Counter[str]) -> TimedWord:
    """The word without times that cannot be."""
    start, end = word.start, word.end
    if any(time is not None and not -CLAMPED <= time <= MAX_SECONDS for time in (start, end)):
        counts["{} with a time that cannot be"] += 1
        start, end = (
            time if time is not None and -CLAMPED <= time <= MAX_SECONDS else None
            for time in (start, end)
        )
    if (start is not None and start < 0) or (end is not None and end < 0):
        counts["{} with a time before the recording {starts} at 0"] += 1
        start, end = (None if time is None else max(0.0, time) for time in (start, end))
    if start is not None and end is not None and end < start:
        counts["{} that ended before {it} started {has} no length"] += 1
        end = start
    low, high = (
        time if time is not None and 0 <= time <= MAX_SECONDS else None
        for time in (word.low, word.high)
    )
    return replace(word, start=start, end=end, low=low, high=high)


def _filled(words: Sequence[TimedWord]) -> Iterator[TimedWord]:
    """Words with both times: those without share what lies between their neighbours."""
    before, place = 0.0, 0
    while place < len(words):
        word = words[place]
        after = place + 1
        if word.start is None and word.end is None:
            same = (word.low, word.high)
            while after < len(words) and _untimed(words[after]) and same == _bounds(words[after]):
                after += 1
            following = next((w.start for w in words[after:] if w.start is not None), None)
            low = before if word.low is None else max(before, word.low)
            ends = [time for time in (following, word.high) if time is not None]
            high = max(low, min(ends)) if ends else low
            step = (high - low) / (after - place)
            for number, untimed in enumerate(words[place:after]):
                start = low + number * step
                yield replace(untimed, start=start, end=start + step)
            before = high
        else:
            if word.start is not None:
                start = word.start
            else:
                start = before if word.end is None else min(before, word.end)
            if word.end is not None:
                end = word.end
            else:
                following = next((w.start for w in words[after:] if w.start is not None), start)
                end = max(start, following)
            yield replace(word, start=start, end=end)
            before = end
        place = after


def _untimed(word: TimedWord) -> bool:
    return word.start is None and word.end is None


def _bounds(word: TimedWord) -> tuple[float | None, float | None]:
    return word.low, word.high


def _stated(values: Any) -> str | None:
    """The text that the document states as a whole."""
    if isinstance(values, Mapping):
        for name in _STATED:
            if isinstance(text := values.get(name), str) and text.strip():
                return text.strip()
    return None


def _segment_text(segment: _Segment) -> str:
    if segment.text is not None and segment.text.strip():
        return segment.text
    spaced = any(text[0].isspace() or text[-1].isspace() for text in segment.raw[1:])
    return "".join(segment.raw) if spaced else _as_text(word.text for word in segment.words)


def _as_text(parts: Iterable[str]) -> str:
    text = ""
    for part in parts:
        text += f"{glue(text, part)}{part}"
    return " ".join(text.split())


def _nothing(counts: Counter[str], segments: Sequence[_Segment]) -> str:
    if counts["{} that {is} no object {was} left out"]:
        return "words: every segment and word must be an object with names"
    if counts["{} without a text {was} left out"]:
        return "words: a word must be a text"
    return "words: the file has no words with times (segments[].words[])"


def _counted(what: str, count: int) -> str:
    """A remark with its number, in the singular or the plural."""
    forms = {
        "is": ("is", "are"), "was": ("was", "were"), "has": ("has", "have"), "it": ("it", "they"),
        "its": ("its", "their"), "s": ("s", ""), "starts": ("starts", "start"),
    }  # fmt: skip
    chosen = {name: form[count > 1] for name, form in forms.items()}
    return what.format(f"{count} word{'s' if count > 1 else ''}", **chosen)
