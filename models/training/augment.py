"""Augmentation: of samples (speed, reverberation, noise) and of features (masks, warping).

Every function takes a `numpy.random.Generator`, so that a resumed training draws the same numbers.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve, lfilter, resample_poly

SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class SampleAugmentation:
    """How often and how strongly recordings are changed."""

    speeds: tuple[float, ...] = (0.85, 0.9, 0.95, 1.0, 1.0, 1.05, 1.1, 1.15, 1.2)  # pitch follows
    reverb: float = 0.35  # probability
    noise: float = 0.5  # probability
    snr: tuple[float, float] = (5.0, 30.0)  # dB
    band_limit: float = 0.1  # probability of losing the upper band
    silence: float = 0.4  # longest quiet padding on either side, seconds


@dataclass(frozen=True)
class FeatureAugmentation:
    """SpecAugment (Park et al. 2019, arXiv 1904.08779) and a warp of the mel axis."""

    frequency_masks: int = 2
    frequency_width: int = 16  # mel bins at most
    time_masks_per_second: float = 0.6
    time_width: int = 12  # frames (10 ms) at most
    warp: float = 0.04  # largest relative change of the mel index


def augment_samples(
    samples: np.ndarray,
    options: SampleAugmentation,
    rng: np.random.Generator,
    babble: np.ndarray | None = None,
) -> np.ndarray:
    """A changed copy of a recording; `babble` is other speech that may serve as noise.

    samples: (n,) float32 at 16 kHz; returns (m,) float32.
    """
    speed = rng.choice(options.speeds)
    if speed != 1.0:
        samples = resample_poly(samples, 20, round(20 * speed)).astype(np.float32)
    pads = rng.uniform(0, options.silence, 2) * SAMPLE_RATE
    samples = np.pad(samples, (int(pads[0]), int(pads[1])))
    if rng.random() < options.reverb:
        samples = _reverberate(samples, rng)
    if rng.random() < options.band_limit:
        samples = resample_poly(resample_poly(samples, 1, 2), 2, 1).astype(np.float32)
    if rng.random() < options.noise:
        return _add_noise(samples, rng.uniform(*options.snr), babble, rng)
    return _add_noise(samples, rng.uniform(35, 60), None, rng)


def _reverberate(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A small synthetic room: an exponentially decaying noise tail behind the direct sound."""
    decay = rng.uniform(0.08, 0.5)  # seconds to fall by 60 dB
    time = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * np.exp(-6.9 * time / decay)
    tail *= rng.uniform(0.2, 0.9) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return fftconvolve(samples, tail)[: len(samples)].astype(np.float32)


def _add_noise(
    samples: np.ndarray, snr: float, babble: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Coloured noise or, one time in four, other speech, at a signal-to-noise ratio in dB."""
    if babble is not None and len(babble) and rng.random() < 0.25:
        noise = np.resize(babble, len(samples))
    else:
        noise = lfilter([1.0], [1.0, -rng.uniform(0, 0.97)], rng.standard_normal(len(samples)))
    power = np.mean(samples**2) + 1e-10
    noise = noise * np.sqrt(power / (np.mean(noise**2) + 1e-10) / 10 ** (snr / 10))
    return (samples + noise).astype(np.float32)


def augment_features(
    features: np.ndarray, options: FeatureAugmentation, rng: np.random.Generator
) -> np.ndarray:
    """A changed copy of one utterance's log-mel, (frames, mel) float32; masks hold its mean."""
    frames, bins = features.shape
    if options.warp:
        place = np.arange(bins) * (1 + rng.uniform(-options.warp, options.warp))
        below = np.minimum(place.astype(int), bins - 2)
        share = np.minimum(place - below, 1.0).astype(np.float32)
        features = features[:, below] * (1 - share) + features[:, below + 1] * share
    else:
        features = features.copy()
    middle = features.mean()
    for _ in range(options.frequency_masks):
        width = rng.integers(0, options.frequency_width + 1)
        start = rng.integers(0, bins - width + 1)
        features[:, start : start + width] = middle
    for _ in range(rng.poisson(options.time_masks_per_second * frames / 100)):
        width = min(rng.integers(0, options.time_width + 1), frames)
        start = rng.integers(0, frames - width + 1)
        features[start : start + width] = middle
    return features
