"""Wrong files are read or refused, never anything else (more of them: python -m tests.fuzz)."""

import signal

import pytest

from tests import fuzz


@pytest.fixture(autouse=True)
def alarm():
    before = signal.signal(signal.SIGALRM, fuzz.on_alarm)
    yield
    signal.signal(signal.SIGALRM, before)


def test_whole_files_are_read():
    kinds = [kind for kind, _ in fuzz.seeds()]
    assert set(kinds) == set(fuzz.READERS)
    assert [fuzz.attempt(kind, content) for kind, content in fuzz.seeds()] == ["read"] * len(kinds)


def test_damaged_files_are_read_or_refused():
    found = [fuzz.attempt(kind, content) for kind, content in fuzz.inputs(450, seed=7)]
    assert [trouble for trouble in found if isinstance(trouble, fuzz.Trouble)] == []
    assert {"read", "refused"} == set(found)


@pytest.mark.parametrize("kind", [kind for kind, reader in fuzz.READERS.items() if reader.change])
def test_files_that_keep_their_form_and_say_something_else_are_read_or_refused(kind):
    contents = list(fuzz.changed_inputs(kind, 60, seed=11))
    outcomes = [fuzz.attempt(kind, content) for content in contents]
    assert [outcome for outcome in outcomes if isinstance(outcome, fuzz.Trouble)] == []
    assert contents == list(fuzz.changed_inputs(kind, 60, seed=11))  # the same every time


def test_a_reader_that_breaks_is_reported(monkeypatch):
    def broken(content):
        raise KeyError("no")

    monkeypatch.setitem(fuzz.READERS, "audio", fuzz.Reader(broken, ValueError))
    assert isinstance(fuzz.attempt("audio", b""), fuzz.Trouble)
