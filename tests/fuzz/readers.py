"""Readers of everything that comes from outside, and small valid files for each."""

import gzip
import io
import json
import random
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch
from safetensors.torch import save
from torch import nn

from analysis.alignment import Alignment, AlignmentError
from analysis.diagnosis import diagnose
from analysis.io import toolkits
from app import charts
from app.evaluation import SourceError, read_items
from app.presentation import Deck, Panel, SavedError, Slide, Sound, saved
from app.presentation.thumb import thumb
from app.report.content import ReportError
from app.report.from_clips import from_json
from app.report.page import render
from app.theme import LIGHT
from models import checkpoint
from models.audio import AudioError, load
from models.checkpoint import Card, CheckpointError
from models.corpora.utterance import TrainingError
from models.decoders.registry import decoders
from models.encoders import KINDS, LSTMOptions
from models.recogniser import options_of
from models.schema import SchemaError
from models.text import ENGLISH
from tests.fuzz import structure

Change = Callable[[bytes, random.Random], bytes]
FORMATS = (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"),
           ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_24"))  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """How a kind of file is read and used, and how it may be refused."""

    read: Callable[[bytes], object]
    refusal: type[Exception] | tuple[type[Exception], ...]
    change: Change | None = None  # keeps the form; None: bytes are damaged only


def _diagnosed(content: bytes, name: str) -> None:
    alignment = toolkits.read(content, name)
    diagnose(alignment).to_json()
    alignment.save(io.BytesIO())


def _in_file(name: str, use: Callable[[Path], object]) -> Callable[[bytes], object]:
    """What reads a path, given bytes."""

    def read(content: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            return use(path)

    return read


def _reported(path: Path) -> None:
    render(from_json(path)).encode()


def _listed(path: Path) -> None:
    for item in read_items(path):
        assert item.seconds >= 0
        item.id.encode(errors="replace")


def _presented(content: bytes) -> None:
    deck = saved.read(content)
    saved.packed(deck).encode()
    for slide in deck.slides:
        thumb(slide).encode()
        slide.link("http://here")


def _card(path: Path) -> None:
    card = checkpoint.read_card(path)
    encoders = (kind.sizes for kind in KINDS.values())
    for options in (*encoders, *(info.options for info in decoders().values())):
        try:
            options_of(options, card)
        except SchemaError:
            continue


def _loaded(path: Path) -> None:
    checkpoint.load(nn.Linear(3, 2), path)


def _set(content: bytes, rng: random.Random) -> bytes:
    """A presentation with something wrong in what it carries."""
    values = json.loads(gzip.decompress(b64decode(saved.ELEMENT.search(content)[1])))
    if rng.random() < 0.3:
        panel = values["slides"][0]["panels"][0]
        name = rng.choice(("head", "body"))
        panel[name] = structure.html(panel[name], rng)
        return _page(json.dumps(values).encode())
    return _page(structure.json_text(structure.changed(values, rng), rng))


def _page(values: bytes) -> bytes:
    carried = b64encode(gzip.compress(values, mtime=0))
    return b'<script type="application/gzip" id="attnscope-set">' + carried + b"</script>"


READERS = {
    "audio": Reader(lambda content: load(content, name="fuzzed"), AudioError),
    "alignment": Reader(
        lambda content: _diagnosed(content, "fuzzed.npz"), AlignmentError, structure.archive
    ),
    "npy": Reader(lambda content: _diagnosed(content, "fuzzed.npy"), AlignmentError,
                  structure.array),
    "words": Reader(lambda content: _diagnosed(content, "fuzzed.json"), AlignmentError,
                    structure.document),
    "compare.json": Reader(_in_file("x.json", _reported), ReportError, structure.document),
    "nemo": Reader(_in_file("x.jsonl", _listed), (TrainingError, SourceError), structure.lines),
    "presentation": Reader(_presented, SavedError, _set),
    "card": Reader(_in_file("x.json", _card), CheckpointError, structure.document),
    "safetensors": Reader(_in_file("x.safetensors", _loaded), CheckpointError, structure.tensors),
}  # fmt: skip


# --- valid files -----------------------------------------------------------------------------


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """Small valid files of every kind: kind and content."""
    time = np.arange(8_000) / 16_000
    wave = (0.3 * np.sin(2 * np.pi * 300 * time)).astype(np.float32)
    files = []
    for name, subtype in FORMATS:
        file = io.BytesIO()
        soundfile.write(file, wave, 16_000, format=name, subtype=subtype)
        files.append(("audio", file.getvalue()))
    for heads, optional in ((1, {}), (3, {"speech": np.ones(9, bool), "ended": True, "text": "a"})):
        weights = np.full((heads, 4, 9), 1 / 9, np.float32)
        alignment = Alignment.from_arrays(weights, list("abcd"), 0.04, **optional)
        file = io.BytesIO()
        alignment.save(file)
        files.append(("alignment", file.getvalue()))
    return (*files, *_structured())


def _structured() -> list[tuple[str, bytes]]:
    """Those whose changes keep their form and are not archives of arrays."""
    file = io.BytesIO()
    np.save(file, np.full((2, 3, 8), 1 / 8, np.float32))
    words = [{"word": " so", "start": 0.1, "end": 0.3, "probability": 0.9},
             {"word": " it", "start": 0.3, "end": 0.9}]  # fmt: skip
    whisper = {"text": " so it", "segments": [
        {"id": 0, "start": 0.1, "end": 0.9, "text": " so it", "words": words}]}  # fmt: skip
    rows = [{"audio_filepath": f"u{n}.wav", "text": "so it is", "duration": 2.5, "offset": 0.5,
             "utt_id": f"u{n}"} for n in range(2)]  # fmt: skip
    card = Card("x", asdict(LSTMOptions()), ENGLISH, training={"parameters": 3}, scores={})
    return [
        ("npy", file.getvalue()),
        ("words", json.dumps(whisper).encode()),
        ("words", json.dumps(words).encode()),
        ("compare.json", json.dumps(_compared()).encode()),
        ("nemo", "\n".join(map(json.dumps, rows)).encode()),
        ("presentation", _page(gzip.decompress(b64decode(saved.packed(_deck()))))),
        ("card", json.dumps(asdict(card)).encode()),
        ("safetensors", save({"weight": torch.ones(2, 3), "bias": torch.ones(2)})),
    ]


def _compared() -> dict:
    failures = [{"kind": "loop", "tokens": [0, 2], "seconds": [0.1, 0.4]}]
    variant = {
        "name": "dot",
        "family": "content",
        "text": "so it is",
        "tokens": list("so it is"),
        "ended": True,
        "wer": 0.5,
        "cer": 0.2,
        "verdict": "loop",
        "failures": failures,
        "notes": [],
        "metrics": {"focus": 0.5},
        "heads": [],
        "decode_seconds": 0.1,
    }
    clip = {"path": "gone.wav", "seconds": 2.5, "sample_rate": 16_000, "warnings": ["stereo"]}
    return {"schema": 1, "clips": [
        {"clip": clip, "reference": "so was it", "normalizer": "basic",
         "variants": [variant, variant | {"name": "ctc", "wer": None}]}]}  # fmt: skip


def _deck() -> Deck:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(4_800), 16_000, format="OGG", subtype="OPUS")
    alignment = Alignment.from_arrays(np.full((2, 5), 0.2), ["a", "b"], 0.04)
    figure = charts.attention_map(alignment, seconds=0.3, palette=LIGHT).to_json()
    panel = Panel("dot", "<h3>Dot</h3>", figure, '<p class="attn-text"><b>so</b> it</p>')
    sound = Sound("abc", file.getvalue(), 0.3)
    return Deck("x").added(Slide("one", (panel,), "compare", (("sample", "x"),), sound, "look"))
