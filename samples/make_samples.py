"""Makes the sample clips and their manifest again, with the synthesisers named in README.md.

    python -m samples.make_samples

The sentences were written for AttnScope. A voice draws its rate and pitch from the clip's name.
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from models.training.synthesise import SAMPLE_RATE, Line, speak, transcript

FOLDER = Path(__file__).resolve().parent
EDGE = 0.15  # seconds of quiet before and after
PEAK = 0.7  # of full scale


@dataclass(frozen=True)
class Clip:
    """How one sample is made."""

    name: str  # file name; the container follows from its ending
    voice: str  # see `models.training.synthesise`
    title: str  # shown in the dashboard
    parts: tuple[str | float, ...]  # sentences, and seconds of silence between them
    snr: float | None = None  # dB: pink noise is added at this ratio to the speech
    rate: int = SAMPLE_RATE  # Hz


CLIPS = (
    Clip(
        "morning_walk.ogg",
        "heart",
        "A walk in the morning (short, clear)",
        ("The old man walked down to the river, and sat for a while in the morning sun.",),
    ),
    Clip(
        "open_window.ogg",
        "slt",
        "An open window (short, clear)",
        ("She left the window open all night, and in the morning the room was cold.",),
    ),
    Clip(
        "rain_in_the_hills.ogg",
        "awb",
        "Rain in the hills (Scottish voice)",
        ("It had been raining in the hills for days, and the water was still coming up.",),
    ),
    Clip(
        "spoken_repetition.ogg",
        "heart",
        "No no no: words that really are repeated",
        ("No, no, no, no, I said.", "Not now, not now, not now."),
    ),
    Clip(
        "long_pause.ogg",
        "heart",
        "A long pause in the middle",
        ("I opened the letter and read the first line.", 3.0, "Then I put it back on the table."),
        snr=40.0,
    ),
    Clip(
        "noisy_street.ogg",
        "rms",
        "Noise, 10 dB below the speech",
        ("We will meet at the corner of the street, just after the shops have closed.",),
        snr=10.0,
    ),
    Clip(
        "old_telephone.flac",
        "kal16",
        "An old telephone (8 kHz: nothing above 4 kHz)",
        ("Please call me back when you come home this evening.",),
        rate=8_000,
    ),
    Clip(
        "long_story.ogg",
        "slt",
        "A story of half a minute",
        (
            "There was once a woman who lived alone in a small house at the end of the village.",
            "Every evening she put a light in the window, so that nobody would lose the way.",
            "One night the wind was very strong, and the light went out.",
            "In the dark she heard a knock at the door, and there stood a boy with a lamp in his "
            "hand.",
            "You have lit the road for us all these years, he said, so tonight I have come to "
            "bring the light back to you.",
            "She laughed and asked him in, and they sat by the fire until the sun came up.",
        ),
    ),
)


def make(clip: Clip) -> np.ndarray:
    """Samples (n,) of a clip at its own rate."""
    quiet = np.zeros(round(EDGE * SAMPLE_RATE), np.float32)
    pieces = [quiet]
    for number, part in enumerate(clip.parts):
        if isinstance(part, float):
            pieces.append(np.zeros(round(part * SAMPLE_RATE), np.float32))
        else:
            line = Line(Path(clip.name).stem, clip.voice, part)
            pieces.append(trim(speak(line)))
            if number + 1 < len(clip.parts):
                pieces.append(np.tile(quiet, 2))
    samples = np.concatenate([*pieces, quiet])
    if clip.snr is not None:
        samples = samples + pink_noise(samples, clip.snr)
    if clip.rate != SAMPLE_RATE:
        samples = resample_poly(samples, clip.rate, SAMPLE_RATE)
    return (PEAK / np.abs(samples).max() * samples).astype(np.float32)


def trim(samples: np.ndarray) -> np.ndarray:
    """Without the silence a synthesiser puts at both ends."""
    loud = np.flatnonzero(np.abs(samples) > 0.005 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def pink_noise(speech: np.ndarray, snr: float) -> np.ndarray:
    """Noise (n,) of equal energy per octave, `snr` dB below the whole clip's speech."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal(len(speech)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, len(speech))
    ratio = np.mean(speech**2) / np.mean(noise**2) / 10 ** (snr / 10)
    return np.sqrt(ratio) * noise


def main() -> int:
    rows = []
    for clip in CLIPS:
        samples = make(clip)
        subtype = "OPUS" if clip.name.endswith(".ogg") else "PCM_16"
        soundfile.write(FOLDER / clip.name, samples, clip.rate, subtype=subtype)
        text = transcript(" ".join(part for part in clip.parts if isinstance(part, str)))
        seconds = len(samples) / clip.rate
        rows.append([clip.name, text, clip.title, f"{seconds:.2f}", clip.voice])
        print(f"{clip.name}: {seconds:.1f} s", file=sys.stderr)
    with (FOLDER / "manifest.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n")
        writer.writerow(["path", "text", "title", "seconds", "voice"])
        writer.writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
