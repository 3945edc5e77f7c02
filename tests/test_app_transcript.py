"""The transcript of a card: words that can be heard, and their mistakes."""

import re

import numpy as np
import pytest

from analysis.alignment import Alignment
from app.markup.transcript import timed_words, transcript


def letters_heard(tokens: list[str]) -> Alignment:
    """Every token heard in a tenth of a second of its own."""
    return Alignment.from_arrays(np.eye(len(tokens), dtype=np.float32), tokens, 0.1)


def test_words_are_heard_where_they_were_read():
    tokens = [*"no no", "<eos>"]
    alignment = Alignment.from_arrays(np.eye(6, dtype=np.float32), tokens, 0.1)
    first, second = timed_words(alignment)
    assert (first.text, second.text) == ("no", "no")
    assert first.start == 0.0
    assert second.start == pytest.approx(3.5 * 0.1 - 0.12)
    assert first.end == pytest.approx(1.5 * 0.1 + 0.28)
    assert second.end == pytest.approx(0.6)  # no further than the recording


def test_differences_have_a_form_besides_their_colour():
    text = "no on yes"
    alignment = letters_heard(list(text))
    html = transcript(alignment, text, "no maybe yes please", "basic")
    assert html.count("<mark>") == 1
    assert html.count("<ins>") == 0
    assert "<del>maybe</del>" in html
    assert "<del>please</del>" in html
    assert html.count('data-from="') == 3


@pytest.mark.parametrize(
    ("text", "normalizer", "heard"),
    [
        ("uh can't go", "english", [("can", "can't"), ("not", "can't"), ("go", "go")]),
        ("no, no", "basic", [("no", "no,"), ("no", "no")]),
        ("he's gone", "english", []),  # "has gone", not "is gone": two words made it
    ],
)
def test_a_normalised_word_plays_the_word_it_was_made_of(text, normalizer, heard):
    alignment = letters_heard(list(text))
    starts = {f"{word.start:.2f}": word.text for word in timed_words(alignment)}
    html = transcript(alignment, text, "nothing of that", normalizer)
    found = re.findall(r'data-from="([^"]*)"[^>]*>([^<]*)<', html)
    assert [(said, starts[start]) for start, said in found] == heard
