"""Recordings: read from anything a user may drop in, checked, and turned into mono 16 kHz samples.

WAV, FLAC, Ogg (Opus, Vorbis) and MP3 are read by libsndfile; other containers by the FFmpeg
program where it is installed. The format is told by the first bytes, never by the name, so neither
reader is asked to guess: an unknown file is refused before it reaches one.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import torch

from analysis.cli.console import printable
from analysis.signals.speech_activity import speech_frames
from models.audio import containers, ffmpeg
from models.audio.quiet import quiet
from models.torchaudio_cpu import torchaudio

SAMPLE_RATE = 16_000
FRAME_SECONDS = 0.04  # one encoder frame: the shortest recording there is something to attend to
RATES = (4_000, 384_000)  # lowest and highest sample rate accepted
MAX_SECONDS = 600.0  # a recording may last by default
BLOCK = 8_192  # frames decoded at once: what is lost at most when a body breaks off
FULL_SCALE = 0.9999  # of 1.0: 16-bit samples at their limit lie above
NO_SPEECH = "no speech found"  # among the warnings
ACCEPTED = "it accepts WAV, FLAC, OGG/Opus and MP3, and M4A or WebM where FFmpeg is installed"


class AudioError(ValueError):
    """A recording that cannot be used; the message is one sentence for the user."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A checked recording."""

    samples: np.ndarray  # (n,) float32, mono, 16 kHz, within -1..1
    sample_rate: int  # of the original, Hz
    warnings: tuple[str, ...] = ()  # one sentence each: what was converted or looks wrong
    name: str = "recording"  # for display only: plain text, never a path to open

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


@dataclass
class _Body:
    """What was learned while the samples were decoded block by block."""

    blocks: list[np.ndarray] = field(default_factory=list)  # (frames,) each, mixed down
    frames: int = 0  # decoded so far
    peak: float = 0.0  # largest magnitude in any channel
    clipped: int = 0  # samples at full scale whose neighbour is as well
    broken: bool = False  # the decoder gave up part-way


def load(
    source: Path | str | bytes | BinaryIO,
    *,
    name: str | None = None,
    max_seconds: float = MAX_SECONDS,
) -> Recording:
    """Read and check a recording.

    Parameters
    ----------
    source
        A path, the bytes of a file, or an open binary file.
    name
        Shown in messages and pages; by default the file's own name.
    max_seconds
        Longer recordings are refused, from the header alone where it tells.

    Raises
    ------
    AudioError
        Nothing else, whatever the bytes are.
    """
    name = printable(name or _name_of(source))
    with _opened(source, name) as file:
        try:
            return _load(file, name, max_seconds)
        except (RuntimeError, OSError, ValueError, MemoryError) as error:
            if isinstance(error, AudioError):
                raise
            raise _unreadable(name) from error


def _load(file: BinaryIO, name: str, max_seconds: float) -> Recording:
    container = containers.identify(file)
    if container is None:
        raise _unreadable(name)
    cut_short = container.ends_early(file)
    if cut_short and container.mend:
        file = container.mend(file)
    file.seek(0)
    if container.decoder == "soundfile":
        # libmpg123 prints what it thinks of single frames, of good files too
        hushed = quiet() if container is containers.MP3 else nullcontext()
        with hushed, soundfile.SoundFile(file) as decoder:
            return _decode(decoder, name, max_seconds, cut_short)
    try:
        converted = ffmpeg.convert(file, container.demuxer, max_seconds + 1)
    except ffmpeg.Missing:
        raise AudioError(
            f"{name} is {container.title}, which AttnScope reads only where FFmpeg is installed: "
            "install FFmpeg, or convert the recording to WAV, FLAC, OGG or MP3."
        ) from None
    with soundfile.SoundFile(BytesIO(converted.au)) as decoder:
        return _decode(decoder, name, max_seconds, cut_short or converted.ends_early)


def _decode(
    decoder: soundfile.SoundFile, name: str, max_seconds: float, cut_short: bool
) -> Recording:
    rate, announced = decoder.samplerate, decoder.frames
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioError(
            f"{name} has a sample rate of {rate} Hz, outside the {RATES[0]} to {RATES[1]} Hz that "
            "AttnScope reads; convert it to 16000 Hz."
        )
    if announced >= 2**62:  # libsndfile's "unknown": a stream whose header was never completed
        announced = 0
    if announced > max_seconds * rate:
        raise too_long(name, announced / rate, max_seconds)
    body = _read(decoder, name, max_seconds)
    if body.frames == 0:
        if body.broken or cut_short:
            raise _unreadable(name)
        raise AudioError(f"{name}: the recording is empty (0 samples); record or export it again.")
    if body.frames < FRAME_SECONDS * rate:
        raise too_short(name, body.frames / rate)
    samples = resample(np.concatenate(body.blocks), rate)
    if body.peak > 1:
        samples /= body.peak
    cut_short = cut_short or body.broken or body.frames < announced
    warnings = _warnings(decoder, body, samples, cut_short)
    return Recording(np.clip(samples, -1, 1), rate, warnings, name)


def _read(decoder: soundfile.SoundFile, name: str, max_seconds: float) -> _Body:
    """Decode block by block, so that memory stays near that of the mono signal."""
    body, rate = _Body(), decoder.samplerate
    size = max(1, min(BLOCK, 2**22 // decoder.channels))
    while True:
        try:
            block = decoder.read(size, dtype="float32", always_2d=True)  # (frames, channels)
        except RuntimeError:
            body.broken = True
            return body
        if len(block) == 0:
            return body
        _refuse_non_finite(block, body.frames, rate, name)
        magnitude = np.abs(block)
        full = magnitude >= FULL_SCALE
        body.peak = max(body.peak, float(magnitude.max()))
        body.clipped += int(np.count_nonzero(full[1:] & full[:-1]))
        body.blocks.append(block.mean(axis=1, dtype=np.float64).astype(np.float32))
        body.frames += len(block)
        if body.frames > max_seconds * rate:
            raise too_long(name, None, max_seconds)


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples (n,) at `rate` Hz turned into 16 kHz by torchaudio's windowed sinc."""
    if rate == SAMPLE_RATE:
        return samples
    # An odd rate such as 44 099 Hz would need a kernel of gigabytes; the nearest small fraction is
    # within a few millionths of it.
    ratio = Fraction(SAMPLE_RATE, rate).limit_denominator(1_000)
    with torch.inference_mode():
        resampled = torchaudio.functional.resample(
            torch.from_numpy(samples), ratio.denominator, ratio.numerator
        )
    return resampled.numpy()


def _warnings(
    decoder: soundfile.SoundFile, body: _Body, samples: np.ndarray, cut_short: bool
) -> tuple[str, ...]:
    rate, channels = decoder.samplerate, decoder.channels
    warnings = []
    if cut_short:
        warnings.append(
            f"the file ends early: only its first {body.frames / rate:.1f} s could be read"
        )
    if channels > 1:
        warnings.append(
            f"{'stereo' if channels == 2 else f'{channels} channels'} mixed down to mono"
        )
    if rate != SAMPLE_RATE:
        lost = f"; nothing above {rate / 2000:g} kHz was recorded" if rate < SAMPLE_RATE else ""
        warnings.append(f"resampled from {rate} Hz to {SAMPLE_RATE} Hz{lost}")
    if decoder.subtype in ("PCM_24", "PCM_32"):
        warnings.append(f"{decoder.subtype[-2:]}-bit samples converted to floating point")
    if body.clipped:
        warnings.append(f"clipped: {body.clipped} samples at full scale, loud parts are distorted")
    if body.peak > 1:
        warnings.append(f"samples up to {body.peak:.3g} times full scale were scaled down")
    if not has_speech(samples):
        warnings.append(NO_SPEECH)
    return tuple(warnings)


def has_speech(samples: np.ndarray) -> bool:
    """Whether there is any speech in samples (n,) at 16 kHz, by their energy."""
    frames = max(1, round(len(samples) / SAMPLE_RATE / FRAME_SECONDS))
    return bool(speech_frames(samples, SAMPLE_RATE, frames, FRAME_SECONDS).any())


def _refuse_non_finite(block: np.ndarray, start: int, rate: int, name: str) -> None:
    if np.isfinite(block).all():
        return
    frame, channel = np.argwhere(~np.isfinite(block))[0]
    what = "not a number (NaN)" if math.isnan(block[frame, channel]) else "infinite"
    raise AudioError(
        f"{name} has a sample that is {what} at {(start + frame) / rate:.3f} s in channel "
        f"{channel + 1}; export the recording again."
    )


@contextmanager
def _opened(source: Path | str | bytes | BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The source as a seekable binary file; closed again only if it was opened here."""
    if isinstance(source, bytes | bytearray | memoryview):
        yield BytesIO(source)
    elif isinstance(source, str | Path):
        try:
            if not Path(source).is_file():
                raise AudioError(
                    f"{printable(str(source))} is not an existing file; check the path."
                )
            file = Path(source).open("rb")  # noqa: SIM115 (only opening is guarded here)
        except (OSError, ValueError) as error:
            if isinstance(error, AudioError):
                raise
            reason = getattr(error, "strerror", None) or "it is not a valid path"
            raise AudioError(f"{name} could not be opened: {reason}.") from error
        with file:
            yield file
    elif source.seekable():
        source.seek(0)
        yield source
    else:
        yield BytesIO(source.read())


def _name_of(source: Path | str | bytes | BinaryIO) -> str:
    path = source if isinstance(source, str | Path) else getattr(source, "name", None)
    return Path(path).name if isinstance(path, str | Path) else "recording"


def _unreadable(name: str) -> AudioError:
    return AudioError(f"{name} is not an audio file AttnScope can read; {ACCEPTED}.")


def too_short(name: str, seconds: float) -> AudioError:
    """What is said of a recording that the encoder has no frame for."""
    return AudioError(
        f"{name} lasts {1000 * seconds:.0f} ms, shorter than one encoder frame "
        f"({1000 * FRAME_SECONDS:.0f} ms); choose a longer recording."
    )


def too_long(name: str, seconds: float | None, limit: float) -> AudioError:
    """What is said of a recording beyond the limit; None: how far beyond is not known."""
    lasts = f"lasts {seconds:.0f} s, longer than" if seconds else "is longer than"
    return AudioError(
        f"{name} {lasts} the limit of {limit:g} s; cut it, or raise the limit with --max-seconds "
        "where the command has it."
    )
