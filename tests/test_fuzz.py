"""Damaged files are read or refused, never anything else (more of them: python -m tests.fuzz)."""

import signal

import pytest

from tests import fuzz


@pytest.fixture(autouse=True)
def alarm():
    before = signal.signal(signal.SIGALRM, fuzz._hang)
    yield
    signal.signal(signal.SIGALRM, before)


def test_whole_files_are_read():
    assert [fuzz.attempt(kind, content) for kind, content in fuzz.seeds()] == ["read"] * 9


def test_damaged_files_are_read_or_refused():
    found = [fuzz.attempt(kind, content) for kind, content in fuzz.inputs(450, seed=7)]
    assert [trouble for trouble in found if isinstance(trouble, fuzz.Trouble)] == []
    assert {"read", "refused"} == set(found)


def test_a_reader_that_breaks_is_reported(monkeypatch):
    def broken(content):
        raise KeyError("no")

    monkeypatch.setitem(fuzz.READERS, "audio", fuzz.Reader(broken, fuzz.AudioError))
    assert isinstance(fuzz.attempt("audio", b""), fuzz.Trouble)
