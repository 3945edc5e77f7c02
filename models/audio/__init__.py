"""Recordings: read from any file, checked, and turned into mono 16 kHz samples."""

from models.audio.loading import has_speech, load
from models.audio.recording import (
    ACCEPTED,
    FRAME_SECONDS,
    MAX_SECONDS,
    NO_SPEECH,
    SAMPLE_RATE,
    SUFFIXES,
    AudioError,
    Recording,
    too_long,
    too_short,
)
from models.audio.resampling import resample

__all__ = [
    "ACCEPTED",
    "FRAME_SECONDS",
    "MAX_SECONDS",
    "NO_SPEECH",
    "SAMPLE_RATE",
    "SUFFIXES",
    "AudioError",
    "Recording",
    "has_speech",
    "load",
    "resample",
    "too_long",
    "too_short",
]
