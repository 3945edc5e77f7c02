"""Subtitles, SRT and WebVTT: words gathered into lines that people can read."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from ..signals.token_text import glue
from .timed import Piece, TimedText, full_width, in_order, spoken

_TAG = re.compile(r"<(?=[A-Za-z/!?])[^<>]*>?")
_COMMAND = re.compile(r"[{}]|\\(?=[Nnh{}])")


@dataclass(frozen=True)
class CueOptions:
    """When a subtitle ends and the next begins."""

    line: int = 42  # characters of a line, the usual limit of broadcasters
    lines: int = 2  # lines of a subtitle
    seconds: float = 6.0  # longest time on screen
    pause: float = 0.8  # silence that ends a subtitle
    shortest: float = 0.3  # least time on screen, seconds


@dataclass(frozen=True)
class _Cue:
    start: int  # thousandths of a second
    end: int  # at least one later, and not after the next one's start
    words: tuple[str, ...]


def srt(transcript: TimedText, options: CueOptions | None = None) -> str:
    """The transcript as SubRip subtitles.

    The format has no way to say that ``<unk>`` is no tag and ``{\\an8}`` no command of a player, so
    such brackets are full-width ones (＜unk＞).
    """
    options, blocks = options or CueOptions(), []
    for number, cue in enumerate(_cues(transcript, options), 1):
        times = f"{_time(cue.start, ',')} --> {_time(cue.end, ',')}"
        text = _commandless(_tagless(_arrowless(_lines(cue, options))))
        blocks.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks)


def vtt(transcript: TimedText, options: CueOptions | None = None) -> str:
    """The transcript as WebVTT subtitles; cues are sorted by time, as that format asks."""
    options, blocks = options or CueOptions(), ["WEBVTT\n"]
    for cue in _cues(transcript, options):
        times = f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}"
        text = _commandless(_arrowless(_lines(cue, options)))
        blocks.append(f"{times}\n{escape(text, quote=False)}\n")
    return "\n".join(blocks)


def _cues(transcript: TimedText, options: CueOptions) -> list[_Cue]:
    """Subtitles one after the other: words are put in order of their times first.

    Where a decoder says many words at one moment there is no time to read them, but every subtitle
    lasts, as players and WebVTT ask.
    """
    groups: list[list[Piece]] = []
    for word in in_order(spoken(transcript.words), transcript.seconds):
        if groups and _fits(groups[-1], word, options):
            groups[-1].append(word)
        else:
            groups.append([word])
    starts: list[int] = []
    for group in groups:
        earliest = starts[-1] + 1 if starts else 0
        starts.append(max(earliest, round(1000 * group[0].start)))
    cues = []
    for group, start, following in zip(groups, starts, [*starts[1:], None], strict=False):
        wanted = round(1000 * max(group[-1].end, group[0].start + options.shortest))
        end = wanted if following is None else min(wanted, following)
        cues.append(_Cue(start, max(end, start + 1), tuple(word.text for word in group)))
    return cues


def _fits(group: Sequence[Piece], word: Piece, options: CueOptions) -> bool:
    words = [*(piece.text for piece in group), word.text]
    return (
        word.end - group[0].start <= options.seconds
        and word.start - group[-1].end < options.pause
        and len(_wrapped(words, options)) <= options.lines
    )


def _lines(cue: _Cue, options: CueOptions) -> str:
    return "\n".join(_wrapped(cue.words, options))


def _wrapped(words: Sequence[str], options: CueOptions) -> list[str]:
    """Lines as long as they may be, cut between words; in scripts without spaces, too."""
    lines: list[str] = []
    for word in (part for text in words for part in text.split()):
        longer = f"{lines[-1]}{glue(lines[-1], word)}{word}" if lines else ""
        if lines and _columns(longer) <= options.line:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _columns(text: str) -> int:
    """Width on screen: East Asian characters are as wide as two others."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _arrowless(text: str) -> str:
    """Without the arrow that both formats read as a line of times."""
    return text.replace("-->", "→")


def _tagless(text: str) -> str:
    """Without what players take for tags."""
    return _TAG.sub(lambda match: full_width(match[0]), text)


def _commandless(text: str) -> str:
    """Without commands of SSA, as whose text some programs (FFmpeg) read every subtitle."""
    return _COMMAND.sub(lambda match: full_width(match[0]), text)


def _time(thousandths: int, point: str) -> str:
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def stretches(words: Iterable[Piece], options: CueOptions | None = None) -> list[list[Piece]]:
    """Words split where somebody pauses: the segments of formats that have them."""
    pause = (options or CueOptions()).pause
    groups: list[list[Piece]] = []
    for word in words:
        if groups and -pause < word.start - groups[-1][-1].end < pause:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups
