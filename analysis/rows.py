"""Where each token of one map listened: a batch's `analysis.maps.Places`, without padding."""

from dataclasses import dataclass

import numpy as np

from .maps import Maps

WORD_LENGTH = 2.0  # characters per token from which tokens are more than characters


@dataclass(frozen=True, eq=False)
class Rows:
    """Places of the rows of one map; frames count from 0 at a frame's centre."""

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
