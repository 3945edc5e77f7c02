"""A recording as everything else sees it, and the sentences about one that cannot be used."""

from dataclasses import dataclass

import numpy as np

SAMPLE_RATE = 16_000
FRAME_SECONDS = 0.04  # one encoder frame: the shortest recording there is something to attend to
MAX_SECONDS = 600.0  # a recording may last by default
RATES = (4_000, 384_000)  # lowest and highest sample rate accepted
MOST_CHANNELS = 64  # of the largest microphone arrays
NO_SPEECH = "no speech found"  # among the warnings
SUFFIXES = frozenset((  # that tell recordings in a folder; what a file holds is another matter
    ".wav", ".flac", ".ogg", ".opus", ".oga", ".spx", ".mp3", ".mp2", ".m4a", ".mp4", ".mov",
    ".3gp", ".webm", ".mka", ".mkv", ".aac", ".aif", ".aiff", ".aifc", ".caf", ".amr", ".wma",
    ".au", ".snd", ".w64", ".rf64", ".sph", ".wv", ".tta", ".ac3", ".voc", ".flv", ".avi",
))  # fmt: skip
ACCEPTED = (
    "it reads WAV, FLAC, OGG/Opus, MP3, M4A, WebM, AAC, AIFF, AMR, WMA, NIST SPHERE and the sound "
    "of videos"
)


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


def unreadable(name: str) -> AudioError:
    """The error for bytes that hold no sound any decoder knows."""
    return AudioError(f"{name} is not an audio file AttnScope can read; {ACCEPTED}.")


def unfinished(name: str) -> AudioError:
    """The error for an MP4 recording without its index."""
    return AudioError(
        f"{name} is not an audio file AttnScope can read: it is an MP4 recording without the index "
        "that is written last, so it was cut off or never finished; copy or export it again."
    )


def too_short(name: str, seconds: float) -> AudioError:
    """The error for a recording that the encoder has no frame for."""
    return AudioError(
        f"{name} lasts {1000 * seconds:.0f} ms, shorter than one encoder frame "
        f"({1000 * FRAME_SECONDS:.0f} ms); choose a longer recording."
    )


def too_long(name: str, seconds: float | None, limit: float) -> AudioError:
    """The error for a recording beyond the limit; `seconds` is None where its end is not known."""
    lasts = f"lasts {seconds:.0f} s, longer than" if seconds else "is longer than"
    return AudioError(
        f"{name} {lasts} the limit of {limit:g} s; cut it, or raise the limit with --max-seconds "
        "where the command has it."
    )


def check_format(name: str, rate: int, channels: int) -> None:
    """Raise an `AudioError` for a sample rate or a number of channels no recording has."""
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioError(
            f"{name} has a sample rate of {rate} Hz, outside the {RATES[0]} to {RATES[1]} Hz that "
            "AttnScope reads; convert it to 16000 Hz."
        )
    if channels > MOST_CHANNELS:
        raise AudioError(
            f"{name} has {channels} channels, more than the {MOST_CHANNELS} that AttnScope mixes "
            "down; export one of them."
        )
