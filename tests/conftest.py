"""Fixtures shared by all tests."""

import io
import os
import shutil
import sys

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch is imported: test processes share cores

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import settings
from playwright.sync_api import Browser

from app.data import samples
from models import checkpoint
from models.attention.base import Sizes
from models.checkpoint import Card
from models.decoders.lstm import DecoderOptions
from models.decoders.registry import build, decoders
from models.decoders.transformer import TransformerOptions
from models.encoder import Encoder, EncoderOptions
from models.text import Alphabet
from tests.dashboard import chromium, running

WORDS = "no no no"  # said in the sample of `library`
SAMPLES = Path(__file__).resolve().parent.parent / "samples"
TINY_ENCODER = EncoderOptions(channels=4, projection=16, units=8, layers=1)
TINY_DECODER = DecoderOptions(
    embedding_dim=8,
    units=12,
    attention=Sizes(attention_dim=8, heads=2, channels=2, kernel=5, window=2),
)
TINY_TRANSFORMER = TransformerOptions(dim=8, heads=2, encoder_layers=1, decoder_layers=2, inner=16)
TINY = {DecoderOptions: TINY_DECODER, TransformerOptions: TINY_TRANSFORMER}

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")  # every machine tries the same examples


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try twice more what fails in a browser, which misses a click on a busy machine now and then.

    The summary names every test that was tried again.
    """
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(autouse=True)
def main_module():
    """Put back what AppTest leaves as the main module: new processes would run it again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an encoder and every variant."""
    return tiny_checkpoints(tmp_path_factory.mktemp("checkpoints"))


def tiny_checkpoints(folder: Path) -> Path:
    """The same folder with an encoder and every variant, random weights saved as training does."""
    torch.manual_seed(0)
    alphabet = Alphabet()
    encoder = Encoder(TINY_ENCODER)
    _save(encoder, folder, "encoder", asdict(TINY_ENCODER), "")
    fingerprint = checkpoint.fingerprint(folder / "encoder.safetensors")
    for info in decoders().values():
        decoder = build(info.name, len(alphabet), encoder.dim, TINY[info.options])
        _save(decoder, folder, info.name, asdict(TINY[info.options]), fingerprint)
    return folder


def _save(model: torch.nn.Module, folder: Path, name: str, config: dict, encoder: str) -> None:
    training = {"parameters": sum(parameter.numel() for parameter in model.parameters())}
    card = Card(name, config, Alphabet().tokens, encoder, training)
    checkpoint.save(model, folder / f"{name}.safetensors", card)


@pytest.fixture
def use_checkpoints(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny checkpoints, found wherever the default folder is looked for."""
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    return checkpoints


def hum(seconds: float, rate: int = 16_000) -> np.ndarray:
    """(n,) float32: a voice-like hum, harmonics of 120 Hz in syllables of a quarter of a second."""
    time = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time), 0, 1)
    return (0.2 * tone * syllables).astype(np.float32)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of a voice-like hum in a WAV file."""
    path = tmp_path_factory.mktemp("clips") / "hum.wav"
    soundfile.write(path, hum(1.0), 16_000)
    return path


def tone(seconds: float = 1.0, rate: int = 16_000) -> bytes:
    """A WAV file of a buzz that swells and fades."""
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.3 * np.sign(np.sin(2 * np.pi * 140 * time)) * np.sin(np.pi * time / max(seconds, 1e-9))
    file = io.BytesIO()
    soundfile.write(file, wave.astype(np.float32), rate, format="WAV")
    return file.getvalue()


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A folder with one sample in place of the project's own."""
    (tmp_path / "buzz.wav").write_bytes(tone())
    (tmp_path / "manifest.tsv").write_text(f"path\ttext\ttitle\nbuzz.wav\t{WORDS}\tA buzz\n")
    monkeypatch.setattr(samples, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def copied(checkpoints, tmp_path, monkeypatch) -> Path:
    """The checkpoints in a folder of their own, to be damaged."""
    folder = tmp_path / "copied"
    shutil.copytree(checkpoints, folder)
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(folder))
    return folder


# Not of the whole session: while Playwright runs, nothing else may have an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(checkpoints: Path) -> Iterator[str]:
    """A running dashboard with tiny models."""
    with running(checkpoints) as found:
        yield found
