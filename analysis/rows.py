"""Where each token listened: position, extent and certainty of every row of a map.

Everything that speaks of "where" starts here, so that all metrics mean the same place. A row's
place is the peak of the slightly smoothed row, refined to fractions of a frame. The centre of mass
would lie between the modes of a bimodal row, where nothing was listened to, and is drawn to the
middle by a noise floor; a bare arg-max follows single noisy frames.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .maps import Maps
from .signals.masked_stats import compact, sorted_quantile
from .signals.pace import pace_without_strays, strays

WINDOW_SECONDS = 0.10  # on both sides of the peak: what counts as "at the peak"
EDGE = 0.5  # share of the peak at which a row's extent ends: its width at half height
LEAST_GAIN = 2.0  # times what a uniform row has at its peak, to know where it listens
LEAST_CONTRAST = 0.05  # and of the mass that a uniform row lacks, at the peak
SHORT_GAIN, SHORT_CONTRAST = 1.5, 0.12  # or this, as no row of a very short map can gain much
WORD_LENGTH = 2.0  # characters per token from which tokens are more than characters
FLOOR_SAMPLES = 128  # frames of a row that its noise floor is estimated from


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
class Rows:
    """The same of one map, without padding."""

    peak: np.ndarray  # (tokens,) float: where the row listens, in frames
    low: np.ndarray  # (tokens,) int: first frame of the peak's extent
    high: np.ndarray  # (tokens,) int: frame after the extent
    gain: np.ndarray  # (tokens,) float: mass at the peak, relative to a uniform row
    located: np.ndarray  # (tokens,) bool: the row has a place (a flat row has none)
    lexical: np.ndarray  # (tokens,) bool: not a special token; spaces count
    spoken: np.ndarray  # (tokens,) bool: neither special nor space
    frames: int
    frame_seconds: float
    pace: float  # seconds of speech per lexical token where attention moves
    lengths: np.ndarray  # (tokens,) int: characters of each token
    token_length: float  # the mean over spoken tokens
    reading: np.ndarray  # (n,) int: the lexical rows that have a place, in order
    steady: np.ndarray  # (n,) int: those without strays, which are far off the way on both sides
    ordered: np.ndarray  # (n,) int: rows whose order in time means something

    @property
    def wordlike(self) -> bool:
        """Tokens are words or pieces of words rather than characters."""
        return self.token_length >= WORD_LENGTH


def rows_of(maps: Maps, item: int = 0) -> Rows:
    """Places of one map of a batch."""
    count, places = int(maps.token_counts[item]), maps.places

    def cut(values: np.ndarray) -> np.ndarray:
        return values[item, :count]

    located, lexical = cut(places.located), cut(places.lexical)
    return Rows(
        peak=cut(places.peak),
        low=cut(places.low),
        high=cut(places.high),
        gain=cut(places.gain),
        located=located,
        lexical=lexical,
        spoken=cut(places.spoken),
        frames=int(maps.frame_counts[item]),
        frame_seconds=float(maps.frame_seconds[item]),
        pace=float(places.pace[item]),
        lengths=cut(maps.lengths),
        token_length=float(places.token_length[item]),
        reading=np.flatnonzero(lexical & located),
        steady=np.flatnonzero(cut(places.steady)),
        ordered=np.flatnonzero(cut(places.ordered)),
    )


def find_places(maps: Maps) -> Places:
    """Places of the rows of all maps."""
    parts = zip(*(_peaks(part) for part in maps.blocks()), strict=True)
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


def _peaks(maps: Maps) -> tuple[np.ndarray, ...]:
    """What `Places` has from every row alone: peak, low, high, gain and located."""
    smooth = np.maximum(maps.smooth - _floor(maps.smooth, maps.valid_frames)[:, :, None], 0)
    top = smooth.argmax(axis=2) if smooth.shape[2] else np.zeros(smooth.shape[:2], np.int64)
    gain, located = _certainty(maps, top)
    return _refined(smooth, top), *_extent(smooth, top, maps.frame_counts), gain, located


def _token_length(maps: Maps, spoken: np.ndarray) -> np.ndarray:
    """(batch,) characters per spoken token, 1 where there is none."""
    counts = spoken.sum(axis=1)
    total = np.where(spoken, maps.lengths, 0).sum(axis=1)
    return np.divide(total, counts, out=np.ones(len(counts)), where=counts > 0)


def _floor(smooth: np.ndarray, valid_frames: np.ndarray) -> np.ndarray:
    """(batch, tokens) median of every row: what lies under a peak is noise.

    A row wider than half the map keeps its shape in what is left.
    """
    step = np.maximum(1, valid_frames // FLOOR_SAMPLES)
    counts = -(-valid_frames // step)
    places = np.arange(int(counts.max(initial=1)))
    inside = places < counts[:, None]
    if (step == step[:1]).all():
        samples = smooth[:, :, : len(places) * int(step[0]) : int(step[0])]
    else:
        columns = np.where(inside, places * step[:, None], 0)
        samples = np.take_along_axis(smooth, columns[:, None, :], axis=2)
    if inside.all():
        samples = np.sort(samples, axis=2)
    else:
        samples = np.sort(np.where(inside[:, None], samples, np.inf), axis=2)
    counts = np.broadcast_to(counts[:, None], samples.shape[:2])
    return sorted_quantile(samples, counts, 0.5).astype(smooth.dtype)


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


def _refined(smooth: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Peaks in fractions of a frame: the centroid of the peak frame and its two neighbours."""
    frames = smooth.shape[2]
    offsets = np.arange(-1, 2)
    window = top[:, :, None] + offsets
    inside = (window >= 0) & (window < frames)
    values = np.take_along_axis(smooth, np.clip(window, 0, frames - 1), axis=2)
    values = np.where(inside, values, 0).astype(np.float64)
    mass = values.sum(axis=2)
    moment = values[:, :, 2] - values[:, :, 0]
    return top + np.divide(moment, mass, out=np.zeros(top.shape), where=mass > 0)


def _extent(
    smooth: np.ndarray, top: np.ndarray, frame_counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The frames around each peak that hold at least `EDGE` of its height, half-open."""
    batch, tokens, frames = smooth.shape
    height = np.take_along_axis(smooth, top[:, :, None], axis=2)
    below = np.flatnonzero(smooth < EDGE * height)
    start = np.arange(batch * tokens).reshape(batch, tokens) * frames  # of every row
    if len(below) == 0:
        return np.zeros_like(top), np.broadcast_to(frame_counts[:, None], top.shape).copy()
    after = np.searchsorted(below, start + top)
    low = np.where(after > 0, below[after - 1] + 1, 0) - start
    ends = np.where(
        after < len(below), below[np.minimum(after, len(below) - 1)], batch * tokens * frames
    )
    return np.maximum(low, 0), np.minimum(ends - start, frame_counts[:, None])
