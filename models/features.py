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
WHISPER_FLOOR = 1e-10  # the same for Whisper
WHISPER_RANGE = 8.0  # powers of ten below a recording's loudest moment that Whisper hears


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


@cache
@torch.inference_mode(mode=False)
def _whisper_front_end() -> tuple[Tensor, Tensor]:
    """Window of the Fourier transform, (400,), and mel filters, (201, 80)."""
    filters = torchaudio.functional.melscale_fbanks(
        WINDOW // 2 + 1, 0.0, SAMPLE_RATE / 2, MEL_BINS, SAMPLE_RATE, "slaney", "slaney"
    )
    return torch.hann_window(WINDOW), filters


def whisper_log_mel(samples: Tensor) -> Tensor:
    """Log-mel as Whisper hears it: (samples,) float at 16 kHz to (frames, 80), 10 ms a frame.

    Radford et al. 2022, arXiv 2212.04356: powers of ten, cut 8 below the loudest moment, scaled to
    about -1 to 1; the recording is not padded to 30 s.
    """
    if samples.shape[-1] < WINDOW:
        samples = torch.nn.functional.pad(samples, (0, WINDOW - samples.shape[-1]))
    window, filters = _whisper_front_end()
    spectrum = torch.stft(samples, WINDOW, HOP, window=window, return_complex=True)[:, :-1]
    power = spectrum.abs().square().T @ filters  # (frames, 80)
    levels = power.clamp_min(WHISPER_FLOOR).log10()
    return (levels.maximum(levels.max() - WHISPER_RANGE) + 4) / 4
