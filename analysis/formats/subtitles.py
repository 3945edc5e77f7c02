"""Subtitles, SRT and WebVTT: words gathered into lines that people can read."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from analysis.formats.timed import Piece, TimedText, spoken


@dataclass(frozen=True)
class CueOptions:
    """When a subtitle ends and the next begins."""

    line: int = 42  # characters of a line, the usual limit of broadcasters
    lines: int = 2  # lines of a subtitle
    seconds: float = 6.0  # longest time on screen
    pause: float = 0.8  # silence that ends a subtitle
    shortest: float = 0.3  # least time on screen, seconds


@dataclass
class _Cue:
    start: float
    end: float
    words: list[str] = field(default_factory=list)


def srt(transcript: TimedText, options: CueOptions | None = None) -> str:
    """The transcript as SubRip subtitles."""
    options, blocks = options or CueOptions(), []
    for number, cue in enumerate(_cues(transcript, options), 1):
        times = f"{_time(cue.start, ',')} --> {_time(cue.end, ',')}"
        blocks.append(f"{number}\n{times}\n{_arrowless(_lines(cue, options))}\n")
    return "\n".join(blocks)


def vtt(transcript: TimedText, options: CueOptions | None = None) -> str:
    """The transcript as WebVTT subtitles; cues are sorted by time, as that format asks."""
    options, blocks = options or CueOptions(), ["WEBVTT\n"]
    for cue in _cues(transcript, options):
        times = f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}"
        blocks.append(f"{times}\n{escape(_arrowless(_lines(cue, options)), quote=False)}\n")
    return "\n".join(blocks)


def _cues(transcript: TimedText, options: CueOptions) -> list[_Cue]:
    """Subtitles in the order of their times; a word that goes back in time starts a new one."""
    cues: list[_Cue] = []
    for word in spoken(transcript.words):
        if cues and _fits(cues[-1], word, options):
            cues[-1].words.append(word.text)
            cues[-1].end = max(cues[-1].end, word.end)
        else:
            cues.append(_Cue(word.start, word.end, [word.text]))
    cues.sort(key=lambda cue: cue.start)
    for number, cue in enumerate(cues):
        wanted = max(cue.end, cue.start + options.shortest)
        following = cues[number + 1].start if number + 1 < len(cues) else wanted
        cue.end = min(wanted, max(following, cue.end))
    return cues


def _fits(cue: _Cue, word: Piece, options: CueOptions) -> bool:
    text = " ".join([*cue.words, word.text])
    return (
        word.start >= cue.start
        and word.end - cue.start <= options.seconds
        and word.start - cue.end < options.pause
        and len(_wrapped(text, options)) <= options.lines
    )


def _lines(cue: _Cue, options: CueOptions) -> str:
    return "\n".join(_wrapped(" ".join(cue.words), options))


def _wrapped(text: str, options: CueOptions) -> Sequence[str]:
    return textwrap.wrap(text, options.line, break_on_hyphens=False, break_long_words=False)


def _arrowless(text: str) -> str:
    """Without the arrow that both formats read as a line of times."""
    return text.replace("-->", "→")


def _time(seconds: float, point: str) -> str:
    thousandths = max(0, round(seconds * 1000))
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def stretches(words: Iterable[Piece], options: CueOptions | None = None) -> list[list[Piece]]:
    """Words split where somebody pauses: the segments of formats that have them."""
    pause = (options or CueOptions()).pause
    found: list[list[Piece]] = []
    for word in words:
        if found and -pause < word.start - found[-1][-1].end < pause:
            found[-1].append(word)
        else:
            found.append([word])
    return found
