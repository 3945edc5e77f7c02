"""A mechanism that breaks in mid-session: one sentence in its card, and everything else goes on."""

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from app.comparison import Models
from app.data import decoding
from models import recogniser
from models.decoding.search import SearchOptions
from models.variant import Variant
from tests.support.pages import MAIN, choose, html_of, maps_of, upload, without_errors
from tests.support.recordings import tone

NAMES = ["dot", "location", "ctc"]
TORCH_MEMORY = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 68719476736 bytes. Error code 12 (Cannot allocate memory)"
)
MEMORY = "needs more memory than there is for 0.8 s of audio; try a shorter recording"
FAILED = "could not decode this recording ({}); try another recording"


@pytest.fixture
def page(checkpoints, library, monkeypatch):
    """Compare with three mechanisms."""
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    st.cache_resource.clear()
    st.cache_data.clear()
    return AppTest.from_file(MAIN, default_timeout=120)


def only_three(page) -> None:
    """`upload` comes with CTC alone."""
    choose(page, NAMES)
    page.run()


@pytest.fixture
def breaking(monkeypatch):
    """Makes one mechanism raise; counts what was asked of all."""
    real, asked = Variant.decode, []

    def install(name: str, error: BaseException) -> list[str]:
        def decode(self, *arguments, **rest):
            asked.append(self.name)
            if self.name == name:
                raise error
            return real(self, *arguments, **rest)

        monkeypatch.setattr(Variant, "decode", decode)
        return asked

    install.heal = lambda: monkeypatch.setattr(Variant, "decode", real)
    return install


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("shape '[3, 4]' is invalid for input of size 5"), "RuntimeError"),
        (IndexError("list index out of range"), "IndexError"),
        (FloatingPointError("/home/operator/secret"), "FloatingPointError"),
        (MemoryError(), None),
        (RuntimeError(TORCH_MEMORY), None),
        (torch.OutOfMemoryError("CUDA out of memory."), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_mechanism_that_breaks_says_so_in_its_card_and_the_others_finish(
    page, breaking, error, said
):
    upload(page, tone(0.8))
    breaking("location", error)
    only_three(page)
    assert not page.exception
    sentences = [each.value.replace("\\", "") for each in page.error]
    assert len(sentences) == 1
    assert sentences[0].startswith("location ")
    assert (FAILED.format(said) if said else MEMORY) in sentences[0]
    assert str(error) not in sentences[0] or not str(error)
    assert list(maps_of(page)) == ["dot", "ctc"]

    breaking.heal()
    page.file_uploader[0].set_value(("next.wav", tone(1.1), "audio/wav"))
    page.run()
    assert without_errors(page)
    assert list(maps_of(page)) == NAMES
    assert "next.wav" in html_of(page)


def test_what_broke_is_tried_again_and_what_finished_is_not(page, breaking):
    upload(page, tone(0.8))
    asked = breaking("dot", RuntimeError("once"))
    only_three(page)
    assert asked == ["dot", "location"]  # CTC was known from the start
    breaking.heal()
    page.run()
    assert without_errors(page)
    assert list(maps_of(page)) == NAMES


def test_an_encoder_that_runs_out_of_memory_leaves_the_session_usable(page, monkeypatch):
    upload(page, tone(0.8))
    real = recogniser.encode

    def encode(*arguments):
        raise MemoryError

    monkeypatch.setattr(recogniser, "encode", encode)
    only_three(page)
    assert not page.exception
    assert [MEMORY in each.value for each in page.error] == [True, True]  # CTC was known
    monkeypatch.setattr(recogniser, "encode", real)
    page.run()
    assert without_errors(page)
    assert list(maps_of(page)) == NAMES


def test_a_mechanism_whose_checkpoint_went_away_is_named_alone(checkpoints, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    st.cache_resource.clear()
    recording = decoding.audio.load(tone(0.5))
    request = decoding.Request(decoding.digest_of(recording), SearchOptions())
    names = ["ctc", "gone", "dot"]
    outcomes = list(decoding.decode(recording, request, names, decoding.Store()))
    found = {outcome.name: outcome.error for outcome in outcomes}
    assert found == {"gone": "variant 'gone' has no checkpoint any more.", "dot": "", "ctc": ""}


class Ended(BaseException):
    """Ends a script as Streamlit does when a page is closed, reloaded or stopped."""


@pytest.mark.parametrize("what", ["load_encoder", "load_variant", "load_language_model"])
def test_whoever_is_ended_while_models_load_leaves_no_lock(checkpoints, monkeypatch, what):
    models, real = Models(checkpoints), getattr(recogniser, what)
    recording = decoding.audio.load(tone(0.5))
    asked = {
        "load_encoder": lambda: models.encode(recording),
        "load_variant": lambda: models.variant("dot"),
        "load_language_model": lambda: models.language_model(SearchOptions(lm_weight=0.3)),
    }[what]

    def load(*_):
        raise Ended

    monkeypatch.setattr(recogniser, what, load)
    with pytest.raises(Ended):
        asked()
    monkeypatch.setattr(recogniser, what, real)
    assert models._lock.acquire(timeout=0)
    models._lock.release()
    assert models.variant("ctc").decode(models.encode(recording))
