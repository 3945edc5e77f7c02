"""Recordings that make attention fail, made from plain ones; what is said in them stays known.

Repeated, joined, cut, noisy, fast, slow and paused versions of a clip (`models.stress`), each with
its transcript. Where a recording is cut, or a word said again, the words' times come from CTC
(forced alignment of the transcript on the plain clip).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.timing.forced_alignment import viterbi
from models.audio import SAMPLE_RATE
from models.stress import hush, join, repeat, speed, white_noise

FADE_SECONDS = 0.01  # at every cut, so that none clicks
NO_GAP = np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class Clip:
    """A plain recording and its words' times."""

    id: str
    samples: np.ndarray  # (n,) float32, 16 kHz
    text: str
    words: tuple[tuple[float, float], ...]  # seconds of every word


@dataclass(frozen=True, eq=False)
class Stressed:
    """A version of a clip and what is said in it."""

    name: str
    samples: np.ndarray  # (n,) float32, 16 kHz
    text: str


def word_times(
    text: str, log_probs: np.ndarray, encode: Callable[[str], list[int]], frame_seconds: float
) -> tuple[tuple[float, float], ...]:
    """Seconds of every word by CTC forced alignment; empty where there is no path.

    `log_probs` is (frames, vocabulary), `encode` gives the numbers of a text's characters.
    """
    words = text.split()
    times = viterbi(log_probs, encode(" ".join(words)))
    if times is None:
        return ()
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    starts = np.concatenate([[0], ends[:-1] + 1])
    spans = zip(times.start[starts], times.end[ends - 1], strict=True)
    return tuple((float(a * frame_seconds), float(b * frame_seconds)) for a, b in spans)


def stresses(clip: Clip, others: Sequence[Clip], rng: np.random.Generator) -> list[Stressed]:
    """Every version of a clip; two `others` are joined to it."""
    samples, text, (second, third) = clip.samples, clip.text, others
    joined = join([samples, second.samples, third.samples], NO_GAP)
    everything, both = f"{text} {second.text} {third.text}", f"{text} {second.text}"
    paused = join([samples, second.samples], hush(samples, 2.5, rng))
    return [
        Stressed("plain", samples, text),
        Stressed("repeated 2x", repeat(samples, 2, NO_GAP), f"{text} {text}"),
        Stressed("repeated 4x", repeat(samples, 4, NO_GAP), " ".join([text] * 4)),
        Stressed("joined", joined, everything),
        Stressed("noise 10 dB", white_noise(samples, 10, rng), text),
        Stressed("noise 0 dB", white_noise(samples, 0, rng), text),
        Stressed("joined, noise 5 dB", white_noise(joined, 5, rng), everything),
        Stressed("fast", speed(samples, 1.4), text),
        Stressed("joined, fast", speed(joined, 1.6), everything),
        Stressed("slow", speed(samples, 0.7), text),
        Stressed("pause", paused, both),
        *_at_words(clip, second),
    ]


def _at_words(clip: Clip, other: Clip) -> list[Stressed]:
    """Versions that need the words' times: cut off, and a word said again."""
    words = clip.text.split()
    if len(words) < 4 or len(clip.words) != len(words):
        return []
    kept = len(words) * 2 // 3
    cut = _piece(clip, 0.0, _between(clip, kept))
    start = " ".join(words[:kept])
    longest = max(range(1, len(words) - 1), key=lambda i: clip.words[i][1] - clip.words[i][0])
    low, high = _between(clip, longest), _between(clip, longest + 1)
    said = [_piece(clip, 0.0, low), *[_piece(clip, low, high)] * 4, _piece(clip, high, None)]
    again = " ".join([*words[:longest], *[words[longest]] * 4, *words[longest + 1 :]])
    return [
        Stressed("cut", cut, start),
        Stressed("cut and joined", join([cut, other.samples], NO_GAP), f"{start} {other.text}"),
        Stressed("word said 4x", join(said, NO_GAP), again),
    ]


def _between(clip: Clip, word: int) -> float:
    """Seconds halfway between a word and the one before."""
    return (clip.words[word - 1][1] + clip.words[word][0]) / 2


def _piece(clip: Clip, start: float, end: float | None) -> np.ndarray:
    """Samples between two times, faded in and out."""
    last = None if end is None else round(end * SAMPLE_RATE)
    samples = clip.samples[round(start * SAMPLE_RATE) : last].copy()
    size = min(round(FADE_SECONDS * SAMPLE_RATE), len(samples) // 2)
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    samples[:size] *= ramp
    samples[len(samples) - size :] *= ramp[::-1]
    return samples
