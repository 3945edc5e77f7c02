"""How fast attention reads, and which rows are strays: places of successive tokens of many maps.

Places come as padded rows with NaN behind (`analysis.signals.masked_stats.compact`).
"""

import numpy as np

from .masked_stats import compact, quantile

STRAY_SECONDS = 0.3  # further than this outside its neighbours' places is a stray peak
STRAY_PACES = 2.0  # or this many tokens' time
STRAY_REACH = 4  # rows to each side among which a stray peak has no companion; short loops have
PACE_CHARACTERS = 4  # over which the pace is measured: peaks jitter by part of a character
CHARACTER_TOKENS = 2.0  # characters per token below which tokens are characters
CHARACTER_SECONDS = 0.065  # a spoken character, at about 15 characters a second
FASTEST_CHARACTER = 0.025  # nobody speaks 40 characters a second


def strays(seconds: np.ndarray, counts: np.ndarray, pace: np.ndarray) -> np.ndarray:
    """(batch, n) bool: single rows, or two that disagree, far outside the places on both sides.

    A stray row is an outlier of the map, not a movement of attention: the rows before and after it
    go on as if it were not there.
    """
    n = seconds.shape[1]
    off = np.zeros(seconds.shape, bool)
    if n < 4:
        return off
    far = np.maximum(STRAY_SECONDS, STRAY_PACES * pace)[:, None]
    for size in (1, 2):
        before, after = seconds[:, : n - size - 1], seconds[:, size + 1 :]
        low, high = np.minimum(before, after) - far, np.maximum(before, after) + far
        inside = [seconds[:, 1 + k : n - size + k] for k in range(size)]
        outside = np.logical_and.reduce([(row < low) | (row > high) for row in inside])
        if size == 2:  # two that agree with each other may be a short return
            outside &= np.abs(inside[1] - inside[0]) > far
        for k in range(size):
            off[:, 1 + k : n - size + k] |= outside
    # an end has one neighbour: it can only be seen to be on the wrong side
    items, last = np.arange(len(seconds)), np.maximum(counts - 1, 1)
    off[:, 0] = seconds[:, 0] > seconds[:, 1] + far[:, 0]
    off[items, last] = seconds[items, last] < seconds[items, last - 1] - far[:, 0]
    return off & _lonely(seconds, far) & (counts >= 4)[:, None]


def _lonely(seconds: np.ndarray, far: np.ndarray) -> np.ndarray:
    """(batch, n) bool: no row nearby listens to the same place, as rows of a loop or return do."""
    alone = np.ones(seconds.shape, bool)
    for shift in range(1, min(STRAY_REACH, seconds.shape[1] - 1) + 1):
        apart = ~(np.abs(seconds[:, shift:] - seconds[:, :-shift]) <= far / 2)
        alone[:, shift:] &= apart
        alone[:, :-shift] &= apart
    return alone


def pace_without_strays(
    places: np.ndarray,
    counts: np.ndarray,
    speech: np.ndarray,
    frame_seconds: np.ndarray,
    length: np.ndarray,
) -> np.ndarray:
    """(batch,) seconds of speech per token where attention moves.

    Stray rows are left out, which need a first guess of the pace to be seen.

    Parameters
    ----------
    places : (batch, n)
        Frames, NaN behind the first `counts`.
    speech : (batch, frames) bool
    length : (batch,)
        Mean characters of a token.
    """
    ones = np.ones(len(counts), np.int64)
    guess = _pace(places, counts, speech, frame_seconds, length, ones)
    off = strays(places * frame_seconds[:, None], counts, guess)
    if off.any():
        places, counts = compact(places, np.isfinite(places) & ~off)
    # one jump spoils as many of the values as the span is long: short scripts take shorter spans
    span = np.minimum(np.round(PACE_CHARACTERS / length).astype(np.int64), counts // 6)
    return _pace(places, counts, speech, frame_seconds, length, np.maximum(1, span))


def _pace(
    places: np.ndarray,
    counts: np.ndarray,
    speech: np.ndarray,
    frame_seconds: np.ndarray,
    length: np.ndarray,
    span: np.ndarray,
) -> np.ndarray:
    """Seconds of speech per token, from the places of successive tokens of a mean length.

    The (nearly) median speed over `span` tokens at a time. Left out are tokens that hardly move
    (stalls) or read what was read before; pauses are cut out of time. Bounded by what can be said;
    guessed from the tokens' length if too few moved.
    """
    usual, fastest = CHARACTER_SECONDS * length, FASTEST_CHARACTER * length
    n = places.shape[1]
    span = np.minimum(span, counts - 1)
    if n < 2:
        return usual
    seconds = _spoken_seconds(places, speech, frame_seconds)
    index = np.arange(n)
    later = np.minimum(index + np.maximum(span, 1)[:, None], n - 1)
    inside = index < (counts - span)[:, None]
    speed = np.abs(np.take_along_axis(seconds, later, axis=1) - seconds)
    speed = np.where(inside, speed / np.maximum(span, 1)[:, None], 0)
    fresh = np.take_along_axis(_fresh(seconds, counts), later, axis=1)
    pace = _typical(speed, inside & fresh, usual)
    # among few characters one undetected stray row hides most of what is fresh
    characters = length < CHARACTER_TOKENS
    if characters.any():
        pace = np.where(characters, np.minimum(pace, _typical(speed, inside, usual)), pace)
    return np.where(span < 1, usual, np.maximum(pace, fastest))


def _spoken_seconds(
    places: np.ndarray, speech: np.ndarray, frame_seconds: np.ndarray
) -> np.ndarray:
    """(batch, n) seconds of speech before each place; NaN stays."""
    spoken = np.zeros((len(speech), speech.shape[1] + 1))
    np.cumsum(speech, axis=1, out=spoken[:, 1:])
    at = np.clip(np.nan_to_num(places) + 0.5, 0, speech.shape[1])
    frame = np.minimum(at.astype(np.int64), max(speech.shape[1] - 1, 0))
    before = np.take_along_axis(spoken, frame, axis=1)
    after = np.take_along_axis(spoken, frame + 1, axis=1)
    seconds = (before + (at - frame) * (after - before)) * frame_seconds[:, None]
    return np.where(np.isfinite(places), seconds, np.nan)


def _typical(speed: np.ndarray, mask: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """(batch,) about the median of speeds, without those that hardly move."""
    mask = mask & (speed > 0)
    most = np.minimum(quantile(speed, mask, 0.75), 3 * quantile(speed, mask, 0.5))
    moving = mask & (speed > (0.3 * most)[:, None])
    typical = quantile(speed, moving, 0.45, lower=True)
    return np.where(np.isfinite(typical), typical, otherwise)


def _fresh(seconds: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(batch, n) bool: rows further than all before them, in the direction in which most rows go.

    All rows where hardly any are, as after one that is far ahead of all others.
    """
    onward = seconds >= np.maximum.accumulate(seconds, axis=1)
    back = seconds <= np.minimum.accumulate(seconds, axis=1)
    forwards = (onward.sum(axis=1) >= back.sum(axis=1))[:, None]
    fresh = np.where(forwards, onward, back)
    enough = fresh.sum(axis=1) >= np.maximum(3, 0.4 * counts)
    return fresh | ~enough[:, None]
