"""Which attention frames hold speech: voice activity by energy."""

from dataclasses import dataclass

import numpy as np

from .runs import find_runs

WINDOW_SECONDS = 0.025  # one energy value, the usual analysis window of speech
HOP_SECONDS = 0.010
BLOCK_SECONDS = 600.0  # looked at together: an hour at once would take gigabytes
RUMBLE_SECONDS = 0.0125  # what is slower than this (80 Hz) is hum or offset, not speech


@dataclass(frozen=True)
class SpeechActivity:
    """Settings of the energy detector. Levels are in decibels relative to full scale."""

    silence_level: float = -75.0  # a recording whose loud parts are below this holds no speech
    least_range: float = 5.0  # dB between loud and quiet below which the level says nothing
    share: float = 0.35  # threshold, as a share of the way from quiet to loud
    least_above_floor: float = 4.0  # dB above the noise floor that speech has at least
    most_below_peak: float = 35.0  # dB below the loud parts at which speech is no more heard
    hangover_seconds: float = 0.05  # added on both sides: weak onsets, plosives' closures
    least_seconds: float = 0.06  # shorter bursts are clicks
    flatness: float = 0.30  # spectral flatness above which a steady sound is noise, not a voice


def speech_frames(
    samples: np.ndarray,
    sample_rate: int,
    frames: int,
    frame_seconds: float,
    settings: SpeechActivity | None = None,
) -> np.ndarray:
    """Voice activity on the attention time axis.

    Parameters
    ----------
    samples : (n,) float
        The recording, -1..1.
    frames : int
        Attention frames; frame i covers `[i, i + 1) * frame_seconds`.

    Returns
    -------
    (frames,) bool
        True where at least half a frame is speech. All false for silence.

    Notes
    -----
    The threshold lies between the quiet (10th percentile) and the loud (95th) parts of the same
    recording, so it follows the noise floor. Where loud and quiet hardly differ, level says
    nothing: a tonal sound is then taken for a voice, a flat one for noise.
    """
    settings = settings or SpeechActivity()
    active = _active(np.asarray(samples), sample_rate, settings)
    if not active.any():
        return np.zeros(frames, bool)
    # share of every attention frame that is speech, from the running sum of 10 ms hops
    edges = np.arange(frames + 1) * frame_seconds / HOP_SECONDS
    total = np.concatenate([[0.0], np.cumsum(active)])
    heard = np.diff(np.interp(edges, np.arange(len(total)), total))
    return heard >= 0.5 * frame_seconds / HOP_SECONDS


def _active(samples: np.ndarray, sample_rate: int, settings: SpeechActivity) -> np.ndarray:
    """(hops,) bool: speech every 10 ms."""
    level = _levels(samples, sample_rate)
    if not len(level):
        return np.zeros(0, bool)
    quiet, loud = np.percentile(level, (10, 95))
    if loud < settings.silence_level:
        return np.zeros(len(level), bool)
    if loud - quiet < settings.least_range:
        return np.full(len(level), _flatness(samples) < settings.flatness)
    above_floor = max(settings.share * (loud - quiet), settings.least_above_floor)
    threshold = max(quiet + above_floor, loud - settings.most_below_peak, settings.silence_level)
    threshold = min(threshold, loud - 1.0)
    return _widen(level >= threshold, settings)


def _levels(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """(hops,) energy in dB of windows centred every 10 ms, without rumble and offset."""
    if len(samples) < 2:
        return np.zeros(0)
    hop = max(1, round(HOP_SECONDS * sample_rate))
    window = max(1, round(WINDOW_SECONDS * sample_rate))
    rumble = max(1, round(RUMBLE_SECONDS * sample_rate))
    centres = np.arange(0, len(samples), hop) + hop // 2
    at_once, reach = round(BLOCK_SECONDS / HOP_SECONDS), window + rumble
    power = []
    for block in np.split(centres, range(at_once, len(centres), at_once)):
        start = max(0, int(block[0]) - reach)
        part = samples[start : int(block[-1]) + reach].astype(np.float64)
        slow = _moving_mean(part, np.arange(len(part)), rumble)
        power.append(_moving_mean((part - slow) ** 2, block - start, window))
    return 10 * np.log10(np.maximum(np.concatenate(power), 1e-12))


def _moving_mean(values: np.ndarray, centres: np.ndarray, width: int) -> np.ndarray:
    """Means of `width` values around each centre, fewer at the ends."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    low = np.clip(centres - width // 2, 0, len(values) - 1)
    high = np.clip(centres + width // 2 + 1, 1, len(values))
    return (total[high] - total[low]) / (high - low)


def _flatness(samples: np.ndarray) -> float:
    """Spectral flatness (Johnston 1988) of the long-term spectrum: about 0 tonal, 1 white noise."""
    width = min(512, len(samples))
    blocks = samples[: len(samples) // width * width].reshape(-1, width)
    power, at_once = np.zeros(width // 2 + 1), 2**23 // width
    for first in range(0, len(blocks), at_once):
        spectrum = np.fft.rfft(blocks[first : first + at_once] * np.hanning(width), axis=1)
        power += (np.abs(spectrum) ** 2).sum(axis=0)
    power = power[1:] / len(blocks) + 1e-12
    return float(np.exp(np.log(power).mean()) / power.mean())


def _widen(active: np.ndarray, settings: SpeechActivity) -> np.ndarray:
    """Drop clicks, then add the hangover on both sides of what is left."""
    least = round(settings.least_seconds / HOP_SECONDS)
    pad = round(settings.hangover_seconds / HOP_SECONDS)
    wider = np.zeros(len(active), bool)
    for start, end in find_runs(active):
        if end - start >= least:
            wider[max(0, start - pad) : end + pad] = True
    return wider
