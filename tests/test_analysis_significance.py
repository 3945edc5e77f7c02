"""Significance of differences: published examples, NIST's sc_stats, SciPy, and properties."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.scoring.errors import score
from analysis.scoring.significance import (
    MatchedPairs,
    WordErrors,
    compare_pairs,
    compare_word_errors,
    mapsswe,
    matched_pairs,
    probability_of_improvement,
    segment_errors,
    word_errors,
)


def test_segments_of_the_published_example():
    # Gillick & Cox 1989: four segments, with the errors counted in the paper
    reference = ["it was the best of times it was the worst of times it was"]
    a = word_errors(reference, ["its the best of times it is the worst of times or it was"])
    b = word_errors(reference, ["it was the best times it won the test of times it was"])
    np.testing.assert_array_equal(segment_errors(a, b), [[2, 0], [0, 1], [1, 2], [1, 0]])


# Alignments of 14 utterances by two systems (Correct, Substituted, Deleted, Inserted) and what
# NIST's sc_stats 1.3 (SCTK 2.4.10) printed for them: 18 segments, 29 and 13 errors, mean 0.889,
# standard deviation 1.231, Z 3.063
NIST_A = (
    "CCC SCDCCSCD CC DCCDSCCCCC CCCICC CCDDCCCCC CCCCI SSCCCCDCSSCC DCCDSCC DSCCCC CSCCSSCIC "
    "CDCCS DCCCCCCCS CCCCCCC"
)
NIST_B = (
    "CCC CCCCCCCIC CD CCCCCCCCCC CCCCC CCCCSCCCC CCCC CSCCCCCCCCCC CCDSCCICI CCCCCC CCCCCCCCI "
    "CCCSS CCCDDCCCC CCCCCCC"
)


def aligned(marks):
    """Errors from alignments already made, one letter a step."""
    places, words, errors = [], [], []
    for steps in marks.split():
        size = sum(step != "I" for step in steps)
        row, word = np.zeros(2 * size + 1, int), 0
        for step in steps:
            if step == "I":
                row[2 * word] += 1
            else:
                row[2 * word + 1] = step != "C"
                word += 1
        places.append(row)
        words.append(size)
        errors.append(row.sum())
    return WordErrors(np.concatenate(places), np.array(words), np.array(errors))


def test_the_test_is_that_of_sc_stats():
    segments = segment_errors(aligned(NIST_A), aligned(NIST_B))
    assert len(segments) == 18
    np.testing.assert_array_equal(segments.sum(axis=0), [29, 13])
    found = matched_pairs(segments)
    assert found.mean == pytest.approx(0.889, abs=5e-4)
    assert found.statistic == pytest.approx(3.063, abs=5e-4)
    assert np.std(segments[:, 0] - segments[:, 1], ddof=1) == pytest.approx(1.231, abs=5e-4)


def test_the_regression_example_of_sc_stats():
    # SCTK, testdata/base_sc_stats/test1a: 9 and 7 errors in 3 segments, mean 0.667, Z 2.000
    found = matched_pairs(np.array([[4, 3], [3, 3], [2, 1]]))
    assert (round(found.mean, 3), round(found.statistic, 3)) == (0.667, 2.0)
    assert found.p == pytest.approx(0.0455, abs=1e-4)


@pytest.mark.parametrize(
    ("a", "b", "segments"),
    [
        ("CCCC", "CCCC", []),
        ("SCCC", "CCCS", [(1, 0), (0, 1)]),
        ("SCC", "CCS", [(1, 1)]),  # only one word right in both
        ("SCCS", "CCCC", [(1, 0), (1, 0)]),
        ("SCICS", "CCCC", [(3, 0)]),  # an insertion between the two right words
        ("CCI", "CC", [(1, 0)]),
        ("CC", "CCI", [(0, 1)]),
        ("ICC", "CCI", [(1, 0), (0, 1)]),
        ("S S", "C S", [(1, 0), (1, 1)]),  # utterances are bounds
        ("IIC C", "C CII", [(2, 0), (0, 2)]),
    ],
)
def test_segments(a, b, segments):
    found = segment_errors(aligned(a), aligned(b))
    assert [tuple(row) for row in found.tolist()] == segments


def test_insertions_where_nothing_was_said():
    a = word_errors(["", "a"], ["x y", "a"])
    b = word_errors(["", "a"], ["", "b"])
    np.testing.assert_array_equal(a.words, [0, 1])
    np.testing.assert_array_equal(a.errors, [2, 0])
    np.testing.assert_array_equal(segment_errors(a, b), [[2, 0], [0, 1]])


def test_systems_of_different_references_are_refused():
    with pytest.raises(ValueError, match="same references"):
        segment_errors(word_errors(["a b"], ["a"]), word_errors(["a"], ["a"]))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40))
@settings(max_examples=80)
def test_statistic_is_the_paired_t_of_scipy_on_a_normal(pairs):
    segments = np.array(pairs)
    difference = segments[:, 0] - segments[:, 1]
    found = matched_pairs(segments)
    assert found.segments == len(pairs)
    if np.ptp(difference) == 0:
        assert (found.p == 1.0) if not difference.any() else found.p is None
        return
    expected = stats.ttest_rel(segments[:, 0], segments[:, 1]).statistic
    assert found.statistic == pytest.approx(expected)
    assert found.p == pytest.approx(math.erfc(abs(expected) / math.sqrt(2)))


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (np.zeros((0, 2), int), MatchedPairs(None, None, None, 0)),
        (np.array([[3, 1]]), MatchedPairs(2.0, None, None, 1)),
        (np.array([[1, 0]] * 9), MatchedPairs(1.0, None, None, 9)),  # no spread to judge by
        (np.array([[1, 1]] * 9), MatchedPairs(0.0, 0.0, 1.0, 9)),
    ],
)
def test_where_the_spread_cannot_be_estimated(segments, expected):
    assert matched_pairs(segments) == expected


texts = st.lists(
    st.lists(st.sampled_from("abcd"), max_size=7).map(" ".join), min_size=6, max_size=6
)


@given(texts, texts, texts)
@settings(max_examples=60)
def test_every_error_falls_into_one_segment(references, first, second):
    a, b = word_errors(references, first), word_errors(references, second)
    for system, hypotheses in ((a, first), (b, second)):
        counts = [score(r, h, "none").words for r, h in zip(references, hypotheses, strict=True)]
        assert system.errors.tolist() == [count.errors for count in counts]
        assert system.words.tolist() == [count.reference for count in counts]
    segments = segment_errors(a, b)
    assert segments.sum(axis=0).tolist() == [a.errors.sum(), b.errors.sum()]
    assert (segments.sum(axis=1) > 0).all()
    np.testing.assert_array_equal(segment_errors(b, a), segments[:, ::-1])


def test_improvement_of_a_clear_winner_of_equals_and_of_a_known_chance():
    words = np.full(60, 10)
    worse, better = np.full(60, 3), np.full(60, 2)
    assert probability_of_improvement(worse, better, words) == 1.0
    assert probability_of_improvement(better, worse, words) == 0.0
    assert probability_of_improvement(worse, worse, words) == 0.5
    # B loses the one utterance that differs: a draw without it is a tie, of chance (59/60)^60
    one = worse.copy()
    one[0] = 4
    chance = (59 / 60) ** 60 / 2
    found = probability_of_improvement(worse, one, words, resamples=4000)
    assert found == pytest.approx(chance, abs=0.02)


def test_improvement_is_the_normal_probability_for_many_utterances():
    rng = np.random.default_rng(0)
    a, b = rng.poisson(2.1, 800), rng.poisson(2.0, 800)
    difference = (a - b).astype(float)
    z = difference.mean() / (difference.std() / math.sqrt(800))
    found = probability_of_improvement(a, b, np.full(800, 10), resamples=4000)
    assert found == pytest.approx(stats.norm.cdf(z), abs=0.02)


@given(st.integers(0, 1000))
@settings(max_examples=25)
def test_improvement_of_a_over_b_is_one_minus_the_reverse(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, (2, 12))
    words = rng.integers(4, 9, 12)
    there = probability_of_improvement(a, b, words, resamples=200)
    back = probability_of_improvement(b, a, words, resamples=200)
    assert there + back == pytest.approx(1)


REFERENCES = ["the cat sat down", "No!", "a dog ran", "we saw it all"]
HYPOTHESES = {
    "good": ["the cat sat down", "no", "a dog ran", "we saw it all"],
    "poor": ["the cat sat", "oh no", "a frog ran", "we saw all"],
    "other": ["a cat sat down", "no", "dog ran", "we saw it all"],
}


def test_a_row_for_every_pair():
    table = compare_pairs(REFERENCES, HYPOTHESES, resamples=500)
    assert list(zip(table["a"], table["b"], strict=True)) == [
        ("good", "poor"),
        ("good", "other"),
        ("poor", "other"),
    ]
    row = table.iloc[0]
    assert (row["wer_a"], row["wer_b"]) == (0, pytest.approx(4 / 12))
    assert row["difference"] == pytest.approx(-4 / 12)
    assert row["low"] <= row["difference"] <= row["high"] <= 0
    assert (row["improvement"], row["segments"], row["utterances"], row["words"]) == (0, 4, 4, 12)
    assert row["normalizer"] == "basic"
    # one error each in every segment: no spread, hence no p
    assert np.isnan(row["p"])
    assert row["mean"] == -1


def test_the_table_agrees_with_the_single_functions():
    rng = np.random.default_rng(3)
    references = [" ".join(rng.choice(list("abcdefgh"), 12)) for _ in range(40)]
    noisy = {
        str(rate): [" ".join(w for w in text.split() if rng.random() > rate) for text in references]
        for rate in (0.1, 0.2)
    }
    systems = {name: word_errors(references, heard) for name, heard in noisy.items()}
    row = compare_word_errors(systems).iloc[0]
    a, b = systems.values()
    assert row["p"] == pytest.approx(mapsswe(a, b).p)
    assert row["improvement"] == probability_of_improvement(a.errors, b.errors, a.words)


def test_the_interval_of_a_difference_is_the_normal_one_for_many_utterances():
    rng = np.random.default_rng(1)
    words = np.full(800, 10)
    counts = {name: rng.poisson(rate, 800) for name, rate in (("a", 2.2), ("b", 2.0))}
    nowhere = np.zeros((2 * words + 1).sum(), int)  # only MAPSSWE asks for places
    systems = {name: WordErrors(nowhere, words, found) for name, found in counts.items()}
    difference = counts["a"] - counts["b"]
    error = difference.std() / math.sqrt(800) / 10
    found = compare_word_errors(systems, resamples=4000).iloc[0]
    estimate = difference.mean() / 10
    assert found["difference"] == pytest.approx(estimate)
    assert found["low"] == pytest.approx(estimate - 1.96 * error, abs=0.1 * error)
    assert found["high"] == pytest.approx(estimate + 1.96 * error, abs=0.1 * error)


def test_fewer_than_two_systems_make_no_pair():
    assert compare_pairs(REFERENCES, {"good": HYPOTHESES["good"]}).empty
    assert compare_pairs([], {"a": []}).empty


def test_a_missing_hypothesis_is_refused():
    with pytest.raises(ValueError, match="4 hypotheses"):
        compare_pairs(REFERENCES, {"a": ["one"], "b": ["two"]})
