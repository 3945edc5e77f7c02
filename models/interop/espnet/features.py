"""What ESPnet's encoders hear: its own log-mel front end, or filter banks as Kaldi makes them."""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import CheckpointError
from models.features import SAMPLE_RATE
from models.interop.espnet.config import FeatureOptions
from models.torchaudio_cpu import torchaudio

FLOOR = 1e-10  # mel power below this is silence, as in ESPnet
SMALLEST = 1e-20  # variance, as in ESPnet
INT16 = 32_768.0  # Kaldi's samples are whole numbers
MAX_STATS_BYTES = 10_000_000


class Statistics(NamedTuple):
    """Means and standard deviations of the training data."""

    mean: Tensor  # (bins,)
    deviation: Tensor  # (bins,)


class Features:
    """Samples to normalised features, by the options of a model.

    Parameters
    ----------
    options
        Of the model.
    mel : (fft / 2 + 1, bins), optional
        Its filters, where its weights hold them; computed otherwise.
    statistics, optional
        Where its weights or a file hold them; without, there is no global normalisation.
    """

    def __init__(
        self,
        options: FeatureOptions,
        mel: Tensor | None = None,
        statistics: Statistics | None = None,
    ) -> None:
        self.options, self.statistics = options, statistics
        self.mel = mel_filters(options) if mel is None and options.kind == "stft" else mel

    def __call__(self, samples: Tensor) -> Tensor:
        """(n,) float at 16 kHz to (frames, bins)."""
        rate = self.options.rate
        if rate != SAMPLE_RATE:
            samples = torchaudio.functional.resample(samples, SAMPLE_RATE, rate)
        made = self._stft(samples) if self.options.kind == "stft" else self._kaldi(samples)
        return self._normalised(made)

    def _stft(self, samples: Tensor) -> Tensor:
        options = self.options
        window = None
        if options.window_name is not None:
            window = getattr(torch, f"{options.window_name}_window")(options.window)
        if len(samples) <= options.fft:  # reflected at both ends, which takes more samples
            samples = torch.nn.functional.pad(samples, (0, options.fft + 1 - len(samples)))
        spectrum = torch.stft(
            samples,
            options.fft,
            options.hop,
            options.window,
            window,
            center=options.centred,
            normalized=options.normalised,
            return_complex=True,
        )  # (fft / 2 + 1, frames)
        power = spectrum.real**2 + spectrum.imag**2
        return (power.T @ self.mel).clamp_min(FLOOR).log()

    def _kaldi(self, samples: Tensor) -> Tensor:
        options = self.options
        samples = torch.nn.functional.pad(samples, (0, max(0, options.window - len(samples))))
        return torchaudio.compliance.kaldi.fbank(
            samples[None] * INT16, num_mel_bins=options.bins, sample_frequency=options.rate
        )

    def _normalised(self, features: Tensor) -> Tensor:
        options = self.options
        if options.normalise == "global" and self.statistics is not None:
            mean, deviation = self.statistics
        elif options.normalise == "utterance":
            mean = features.mean(0)
            deviation = (features - mean).pow(2).mean(0).sqrt().clamp_min(SMALLEST)
        else:
            return features
        if options.means:
            features = features - mean
        return features / deviation if options.variances else features


def mel_filters(options: FeatureOptions) -> Tensor:
    """(fft / 2 + 1, bins) triangular filters of equal area, as librosa makes them."""
    highest = options.rate / 2 if options.highest is None else options.highest
    return torchaudio.functional.melscale_fbanks(
        options.fft // 2 + 1,
        options.lowest,
        highest,
        options.bins,
        options.rate,
        norm="slaney",
        mel_scale="htk" if options.htk else "slaney",
    )


def read_statistics(path: Path, bins: int) -> Statistics:
    """Statistics of a file: ESPnet 2's ``.npz``, or Kaldi's ``cmvn.ark`` (also as ``.npy``).

    Raises
    ------
    CheckpointError
        Where the file is none of these, or has another number of features.
    """
    try:
        if path.stat().st_size > MAX_STATS_BYTES:
            raise CheckpointError(f"{path.name} is too large for feature statistics")
        count, total, squares = _sums(path)
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean * mean, SMALLEST))
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}") from None
    # NumPy and struct raise many unrelated types on damaged input
    except Exception:
        raise CheckpointError(f"{path.name} does not hold feature statistics") from None
    if mean.shape != (bins,) or not np.isfinite(mean).all() or not np.isfinite(deviation).all():
        raise CheckpointError(f"{path.name} is not about {bins} features")
    return Statistics(torch.from_numpy(mean).float(), torch.from_numpy(deviation).float())


def _sums(path: Path) -> tuple[float, np.ndarray, np.ndarray]:
    """Number of frames, and sums of features and of their squares."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return float(arrays["count"]), arrays["sum"], arrays["sum_square"]
    if path.suffix == ".npy":
        matrix = np.load(path, allow_pickle=False)
    else:
        matrix = _kaldi_matrix(path.read_bytes())
    return float(matrix[0, -1]), matrix[0, :-1], matrix[1, :-1]


def _kaldi_matrix(content: bytes) -> np.ndarray:
    """The first matrix of a Kaldi file, binary or text, with or without a key before it."""
    start = content.find(b"\0B")
    if start < 0:
        rows = content.decode().partition("[")[2].partition("]")[0].strip().splitlines()
        return np.array([row.split() for row in rows], np.float64)
    kind, rows, columns = struct.unpack_from("<3sxixi", content, start + 2)
    dtype = {b"FM ": "<f4", b"DM ": "<f8"}[kind]
    cells = np.frombuffer(content, dtype, rows * columns, start + 2 + 3 + 5 + 5)
    return cells.reshape(rows, columns).astype(np.float64)
