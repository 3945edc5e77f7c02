"""Many maps as padded arrays, so that a metric of all of them costs a few NumPy operations.

A single alignment is the batch of one: everything that is measured is measured here, once.

Everything that speaks of "where" starts with `Maps.places`, so that all metrics mean the same
place. A row's place is the peak of the slightly smoothed row, refined to fractions of a frame. The
centre of mass would lie between the modes of a bimodal row, where nothing was listened to, and is
drawn to the middle by a noise floor; a bare arg-max follows single noisy frames.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .signals.labels import kinds
from .signals.masked_stats import compact
from .signals.pace import pace_without_strays, strays
from .signals.peaks import noise_floor, peak_extents, refined_peaks
from .signals.smoothing import smoothed

BLOCK = 2**22  # cells whose rows are measured at once: more would only fill the memory
WINDOW_SECONDS = 0.10  # on both sides of the peak: what counts as "at the peak"
LEAST_GAIN = 2.0  # times what a uniform row has at its peak, to know where it listens
LEAST_CONTRAST = 0.05  # and of the mass that a uniform row lacks, at the peak
SHORT_GAIN, SHORT_CONTRAST = 1.5, 0.12  # or this, as no row of a very short map can gain much


@dataclass(frozen=True, eq=False)
class Places:
    """Places of all rows of many maps; frames count from 0 at a frame's centre."""

    peak: np.ndarray  # (batch, tokens) float: where the row listens, in frames
    low: np.ndarray  # (batch, tokens) int: first frame of the peak's extent
    high: np.ndarray  # (batch, tokens) int: frame after the extent
    gain: np.ndarray  # (batch, tokens) float: mass at the peak, relative to a uniform row
    located: np.ndarray  # (batch, tokens) bool: the row has a place (a flat row has none)
    lexical: np.ndarray  # (batch, tokens) bool: not a special token; spaces count
    spoken: np.ndarray  # (batch, tokens) bool: neither special nor space
    steady: np.ndarray  # (batch, tokens) bool: lexical, located, and not a stray row
    pace: np.ndarray  # (batch,) seconds of speech per lexical token where attention moves
    token_length: np.ndarray  # (batch,) mean characters of a spoken token

    @cached_property
    def ordered(self) -> np.ndarray:
        """(batch, tokens) bool: rows whose order means something: spoken, or else any lexical."""
        spoken = self.spoken & self.located
        enough = spoken.sum(axis=1, keepdims=True) > 1
        return np.where(enough, spoken, self.lexical & self.located)


@dataclass(frozen=True, eq=False)
class Maps:
    """A batch of (tokens, frames) maps, zero or false beyond their own tokens and frames."""

    weights: np.ndarray  # (batch, tokens, frames) float32, rows sum to one
    labels: tuple[tuple[str, ...], ...]  # tokens of each map
    token_counts: np.ndarray  # (batch,) int
    frame_counts: np.ndarray  # (batch,) int
    frame_seconds: np.ndarray  # (batch,) float
    speech: np.ndarray  # (batch, frames) bool; every frame, as it may be, where not known
    speech_known: np.ndarray  # (batch,) bool
    special: np.ndarray  # (batch, tokens) bool: stands for no sound
    space: np.ndarray  # (batch, tokens) bool: only separates words
    lengths: np.ndarray  # (batch, tokens) int: characters of each token

    @classmethod
    def from_arrays(
        cls,
        weights: Sequence[np.ndarray],
        tokens: Sequence[Sequence[str]],
        frame_seconds: float | Sequence[float],
        speech: Sequence[np.ndarray | None] | None = None,
    ) -> "Maps":
        """Maps of any sizes, padded; they are taken as they are, `Alignment` is what checks.

        Parameters
        ----------
        weights : batch of (tokens, frames)
            Rows that sum to one.
        tokens : batch of (tokens,)
        frame_seconds : float or (batch,)
        speech : batch of (frames,) bool or None, optional
            Voice activity; None where it is not known.
        """
        size = len(weights)
        counts = np.array([rows.shape for rows in weights], np.int64).reshape(-1, 2)
        most_tokens, most_frames = (int(most) for most in counts.max(axis=0, initial=0))
        if size == 1:
            padded = np.asarray(weights[0], np.float32)[None]
        else:
            padded = np.zeros((size, most_tokens, most_frames), np.float32)
            for item, rows in enumerate(weights):
                padded[item, : rows.shape[0], : rows.shape[1]] = rows
        activity = np.arange(most_frames) < counts[:, 1:]
        known = np.zeros(size, bool)
        for item, mask in enumerate(speech or ()):
            if mask is not None:
                activity[item, : len(mask)] = mask
                known[item] = True
        labels = tuple(tuple(row) for row in tokens)
        special, space, lengths = _kinds(labels, most_tokens)
        return cls(
            weights=padded,
            labels=labels,
            token_counts=counts[:, 0],
            frame_counts=counts[:, 1],
            frame_seconds=np.broadcast_to(np.asarray(frame_seconds, np.float64), size),
            speech=activity,
            speech_known=known,
            special=special,
            space=space,
            lengths=lengths,
        )

    def __len__(self) -> int:
        return len(self.weights)

    @cached_property
    def real(self) -> np.ndarray:
        """(batch, tokens) bool: not padding."""
        return np.arange(self.weights.shape[1]) < self.token_counts[:, None]

    @cached_property
    def lexical(self) -> np.ndarray:
        """(batch, tokens) bool: not special; spaces count."""
        return self.real & ~self.special

    @cached_property
    def valid_frames(self) -> np.ndarray:
        """(batch,) frames without padding: silence at the end without any weight is no audio."""
        frames = self.weights.shape[2]
        heard = self.speech | self.weights.any(axis=1)
        last = frames - heard[:, ::-1].argmax(axis=1)
        return np.where(heard.any(axis=1), last, self.frame_counts)

    @cached_property
    def places(self) -> Places:
        """Where each token listened."""
        return _find_places(self)

    def blocks(self) -> Iterator["Maps"]:
        """The maps in groups of rows, for what is told from each row alone.

        Most maps are one block, themselves: what is cached there serves every metric. Long ones
        would fill the memory several times, so what their blocks cache goes with them.
        """
        batch, tokens, frames = self.weights.shape
        at_once = max(1, BLOCK // max(1, batch * frames))
        if at_once >= tokens:
            yield self
            return
        for start in range(0, tokens, at_once):
            rows = slice(start, start + at_once)
            part = replace(
                self,
                weights=self.weights[:, rows],
                labels=tuple(labels[rows] for labels in self.labels),
                token_counts=np.clip(self.token_counts - start, 0, at_once),
                special=self.special[:, rows],
                space=self.space[:, rows],
                lengths=self.lengths[:, rows],
            )
            part.__dict__["valid_frames"] = self.valid_frames  # which all rows tell
            yield part

    @cached_property
    def smooth(self) -> np.ndarray:
        """(batch, tokens, frames) weights after a narrow Gaussian over time; ask `blocks`."""
        return smoothed(self.weights, self.frame_counts, self.frame_seconds)

    @cached_property
    def entropies(self) -> np.ndarray:
        """(batch, tokens) entropy of the rows in nats."""
        return np.concatenate([row_entropy(part.weights) for part in self.blocks()], axis=1)

    def mass(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """(batch, tokens) weight from frame `low` to the one before `high`, of every row."""
        masses, row = [], 0
        for part in self.blocks():
            rows = slice(row, row := row + part.weights.shape[1])
            ends = np.stack([low[:, rows], high[:, rows]], axis=2)
            ends = np.take_along_axis(part.running_mass, ends, axis=2)
            masses.append(ends[:, :, 1] - ends[:, :, 0])
        return np.concatenate(masses, axis=1)

    @cached_property
    def running_mass(self) -> np.ndarray:
        """(batch, tokens, frames + 1) float: weight before each frame; `mass` asks it."""
        batch, tokens, frames = self.weights.shape
        total = np.zeros((batch, tokens, frames + 1))
        np.cumsum(self.weights, axis=2, dtype=np.float64, out=total[:, :, 1:])
        return total


def unit_rows(weights: np.ndarray) -> np.ndarray:
    """(..., frames) float32 weights with rows divided by their sums, exact to rounding."""
    sums = weights.sum(axis=-1, keepdims=True, dtype=np.float64)
    out = np.empty(weights.shape, np.float32)
    return np.divide(weights, sums, out=out, casting="same_kind")


def row_entropy(weights: np.ndarray) -> np.ndarray:
    """(...,) entropy of the rows of (..., frames) weights, in nats."""
    logs = np.log(np.maximum(weights, np.finfo(np.float32).tiny))
    return -np.einsum("...t,...t->...", weights, logs).astype(np.float64)


def _kinds(labels: Sequence[Sequence[str]], most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Special, space and length of every token, each (batch, most)."""
    special, space = np.zeros((2, len(labels), most), bool)
    lengths = np.zeros((len(labels), most), np.int64)
    for item, tokens in enumerate(labels):
        row = slice(len(tokens))
        special[item, row], space[item, row], lengths[item, row] = kinds(tuple(tokens))
    return special, space, lengths


def _find_places(maps: Maps) -> Places:
    """Places of the rows of all maps."""
    parts = zip(*(_row_peaks(part) for part in maps.blocks()), strict=True)
    peak, low, high, gain, located = (np.concatenate(part, axis=1) for part in parts)
    lexical, spoken = maps.lexical, maps.lexical & ~maps.space
    reading = lexical & located
    length = _token_length(maps, spoken)
    places, counts = compact(peak, reading)
    pace = pace_without_strays(places, counts, maps.speech, maps.frame_seconds, length)
    off = strays(places * maps.frame_seconds[:, None], counts, pace)
    steady = reading.copy()
    steady[reading] = ~off[np.isfinite(places)]
    return Places(
        peak=peak,
        low=low,
        high=high,
        gain=gain,
        located=located & maps.real,
        lexical=lexical,
        spoken=spoken,
        steady=steady,
        pace=pace,
        token_length=length,
    )


def _row_peaks(maps: Maps) -> tuple[np.ndarray, ...]:
    """What `Places` has from every row alone: peak, low, high, gain and located."""
    smooth = np.maximum(maps.smooth - noise_floor(maps.smooth, maps.valid_frames)[:, :, None], 0)
    top = smooth.argmax(axis=2) if smooth.shape[2] else np.zeros(smooth.shape[:2], np.int64)
    gain, located = _certainty(maps, top)
    return refined_peaks(smooth, top), *peak_extents(smooth, top, maps.frame_counts), gain, located


def _certainty(maps: Maps, top: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mass around each peak relative to a uniform row's, and whether that makes it a place."""
    frames = np.maximum(maps.valid_frames, 1)[:, None]
    reach = np.maximum(1, np.round(WINDOW_SECONDS / maps.frame_seconds).astype(np.int64))[:, None]
    low, high = np.maximum(top - reach, 0), np.minimum(top + reach + 1, frames)
    mass = maps.mass(low, high)
    uniform = (high - low) / frames
    gain = mass / uniform
    contrast = (mass - uniform) / np.maximum(1 - uniform, 1e-9)
    located = (gain >= LEAST_GAIN) & (contrast >= LEAST_CONTRAST)
    located |= (gain >= SHORT_GAIN) & (contrast >= SHORT_CONTRAST)
    return gain, located | (uniform >= 1)


def _token_length(maps: Maps, spoken: np.ndarray) -> np.ndarray:
    """(batch,) characters per spoken token, 1 where there is none."""
    counts = spoken.sum(axis=1)
    total = np.where(spoken, maps.lengths, 0).sum(axis=1)
    return np.divide(total, counts, out=np.ones(len(counts)), where=counts > 0)
