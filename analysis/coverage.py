"""Which speech was listened to, how often, and which not at all.

A frame is heard where it lies within the extent of a row (`analysis.rows`), or in a gap between
extents that is no longer than usual at this pace: sharp attention, as that of CTC, needs only one
frame of each token. Special tokens and spaces do not count as listeners: ``<eos>`` often listens to
the whole ending, a space anywhere in a pause. Silence does not count as speech.
"""

from dataclasses import dataclass

import numpy as np

from analysis.alignment import Alignment
from analysis.rows import Rows
from analysis.runs import find_runs

GAP_SECONDS = 0.45  # unheard speech within what sharp attention leaves out: a held vowel
GAP_PACES = 1.8  # and as many tokens' time: long words, drawn-out vowels
VAGUE_PACES = 1.4  # what a row without a place may have heard: its token, and a long one
EDGE_SECONDS = 0.10  # more at the two ends, where breath and the last vowel's tail are
UNKNOWN_SECONDS = 0.25  # more where speech activity is not known, as gaps may be pauses


@dataclass(frozen=True)
class Hole:
    """A stretch of speech that no row listened to."""

    start: int  # first frame
    end: int  # frame after the last
    seconds: float  # of speech in it
    place: str  # "start", "middle" or "end" of the recording's speech


def coverage(alignment: Alignment) -> float | None:
    """Share of speech frames that were listened to.

    Range 0..1. None where there is no speech. Uniform rows listen to everything: 1.

    Trap: column sums over a threshold would call most frames of a sharp map unheard.
    """
    speech = float(alignment.speech_mask.sum() * alignment.frame_seconds)
    if speech == 0:
        return None
    return float(np.clip(1 - skipped_seconds(alignment) / speech, 0, 1))


def skipped_seconds(alignment: Alignment) -> float | None:
    """Seconds of speech that no row listened to, beyond the gaps usual at this pace.

    Range 0..seconds of speech. None where there is no speech.

    Trap: without voice activity every frame counts as speech, silence too.
    """
    if not alignment.speech_mask.any():
        return None
    return float(sum(hole.seconds for hole in holes(alignment)))


def reread_seconds(alignment: Alignment) -> float | None:
    """Seconds of audio that attention went through again after having moved on.

    Counted once for every pass beyond the first: three readings of one second are two seconds.
    Range 0..; None with fewer than two placed rows.

    Trap: attention that stays (a stall) re-reads nothing, and a jump ahead and back only re-reads
    what was read before.
    """
    rows = alignment.rows
    chosen = rows.ordered
    if len(chosen) < 2:
        return None
    limit = max(0.12, 1.5 * alignment.frame_seconds, 0.6 * rows.pace) / alignment.frame_seconds
    reach = (GAP_SECONDS + GAP_PACES * rows.pace) / alignment.frame_seconds
    change = np.zeros(rows.frames + 1)
    for path in passes(rows.peak[chosen], limit):
        for start, end in _spans(np.sort(path), reach):
            change[start] += 1
            change[end] -= 1
    visits = np.cumsum(change[:-1])
    return float(np.maximum(visits - 1, 0).sum() * alignment.frame_seconds)


def passes(places: np.ndarray, limit: float) -> list[np.ndarray]:
    """Places cut into readings: a new one starts where attention falls back by more than `limit`.

    A fall back is measured from the furthest place of the reading, so that jitter does not cut.
    """
    cuts, front = [], -np.inf
    for row, place in enumerate(places.tolist()):
        if place < front - limit:
            cuts.append(row)
            front = place
        front = max(front, place)
    return np.split(places, cuts)


def holes(alignment: Alignment) -> tuple[Hole, ...]:
    """Stretches of unheard speech longer than usual at this pace, in the order of time."""
    rows, speech = alignment.rows, alignment.speech_mask
    if not speech.any():
        return ()
    heard = heard_frames(alignment)
    total = np.concatenate([[0], np.cumsum(speech)])
    allowed = GAP_SECONDS + (UNKNOWN_SECONDS if alignment.speech is None else 0)
    found = []
    for start, end in find_runs(~heard):
        seconds = float(total[end] - total[start]) * alignment.frame_seconds
        place = _place(start, end, heard)
        limit = allowed + GAP_PACES * _usual_gap(rows, start, end)
        if seconds > limit + (0 if place == "middle" else EDGE_SECONDS):
            inside = np.flatnonzero(speech[start:end])
            found.append(Hole(start + int(inside[0]), start + int(inside[-1]) + 1, seconds, place))
    return tuple(found)


def heard_frames(alignment: Alignment) -> np.ndarray:
    """(frames,) bool: within the extent of a row that stands for a sound.

    Rows without a place, and stray ones, are taken to listen beside their neighbours for the usual
    time of a token: a row that is merely noisy leaves no hole. Where no row has a place, everything
    is heard.
    """
    rows = alignment.rows
    wanted = rows.spoken if rows.spoken.any() else rows.lexical
    steady = rows.steady[wanted[rows.steady]]
    if not wanted.any():
        return np.zeros(rows.frames, bool)
    if len(steady) == 0:
        return np.ones(rows.frames, bool)
    vague = np.setdiff1d(np.flatnonzero(wanted), steady)
    after = np.searchsorted(steady, vague)  # steady row that follows each vague one
    width = VAGUE_PACES * rows.pace / rows.frame_seconds
    low, high = rows.low[steady].astype(float), rows.high[steady].astype(float)
    first, last = after == 0, after == len(steady)
    # half of the width on each side, at the two ends all of it on the only side there is
    into_next = np.where(last, 0, np.where(first, width, width / 2))
    np.subtract.at(low, np.minimum(after, len(steady) - 1), into_next)
    np.add.at(high, np.maximum(after - 1, 0), width - into_next)
    low, high = np.floor(low).astype(int), np.ceil(high).astype(int)
    change = np.zeros(rows.frames + 1, np.int64)
    np.add.at(change, np.clip(low, 0, rows.frames), 1)
    np.add.at(change, np.clip(high, 0, rows.frames), -1)
    return np.cumsum(change[:-1]) > 0


def _usual_gap(rows: Rows, start: int, end: int) -> float:
    """Seconds from one token to the next around a gap; long words are further apart."""
    steady = rows.steady
    places, lengths = rows.peak[steady], rows.lengths[steady]
    before, after = places < start, places >= end
    near = []
    if before.any():
        near.append(lengths[np.where(before, places, -np.inf).argmax()])
    if after.any():
        near.append(lengths[np.where(after, places, np.inf).argmin()])
    length = float(np.mean(near)) if near else rows.token_length
    return rows.pace * max(1.0, length / rows.token_length)


def _place(start: int, end: int, heard: np.ndarray) -> str:
    if end == len(heard):  # also where nothing at all was heard: then the ending is unheard
        return "end"
    return "start" if start == 0 else "middle"


def _spans(places: np.ndarray, reach: float) -> list[tuple[int, int]]:
    """Frames that a forward reading went through; it did not go through what it jumped over."""
    cuts = np.flatnonzero(np.diff(places) > reach) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(places, cuts)]
