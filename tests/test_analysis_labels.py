"""Tokens: special ones, spaces, words from pieces, and text that repeats at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrics.repetition import periodic_runs, repetitions
from analysis.signals.labels import is_space, is_special, mean_length, spelled_words, words

CHARACTERS = ["n", "o", " ", "n", "o", "<eos>"]


@pytest.mark.parametrize(
    ("token", "special", "space"),
    [
        ("<eos>", True, False),
        ("<SOS>", True, False),
        ("<sos/eos>", True, False),
        ("</s>", True, False),
        ("<blank>", True, False),
        ("<|endoftext|>", True, False),
        ("<|en|>", True, False),
        ("<unk>", False, False),  # something was said there
        ("a", False, False),
        ("eos", False, False),
        (" ", False, True),
        ("▁", False, True),
        ("|", False, True),
        ("<space>", False, True),
        ("▁no", False, False),
        ("'", False, False),
    ],
)
def test_kinds_of_tokens(token, special, space):
    assert is_special([token])[0] == special
    assert is_space([token])[0] == space


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([*list("no no"), "<eos>"], [("no", 0, 2), ("no", 3, 5)]),
        (["▁he", "llo", "▁you"], [("hello", 0, 2), ("you", 2, 3)]),
        (["Ġa", "b", "Ġc"], [("ab", 0, 2), ("c", 2, 3)]),
        ([" he", "y", " you"], [("hey", 0, 2), ("you", 2, 3)]),
        (["hello", "you"], [("hello", 0, 1), ("you", 1, 2)]),
        (["<sos>", "hello", "<eos>"], [("hello", 1, 2)]),
        ([" ", "a", " ", " ", "b", " "], [("a", 1, 2), ("b", 4, 5)]),
        ([], []),
    ],
)
def test_words_are_put_together(tokens, expected):
    assert [(word.text, word.start, word.end) for word in words(tokens)] == expected


def test_length_of_tokens_leaves_out_what_is_not_spelled():
    assert mean_length(["ab", " ", "abcd", "<eos>"]) == 3
    assert mean_length(["<eos>"]) == 1


def spans(tokens, **options):
    return [(found.start, found.end, len(found.copies)) for found in repetitions(tokens, **options)]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (list("no no no"), [(0, 8, 3)]),
        (list("yes no no now"), [(4, 9, 2)]),
        (list("hello all"), []),  # doubled letters
        (list("banana"), []),
        (list("hello"), []),
        (list("the they"), []),
        (list("haaaaaa"), [(1, 7, 6)]),
        (list("so hahaha"), [(3, 9, 3)]),
        (list("abcdefghabcdefgh"), [(0, 16, 2)]),  # characters without spaces
        (["no", "no"], [(0, 2, 2)]),
        (["a", "b"] * 3, [(0, 6, 3)]),
        (["the", "cat", "the", "cat", "sat"], [(0, 4, 2)]),
        (["the", "cat", "the", "cat", "the"], [(0, 5, 3)]),  # the last copy is cut short
        (["one", "two", "one"], []),
        (["▁no", "▁no", "▁ye", "s"], [(0, 2, 2)]),
        (["no", "no", "no", "<eos>"], [(0, 3, 3)]),
        ([], []),
        (["<eos>"], []),
    ],
)
def test_repetitions(tokens, expected):
    assert spans(tokens) == expected


def test_without_spelling_one_copy_of_four_characters_is_enough():
    assert spans(list("xabcdabcdy")) == []
    assert spans(list("xabcdabcdy"), spelling=False) == [(1, 9, 2)]
    assert spans(list("hello"), spelling=False) == []


def test_copies_cover_the_span_one_after_another():
    (found,) = repetitions(list("a no no no b"))
    assert found.copies == ((2, 4), (5, 7), (8, 10))


@given(st.lists(st.sampled_from("abc"), max_size=14))
@settings(max_examples=200)
def test_periodic_runs_repeat_and_cannot_grow(items):
    for first, period, length in periodic_runs(items):
        run = items[first : first + length]
        assert length >= 2 * period
        assert all(run[i] == run[i - period] for i in range(period, length))
        if first:
            assert items[first - 1] != items[first - 1 + period]
        if first + length < len(items):
            assert items[first + length] != items[first + length - period]


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True),
    st.integers(2, 5),
)
@settings(max_examples=60)
def test_a_planted_run_is_found(unit, copies):
    items = ["x", *unit * copies, "y"]
    assert (1, len(unit), copies * len(unit)) in periodic_runs(items)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        ("", []),
        ("a", [(0, 1, "a")]),
        ([*"no no", "<eos>"], [(0, 2, "no"), (3, 5, "no")]),
        ("  up ", [(2, 4, "up")]),
        ([*"no|no", "<eos>"], [(0, 2, "no"), (3, 5, "no")]),
        (["<sos>", *"▁i▁am"], [(2, 3, "i"), (4, 6, "am")]),
        (["it", "is"], [(0, 1, "it"), (1, 2, "is")]),
    ],
)
def test_words_of_spelled_tokens(tokens, words):
    spelled = spelled_words(tokens)
    assert [(word.start, word.end, word.text) for word in spelled] == words
