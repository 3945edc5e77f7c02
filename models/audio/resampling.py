"""Any sample rate turned into 16 kHz, also piece by piece, so that memory stays small."""

import math
from fractions import Fraction

import numpy as np
import torch

from models.audio.recording import SAMPLE_RATE
from models.torchaudio_cpu import torchaudio

PIECE_SECONDS = 30.0  # resampled together
FILTER_ZEROS = 6  # zero crossings of torchaudio's windowed sinc, to each side
ROLLOFF = 0.99  # of its cut-off


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples (n,) at `rate` Hz turned into 16 kHz by torchaudio's windowed sinc."""
    resampler = Resampler(rate)
    return np.concatenate([resampler.add(samples), resampler.finish()])


class Resampler:
    """From one sample rate to 16 kHz; pieces give the same as the whole."""

    def __init__(self, rate: int) -> None:
        # An odd rate such as 44 099 Hz would need a kernel of gigabytes; the nearest small
        # fraction is within a few millionths of it.
        ratio = Fraction(SAMPLE_RATE, rate).limit_denominator(1_000)
        self.up, self.down = ratio.numerator, ratio.denominator
        self.same = rate == SAMPLE_RATE
        self.transform = torchaudio.transforms.Resample(
            self.down, self.up, lowpass_filter_width=FILTER_ZEROS, rolloff=ROLLOFF
        )
        width = FILTER_ZEROS * self.down / (min(self.up, self.down) * ROLLOFF)
        self.context = math.ceil(width / self.down) + 1  # periods of the ratio to each side
        self.piece = math.ceil(PIECE_SECONDS * rate / self.down)  # periods
        self.waiting: list[np.ndarray] = []
        self.length = 0  # of what waits
        self.before = 0  # periods of context at its beginning

    def add(self, samples: np.ndarray) -> np.ndarray:
        """What is certain of the result after some more samples (n,) float32."""
        if self.same:
            return samples
        self.waiting.append(samples)
        self.length += len(samples)
        finished = [samples[:0]]
        while self.length >= (self.before + self.piece + self.context) * self.down:
            waiting = np.concatenate(self.waiting)
            used = (self.before + self.piece + self.context) * self.down
            result = self._apply(waiting[:used])
            finished.append(result[self.before * self.up :][: self.piece * self.up])
            kept = (self.before + self.piece - self.context) * self.down
            self.waiting, self.before = [waiting[kept:]], self.context
            self.length = len(waiting) - kept
        return np.concatenate(finished)

    def finish(self) -> np.ndarray:
        """The rest of the result."""
        if self.same or not self.waiting:
            return np.zeros(0, np.float32)
        return self._apply(np.concatenate(self.waiting))[self.before * self.up :]

    def _apply(self, samples: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self.transform(torch.from_numpy(np.ascontiguousarray(samples))).numpy()
