"""Bootstrap intervals: against SciPy's bootstrap, a closed form, and properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.scoring.intervals import Interval, bootstrap_interval, draw_totals


def utterances(seed, count=80):
    rng = np.random.default_rng(seed)
    words = rng.integers(3, 30, count)
    return rng.binomial(words, rng.beta(1, 6, count)), words


def test_interval_is_that_of_scipy_up_to_the_draws():
    errors, words = utterances(1)
    found = bootstrap_interval(errors, words, resamples=4000)
    reference = stats.bootstrap(
        (errors, words),
        lambda e, w, axis=-1: e.sum(axis=axis) / w.sum(axis=axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(2),
    ).confidence_interval
    width = reference.high - reference.low
    assert found.estimate == errors.sum() / words.sum()
    assert found.low == pytest.approx(reference.low, abs=0.05 * width)
    assert found.high == pytest.approx(reference.high, abs=0.05 * width)


def test_many_equal_utterances_give_the_binomial_interval():
    # one word each, 300 of 1000 wrong: the pooled rate is a mean of independent trials
    errors = np.arange(1000) < 300
    found = bootstrap_interval(errors, np.ones(1000), resamples=4000)
    half = 1.96 * np.sqrt(0.3 * 0.7 / 1000)
    assert found.low == pytest.approx(0.3 - half, abs=0.003)
    assert found.high == pytest.approx(0.3 + half, abs=0.003)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    hits = 0
    for trial in range(200):
        words = rng.integers(5, 15, 60)
        errors = rng.binomial(words, 0.2)
        found = bootstrap_interval(errors, words, level=0.8, resamples=300, seed=trial)
        hits += found.low <= 0.2 <= found.high
    assert 0.7 <= hits / 200 <= 0.9


def test_rates_are_pooled_not_averaged():
    found = bootstrap_interval([1, 0], [1, 9])
    assert found.estimate == 0.1
    assert found.high == 1.0  # the short utterance drawn twice


def test_the_same_seed_gives_the_same_interval():
    errors, words = utterances(3)
    first = bootstrap_interval(errors, words, seed=1)
    assert bootstrap_interval(errors, words, seed=1) == first
    assert bootstrap_interval(errors, words, seed=2) != first


def test_drawing_speakers_widens_the_interval_where_speakers_differ():
    rng = np.random.default_rng(4)
    speakers = np.repeat(np.arange(12), 15)
    words = np.full(180, 10)
    errors = rng.binomial(10, np.repeat(rng.uniform(0.05, 0.5, 12), 15))
    alone = bootstrap_interval(errors, words)
    grouped = bootstrap_interval(errors, words, groups=speakers)
    assert grouped.estimate == alone.estimate
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
    named = bootstrap_interval(errors, words, groups=[f"speaker {s:02d}" for s in speakers])
    assert named == grouped


def test_one_utterance_has_no_spread():
    assert bootstrap_interval([2], [8]) == Interval(0.25, 0.25, 0.25)


def test_without_reference_words_the_rate_is_undefined():
    assert bootstrap_interval([2, 3], [0, 0]) == Interval(None, None, None)
    # draws of the empty reference alone are left out
    found = bootstrap_interval([2, 1], [0, 4])
    assert found.estimate == 0.75
    assert 0.25 <= found.low <= found.high


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"errors": [], "words": []}, "at least one utterance"),
        ({"errors": [1], "words": [1, 2]}, "same utterances"),
        ({"errors": [-1], "words": [1]}, "negative"),
        ({"errors": [np.nan], "words": [1]}, "missing"),
        ({"errors": [1], "words": [1], "level": 1.0}, "level"),
        ({"errors": [1], "words": [1], "resamples": 0}, "resamples"),
        ({"errors": [1, 2], "words": [1, 2], "groups": ["a"]}, "groups"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(**arguments)


@given(seed=st.integers(0, 1000), count=st.integers(1, 30), level=st.floats(0.5, 0.99))
@settings(max_examples=40)
def test_ends_lie_within_the_rates_of_utterances_and_widen_with_the_level(seed, count, level):
    errors, words = utterances(seed, count)
    found = bootstrap_interval(errors, words, level=level, resamples=100)
    rates = errors / words
    assert rates.min() - 1e-12 <= found.low <= found.high <= rates.max() + 1e-12
    narrow = bootstrap_interval(errors, words, level=level / 2, resamples=100)
    assert found.low <= narrow.low <= narrow.high <= found.high


def test_draws_have_the_size_of_the_set_and_treat_rows_alike():
    values = np.stack([np.ones(50), np.arange(50), 3.0 * np.arange(50)])
    totals = draw_totals(values, resamples=20)
    assert totals.shape == (20, 3)
    np.testing.assert_array_equal(totals[:, 0], 50)
    np.testing.assert_allclose(totals[:, 2], 3 * totals[:, 1])
