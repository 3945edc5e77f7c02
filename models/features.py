"""Log-mel features: what the encoder hears."""

from functools import cache

import torch
from torch import Tensor

from models.torchaudio_cpu import torchaudio

SAMPLE_RATE = 16_000
MEL_BINS = 80
HOP = 160  # samples: 10 ms
WINDOW = 400  # samples: 25 ms
FLOOR = 1e-6  # mel power below this is digital silence


@cache
def _mel() -> "torchaudio.transforms.MelSpectrogram":
    return torchaudio.transforms.MelSpectrogram(
        SAMPLE_RATE, n_fft=512, win_length=WINDOW, hop_length=HOP, f_min=20.0, n_mels=MEL_BINS
    )


def frame_count(samples: int) -> int:
    """Number of 10 ms frames `log_mel` makes of that many samples (at least 1)."""
    return max(1, samples // HOP)


def raw_log_mel(samples: Tensor) -> Tensor:
    """Natural log of mel power: (samples,) float at 16 kHz to (frames, 80), 10 ms a frame."""
    if samples.shape[-1] < WINDOW:
        samples = torch.nn.functional.pad(samples, (0, WINDOW - samples.shape[-1]))
    power = _mel()(samples)[:, : frame_count(samples.shape[-1])]  # (80, frames)
    return power.clamp_min(FLOOR).log().T


def normalise(features: Tensor) -> Tensor:
    """Remove the recording's mean of every mel bin and its overall spread: (frames, 80).

    Channel and loudness go; what changes over time, which is speech, stays.
    """
    centred = features - features.mean(0)
    return centred / centred.std().clamp_min(1e-3)


def log_mel(samples: Tensor) -> Tensor:
    """Normalised log-mel of one recording: (samples,) float at 16 kHz to (frames, 80)."""
    return normalise(raw_log_mel(samples))
