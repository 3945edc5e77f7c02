"""What other toolkits leave behind, as alignments: maps without labels, words without maps.

=========  ===============================================================================
``.npz``   the alignment file itself
``.npy``   attention weights that ESPnet saved (``att_ws``): no tokens, no seconds
``.json``  words with times of many programs: `analysis.io.timed_words`
=========  ===============================================================================
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..alignment import Alignment, AlignmentError
from .archive import ArchiveError, read_array
from .json_document import JSONError, parse
from .timed_words import WordTimesError, timed_words

ENDINGS = (".npz", ".npy", ".json")
MAX_BYTES = 50_000_000  # of a JSON file
MAX_WORDS = 20_000
MAX_CELLS = 50_000_000  # of a map made of words
WORD_FRAME = 0.02  # seconds per frame of such a map, doubled until it is small enough
FRAME_ASSUMED = "the file does not say how long a frame is: all times assume {:g} ms"
ESPNET_FRAME = 0.04  # seconds: 10 ms features, every fourth frame, the usual in ESPnet


@dataclass(frozen=True)
class ReadOptions:
    """How files that do not say everything are read."""

    frame_seconds: float = ESPNET_FRAME  # of maps without a time axis (.npy)
    renormalise: bool = False  # accept rows that do not sum to one


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
    alignment = Alignment.from_arrays(
        weights, tokens, options.frame_seconds, renormalise=options.renormalise
    )
    return replace(alignment, remarks=(FRAME_ASSUMED.format(1000 * options.frame_seconds),))


def from_words(source: Path | str | bytes | BinaryIO) -> Alignment:
    """Words with times, one row each, its mass spread evenly over the word's time.

    Such a file says when words were heard, not how surely: rows are boxes. Nothing in it tells
    whether somebody spoke between them, so speech is not known.

    Raises
    ------
    AlignmentError
        Where the file is not JSON with words, or has more of them than can be shown.
    """
    try:
        document = timed_words(_json(source))
    except WordTimesError as error:
        raise AlignmentError(str(error)) from None
    words = document.words
    if len(words) > MAX_WORDS:
        raise AlignmentError(f"words: {len(words)} are more than the {MAX_WORDS} AttnScope reads")
    spans = np.array([(word.start, word.end) for word in words])  # (words, 2) seconds
    step = WORD_FRAME
    while len(words) * (spans.max() / step + 1) > MAX_CELLS:
        step *= 2
    first = np.floor(spans[:, 0] / step + 1e-6).astype(int)
    last = np.maximum(np.ceil(spans[:, 1] / step - 1e-6).astype(int), first + 1)
    weights = np.zeros((len(words), int(last.max())), np.float32)
    for row, (a, b) in enumerate(zip(first, last, strict=True)):
        weights[row, a:b] = 1 / (b - a)
    tokens = [word.text for word in words]
    alignment = Alignment.from_arrays(weights, tokens, step, text=document.text)
    return replace(alignment, remarks=document.remarks)


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
