"""What a recogniser listened to: attention weights with their tokens and their seconds.

This is the contract between every recogniser and everything that measures or draws: maps made by
any other toolkit enter here (`Alignment.load`, `Alignment.from_arrays`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .io.archive import ArchiveError, read_arrays
from .io.files import replacing
from .maps import BLOCK, Maps, unit_rows
from .rows import Rows, rows_of

ROW_TOLERANCE = 1e-3  # how far a row may be from summing to one
SHORTEST_FRAME, LONGEST_FRAME = 1e-3, 3_600.0  # seconds; smoothing takes all frames within 75 ms
LONGEST_START = 864_000.0  # seconds before or after the recording's beginning
ARRAYS = (
    "weights",
    "tokens",
    "frame_seconds",
    "start_seconds",
    "speech",
    "ended",
    "text",
    "reference",
    "variant",
)


class AlignmentError(ValueError):
    """An alignment is not valid; the message is one sentence naming the array at fault."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Attention weights of one decoded recording.

    Make one with `load` or `from_arrays`, which check everything; the constructor does not.
    """

    weights: np.ndarray  # (layers, heads, tokens, frames) float32, rows sum to one, read-only
    tokens: tuple[str, ...]  # decoded tokens in order, <eos> included if it was emitted
    frame_seconds: float  # seconds per attention frame
    start_seconds: float = 0.0  # time at which frame 0 starts
    speech: np.ndarray | None = None  # (frames,) bool; None: not known
    ended: bool | None = None  # the decoder emitted <eos> itself; None: not known
    text: str | None = None  # what was decoded, as text
    reference: str | None = None  # what was said
    variant: str | None = None  # which mechanism listened
    dims: int = 4  # dimensions `weights` came with (2, 3 or 4), kept for saving
    remarks: tuple[str, ...] = ()  # what reading its file put right or assumed; not saved

    @classmethod
    def from_arrays(
        cls,
        weights: Any,
        tokens: Sequence[str] | np.ndarray,
        frame_seconds: float,
        *,
        start_seconds: float = 0.0,
        speech: Any = None,
        ended: bool | None = None,
        text: str | None = None,
        reference: str | None = None,
        variant: str | None = None,
        renormalise: bool = False,
    ) -> "Alignment":
        """An alignment from arrays of any toolkit, checked.

        Parameters
        ----------
        weights : (tokens, frames), (heads, tokens, frames) or (layers, heads, tokens, frames)
            Attention weights; every row sums to one within 1e-3.
        tokens : (tokens,)
            Decoded tokens in order.
        frame_seconds : float
            Seconds per attention frame.
        speech : (frames,) bool, optional
            Voice activity. Without it, nothing is said of audio that no token listened to.
        renormalise : bool
            Divide rows by their sums instead of refusing those that do not sum to one.

        Raises
        ------
        AlignmentError
            One sentence naming the array that is wrong.
        """
        labels = _labels(tokens)
        maps, dims = _weights(weights, labels, renormalise)
        return cls(
            weights=maps,
            tokens=labels,
            frame_seconds=_number("frame_seconds", frame_seconds, SHORTEST_FRAME, LONGEST_FRAME),
            start_seconds=_number("start_seconds", start_seconds, -LONGEST_START, LONGEST_START),
            speech=None if speech is None else _speech(speech, maps.shape[-1]),
            ended=None if ended is None else _flag("ended", ended),
            text=_text("text", text),
            reference=_text("reference", reference),
            variant=_text("variant", variant),
            dims=dims,
        )

    @classmethod
    def load(
        cls, source: Path | str | bytes | BinaryIO, *, renormalise: bool = False
    ) -> "Alignment":
        """Read an alignment file (`.npz`); nothing in it is ever unpickled.

        Raises
        ------
        AlignmentError
            Whatever is wrong with the file, in one sentence.
        """
        try:
            arrays = read_arrays(source, ARRAYS)
        except ArchiveError as error:
            raise AlignmentError(str(error)) from None
        for name in ("weights", "tokens", "frame_seconds"):
            if name not in arrays:
                raise AlignmentError(f"{name}: the file has no array of this name")
        values: dict[str, Any] = {**arrays}  # which `from_arrays` checks
        return cls.from_arrays(**values, renormalise=renormalise)

    def save(self, target: Path | str | BinaryIO) -> None:
        """Write the file that `load` reads; `weights` keeps the dimensions it came with."""
        arrays: dict[str, Any] = {
            "weights": self.weights.reshape(self.weights.shape[4 - self.dims :]),
            "tokens": np.array(self.tokens, dtype=np.str_),
            "frame_seconds": np.float64(self.frame_seconds),
            "start_seconds": np.float64(self.start_seconds),
        }
        optional = {name: getattr(self, name) for name in ARRAYS if name not in arrays}
        arrays |= {name: np.asarray(value) for name, value in optional.items() if value is not None}
        if isinstance(target, str | Path):  # np.savez would add an extension to a bare name
            with replacing(Path(target)) as path, path.open("wb") as file:
                np.savez_compressed(file, **arrays)
        else:
            np.savez_compressed(target, **arrays)

    @property
    def layers(self) -> int:
        return self.weights.shape[0]

    @property
    def heads(self) -> int:
        return self.weights.shape[1]

    @property
    def frames(self) -> int:
        return self.weights.shape[-1]

    @property
    def seconds(self) -> float:
        """Length of the time axis."""
        return self.frames * self.frame_seconds

    @cached_property
    def map(self) -> np.ndarray:
        """(tokens, frames) float32: the mean over layers and heads, rows summing to one."""
        one = self.layers * self.heads == 1
        mean = unit_rows(self.weights[0, 0] if one else self.weights.mean(axis=(0, 1)))
        mean.flags.writeable = False
        return mean

    @cached_property
    def maps(self) -> Maps:
        """`map` as a batch of one, which is what metrics measure."""
        return mean_maps([self])

    def by_head(self) -> Iterator[Maps]:
        """Every head of every layer, layer by layer, in batches; long maps one by one."""
        if self.layers * self.heads == 1:
            yield self.maps
        elif self.weights.size <= BLOCK:
            yield self._heads
        else:
            for number in range(self.layers * self.heads):
                yield head_maps(self, slice(number, number + 1))

    @cached_property
    def _heads(self) -> Maps:
        return head_maps(self)

    @cached_property
    def rows(self) -> Rows:
        """Where each token listened in `map`."""
        return rows_of(self.maps)

    @property
    def peak_seconds(self) -> np.ndarray:
        """(tokens,) time at the middle of the frame to which `map` gives every token most."""
        return self.start_seconds + (self.map.argmax(axis=1) + 0.5) * self.frame_seconds

    @property
    def valid_frames(self) -> int:
        """Frames without padding: silence at the end that no row gives any weight is no audio."""
        return int(self.maps.valid_frames[0])

    @cached_property
    def speech_mask(self) -> np.ndarray:
        """(frames,) bool: where somebody may speak; every frame where that is not known."""
        return np.ones(self.frames, bool) if self.speech is None else self.speech

    def light(self) -> "Alignment":
        """The same, without what only measuring it needed: several times its size."""
        copy = replace(self)
        copy.__dict__["rows"] = self.rows
        return copy

    def head(self, layer: int, head: int) -> "Alignment":
        """The same alignment with the map of one head only."""
        return replace(self, weights=self.weights[layer : layer + 1, head : head + 1], dims=2)

    def time(self, frame: float) -> float:
        """Seconds at the start of a frame; `frame + 0.5` gives its centre."""
        return round(float(self.start_seconds + frame * self.frame_seconds), 9)


def mean_maps(alignments: Iterable[Alignment]) -> Maps:
    """The mean maps of some alignments as one batch."""
    chosen = list(alignments)
    return Maps.from_arrays(
        [alignment.map for alignment in chosen],
        [alignment.tokens for alignment in chosen],
        [alignment.frame_seconds for alignment in chosen],
        [alignment.speech for alignment in chosen],
    )


def head_maps(alignment: Alignment, chosen: slice = slice(None)) -> Maps:
    """Heads of an alignment as a batch of maps, layer by layer: all of them or some."""
    layers, heads, *shape = alignment.weights.shape  # -1 could not be told without tokens
    maps = unit_rows(alignment.weights.reshape(layers * heads, *shape)[chosen])
    count = len(maps)
    return Maps.from_arrays(
        list(maps), [alignment.tokens] * count, alignment.frame_seconds, [alignment.speech] * count
    )


def _frozen(array: np.ndarray, dtype: Any) -> np.ndarray:
    """A read-only copy, so that one alignment can be shared by everybody.

    What is read-only already, down to the array that owns the numbers, is taken as it is.
    """
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    shared = owner.flags.owndata and not owner.flags.writeable and not array.flags.writeable
    if shared and array.dtype == dtype and array.flags.c_contiguous:
        return array
    copy = np.array(array, dtype=dtype, order="C")
    copy.flags.writeable = False
    return copy


def _array(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError:  # rows of different lengths
        raise AlignmentError(f"{name}: this is not a regular array") from None


def _labels(tokens: Sequence[str] | np.ndarray) -> tuple[str, ...]:
    if isinstance(tokens, str):
        raise AlignmentError("tokens: give a list of tokens, not one text")
    if isinstance(tokens, np.ndarray):
        if tokens.ndim != 1 or tokens.dtype.kind != "U":
            raise AlignmentError(
                f"tokens: a row of texts is needed, not {tokens.ndim}-dimensional {tokens.dtype}"
            )
        tokens = tokens.tolist()
    labels = tuple(tokens)
    if not all(isinstance(label, str) for label in labels):
        raise AlignmentError("tokens: every token must be a text")
    return tuple(str(label) for label in labels)


def _weights(weights: Any, tokens: tuple[str, ...], renormalise: bool) -> tuple[np.ndarray, int]:
    """The checked maps as (layers, heads, tokens, frames) and the dimensions they came with."""
    array = _array("weights", weights)
    if array.dtype.kind not in "fiub":
        raise AlignmentError(f"weights: real numbers are needed, not {array.dtype}")
    if array.ndim not in (2, 3, 4):
        raise AlignmentError(
            f"weights: 2 to 4 dimensions are needed (layers, heads, tokens, frames), "
            f"not {array.ndim}"
        )
    maps = array.reshape((1,) * (4 - array.ndim) + array.shape)
    if 0 in (maps.shape[0], maps.shape[1], maps.shape[3]):
        raise AlignmentError(f"weights: the shape {array.shape} has no cells")
    if maps.shape[2] != len(tokens):
        raise AlignmentError(
            f"tokens: there are {len(tokens)} tokens for {maps.shape[2]} rows of weights"
        )
    if maps.size == 0:
        return _frozen(maps, np.float32), array.ndim
    return _frozen(_rows(maps, tokens, renormalise), np.float32), array.ndim


def _rows(maps: np.ndarray, tokens: tuple[str, ...], renormalise: bool) -> np.ndarray:
    """Rows that are finite, not negative, not empty, and sum to one."""
    if maps.dtype.kind == "f" and not np.isfinite(maps).all():
        raise AlignmentError(
            f"weights: {_place(~np.isfinite(maps), tokens)} is not a finite number"
        )
    if maps.dtype.kind in "fi" and maps.min() < 0:
        raise AlignmentError(f"weights: {_place(maps < 0, tokens)} is negative")
    with np.errstate(over="ignore"):
        sums = maps.sum(axis=-1, keepdims=True, dtype=np.float64)
    if not np.isfinite(sums).all():
        raise AlignmentError(f"weights: {_place(~np.isfinite(sums), tokens)} sums to infinity")
    if not sums.all():
        raise AlignmentError(
            f"weights: {_place(sums == 0, tokens)} is all zeros, so it listens to nothing"
        )
    if renormalise:
        return maps / sums
    wrong = np.abs(sums - 1) > ROW_TOLERANCE
    if wrong.any():
        raise AlignmentError(
            f"weights: {_place(wrong, tokens)} sums to {sums[wrong][0]:.4g} instead of 1; "
            "renormalise to accept the file"
        )
    return maps


def _place(wrong: np.ndarray, tokens: tuple[str, ...]) -> str:
    """Where the first true cell of (layers, heads, tokens, frames or 1) is, in words."""
    layer, head, row, frame = (int(i[0]) for i in np.nonzero(wrong))
    place = f"row {row} ({tokens[row]!r})"
    if wrong.shape[3] > 1:
        place = f"frame {frame} of {place}"
    if wrong.shape[0] * wrong.shape[1] > 1:
        place += f" of layer {layer}, head {head}"
    return place


def _number(name: str, value: Any, least: float, most: float) -> float:
    array = _array(name, value)
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise AlignmentError(f"{name}: one number is needed")
    number = float(array.reshape(()))
    if not least <= number <= most:  # neither is NaN
        raise AlignmentError(
            f"{name}: a number from {least:g} to {most:g} is needed, not {number:g}"
        )
    return number


def _flag(name: str, value: Any) -> bool:
    array = _array(name, value)
    if array.size != 1 or array.dtype.kind not in "bui" or array.reshape(()) not in (0, 1):
        raise AlignmentError(f"{name}: true or false is needed")
    return bool(array.reshape(()))


def _speech(value: Any, frames: int) -> np.ndarray:
    array = _array("speech", value)
    if array.dtype.kind not in "bui" or (
        array.dtype.kind != "b" and not np.isin(array, (0, 1)).all()
    ):
        raise AlignmentError("speech: true or false is needed for every frame")
    if array.shape != (frames,):
        raise AlignmentError(
            f"speech: the shape is {array.shape}, but the weights have {frames} frames"
        )
    return _frozen(array, bool)


def _text(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    array = _array(name, value)
    if array.size != 1 or array.dtype.kind != "U":
        raise AlignmentError(f"{name}: one text is needed")
    return str(array.reshape(()))
