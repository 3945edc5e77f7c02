"""Several channels mixed down to one, unless that would lose what was said.

The mean of channels in opposite phase is silence: microphones wired the wrong way round, stereo
widening. The energy of the mean is therefore compared with the energy of the channels.
"""

from dataclasses import dataclass, field

import numpy as np

FRAME_SECONDS = 0.064  # one spectrum
EVERY = 2  # of the spectra is computed
WINDOW_SECONDS = 1.0  # judged together
BANDS = np.geomspace(100, 4000, 11)  # Hz: edges; where speech is
FLOOR = 1e-2  # of the energy without interference: more loss than this counts as this (-20 dB)
LOSS_DB = -5.0  # mean of the bands; -3 is what a delay costs, 0 what channels that differ cost
SHARE = 0.1  # of the energy that may lie in windows beyond it
AUDIBLE = 1e-4  # energy of a band relative to its loudest window (-40 dB)
ALIKE = 0.8  # energy of a channel relative to the loudest (-1 dB)
SILENT = 1e-5  # energy of a channel relative to the loudest (-50 dB)


@dataclass
class Mixdown:
    """The mean of the channels of a recording that arrives block by block, and its judgement."""

    channels: int
    rate: int  # Hz
    rest: np.ndarray | None = None  # (frames, channels) not judged yet
    mixed: list[np.ndarray] = field(default_factory=list)  # (bands,) energy of the mean, by window
    apart: list[np.ndarray] = field(default_factory=list)  # (bands, channels) energy of each

    def __post_init__(self) -> None:
        self.size = max(16, round(self.rate * FRAME_SECONDS))
        self.window = max(1, round(WINDOW_SECONDS / FRAME_SECONDS)) * self.size
        self.taper = np.hanning(self.size)[:, None].astype(np.float32)
        frequencies = np.fft.rfftfreq(self.size, 1 / self.rate)
        self.edges = np.unique(np.searchsorted(frequencies, BANDS).clip(1, len(frequencies) - 1))

    def add(self, block: np.ndarray) -> np.ndarray:
        """The mean (frames,) float32 of a block (frames, channels)."""
        if self.channels == 1:
            return block[:, 0]
        waiting = block if self.rest is None else np.concatenate([self.rest, block])
        while len(waiting) >= self.window:
            self._judge(waiting[: self.window])
            waiting = waiting[self.window :]
        self.rest = waiting.copy()
        mean = np.full(self.channels, 1 / self.channels)  # float64: the sum is rounded once
        return (block @ mean).astype(np.float32)

    def finish(self) -> None:
        """Judge what is left at the end."""
        if self.rest is not None and (len(self.rest) >= self.size or not self.mixed):
            short = max(0, self.size - len(self.rest))
            self._judge(np.pad(self.rest, ((0, short), (0, 0))))
        self.rest = None

    def _judge(self, window: np.ndarray) -> None:
        frames = len(window) // self.size
        framed = window[: frames * self.size].reshape(frames, self.size, self.channels)
        spectra = np.fft.rfft(framed[::EVERY] * self.taper, axis=1)
        self.apart.append(self._bands(np.square(np.abs(spectra)).sum(axis=0)))
        self.mixed.append(self._bands(np.square(np.abs(spectra.mean(axis=2))).sum(axis=0)))

    def _bands(self, power: np.ndarray) -> np.ndarray:
        """(bins, ...) summed to (bands, ...)."""
        return np.add.reduceat(power, self.edges[:-1], axis=0)

    @property
    def energies(self) -> np.ndarray:
        """(channels,) energy in the bands of speech."""
        return np.sum(self.apart, axis=(0, 1))

    @property
    def loudest(self) -> int:
        """Number of the loudest channel; of those that are as loud, the first."""
        return int(np.argmax(self.energies >= ALIKE * self.energies.max()))

    @property
    def silent(self) -> np.ndarray:
        """Numbers of the channels without sound beside one that has."""
        return np.flatnonzero(self.energies < SILENT * self.energies.max())

    @property
    def cancels(self) -> bool:
        """Whether the mean loses sound that the channels have.

        Without interference the mean of K channels has 1/K of their mean energy. Lost is what it
        has less, in decibels, as a mean of the bands of a window in which there is sound.
        """
        mixed, alone = np.array(self.mixed), np.sum(self.apart, axis=2) / self.channels**2
        audible = (alone > AUDIBLE * alone.max(axis=0)) & (alone > 0)  # (windows, bands)
        if not audible.any():
            return False
        kept = 10 * np.log10(np.maximum(mixed[audible] / alone[audible], FLOOR))
        loss = np.zeros(alone.shape)
        loss[audible] = kept
        means = loss.sum(axis=1) / np.maximum(1, audible.sum(axis=1))  # (windows,) dB
        bands = alone.sum(axis=0)
        weights = (alone / np.where(bands > 0, bands, 1)).sum(axis=1)  # every band counts alike
        return bool(weights[means < LOSS_DB].sum() > SHARE * weights.sum())
