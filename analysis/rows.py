"""Where each token listened: position, extent and certainty of every row of a map.

Everything that speaks of "where" starts here, so that all metrics mean the same place. A row's
place is the peak of the slightly smoothed row, refined to fractions of a frame. The centre of mass
would lie between the modes of a bimodal row, where nothing was listened to, and is drawn to the
middle by a noise floor; a bare arg-max follows single noisy frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.labels import is_space, is_special, mean_length

SMOOTHING_SECONDS = 0.03  # standard deviation: less than a short phone
WINDOW_SECONDS = 0.10  # on both sides of the peak: what counts as "at the peak"
EDGE = 0.5  # share of the peak at which a row's extent ends: its width at half height
LEAST_GAIN = 2.0  # times what a uniform row has at its peak, to know where it listens
LEAST_CONTRAST = 0.05  # and of the mass that a uniform row lacks, at the peak
SHORT_GAIN, SHORT_CONTRAST = 1.5, 0.12  # or this, as no row of a very short map can gain much
STRAY_SECONDS = 0.3  # further than this outside its neighbours' places is a stray peak
STRAY_PACES = 2.0  # or this many tokens' time
STRAY_REACH = 6  # rows to each side among which a stray peak has no companion
PACE_CHARACTERS = 4  # over which the pace is measured: peaks jitter by part of a character
WORD_LENGTH = 2.0  # characters per token from which tokens are more than characters
CHARACTER_SECONDS = 0.065  # a spoken character, at about 15 characters a second
FASTEST_CHARACTER = 0.025  # nobody speaks 40 characters a second


@dataclass(frozen=True, eq=False)
class Rows:
    """Places of all rows of one (tokens, frames) map; frames count from 0 at a frame's centre."""

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

    @property
    def wordlike(self) -> bool:
        """Tokens are words or pieces of words rather than characters."""
        return self.token_length >= WORD_LENGTH

    @property
    def reading(self) -> np.ndarray:
        """(n,) int: the lexical rows that have a place, in order."""
        return np.flatnonzero(self.lexical & self.located)

    @cached_property
    def steady(self) -> np.ndarray:
        """(n,) int: reading rows without strays, which are single rows or pairs far off their way.

        A stray row is an outlier of the map, not a movement of attention: the rows before and after
        it go on as if it were not there.
        """
        return self.reading[~_strays(self.peak[self.reading] * self.frame_seconds, self.pace)]

    @property
    def ordered(self) -> np.ndarray:
        """(n,) int: rows whose order in time means something: spoken ones, or else any lexical."""
        spoken = np.flatnonzero(self.spoken & self.located)
        return spoken if len(spoken) > 1 else self.reading


def find_rows(
    weights: np.ndarray,
    tokens: Sequence[str],
    frame_seconds: float,
    speech: np.ndarray,
    valid_frames: int,
) -> Rows:
    """Places of the rows of a (tokens, frames) map; `speech` (frames,) is for the pace only.

    Frames from `valid_frames` on are padding, which hold no weight.
    """
    frames = weights.shape[1]
    special, space = is_special(tokens), is_space(tokens)
    smooth = smoothed(weights, frame_seconds)
    # the floor under a row is noise; a row wider than half the map keeps its shape in what is left
    step = max(1, valid_frames // 128)
    floor = np.median(smooth[:, :valid_frames:step], axis=1, keepdims=True)
    smooth = np.maximum(smooth - floor, 0)
    top = smooth.argmax(axis=1) if len(tokens) else np.zeros(0, np.int64)
    gain, located = _certainty(weights[:, :valid_frames], top, frame_seconds)
    peak = _refined(smooth, top)
    low, high = _extent(smooth, top)
    lexical = ~special
    return Rows(
        peak=peak,
        low=low,
        high=high,
        gain=gain,
        located=located,
        lexical=lexical,
        spoken=lexical & ~space,
        frames=frames,
        frame_seconds=frame_seconds,
        pace=_steady_pace(peak[lexical & located], speech, frame_seconds, mean_length(tokens)),
        lengths=np.array([len(token.strip()) for token in tokens], np.int64),
        token_length=mean_length(tokens),
    )


def smoothed(weights: np.ndarray, frame_seconds: float) -> np.ndarray:
    """(tokens, frames) weights after a narrow Gaussian over time; order and peaks are kept."""
    sigma = SMOOTHING_SECONDS / frame_seconds
    reach = min(int(np.ceil(2.5 * sigma)), weights.shape[1] - 1)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(weights.dtype)
    if reach == 0 or taps[reach - 1] < 1e-3:
        return weights
    out = weights * taps[reach]
    for shift in range(1, reach + 1):
        out[:, shift:] += taps[reach + shift] * weights[:, :-shift]
        out[:, :-shift] += taps[reach + shift] * weights[:, shift:]
    return out


def _certainty(
    weights: np.ndarray, top: np.ndarray, frame_seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mass around each peak relative to a uniform row's, and whether that makes it a place."""
    frames = weights.shape[1]
    reach = max(1, round(WINDOW_SECONDS / frame_seconds))
    window = np.clip(top[:, None] + np.arange(-reach, reach + 1), -1, frames)
    inside = (window >= 0) & (window < frames)
    values = np.take_along_axis(weights, np.clip(window, 0, frames - 1), axis=1)
    mass = np.where(inside, values, 0).sum(axis=1, dtype=np.float64)
    uniform = inside.sum(axis=1) / frames
    gain = mass / uniform
    contrast = (mass - uniform) / np.maximum(1 - uniform, 1e-9)
    located = (gain >= LEAST_GAIN) & (contrast >= LEAST_CONTRAST)
    located |= (gain >= SHORT_GAIN) & (contrast >= SHORT_CONTRAST)
    return gain, located | (uniform >= 1)


def _refined(smooth: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Peaks in fractions of a frame: the centroid of the peak frame and its two neighbours."""
    frames = smooth.shape[1]
    offsets = np.arange(-1, 2)
    window = top[:, None] + offsets
    inside = (window >= 0) & (window < frames)
    values = np.take_along_axis(smooth, np.clip(window, 0, frames - 1), axis=1)
    values = np.where(inside, values, 0).astype(np.float64)
    mass = values.sum(axis=1)
    shift = np.divide((values * offsets).sum(axis=1), mass, out=np.zeros(len(top)), where=mass > 0)
    return top + shift


def _extent(smooth: np.ndarray, top: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The frames around each peak that hold at least `EDGE` of its height, half-open."""
    count, frames = smooth.shape
    height = smooth.max(axis=1, keepdims=True, initial=0)
    below = smooth < EDGE * height
    index = np.arange(frames, dtype=np.int32)
    rows = np.arange(count)
    left = np.maximum.accumulate(np.where(below, index, -1), axis=1)[rows, top]
    right = np.minimum.accumulate(np.where(below, index, frames)[:, ::-1], axis=1)
    return left + 1, right[:, ::-1][rows, top]


def _strays(seconds: np.ndarray, pace: float) -> np.ndarray:
    """(n,) bool: single rows, or two that disagree, far outside the places on both their sides."""
    count = len(seconds)
    strays = np.zeros(count, bool)
    if count < 4:
        return strays
    far = max(STRAY_SECONDS, STRAY_PACES * pace)
    for size in (1, 2):
        before, after = seconds[: count - size - 1], seconds[size + 1 :]
        low, high = np.minimum(before, after) - far, np.maximum(before, after) + far
        inside = [seconds[1 + k : count - size + k] for k in range(size)]
        off = np.all([(row < low) | (row > high) for row in inside], axis=0)
        if size == 2:  # two that agree with each other may be a short return
            off &= np.abs(inside[1] - inside[0]) > far
        for k in range(size):
            strays[1 + k : count - size + k] |= off
    # an end has one neighbour: it can only be seen to be on the wrong side
    strays[0] = seconds[0] > seconds[1] + far
    strays[-1] = seconds[-1] < seconds[-2] - far
    return strays & _lonely(seconds, far)


def _lonely(seconds: np.ndarray, far: float) -> np.ndarray:
    """(n,) bool: no row nearby listens to the same place, as rows of a loop or a return do."""
    alone = np.ones(len(seconds), bool)
    for shift in range(1, min(STRAY_REACH, len(seconds) - 1) + 1):
        apart = np.abs(seconds[shift:] - seconds[:-shift]) > far / 2
        alone[shift:] &= apart
        alone[:-shift] &= apart
    return alone


def _steady_pace(
    places: np.ndarray, speech: np.ndarray, frame_seconds: float, length: float
) -> float:
    """Pace without stray rows, which need a first guess of the pace to be seen."""
    guess = _pace(places, speech, frame_seconds, length, 1)
    places = places[~_strays(places * frame_seconds, guess)]
    # one jump spoils as many of the values as the span is long: short scripts take shorter spans
    span = min(round(PACE_CHARACTERS / length), len(places) // 6)
    return _pace(places, speech, frame_seconds, length, max(1, span))


def _pace(
    places: np.ndarray, speech: np.ndarray, frame_seconds: float, length: float, span: int
) -> float:
    """Seconds of speech per token, from the places of successive tokens of a mean length.

    The (nearly) median speed over `span` tokens at a time. Left out are tokens that hardly move
    (stalls) or read what was read before; pauses are cut out of time. Bounded by what can be said;
    guessed from the tokens' length if too few moved.
    """
    usual, fastest = CHARACTER_SECONDS * length, FASTEST_CHARACTER * length
    span = min(span, len(places) - 1)
    if span < 1:
        return usual
    spoken = np.concatenate([[0.0], np.cumsum(speech)]) * frame_seconds
    seconds = np.interp(places + 0.5, np.arange(len(spoken)), spoken)
    speed = np.abs(seconds[span:] - seconds[:-span]) / span  # a time-reversed map has a pace too
    pace = _typical(speed[_fresh(seconds)[span:]], usual)
    if length < WORD_LENGTH:
        # among few characters one undetected stray row hides most of what is fresh
        pace = min(pace, _typical(speed, usual))
    return max(pace, fastest)


def _typical(speed: np.ndarray, otherwise: float) -> float:
    """About the median of speeds, without those that hardly move."""
    speed = speed[speed > 0]
    if len(speed) == 0:
        return otherwise
    moving = speed[speed > 0.3 * min(np.quantile(speed, 0.75), 3 * np.median(speed))]
    return float(np.quantile(moving, 0.45, method="lower"))


def _fresh(seconds: np.ndarray) -> np.ndarray:
    """(n,) bool: rows further than all before them, in the direction in which most rows go.

    All rows where hardly any are, as after one that is far ahead of all others.
    """
    onward = seconds >= np.maximum.accumulate(seconds)
    back = seconds <= np.minimum.accumulate(seconds)
    fresh = onward if onward.sum() >= back.sum() else back
    return fresh if fresh.sum() >= max(3, 0.2 * len(fresh)) else np.ones(len(fresh), bool)
