"""What our own recogniser costs: every mechanism on a recording, many recordings, long ones."""

import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.comparison import Models, assess
from benchmarks.clocks import apart, highest, in_turn
from benchmarks.peer import espnet_seconds
from models import audio
from models.audio import Recording
from models.decoding.search import SearchOptions
from models.variant import Encoded, VariantInfo

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
LONG = SAMPLES / "long_story.ogg"
SHORT_SECONDS = 20.0  # clips up to here are like utterances of a corpus
CTC_WEIGHT = 0.3


def of_length(seconds: float) -> Recording:
    """So many seconds of real speech, over and over."""
    story = audio.load(LONG)
    samples = np.resize(story.samples, round(seconds * audio.SAMPLE_RATE))
    return replace(story, samples=samples, warnings=(), name=f"{seconds:g} s")


def one_recording(options: Namespace) -> dict[str, Any]:
    """Every mechanism on one recording, greedy and as the peer decodes, beside the peer's time."""
    models = Models(options.checkpoints)
    infos, heard = chosen(models, options), of_length(options.seconds)
    encoded = models.encode(heard)
    beam = SearchOptions(beam=options.beam, ctc_weight=CTC_WEIGHT)
    encoding = in_turn({"encoder": lambda: models.encode(heard)}, options.repeats)["encoder"]
    rows = [_decoding(models, info, encoded, beam, options.repeats) for info in infos]
    tokens = next((row["tokens"] for row in rows if row["mechanism"] == options.peer), None)
    tokens = max(1, tokens if tokens is not None else max(row["tokens"] for row in rows))
    found = {
        "audio_seconds": options.seconds,
        "beam": options.beam,
        "encoder_seconds": encoding.wall,
        "rows": rows,
        "peer": options.peer,
        "peer_tokens": tokens,
        "peer_seconds": espnet_seconds(options, tokens, options.seconds) if options.peer else None,
    }
    for kind in ("greedy", "beam"):
        sums = sum(row[f"{kind}_seconds"] for row in rows)
        found[f"all_{kind}_seconds"] = encoding.wall + sums
    return found


def chosen(models: Models, options: Namespace) -> list[VariantInfo]:
    """The mechanisms asked for; all that have a checkpoint where none is."""
    return models.choose(options.mechanisms or None)


def _decoding(
    models: Models, info: VariantInfo, encoded: Encoded, beam: SearchOptions, repeats: int
) -> dict[str, Any]:
    variant = models.variant(info.name)
    actions = {
        "greedy": lambda: variant.decode(encoded),
        "beam": lambda: variant.decode(encoded, beam),
    }
    taken = in_turn(actions, repeats)
    return {
        "mechanism": info.name,
        "tokens": len(variant.decode(encoded, beam)[0].alignment.tokens),
        "greedy_seconds": taken["greedy"].wall,
        "beam_seconds": taken["beam"].wall,
    }


# --- many recordings


def batch(options: Namespace) -> dict[str, Any]:
    """As evaluation decodes: recordings together, greedy; measured in a process of its own."""
    return apart(_batch, options)


def _batch(options: Namespace) -> dict[str, Any]:
    models = Models(options.checkpoints)
    infos = chosen(models, options)
    clips = [clip for clip in map(audio.load, sorted(SAMPLES.glob("*.ogg"))) if _short(clip)]
    clips = [clips[number % len(clips)] for number in range(options.recordings)]
    speech = sum(clip.seconds for clip in clips)
    encoded = models.encode(*clips)
    encoding = in_turn({"encoder": lambda: models.encode(*clips)}, options.repeats)["encoder"]
    rows = []
    for info in infos:
        variant = models.variant(info.name)
        decoded = variant.decode(encoded)

        def measure(info=info, variant=variant, decoded=decoded) -> None:
            for row, each in enumerate(decoded):
                assess(info, variant, encoded, row, each, "what was said", "basic")

        actions = {"decode": lambda variant=variant: variant.decode(encoded), "assess": measure}
        taken = in_turn(actions, options.repeats)
        whole = encoding.wall + taken["decode"].wall + taken["assess"].wall
        rows.append(
            {
                "mechanism": info.name,
                "decode_rtfx": speech / taken["decode"].wall,
                "whole_rtfx": speech / whole,
                "encoder_share": encoding.wall / whole,
                "assess_share": taken["assess"].wall / whole,
            }
        )
    return {
        "recordings_at_once": len(clips),
        "audio_seconds": speech,
        "encoder_rtfx": speech / encoding.wall,
        "mb_highest": highest(),
        "rows": rows,
    }


def _short(clip: Recording) -> bool:
    return clip.seconds <= SHORT_SECONDS


# --- long recordings


def lengths(options: Namespace) -> list[dict[str, Any]]:
    """Cost of ever longer recordings, each in a process of its own."""
    names = options.length_mechanisms
    return [apart(_length, options, name, seconds) for name in names for seconds in options.lengths]


def _length(options: Namespace, name: str, seconds: float) -> dict[str, Any]:
    models = Models(options.checkpoints)
    variant = models.variant(name)
    models.encode(of_length(1.0))  # loads
    before, heard = highest(), of_length(seconds)
    started = time.perf_counter()
    encoded = models.encode(heard)
    between = time.perf_counter()
    (decoded,) = variant.decode(encoded)
    ended = time.perf_counter()
    assess(variant.info, variant, encoded, 0, decoded, None, "basic")
    return {
        "mechanism": name,
        "audio_seconds": seconds,
        "tokens": len(decoded.alignment.tokens),
        "encoder_seconds": between - started,
        "decode_seconds": ended - between,
        "assess_seconds": time.perf_counter() - ended,
        "rtfx": seconds / (time.perf_counter() - started),
        "mb_loaded": before,
        "mb_highest": highest(),
    }
