"""Recordings made for tests: hums and tones, and the folder of the project's own samples."""

import io
from pathlib import Path

import numpy as np
import soundfile

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
WORDS = "no no no"  # transcript of the one sample of the fixture `library`


def hum(seconds: float, rate: int = 16_000) -> np.ndarray:
    """(n,) float32: a voice-like hum, harmonics of 120 Hz in syllables of a quarter of a second."""
    time = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time), 0, 1)
    return (0.2 * tone * syllables).astype(np.float32)


def tone(seconds: float = 1.0, rate: int = 16_000) -> bytes:
    """A WAV file of a buzz that swells and fades."""
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.3 * np.sign(np.sin(2 * np.pi * 140 * time)) * np.sin(np.pi * time / max(seconds, 1e-9))
    file = io.BytesIO()
    soundfile.write(file, wave.astype(np.float32), rate, format="WAV")
    return file.getvalue()
