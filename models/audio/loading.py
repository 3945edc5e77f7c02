"""Recordings: read from any file, checked, and turned into mono 16 kHz samples."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from av.error import FFmpegError

from analysis.cli.console import printable
from analysis.signals.speech_activity import speech_frames
from models.audio.channels import Mixdown
from models.audio.reader import Reader, SampleBlock, UnfinishedError, open_all
from models.audio.recording import (
    FRAME_SECONDS,
    MAX_SECONDS,
    NO_SPEECH,
    SAMPLE_RATE,
    AudioError,
    Recording,
    check_format,
    too_long,
    too_short,
    unfinished,
    unreadable,
)
from models.audio.resampling import Resampler

FULL_SCALE = 0.9999  # of 1.0: 16-bit samples at their limit lie above


@dataclass
class _Section:
    """Consecutive blocks of one rate and one number of channels."""

    mixdown: Mixdown
    resampler: Resampler
    original_rate: int  # Hz
    pieces: list[np.ndarray] = field(default_factory=list)  # mono at 16 kHz

    def add(self, block: np.ndarray, channel: int | None) -> None:
        mixed = self.mixdown.add(block)
        self.pieces.append(self.resampler.add(mixed if channel is None else block[:, channel]))

    def finish(self) -> None:
        self.mixdown.finish()
        self.pieces.append(self.resampler.finish())
        self.pieces = [np.concatenate(self.pieces)]


@dataclass
class _Body:
    """What was learned while the samples were decoded block by block."""

    sections: list[_Section] = field(default_factory=list)
    readers: list[Reader] = field(default_factory=list)  # of the files that were joined
    seconds: float = 0.0  # decoded so far
    peak: float = 0.0  # largest magnitude in any channel
    clipped: int = 0  # samples at full scale whose neighbour is as well


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
        Longer recordings are refused, after at most so much of them has been decoded.

    Raises
    ------
    AudioError
        Nothing else, whatever the bytes are.
    """
    name = printable(name or _name_of(source))
    with _opened(source, name) as file:
        try:
            return _load(file, name, max_seconds)
        except UnfinishedError:
            raise unfinished(name) from None
        except (FFmpegError, RuntimeError, OSError, ValueError, MemoryError) as error:
            if isinstance(error, AudioError):
                raise
            raise unreadable(name) from error


def _load(file: BinaryIO, name: str, max_seconds: float) -> Recording:
    body = _decode(file, name, max_seconds)
    channels = {
        number: section.mixdown.loudest
        for number, section in enumerate(body.sections)
        if section.mixdown.channels > 1 and section.mixdown.cancels
    }
    if channels:  # which is rare: what the mean has lost has to be decoded again
        body = _decode(file, name, max_seconds, channels)
    _check_length(body, name)
    samples = np.concatenate(
        [_levelled(section, number in channels) for number, section in enumerate(body.sections)]
    )
    if body.peak > 1:
        samples /= body.peak
    np.clip(samples, -1, 1, out=samples)
    rate = body.sections[0].original_rate
    return Recording(samples, rate, _warnings(body, samples, channels), name)


def _check_length(body: _Body, name: str) -> None:
    if not body.sections:
        if body.readers[-1].ends_early:
            raise unreadable(name)
        raise AudioError(f"{name}: the recording is empty (0 samples); record or export it again.")
    if body.seconds < FRAME_SECONDS - 1e-9:
        raise too_short(name, body.seconds)


def _decode(
    file: BinaryIO, name: str, max_seconds: float, channels: dict[int, int] | None = None
) -> _Body:
    """Decode, mix down and resample block by block, so that memory stays near that of the result.

    Parameters
    ----------
    channels
        By number of the section: the channel that is taken instead of the mean.
    """
    body = _Body()
    for opened in open_all(file):
        body.readers.append(opened.reader)
        section = None
        for block in opened.blocks:
            samples = block.samples
            if section is None or not _continues(section, block):
                if section is not None:
                    section.finish()
                section = _new_section(opened.reader, block, name)
                body.sections.append(section)
            _refuse_non_finite(samples, body.seconds, block.rate, name)
            _look_at(body, samples)
            section.add(samples, (channels or {}).get(len(body.sections) - 1))
            body.seconds += len(samples) / block.rate
            if body.seconds > max_seconds + 1e-9:
                stated = opened.reader.stated_seconds or 0.0
                raise too_long(name, stated if stated > max_seconds else None, max_seconds)
        if section is not None:
            section.finish()
    return body


def _new_section(reader: Reader, block: SampleBlock, name: str) -> _Section:
    channels = block.samples.shape[1]
    check_format(name, block.rate, channels)
    rate = reader.original_rate or block.rate
    return _Section(Mixdown(channels, block.rate), Resampler(block.rate), rate)


def _continues(section: _Section, block: SampleBlock) -> bool:
    mixdown = section.mixdown
    return (mixdown.rate, mixdown.channels) == (block.rate, block.samples.shape[1])


def _look_at(body: _Body, samples: np.ndarray) -> None:
    magnitude = np.abs(samples)
    full = magnitude >= FULL_SCALE
    body.peak = max(body.peak, float(magnitude.max(initial=0.0)))
    body.clipped += int(np.count_nonzero(full[1:] & full[:-1]))


def _levelled(section: _Section, chosen: bool) -> np.ndarray:
    """Mono samples (n,) in which silent channels have not lowered the level."""
    mixdown, (samples,) = section.mixdown, section.pieces
    if chosen or mixdown.channels == 1:
        return samples
    sounding = mixdown.channels - len(mixdown.silent)
    return samples * np.float32(mixdown.channels / sounding)


def _warnings(body: _Body, samples: np.ndarray, chosen: dict[int, int]) -> tuple[str, ...]:
    """One sentence for everything about the file that a listener should know."""
    found = [*_about_content(body), *_about_channels(body, chosen)]
    for rate in _distinct(section.original_rate for section in body.sections):
        if rate != SAMPLE_RATE:
            lost = f"; nothing above {rate / 2000:g} kHz was recorded" if rate < SAMPLE_RATE else ""
            found.append(f"resampled from {rate} Hz to {SAMPLE_RATE} Hz{lost}")
    for bits in _distinct(reader.bits for reader in body.readers if reader.bits):
        found.append(f"{bits}-bit samples converted to floating point")
    if body.clipped:
        found.append(f"clipped: {body.clipped} samples at full scale, loud parts are distorted")
    if body.peak > 1:
        found.append(f"samples up to {body.peak:.3g} times full scale were scaled down")
    if not has_speech(samples):
        found.append(NO_SPEECH)
    return tuple(found)


def _about_content(body: _Body) -> Iterator[str]:
    if body.readers[-1].ends_early:
        yield f"the file ends early: only its first {body.seconds:.1f} s could be read"
    if len(body.readers) > 1:
        yield f"{len(body.readers)} recordings joined end to end were read as one"
    if any(reader.declared and reader.declared.beyond for reader in body.readers):
        yield "the header announces less sound than the file holds; all of it was read"
    damaged = sum(reader.damaged for reader in body.readers)
    if damaged:
        yield f"damaged: {damaged} blocks could not be decoded and are missing"
    tracks = max(reader.tracks for reader in body.readers)
    if tracks > 1:
        yield f"the file has {tracks} sound tracks; only the default one was read"


def _about_channels(body: _Body, chosen: dict[int, int]) -> Iterator[str]:
    found = []
    for number, section in enumerate(body.sections):
        channels = section.mixdown.channels
        if channels == 1:
            continue
        title = "stereo" if channels == 2 else f"{channels} channels"
        if number in chosen:
            found.append(
                f"{title}: the channels cancel each other (opposite phase), so channel "
                f"{chosen[number] + 1}, the louder one, was taken instead of their mean"
            )
        elif len(section.mixdown.silent):
            silent = ", ".join(str(channel + 1) for channel in section.mixdown.silent)
            found.append(f"{title} mixed down to mono without channel {silent}, which is silent")
        else:
            found.append(f"{title} mixed down to mono")
    yield from _distinct(found)


def _distinct(items: Iterable) -> list:
    return list(dict.fromkeys(items))


def has_speech(samples: np.ndarray) -> bool:
    """Whether there is any speech in samples (n,) at 16 kHz, by their energy."""
    frames = max(1, round(len(samples) / SAMPLE_RATE / FRAME_SECONDS))
    return bool(speech_frames(samples, SAMPLE_RATE, frames, FRAME_SECONDS).any())


def _refuse_non_finite(block: np.ndarray, start: float, rate: int, name: str) -> None:
    """`start`: seconds before the block (frames, channels)."""
    if np.isfinite(block).all():
        return
    frame, channel = np.argwhere(~np.isfinite(block))[0]
    what = "not a number (NaN)" if math.isnan(block[frame, channel]) else "infinite"
    raise AudioError(
        f"{name} has a sample that is {what} at {start + frame / rate:.3f} s in channel "
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
        yield source
    else:
        yield BytesIO(source.read())


def _name_of(source: Path | str | bytes | BinaryIO) -> str:
    path = source if isinstance(source, str | Path) else getattr(source, "name", None)
    return Path(path).name if isinstance(path, str | Path) else "recording"
