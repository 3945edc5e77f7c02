"""Fixtures shared by all tests."""

import os
import shutil
import sys

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch is imported: test processes share cores

from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from hypothesis import settings
from playwright.sync_api import Browser

from app.data import samples
from tests.support.checkpoints import tiny_checkpoints
from tests.support.dashboard import chromium, running
from tests.support.recordings import WORDS, hum, tone

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")  # every machine tries the same examples


pytest_plugins = ["tests.support.rerun_budget"]


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


@pytest.fixture
def use_checkpoints(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny checkpoints, found wherever the default folder is looked for."""
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    return checkpoints


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of a voice-like hum in a WAV file."""
    path = tmp_path_factory.mktemp("clips") / "hum.wav"
    soundfile.write(path, hum(1.0), 16_000)
    return path


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
