"""Word and character errors: tables of cases, pooling, edit alignments."""

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.scoring.errors import Counts, edit_alignment, pool, score

# reference, hypothesis, (hits, substitutions, deletions, insertions) in words
WORD_CASES = [
    ("a b c", "a b c", (3, 0, 0, 0)),
    ("a b c", "a x c", (2, 1, 0, 0)),
    ("a b c", "a c", (2, 0, 1, 0)),
    ("a b c", "a b x c", (3, 0, 0, 1)),
    ("a b c", "", (0, 0, 3, 0)),
    ("", "a b", (0, 0, 0, 2)),
    ("", "", (0, 0, 0, 0)),
    ("no no no", "no no no no no", (3, 0, 0, 2)),
    ("one two", "three four five", (0, 2, 0, 1)),
    ("Hello, World!", "hello world", (2, 0, 0, 0)),
]


@pytest.mark.parametrize(("reference", "hypothesis", "counts"), WORD_CASES)
def test_word_counts(reference, hypothesis, counts):
    assert score(reference, hypothesis).words == Counts(*counts)


CHARACTER_CASES = [
    ("abc", "abc", (3, 0, 0, 0)),
    ("abc", "adc", (2, 1, 0, 0)),
    ("a b", "ab", (2, 0, 1, 0)),  # the space counts
    ("abc", "", (0, 0, 3, 0)),
    ("", "ab", (0, 0, 0, 2)),
]


@pytest.mark.parametrize(("reference", "hypothesis", "counts"), CHARACTER_CASES)
def test_character_counts(reference, hypothesis, counts):
    assert score(reference, hypothesis).characters == Counts(*counts)


def test_rates():
    result = score("a b c d", "a x c d e")
    assert result.wer == 0.5
    assert result.words.errors == 2
    assert result.words.reference == 4
    assert score("a", "b c d").wer == 3.0


def test_an_empty_reference_has_no_rate_but_its_insertions_count():
    empty = score("", "two words")
    assert empty.wer is None
    assert empty.cer is None
    assert pool([empty, score("a b", "a b")]).wer == 1.0
    assert score(" ?! ", "two words").wer is None


def test_pooling_is_errors_over_words_not_a_mean_of_rates():
    scores = [score("a", "b"), score("a b c d e f g h i", "a b c d e f g h i")]
    assert pool(scores).wer == pytest.approx(0.1)
    assert sum(s.wer for s in scores) / 2 == pytest.approx(0.5)
    assert pool([]).wer is None


def test_scores_of_different_normalisers_are_not_pooled():
    with pytest.raises(ValueError, match="different normalisers"):
        pool([score("a", "a", "none"), score("a", "a", "basic")])


def test_a_score_names_its_normaliser():
    assert score("a", "a", "english").normalizer == "english"
    assert score("I can't", "I can not", "english").wer == 0
    assert score("I can't", "I can not", "basic").wer == 1.0
    assert score("Hello", "hello", "none").wer == 1.0


words = st.lists(st.sampled_from(["a", "b", "cc", "d"]), max_size=7).map(" ".join)


@given(words, words, st.sampled_from(["word", "char"]))
@settings(max_examples=150)
def test_edits_spell_both_texts_and_agree_with_the_counts(reference, hypothesis, unit):
    edits = edit_alignment(reference, hypothesis, unit)
    joint = " " if unit == "word" else ""
    assert joint.join(e.ref for e in edits if e.ref_index is not None) == reference
    assert joint.join(e.hyp for e in edits if e.hyp_index is not None) == hypothesis
    assert [e.ref_index for e in edits if e.ref_index is not None] == list(
        range(sum(e.op != "insert" for e in edits))
    )
    result = score(reference, hypothesis, "none")
    counts = result.words if unit == "word" else result.characters
    found = [e.op for e in edits]
    assert found.count("equal") == counts.hits
    assert found.count("substitute") == counts.substitutions
    assert found.count("delete") == counts.deletions
    assert found.count("insert") == counts.insertions


@given(words.filter(bool), words)
@settings(max_examples=60)
def test_rates_are_those_of_jiwer(reference, hypothesis):
    assert score(reference, hypothesis).wer == pytest.approx(jiwer.wer(reference, hypothesis))
    assert score(reference, hypothesis).cer == pytest.approx(jiwer.cer(reference, hypothesis))


def test_edits_of_a_known_pair():
    edits = edit_alignment("the cat sat", "a cat sat down")
    assert [(e.op, e.ref, e.hyp) for e in edits] == [
        ("substitute", "the", "a"),
        ("equal", "cat", "cat"),
        ("equal", "sat", "sat"),
        ("insert", "", "down"),
    ]
    assert [(e.ref_index, e.hyp_index) for e in edits] == [(0, 0), (1, 1), (2, 2), (None, 3)]


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unit"):
        edit_alignment("a", "b", "syllable")
