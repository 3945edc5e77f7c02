"""Which speech was listened to, how often, and which not at all.

A frame is heard where it lies within the extent of a row (`analysis.maps`), or in a gap between
extents that is no longer than usual at this pace: sharp attention, as that of CTC, needs only one
frame of each token. Special tokens and spaces do not count as listeners: ``<eos>`` often listens to
the whole ending, a space anywhere in a pause. Silence does not count as speech.
"""

from dataclasses import dataclass

import numpy as np

from ..alignment import Alignment
from ..maps import Maps
from ..signals.masked_stats import compact
from ..signals.runs import runs_of_rows
from .metric import Metric

GAP_SECONDS = 0.45  # unheard speech within what sharp attention leaves out: a held vowel
GAP_PACES = 1.8  # and as many tokens' time: long words, drawn-out vowels
VAGUE_PACES = 1.4  # what a row without a place may have heard: its token, and a long one
EDGE_SECONDS = 0.10  # more at the two ends, where breath and the last vowel's tail are
UNKNOWN_SECONDS = 0.25  # more where speech activity is not known, as gaps may be pauses


@dataclass(frozen=True)
class Hole:
    """A stretch of speech, or of what may be speech, that no row listened to."""

    start: int  # first frame
    end: int  # frame after the last
    seconds: float  # of speech in it
    place: str  # "start", "middle" or "end" of the recording's speech


@dataclass(frozen=True, eq=False)
class Holes:
    """The holes of many maps, in the order of maps and of time."""

    item: np.ndarray  # (holes,) int: number of the map
    start: np.ndarray  # (holes,) int: first frame of speech
    end: np.ndarray  # (holes,) int: frame after the last of speech
    seconds: np.ndarray  # (holes,) float: of speech in it
    at_start: np.ndarray  # (holes,) bool: nothing was heard before it
    at_end: np.ndarray  # (holes,) bool: nothing was heard after it


@Metric
def coverage(maps: Maps) -> np.ndarray:
    """Share of speech frames that were listened to.

    Range 0..1. None where there is no speech, or where it is not known. Uniform rows listen to
    everything: 1.

    Trap: column sums over a threshold would call most frames of a sharp map unheard.
    """
    speech = maps.speech.sum(axis=1) * maps.frame_seconds
    skipped = skipped_seconds.of_maps(maps)
    share = np.clip(1 - skipped / np.where(speech > 0, speech, 1), 0, 1)
    return np.where(speech > 0, share, np.nan)  # NaN, too, where nothing is known to be skipped


@Metric
def skipped_seconds(maps: Maps) -> np.ndarray:
    """Seconds of speech that no row listened to, beyond the gaps usual at this pace.

    Range 0..seconds of speech. None where there is no speech, or where it is not known: what no row
    listened to may be a pause, or padding.

    Trap: voice activity by energy takes loud noise for speech.
    """
    unheard = find_holes(maps)
    seconds = np.bincount(unheard.item, unheard.seconds, minlength=len(maps))
    return np.where(maps.speech_known & maps.speech.any(axis=1), seconds, np.nan)


@Metric
def reread_seconds(maps: Maps) -> np.ndarray:
    """Seconds of audio that attention went through again after having moved on.

    Counted once for every pass beyond the first: three readings of one second are two seconds.
    Range 0..; None with fewer than two placed rows.

    Trap: attention that stays (a stall) re-reads nothing, and a jump ahead and back only re-reads
    what was read before.
    """
    rows, second = maps.places, 1 / maps.frame_seconds
    places, counts = compact(rows.peak, rows.ordered)
    limit = np.maximum(np.maximum(0.12, 1.5 * maps.frame_seconds), 0.6 * rows.pace) * second
    reach = (GAP_SECONDS + GAP_PACES * rows.pace) * second
    reading = passes(places, limit)
    order = np.lexsort((places, reading), axis=1)  # by pass, then by place; NaN stays behind
    places, reading = (np.take_along_axis(a, order, axis=1) for a in (places, reading))
    # a reading went through its frames, but not through what it jumped over
    apart = (np.diff(places, axis=1) > reach[:, None]) | (np.diff(reading, axis=1) > 0)
    real = np.isfinite(places)
    begins, ends = real.copy(), real.copy()
    begins[:, 1:] &= apart
    ends[:, :-1] &= apart | ~real[:, 1:]
    width = maps.weights.shape[2] + 1
    frame = np.nan_to_num(places).astype(np.int64) + width * np.arange(len(maps))[:, None]
    change = np.bincount(frame[begins], minlength=width * len(maps))
    change -= np.bincount(frame[ends] + 1, minlength=width * len(maps))[: len(change)]
    visits = np.cumsum(change.reshape(len(maps), width), axis=1)[:, :-1]
    again = np.maximum(visits - 1, 0).sum(axis=1) * maps.frame_seconds
    return np.where(counts > 1, again, np.nan)


def passes(places: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """(batch, n) int: which reading a place belongs to, counted from 0.

    A new reading starts where attention falls back by more than `limit`, measured from the furthest
    place of the reading, so that jitter does not start one. Places are (batch, n), NaN behind; all
    maps take their next reading at the same time.
    """
    reading = np.zeros(places.shape, np.int64)
    active = np.arange(len(places))
    rest = places.copy()  # what lies before the reading at hand is minus infinity
    while places.size and len(active):
        fallen = rest < np.maximum.accumulate(rest, axis=1) - limit[active, None]
        again = fallen.any(axis=1)
        active, rest, fallen = active[again], rest[again], fallen[again]
        later = np.arange(places.shape[1]) >= fallen.argmax(axis=1)[:, None]
        reading[active] += later
        rest = np.where(later, rest, -np.inf)
    return reading


def holes(alignment: Alignment) -> tuple[Hole, ...]:
    """Stretches of unheard speech longer than usual at this pace, in the order of time.

    Where speech is not known, of what may be speech.
    """
    unheard = find_holes(alignment.maps)
    places = np.where(unheard.at_end, "end", np.where(unheard.at_start, "start", "middle"))
    columns = (unheard.start, unheard.end, unheard.seconds, places)
    return tuple(Hole(*values) for values in zip(*(c.tolist() for c in columns), strict=True))


def find_holes(maps: Maps) -> Holes:
    """The same of every map of a batch."""
    real = np.arange(maps.weights.shape[2]) < maps.frame_counts[:, None]
    item, start, end = runs_of_rows(~heard_frames(maps) & real)
    total = np.zeros((len(maps), real.shape[1] + 1), np.int64)
    np.cumsum(maps.speech, axis=1, out=total[:, 1:])
    frames = total[item, end] - total[item, start]
    at_end = end == maps.frame_counts[item]  # also where nothing was heard: the ending is unheard
    at_start = (start == 0) & ~at_end
    limit = GAP_SECONDS + np.where(maps.speech_known[item], 0, UNKNOWN_SECONDS)
    limit = limit + GAP_PACES * _usual_gap(maps, item, start, end)
    limit += np.where(at_start | at_end, EDGE_SECONDS, 0)
    seconds = frames * maps.frame_seconds[item]
    chosen = (seconds > limit) & (frames > 0)
    item, start, end = item[chosen], start[chosen], end[chosen]
    # from the first to the last frame of speech in it
    first = (total[item] > total[item, start, None]).argmax(axis=1) - 1
    last = (total[item] >= total[item, end, None]).argmax(axis=1)
    return Holes(item, first, last, seconds[chosen], at_start[chosen], at_end[chosen])


def heard_frames(maps: Maps) -> np.ndarray:
    """(batch, frames) bool: within the extent of a row that stands for a sound.

    Rows without a place, and stray ones, are taken to listen beside their neighbours for the usual
    time of a token: a row that is merely noisy leaves no hole. Where no row has a place, everything
    is heard.
    """
    rows = maps.places
    wanted = np.where(rows.spoken.any(axis=1, keepdims=True), rows.spoken, rows.lexical)
    steady = wanted & rows.steady
    counts = steady.sum(axis=1)
    number = np.cumsum(steady, axis=1)  # of the steady row before or at each row, from 1
    batch, width = len(maps), maps.weights.shape[2] + 1
    most = max(int(counts.max(initial=0)), 1)
    longer = np.maximum(1, maps.lengths / rows.token_length[:, None])
    token = longer * (VAGUE_PACES * rows.pace / maps.frame_seconds)[:, None]
    # half of a token on each side, at the two ends all of it on the only side there is
    vague = wanted & ~steady & (counts > 0)[:, None]
    into_next = np.where(number == counts[:, None], 0, np.where(number == 0, token, token / 2))
    slots = most * np.arange(batch)[:, None]
    after = (slots + np.minimum(number, np.maximum(counts - 1, 0)[:, None]))[vague]
    before = (slots + np.maximum(number - 1, 0))[vague]
    earlier = np.bincount(after, into_next[vague], minlength=batch * most)
    further = np.bincount(before, (token - into_next)[vague], minlength=batch * most)
    slot = (slots + number - 1)[steady]
    low = np.floor(rows.low[steady] - earlier[slot]).astype(np.int64)
    high = np.ceil(rows.high[steady] + further[slot]).astype(np.int64)
    item = np.nonzero(steady)[0]
    frames = maps.frame_counts[item]
    change = np.bincount(item * width + np.clip(low, 0, frames), minlength=batch * width)
    change -= np.bincount(item * width + np.clip(high, 0, frames), minlength=batch * width)
    heard = np.cumsum(change.reshape(batch, width), axis=1)[:, :-1] > 0
    return heard | ((counts == 0) & wanted.any(axis=1))[:, None]


def _usual_gap(maps: Maps, item: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(holes,) seconds from one token to the next around gaps; long words are further apart."""
    rows = maps.places
    steady_item, steady_row = np.nonzero(rows.steady)
    place = rows.peak[rows.steady]
    order = np.lexsort((place, steady_item))
    length = maps.lengths[steady_item, steady_row][order]
    width = maps.weights.shape[2] + 2.0
    keys = steady_item[order] * width + place[order]
    before = np.searchsorted(keys, item * width + start) - 1
    after = np.searchsorted(keys, item * width + end)
    owner = np.append(steady_item[order], -1)
    has_before = (before >= 0) & (owner[before] == item)
    has_after = owner[after] == item
    padded = np.append(length, 0)
    total = padded[before] * has_before + padded[after] * has_after
    near = has_before.astype(np.int64) + has_after
    length = np.where(near > 0, total / np.maximum(near, 1), rows.token_length[item])
    return rows.pace[item] * np.maximum(1.0, length / rows.token_length[item])
