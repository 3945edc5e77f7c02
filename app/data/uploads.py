"""Alignment files of any toolkit that a user brought, in the form of Compare's results."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis.alignment import ARRAYS, Alignment, AlignmentError
from analysis.diagnosis import diagnose
from analysis.io import toolkits
from analysis.io.archive import ArchiveError, unpacked_bytes
from analysis.io.toolkits import ReadOptions
from analysis.signals.labels import words
from analysis.signals.speech_activity import speech_frames
from analysis.signals.token_text import joined
from app.comparison import VariantResult
from app.data.decoding import Outcome, Store
from models.audio import Recording
from models.features import SAMPLE_RATE
from models.names import told_apart
from models.variant import Decoded, VariantInfo

FILES = 16  # shown at once; beyond it nobody compares anything
CELLS = 25_000_000  # weights of one file: 6 layers of 8 heads, 300 tokens over 70 seconds
CELLS_OF_ALL = 60_000_000  # weights of all files of a page
BYTES = 8 * CELLS + 1_000_000  # of a file once unpacked: weights in double precision
APART = 0.5  # seconds a map and a recording may differ in length: padding, frames cut off
NAMELESS = ".npy"  # the kind of file that holds no tokens


@dataclass(frozen=True)
class File:
    """An upload."""

    name: str  # as the user knows it: text to show, never a path
    content: bytes

    @property
    def kind(self) -> str:
        """The ending of the name, which says how the file is read."""
        return Path(self.name).suffix.lower()


def read_all(
    files: Sequence[File], options: ReadOptions, recording: Recording | None, store: Store
) -> list[Outcome]:
    """What every file says, or in one sentence why it says nothing; one does not stop another.

    Parameters
    ----------
    recording
        What was listened to, if it was brought too: tells speech from silence where a file does
        not, as on Compare.
    store
        Where results are kept; the files' content and `options` are the key.
    """
    outcomes, total = [], 0
    names = told_apart((file.name for file in files), _numbered)
    for name, file in zip(names, files, strict=True):
        try:
            result = _read(name, file, options, recording, store)
            total += result.decoded.alignment.weights.size
            if total > CELLS_OF_ALL:
                total -= result.decoded.alignment.weights.size
                raise AlignmentError(
                    f"with the files before it there are more than the {CELLS_OF_ALL // 10**6} "
                    "million weights shown at once; take one of them away"
                )
            outcomes.append(Outcome(name, result))
        except AlignmentError as error:
            outcomes.append(Outcome(name, None, f"{str(error).rstrip('.')}."))
    return outcomes


def info_of(name: str, alignment: Alignment | None = None) -> VariantInfo:
    """How a file is called where Compare names a mechanism."""
    kind = Path(name).suffix.lower()
    if alignment is None:
        return VariantInfo(name, kind, Path(name).stem, "could not be read", None, None, None)
    title = (alignment.variant or "").strip() or Path(name).stem
    return VariantInfo(name, kind, title, shape_words(alignment), None, None, None)


def shape_words(alignment: Alignment) -> str:
    """Sizes of an alignment in words."""
    heads = alignment.layers * alignment.heads
    maps = "one map" if heads == 1 else f"{alignment.layers} layers × {alignment.heads} heads"
    return (
        f"{maps}, {len(alignment.tokens)} tokens, {alignment.frames} frames of "
        f"{1000 * alignment.frame_seconds:g} ms"
    )


def names_tokens(result: VariantResult) -> bool:
    """Whether the file says what was decoded; otherwise its tokens are only numbers."""
    return not result.info.family.startswith(NAMELESS)


def end_of(alignment: Alignment) -> float:
    """Time at which a map ends, in seconds."""
    return alignment.start_seconds + alignment.seconds


def length_note(result: VariantResult, recording: Recording) -> str:
    """One sentence where a map and the recording cannot be of the same length, else nothing.

    Words with times end with the last word, so such a file may be shorter.
    """
    end, heard = end_of(result.decoded.alignment), recording.seconds
    if end > heard + APART:
        return (
            f"The map goes on to {end:.1f} s but the recording ends at {heard:.1f} s: check that "
            "they belong together and that frame_seconds is right."
        )
    if end < heard - APART and result.info.family != ".json":
        return (
            f"The map ends at {end:.1f} s but the recording goes on to {heard:.1f} s: check that "
            "they belong together and that frame_seconds is right."
        )
    return ""


def _numbered(name: str, number: int) -> str:
    """A file's name with a number before its ending."""
    path = Path(name)
    return f"{path.stem} ({number}){path.suffix}"


def _read(
    name: str, file: File, options: ReadOptions, recording: Recording | None, store: Store
) -> VariantResult:
    sound = "" if recording is None else hashlib.sha256(recording.samples.tobytes()).hexdigest()
    key = (hashlib.sha256(file.content).hexdigest(), options, file.kind, sound)
    known = store.get(key)
    if known is None:
        known = _measured(file, options, recording)
        store.put(key, known)
    return replace(known, info=info_of(name, known.decoded.alignment))


def _measured(file: File, options: ReadOptions, recording: Recording | None) -> VariantResult:
    _check_size(file)
    alignment = toolkits.read(file.content, file.name, options)
    if alignment.weights.size > CELLS:
        raise AlignmentError(
            f"weights: {alignment.weights.size / 10**6:.0f} million are more than the "
            f"{CELLS // 10**6} million this page takes"
        )
    alignment = _with_speech(alignment, recording)
    info = info_of(file.name, alignment)
    text = "" if file.kind == NAMELESS else _text(alignment)
    decoded = Decoded(text, alignment, np.zeros(0), decode_seconds=float("nan"))
    return VariantResult(info, decoded, diagnose(alignment), score=None)


def _check_size(file: File) -> None:
    """Refuse what would unpack to too much, before it is unpacked."""
    size = len(file.content)
    if file.kind == ".npz":
        try:
            size = unpacked_bytes(file.content, ARRAYS)
        except ArchiveError as error:
            raise AlignmentError(str(error)) from None
    if size > BYTES:
        raise AlignmentError(
            f"the file holds {size / 10**6:.0f} MB of arrays, more than the {BYTES // 10**6} MB "
            "this page takes"
        )


def _with_speech(alignment: Alignment, recording: Recording | None) -> Alignment:
    """The alignment with the recording's voice activity, unless the file brought its own."""
    if alignment.speech is not None or recording is None:
        return alignment
    before = max(0, math.ceil(-alignment.start_seconds / alignment.frame_seconds))  # frames
    before = min(before, alignment.frames)
    start = alignment.start_seconds + before * alignment.frame_seconds
    samples = recording.samples[max(0, round(start * SAMPLE_RATE)) :]
    if not len(samples):
        return alignment
    speech = np.zeros(alignment.frames, bool)
    speech[before:] = speech_frames(
        samples, SAMPLE_RATE, alignment.frames - before, alignment.frame_seconds
    )
    return replace(alignment, speech=speech)


def _text(alignment: Alignment) -> str:
    """What was decoded: the file's own text, or its tokens put together."""
    if alignment.text is not None:
        return alignment.text
    return joined(word.text for word in words(alignment.tokens))
