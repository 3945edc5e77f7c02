"""CTC forced alignment: exact, against enumeration of every path."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.alignment import Alignment
from analysis.timing.forced_alignment import alignment_error_ms, forced_timing, viterbi


def log_probs(rng, frames, vocabulary):
    return np.log(rng.dirichlet(np.ones(vocabulary), frames))


def collapse(path, blank):
    """What a path of labels says: repeats merged, then blanks dropped."""
    return [label for label, _ in itertools.groupby(path) if label != blank]


def best_by_enumeration(scores, tokens, blank):
    """Score of the best of all paths that say `tokens`, or minus infinity."""
    frames, vocabulary = scores.shape
    return max(
        (
            float(scores[np.arange(frames), path].sum())
            for path in itertools.product(range(vocabulary), repeat=frames)
            if collapse(path, blank) == list(tokens)
        ),
        default=-np.inf,
    )


@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(1, 6),
    tokens=st.lists(st.integers(1, 2), max_size=4),
    blank_last=st.booleans(),
)
@settings(max_examples=120)
def test_the_best_path_is_the_best_of_all(seed, frames, tokens, blank_last):
    scores = log_probs(np.random.default_rng(seed), frames, 3)
    blank = 2 if blank_last else 0
    tokens = [token - 1 for token in tokens] if blank_last else tokens
    best = best_by_enumeration(scores, tokens, blank)
    found = viterbi(scores, tokens, blank)
    if found is None:
        assert best == -np.inf
        return
    assert found.score == pytest.approx(best)
    # and the spans say the tokens: blanks everywhere else
    path = np.full(frames, blank)
    for token, start, end in zip(tokens, found.start, found.end, strict=True):
        assert start < end
        path[start:end] = token
    assert collapse(path, blank) == list(tokens)
    assert scores[np.arange(frames), path].sum() == pytest.approx(best)


def test_spans_and_peaks_of_a_known_alignment():
    spoken = [0, 1, 1, 1, 0, 2, 0, 2, 2, 0]
    strength = [9, 4, 8, 5, 9, 9, 9, 3, 9, 9]
    scores = np.zeros((10, 3))
    scores[np.arange(10), spoken] = strength
    times = viterbi(scores, [1, 2, 2])
    np.testing.assert_array_equal(times.start, [1, 5, 7])
    np.testing.assert_array_equal(times.end, [4, 6, 9])
    np.testing.assert_array_equal(times.peak, [2, 5, 8])
    assert times.score == sum(strength)


@pytest.mark.parametrize(
    ("frames", "tokens", "fits"),
    [
        (3, [1, 2, 1], True),
        (2, [1, 2, 1], False),
        (3, [1, 1], True),
        (2, [1, 1], False),  # the blank between needs a frame
        (1, [], True),
        (1, [2], True),
        (0, [], False),
    ],
)
def test_tokens_that_do_not_fit_have_no_alignment(frames, tokens, fits):
    times = viterbi(np.full((frames, 3), -1.0), tokens)
    assert (times is not None) == fits


def test_paths_of_probability_zero_are_no_alignment():
    scores = np.zeros((4, 3))
    scores[:, 2] = -np.inf
    assert viterbi(scores, [2]) is None
    assert viterbi(scores, [1]).score == 0


@pytest.mark.parametrize(
    ("scores", "tokens", "message"),
    [
        (np.zeros(4), [1], "log_probs"),
        (np.full((4, 3), np.nan), [1], "log_probs"),
        (np.zeros((4, 3)), [3], "token_ids"),
        (np.zeros((4, 3)), [-1], "token_ids"),
        (np.zeros((4, 3)), [0], "token_ids"),
    ],
)
def test_what_cannot_be_meant_is_refused(scores, tokens, message):
    with pytest.raises(ValueError, match=message):
        viterbi(scores, tokens)


TOKENS = ["a", " ", "b", "b", "<eos>"]
IDS = [1, 3, 2, 2, 4]
SAID = [2, 5, 8, 12]  # frames of a, space, b, b


def ctc_scores(frames=16):
    scores = np.full((frames, 5), -20.0)
    scores[:, 0] = -0.1
    for frame, token in zip(SAID, IDS, strict=False):
        scores[frame, token] = 0.0
    return scores


def map_with_peaks(frames, places):
    weights = np.full((len(places), frames), 1e-4)
    weights[np.arange(len(places)), places] = 1
    weights /= weights.sum(axis=1, keepdims=True)
    return Alignment.from_arrays(weights, TOKENS, 0.04, start_seconds=3.0)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([2, 5, 8, 12, 15], 0),
        ([3, 5, 9, 13, 15], 40),
        ([1, 5, 7, 11, 0], 40),
        ([4, 14, 8, 14, 15], 80),  # the space's own error does not count
    ],
)
def test_error_against_ctc_is_the_median_over_spoken_tokens(places, expected):
    alignment = map_with_peaks(16, places)
    error = alignment_error_ms(alignment, ctc_log_probs=ctc_scores(), token_ids=IDS)
    assert error == pytest.approx(expected, abs=2)


def test_error_against_given_times():
    alignment = map_with_peaks(16, [2, 5, 8, 12, 15])
    seconds = [3.0 + 0.04 * (frame + 0.5) + 0.03 for frame in [2, 5, 8, 12, 15]]
    assert alignment_error_ms(alignment, token_seconds=seconds) == pytest.approx(30, abs=1)


def test_error_is_none_without_a_second_aligner_or_where_nothing_fits():
    alignment = map_with_peaks(16, [2, 5, 8, 12, 15])
    assert alignment_error_ms(alignment) is None
    assert alignment_error_ms(alignment, ctc_log_probs=ctc_scores()) is None
    crowded = map_with_peaks(4, [0, 1, 2, 3, 3])
    assert alignment_error_ms(crowded, ctc_log_probs=np.zeros((4, 5)), token_ids=IDS) is None


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"ctc_log_probs": ctc_scores(15), "token_ids": IDS}, "16 frames"),
        ({"ctc_log_probs": ctc_scores(), "token_ids": IDS[:4]}, "5 numbers"),
        ({"token_seconds": [1.0]}, "5 times"),
    ],
)
def test_what_does_not_fit_the_alignment_is_refused(extra, message):
    with pytest.raises(ValueError, match=message):
        alignment_error_ms(map_with_peaks(16, [2, 5, 8, 12, 15]), **extra)


SPOKEN = ["n", "o", " ", "o", "n", "e", "<eos>"]
NUMBERS = {"n": 1, "o": 2, " ": 3, "e": 4, "<eos>": 5}


def posterior(frames, places):
    """CTC that is sure of one token in some frames and of the blank in the others."""
    scores = np.full((frames, 6), -10.0)
    scores[:, 0] = -0.01
    for frame, token in places:
        scores[frame] = -10.0
        scores[frame, NUMBERS[token]] = -0.01
    return scores


def spelled(places, frames=30, **options):
    scores = posterior(frames, places)
    ids = [NUMBERS[token] for token in SPOKEN]
    return forced_timing(scores, ids, SPOKEN, 0.04, **options)


def test_words_of_a_known_posterior():
    places = [(3, "n"), (5, "o"), (6, "o"), (8, " "), (14, "o"), (16, "n"), (19, "e")]
    found = spelled(places, lag_seconds=0)
    assert [(word.text, word.rows) for word in found.words] == [("no", (0, 2)), ("one", (3, 6))]
    np.testing.assert_allclose(
        [[word.start, word.end] for word in found.words],
        [[3 * 0.04, 7 * 0.04], [14 * 0.04, 20 * 0.04]],
    )
    np.testing.assert_allclose(
        [token.start for token in found.tokens], np.array([3, 5, 8, 14, 16, 19]) * 0.04
    )


def test_words_begin_before_ctc_hears_them_but_not_within_the_word_before():
    far = [(3, "n"), (5, "o"), (8, " "), (14, "o"), (16, "n"), (19, "e")]
    found = spelled(far, lag_seconds=0.05, start_seconds=2.0)
    starts = [word.start for word in found.words]
    np.testing.assert_allclose(starts, [2 + 3 * 0.04 - 0.05, 2 + 14 * 0.04 - 0.05])
    near = [(0, "n"), (5, "o"), (6, " "), (7, "o"), (8, "n"), (9, "e")]
    first, second = spelled(near, lag_seconds=0.05).words
    assert first.start == 0
    assert second.start == pytest.approx(7 * 0.04 - 0.04)  # where "no" ends
    assert first.end == second.start


@given(st.integers(0, 10_000), st.integers(7, 30))
@settings(max_examples=60)
def test_times_are_in_order_and_inside_the_recording(seed, frames):
    scores = log_probs(np.random.default_rng(seed), frames, 6)
    ids = [NUMBERS[token] for token in SPOKEN]
    found = forced_timing(scores, ids, SPOKEN, 0.04)
    spoken = [token for token in found.tokens if token.text != " "]
    for before, after in itertools.pairwise(spoken):
        assert before.start <= before.end <= after.start <= after.end
    for token in found.tokens:
        assert 0 <= token.start <= token.end <= frames * 0.04 + 1e-9
    (no, one), (_, _, space, *_) = found.words, found.tokens
    assert no.end <= space.end <= one.start + 1e-9


def test_a_text_that_does_not_fit_has_no_times():
    assert forced_timing(posterior(5, []), [1, 2, 3, 2, 1, 4, 5], SPOKEN, 0.04) is None
    empty = forced_timing(posterior(5, []), [], [], 0.04)
    assert empty.words == ()
    with pytest.raises(ValueError, match="7 numbers"):
        forced_timing(posterior(5, []), [1, 2], SPOKEN, 0.04)
