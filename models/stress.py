"""Recordings made harder: pure functions on samples, and what is said in the result.

The classic test of attention is length (Chorowski et al. 2015, arXiv 1506.07503: mechanisms that
look at content alone break on utterances several times longer than those they were trained on);
pauses, noise, speed, room and cut endings are what recordings meet outside.

All take and return (n,) float32 samples at 16 kHz; randomness comes from the generator given, so
that the same recording is always stressed alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

SAMPLE_RATE = 16_000  # that of models.audio, which brings torch: the command line's help needs none
FRAME = 400  # samples over which loudness is measured: 25 ms
FLOOR_SHARE = 0.1  # of the frames that are taken for background
FADE = 160  # samples of the fade at a joint: 10 ms, so that none clicks
VOICES = 8  # of a babble
MIDDLE = (0.25, 0.75)  # shares of a recording between which a pause is put


def repeat(samples: np.ndarray, times: int, gap: np.ndarray) -> np.ndarray:
    """The same recording so many times, with `gap` between."""
    return join([samples] * times, gap)


def join(recordings: Sequence[np.ndarray], gap: np.ndarray) -> np.ndarray:
    """Recordings one after the other, with `gap` between; nothing is faded or cut."""
    pieces = [recordings[0]]
    for samples in recordings[1:]:
        pieces += [gap, samples]
    return np.concatenate(pieces).astype(np.float32)


def hush(samples: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Background of a recording's own loudness: noise as loud as its quietest tenth.

    Digital zeros would be something no microphone records, and stress the features instead.
    """
    size = round(seconds * SAMPLE_RATE)
    level = np.quantile(_loudness(samples), FLOOR_SHARE)
    return (level * rng.standard_normal(size)).astype(np.float32)


def pause(samples: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A pause put into the quietest place of the recording's middle half."""
    loudness = _loudness(samples)
    first, last = (int(share * len(loudness)) for share in MIDDLE)
    place = FRAME * (first + int(np.argmin(loudness[first : max(first + 1, last)]))) + FRAME // 2
    place = min(place, len(samples))
    before, after = _faded(samples[:place], end=True), _faded(samples[place:], end=False)
    return np.concatenate([before, hush(samples, seconds, rng), after])


def white_noise(samples: np.ndarray, decibels: float, rng: np.random.Generator) -> np.ndarray:
    """White noise added at this ratio of speech to noise."""
    return _mixed(samples, rng.standard_normal(len(samples)), decibels)


def babble(samples: np.ndarray, decibels: float, rng: np.random.Generator) -> np.ndarray:
    """Many voices added at this ratio: copies of the recording, shifted, half of them reversed.

    They have the spectrum and the rhythm of speech, and say nothing.
    """
    voices = np.zeros(len(samples))
    for number in range(VOICES):
        voice = samples[::-1] if number % 2 else samples
        voices += rng.uniform(0.5, 1.0) * np.roll(voice, rng.integers(len(samples)))
    return _mixed(samples, voices, decibels)


def speed(samples: np.ndarray, factor: float) -> np.ndarray:
    """Played so many times faster, the pitch going with it."""
    from models.audio import resample  # brings torch

    return resample(samples, round(SAMPLE_RATE * factor)).astype(np.float32)


def cut(samples: np.ndarray, share: float) -> np.ndarray:
    """The first part of the recording only, wherever that ends."""
    return samples[: max(1, round(share * len(samples)))]


def reverberate(samples: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """As heard in a room whose sound falls by 60 dB in this time.

    The room is exponentially decaying noise after the direct sound, as strong as that in all.
    """
    size = round(seconds * SAMPLE_RATE)
    tail = rng.standard_normal(size) * 10 ** (-3 * np.arange(size) / size)
    room = np.concatenate([[1.0], tail / np.sqrt(np.sum(tail**2))])
    length = len(samples) + size
    spectrum = np.fft.rfft(samples, length) * np.fft.rfft(room, length)
    heard = np.fft.irfft(spectrum, length)[: len(samples)]
    return _within(heard * _level(samples) / max(_level(heard), 1e-9))


def _loudness(samples: np.ndarray) -> np.ndarray:
    """(frames,) root mean square of every 25 ms."""
    frames = max(1, len(samples) // FRAME)
    whole = samples[: frames * FRAME].astype(np.float64)
    return np.sqrt(np.mean(whole.reshape(frames, -1) ** 2, axis=1))


def _level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def _mixed(samples: np.ndarray, noise: np.ndarray, decibels: float) -> np.ndarray:
    wanted = _level(samples) / 10 ** (decibels / 20)
    return _within(samples + noise * wanted / max(_level(noise), 1e-9))


def _within(samples: np.ndarray) -> np.ndarray:
    """Scaled down where it would clip."""
    return (samples / max(1.0, float(np.abs(samples).max(initial=0)))).astype(np.float32)


def _faded(samples: np.ndarray, *, end: bool) -> np.ndarray:
    size = min(FADE, len(samples))
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    faded = samples.copy()
    if end:
        faded[len(faded) - size :] *= ramp[::-1]
    else:
        faded[:size] *= ramp
    return faded


@dataclass(frozen=True)
class Stress:
    """A way of making recordings harder, as on the command line."""

    name: str
    title: str  # what is done
    unit: str  # of its levels
    low: float  # smallest level that makes sense
    high: float
    whole: bool = False  # levels are whole numbers
    joins: bool = False  # the level is how many recordings are joined


STRESSES = MappingProxyType(
    {
        stress.name: stress
        for stress in (
            Stress("repeat", "the same recording repeated", "times heard", 1, 100, whole=True),
            Stress(
                "concatenate", "different recordings joined", "recordings joined", 1, 100,
                whole=True, joins=True,
            ),
            Stress("snr", "white noise added", "dB of speech over noise", -40, 100),
            Stress("babble", "many voices added", "dB of speech over voices", -40, 100),
            Stress("silence", "a pause in the middle", "seconds of pause", 0, 600),
            Stress("speed", "played faster or slower", "times as fast", 0.25, 4),
            Stress("cut", "the ending cut off", "share that is left", 0.01, 1),
            Stress("reverb", "heard in a room", "seconds until sound falls by 60 dB", 0.05, 10),
        )
    }
)  # fmt: skip


def said(text: str, name: str, level: float) -> str | None:
    """What is said after a stress of one recording; None where that is not known.

    A cut may go through a word, and which words are left is not known without an aligner: what is
    measured of cut recordings is how attention behaves, not word errors.
    """
    if name == "repeat":
        return " ".join([text] * int(level))
    return None if name == "cut" and level < 1 else text


def stressed(
    recordings: Sequence[np.ndarray], name: str, level: float, seed: int, gap: float = 0.0
) -> np.ndarray:
    """Samples of what a stress makes of a recording, or of several where it joins them.

    Parameters
    ----------
    recordings : sequence of (n,)
        One, or as many as are joined.
    name, level
        One of `STRESSES` and how much of it.
    seed
        Of everything random.
    gap
        Seconds of background between recordings that are repeated or joined.

    Raises
    ------
    ValueError
        If there is no such stress.
    """
    rng = np.random.default_rng(seed)
    first = recordings[0]
    if name in ("repeat", "concatenate"):
        quiet = hush(first, gap, rng)
        return repeat(first, int(level), quiet) if name == "repeat" else join(recordings, quiet)
    alone = {"speed": speed, "cut": cut}
    random = {"snr": white_noise, "babble": babble, "silence": pause, "reverb": reverberate}
    if name in alone:
        return alone[name](first, level)
    if name not in random:
        raise ValueError(f"there is no stress {name!r}; known: {', '.join(STRESSES)}")
    return random[name](first, level, rng)


def lasts(seconds: float, name: str, level: float, gap: float = 0.0) -> float:
    """Seconds that a stress of one recording lasts, known before its samples are made."""
    if name == "repeat":
        return seconds * level + gap * (level - 1)
    if name == "silence":
        return seconds + level
    if name == "speed":
        return seconds / level
    return seconds * level if name == "cut" else seconds
