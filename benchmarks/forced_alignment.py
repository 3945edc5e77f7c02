"""How exact word times are: forced alignment and every mechanism, on speech with known times.

    python -m benchmarks.forced_alignment                     # a table
    python -m benchmarks.forced_alignment --json out.json     # the same numbers for machines
    python docs/tables.py timing out.json                     # write them into docs/diagnostics.md

Sentences are read by the voices of flite, which prints the end of every phone. The CTC aligner is
given the sentence and its word boundaries are compared with the known ones. Then every mechanism
decodes the recording; the word boundaries in its attention (dynamic time warping, as in Whisper)
are compared with the known ones and with the forced alignment of the same decoded tokens. Words
that were decoded wrongly are left out.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.scoring.normalisers import basic
from analysis.timing.forced_alignment import forced_timing, viterbi
from analysis.timing.word_times import BoundaryErrors, Timed, attention_timing, boundary_errors
from benchmarks.flite import SENTENCES, VOICES, speak
from models import audio
from models.checkpoint import CheckpointError
from models.recogniser import encode, load_encoder, load_variant, variants
from models.variant import CTC, Encoded, Variant


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording as the encoder heard it, and the truth about it."""

    encoded: Encoded
    words: tuple[Timed, ...]  # known times
    text: str  # what was said, normalised


@dataclass(frozen=True)
class Summary:
    """How far word boundaries are off, over all clips."""

    name: str  # mechanism, or what was aligned
    against: str  # "known times" or "forced alignment"
    words: int  # compared
    start_bias_ms: float  # median; positive: too late
    start_ms: float  # median distance
    end_bias_ms: float
    end_ms: float
    median_ms: float  # of starts and ends
    p90_ms: float


def summarise(name: str, against: str, found: Sequence[BoundaryErrors]) -> Summary | None:
    """One row of the table; None where no word could be compared."""
    start = np.concatenate([errors.start_ms for errors in found] or [np.zeros(0)])
    end = np.concatenate([errors.end_ms for errors in found] or [np.zeros(0)])
    if len(start) == 0:
        return None
    both = np.abs(np.concatenate([start, end]))
    numbers = (
        np.median(start), np.median(np.abs(start)), np.median(end), np.median(np.abs(end)),
        np.median(both), np.quantile(both, 0.9),
    )  # fmt: skip
    return Summary(name, against, len(start), *(round(float(number), 1) for number in numbers))


def make_clips(options: argparse.Namespace) -> list[Clip]:
    """Speech of every voice, heard by the encoder."""
    encoder = load_encoder(options.checkpoints)
    clips = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        for voice in options.voices:
            for text in SENTENCES[: options.sentences]:
                words = speak(text, voice, file)
                clips.append(Clip(encode(encoder, [audio.load(file)]), words, basic(text)))
            print(f"{voice}: {len(clips)} clips", file=sys.stderr)
    return clips


def measure_aligner(clips: Sequence[Clip], ctc: Variant) -> Summary | None:
    """Forced alignment of the sentence that was said, against the known times."""
    errors = []
    for clip in clips:
        ids = ctc.alphabet.encode(clip.text)
        timing = forced_words(clip.encoded, ids, ctc)
        if timing is not None:
            errors.append(boundary_errors(timing, clip.words))
    return summarise("CTC forced alignment of the sentence", "known times", errors)


def forced_words(encoded: Encoded, ids: Sequence[int], ctc: Variant) -> tuple[Timed, ...] | None:
    """Words of a row of tokens by CTC."""
    tokens = [ctc.alphabet.tokens[number] for number in ids]
    log_probs = encoded.ctc_log_probs[0].numpy()
    timing = forced_timing(log_probs, ids, tokens, encoded.frame_seconds)
    return timing.words if timing else None


def measure_attention(clips: Sequence[Clip], variant: Variant, ctc: Variant) -> list[Summary]:
    """A mechanism's word times against the known ones and against the forced alignment."""
    numbers = {token: number for number, token in enumerate(ctc.alphabet.tokens)}
    known, forced = [], []
    for clip in clips:
        alignment = variant.decode(clip.encoded)[0].alignment
        timing = attention_timing(alignment)
        if timing is None:
            continue
        known.append(boundary_errors(timing.words, clip.words))
        ids = [numbers[token] for token in alignment.tokens]
        aligned = forced_words(clip.encoded, ids, ctc)
        if aligned is not None:
            forced.append(boundary_errors(timing.words, aligned))
    rows = [
        summarise(variant.name, "known times", known),
        summarise(variant.name, "forced alignment", forced),
    ]
    return [row for row in rows if row]


def speed() -> float:
    """Milliseconds to align 150 tokens with 400 frames (median of 21)."""
    rng = np.random.default_rng(0)
    log_probs = np.log(rng.dirichlet(np.ones(30), 400))
    tokens = rng.integers(1, 29, 150)
    taken = []
    for _ in range(21):
        started = time.perf_counter()
        viterbi(log_probs, tokens)
        taken.append(time.perf_counter() - started)
    return round(1000 * statistics.median(taken), 2)


def as_table(rows: Sequence[Summary]) -> str:
    lines = [
        f"{'':38}{'against':18}{'words':>6}{'start':>14}{'end':>14}{'median':>8}{'90 %':>7}",
        f"{'':38}{'':18}{'':>6}{'bias   off':>14}{'bias   off':>14}{'ms':>8}{'ms':>7}",
    ]
    lines += [
        f"{row.name:38}{row.against:18}{row.words:6d}{row.start_bias_ms:+8.0f}{row.start_ms:6.0f}"
        f"{row.end_bias_ms:+8.0f}{row.end_ms:6.0f}{row.median_ms:8.0f}{row.p90_ms:7.0f}"
        for row in rows
    ]
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forced_alignment",
        description=__doc__.splitlines()[0],
    )
    parser.add_argument(
        "--sentences", type=int, default=len(SENTENCES), metavar="N", help="sentences per voice"
    )
    parser.add_argument(
        "--voices", type=lambda text: text.split(","), default=list(VOICES), help="flite voices"
    )
    parser.add_argument(
        "--variants", default="all", help="mechanisms, separated by commas; none: only CTC"
    )
    parser.add_argument("--checkpoints", type=Path, help="folder (default: checkpoints/)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the numbers here, too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if shutil.which("flite") is None:
        print("flite is needed: install the Debian package of this name", file=sys.stderr)
        return 1
    try:
        rows, count = measure(options)
    except (CheckpointError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    milliseconds = speed()
    print(as_table(rows))
    print(f"\n150 tokens x 400 frames aligned in {milliseconds} ms")
    if options.json:
        report = {
            "clips": count,
            "voices": options.voices,
            "sentences": options.sentences,
            "milliseconds": milliseconds,
            "rows": [vars(row) for row in rows],
        }
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def measure(options: argparse.Namespace) -> tuple[list[Summary], int]:
    """All rows of the table, and the number of recordings."""
    trained = [v.name for v in variants(options.checkpoints) if v.checkpoint and v.name != CTC]
    asked = {"all": trained, "none": []}.get(options.variants, options.variants.split(","))
    ctc = load_variant(CTC, options.checkpoints)
    models = [load_variant(name, options.checkpoints) for name in asked]
    clips = make_clips(options)
    rows = [row for row in [measure_aligner(clips, ctc)] if row]
    for model in models:
        rows += measure_attention(clips, model, ctc)
        print(model.name, file=sys.stderr)
    return rows, len(clips)


if __name__ == "__main__":
    sys.exit(main())
