"""What other toolkits leave behind, as alignments: maps without labels, words without maps.

=========  ===============================================================================
``.npz``   the alignment file itself
``.npy``   attention weights that ESPnet saved (``att_ws``): no tokens, no seconds
``.json``  words with times: openai/whisper, whisper-timestamped, stable-ts, WhisperX, ours
=========  ===============================================================================
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from analysis.alignment import Alignment, AlignmentError
from analysis.archive import ArchiveError, read_array
from analysis.io.json_document import JSONError, parse

ENDINGS = (".npz", ".npy", ".json")
MAX_BYTES = 50_000_000  # of a JSON file
MAX_WORDS = 20_000
MAX_SECONDS = 86_400.0
MAX_CELLS = 50_000_000  # of a map made of words
WORD_FRAME = 0.02  # seconds per frame of such a map, doubled until it is small enough
ESPNET_FRAME = 0.04  # seconds: 10 ms features, every fourth frame, the usual in ESPnet


@dataclass(frozen=True)
class ReadOptions:
    """How files that do not say everything are read."""

    frame_seconds: float = ESPNET_FRAME  # of maps without a time axis (.npy)
    renormalise: bool = False  # accept rows that do not sum to one


@dataclass(frozen=True)
class _Word:
    text: str
    start: float | None  # seconds
    end: float | None  # seconds


def read(
    source: Path | str | bytes | BinaryIO, name: str = "", options: ReadOptions | None = None
) -> Alignment:
    """An alignment from a file of any of the kinds above, told by its ending.

    Parameters
    ----------
    source
        A path, the bytes of a file, or an open binary file.
    name
        Its name, where `source` is no path.

    Raises
    ------
    AlignmentError
        In one sentence, whatever is wrong with the file.
    """
    options = options or ReadOptions()
    ending = Path(name or (str(source) if isinstance(source, str | Path) else "")).suffix.lower()
    if ending == ".npy":
        return from_npy(source, options)
    if ending == ".json":
        return from_words(source)
    return Alignment.load(source, renormalise=options.renormalise)


def from_npy(
    source: Path | str | bytes | BinaryIO, options: ReadOptions | None = None
) -> Alignment:
    """Attention weights saved by ESPnet, (tokens, frames) or (heads, tokens, frames).

    The file names no tokens, so they are numbered from 1: findings about repeated text are out of
    reach, all others are not. Whether the last row is the end of the sentence is not known.

    Raises
    ------
    AlignmentError
        Where it is no such array.
    """
    options = options or ReadOptions()
    try:
        weights = read_array(source)
    except ArchiveError as error:
        raise AlignmentError(str(error)) from None
    if weights.ndim < 2:
        raise AlignmentError(f"weights: rows and frames are needed, not {weights.ndim} dimensions")
    if not weights.size:
        raise AlignmentError(f"weights: the shape {weights.shape} has no rows, heads or frames")
    tokens = [str(number) for number in range(1, weights.shape[-2] + 1)]
    return Alignment.from_arrays(
        weights, tokens, options.frame_seconds, renormalise=options.renormalise
    )


def from_words(source: Path | str | bytes | BinaryIO) -> Alignment:
    """Words with times, one row each, its mass spread evenly over the word's time.

    Such a file says when words were heard, not how surely: rows are boxes. Time between words
    counts as silence, since nothing in the file tells speech that was passed over. Words without
    times (WhisperX has some) lie between their neighbours.

    Raises
    ------
    AlignmentError
        Where the file is not JSON with words, or has more of them than can be shown.
    """
    values = _json(source)
    words = list(_words(values))
    if not words:
        raise AlignmentError("words: the file has no words with times (segments[].words[])")
    if len(words) > MAX_WORDS:
        raise AlignmentError(f"words: {len(words)} are more than the {MAX_WORDS} AttnScope reads")
    spans = _spans(words)  # (words, 2) seconds
    step = WORD_FRAME
    while len(words) * (spans.max() / step + 1) > MAX_CELLS:
        step *= 2
    first = np.floor(spans[:, 0] / step + 1e-6).astype(int)
    last = np.maximum(np.ceil(spans[:, 1] / step - 1e-6).astype(int), first + 1)
    weights = np.zeros((len(words), int(last.max())), np.float32)
    for row, (a, b) in enumerate(zip(first, last, strict=True)):
        weights[row, a:b] = 1 / (b - a)
    text = values.get("text") if isinstance(values, Mapping) else None
    return Alignment.from_arrays(
        weights,
        [word.text for word in words],
        step,
        speech=weights.any(axis=0),
        text=text.strip() if isinstance(text, str) else " ".join(word.text for word in words),
    )


def _json(source: Path | str | bytes | BinaryIO) -> Any:
    try:
        if isinstance(source, str | Path):
            with open(source, "rb") as file:
                content = file.read(MAX_BYTES + 1)
        else:
            content = source if isinstance(source, bytes) else source.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise AlignmentError("there is no such file") from None
    except OSError as error:
        raise AlignmentError(f"the file cannot be read ({error.strerror or 'damaged'})") from None
    try:
        return parse(content, MAX_BYTES)
    except JSONError as error:
        raise AlignmentError(str(error)) from None


def _words(values: Any) -> Iterator[_Word]:
    """Words of all segments, or of a bare list; empty ones are left out."""
    if isinstance(values, Mapping):
        values = values.get("segments", values.get("word_segments", values.get("words")))
    items = values if isinstance(values, list) else []
    if not all(isinstance(item, Mapping) for item in items):
        raise AlignmentError("words: every segment and word must be an object with names")
    for item in items:
        if isinstance(item.get("words"), list):
            yield from _words(item["words"])
        elif _is_word(item):
            word = item.get("word", item.get("text"))
            if not isinstance(word, str):
                raise AlignmentError("words: a word must be a text")
            if word.strip():
                yield _Word(word.strip(), _time(item.get("start")), _time(item.get("end")))


def _is_word(item: Mapping[str, Any]) -> bool:
    """Whether this is a word; a segment without words has a number and other things besides."""
    return "word" in item or ("text" in item and "id" not in item and "seek" not in item)


def _time(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise AlignmentError("words: times must be numbers of seconds")
    if value > MAX_SECONDS:
        large = f"{min(value, 10**300):g}"  # an integer may be too large for a float
        raise AlignmentError(f"words: times go up to {large} s, a day is the limit")
    if value < 0:
        raise AlignmentError("words: a time is negative")
    return float(value)


def _spans(words: list[_Word]) -> np.ndarray:
    """(words, 2) seconds; missing times are the neighbours', and none ends before it starts."""
    if all(word.start is None for word in words):
        raise AlignmentError("words: the file has no times")
    spans, before = np.zeros((len(words), 2)), 0.0
    following = [word.start for word in words if word.start is not None][-1]
    nexts: list[float] = []
    for word in reversed(words):
        nexts.append(following)
        following = following if word.start is None else word.start
    nexts.reverse()
    for row, word in enumerate(words):
        start = before if word.start is None else word.start
        end = max(start, nexts[row]) if word.end is None else max(start, word.end)
        spans[row] = start, end
        before = end
    return spans
