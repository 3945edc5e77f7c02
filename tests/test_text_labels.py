"""Failures told from two texts: every case is plain to a reader."""

import pytest

from benchmarks.text_labels import stretches, text_labels

SAID = "then she turned to all of us and began to speak about the long road home"
SECONDS = len(SAID) / 15


def labels(hypothesis, said=SAID, ended=True, seconds=SECONDS):
    return text_labels(said, hypothesis, ended, seconds)


def test_a_right_transcript_has_no_failure():
    found = labels(SAID)
    assert (found.loop, found.unheard, found.skip, found.early_stop) == (False,) * 4
    assert found.runaway is False


@pytest.mark.parametrize(
    "hypothesis",
    [
        SAID.replace("turned to", "turned to turned to turned to turned to"),
        SAID + " home home home home home",
        SAID.replace("speak about", "speak about the long the long the long the long about"),
    ],
)
def test_inserted_copies_are_a_loop(hypothesis):
    assert labels(hypothesis).loop is True


def test_what_was_said_again_is_no_loop():
    assert labels("no no no no i said", "no no no no i said", seconds=1.5).loop is False
    assert labels(f"{SAID} {SAID}", f"{SAID} {SAID}", seconds=2 * SECONDS).loop is False


def test_a_doubled_word_is_unclear():
    assert labels(SAID.replace("all of", "all of of")).loop is None


@pytest.mark.parametrize(
    ("hypothesis", "kind"),
    [
        ("then she turned to all about the long road home", "skip"),
        ("to speak about the long road home", "skip"),
        ("then she turned to all of us and", "early_stop"),
    ],
)
def test_deleted_stretches_were_not_heard(hypothesis, kind):
    found = labels(hypothesis)
    assert found.unheard is True
    assert getattr(found, kind) is True
    assert getattr(found, {"skip": "early_stop", "early_stop": "skip"}[kind]) is False


def test_misspellings_leave_nothing_unheard():
    found = labels("then she torned to all of as and begun to speek about the longe roed home")
    assert found.unheard is False


def test_words_made_up_in_the_place_of_others_are_unclear():
    hypothesis = SAID.replace("all of us and began to", "it is my old friend when")
    assert labels(hypothesis).unheard is None


def test_a_loop_or_runaway_says_nothing_of_what_was_unheard():
    looped = SAID.replace("turned to", "turned to turned to turned to turned to")
    assert labels(looped).unheard is None
    assert labels(SAID, ended=False).unheard is None
    assert labels(SAID, ended=False).runaway is True


def test_which_of_equal_copies_was_left_out_is_not_in_the_text():
    found = labels(SAID, f"{SAID} {SAID}", seconds=2 * SECONDS)
    assert found.unheard is True
    assert found.skip is None
    assert found.early_stop is None


def test_nothing_at_all_was_written():
    found = labels("")
    assert found.unheard is True
    assert found.loop is False


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ("eeee", []),
        ("eddde", [(1, 4, 3)]),
        ("ddededde", [(0, 2, 2), (3, 4, 1), (5, 7, 2)]),
        ("eddddeddddee", [(1, 10, 8)]),
        ("dddd", [(0, 4, 4)]),
    ],
)
def test_stretches_go_on_across_single_letters(ops, expected):
    names = {"e": "equal", "d": "delete"}
    found = stretches([names[op] for op in ops], "delete")
    assert [(s.start, s.end, s.count) for s in found] == expected
