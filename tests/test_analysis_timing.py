"""Word times from attention: warping against enumeration, maps whose words are known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from analysis.alignment import Alignment
from analysis.timing.word_times import Timed, attention_timing, boundary_errors, timing, warp
from benchmarks.flite import known_words, parse_durations, parse_words


def best_by_enumeration(cost, row, column):
    """Least sum over all paths from the first cell to this one."""
    if row < 0 or column < 0:
        return np.inf
    if row == column == 0:
        return cost[0, 0]
    before = min(
        best_by_enumeration(cost, row - 1, column),
        best_by_enumeration(cost, row, column - 1),
        best_by_enumeration(cost, row - 1, column - 1),
    )
    return before + cost[row, column]


def sum_along(cost, starts):
    """Least sum of the paths that enter every row in the given column."""
    ends = []
    for row, start in enumerate(starts[1:], start=1):
        # the row before ends here, or one column earlier; here it would end one later
        here = cost[row - 1, starts[row - 1] : start + 1].sum()
        earlier = (
            cost[row - 1, starts[row - 1] : start].sum() if start > starts[row - 1] else np.inf
        )
        ends.append(min(here, earlier))
    return sum(ends) + cost[-1, starts[-1] :].sum()


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 4), st.integers(1, 5)),
        elements=st.floats(-3, 3).map(lambda value: round(value, 3)),
    )
)
@settings(max_examples=120)
def test_the_warped_path_is_the_best_of_all(cost):
    starts = warp(cost)
    assert starts[0] == 0
    assert (np.diff(starts) >= 0).all()
    assert starts[-1] < cost.shape[1]
    best = best_by_enumeration(cost, cost.shape[0] - 1, cost.shape[1] - 1)
    assert sum_along(cost, starts) == pytest.approx(best)


@given(
    durations=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    noise=st.floats(0, 0.4).map(lambda value: round(value, 6)),  # less is lost beside 1
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
def test_a_way_drawn_into_a_matrix_is_found(durations, noise, seed):
    starts = np.concatenate([[0], np.cumsum(durations)])
    cost = noise * np.random.default_rng(seed).random((len(durations), starts[-1]))
    for row, (low, high) in enumerate(itertools.pairwise(starts)):
        cost[row, low:high] -= 1
    np.testing.assert_array_equal(warp(cost), starts[:-1])


TOKENS = [*"no one", "<eos>"]
EDGES = [5, 9, 14, 16, 21, 25, 30, 32]  # frames at which each token begins, and the last ends
FRAMES, STEP = 40, 0.04


def map_of(edges=EDGES, tokens=TOKENS, frames=FRAMES, noise=0.0, heads=1):
    rng = np.random.default_rng(0)
    weights = np.full((heads, len(tokens), frames), 1e-3)
    weights += noise * rng.random(weights.shape)
    for row in range(len(tokens)):
        weights[:, row, edges[row] : edges[row + 1]] += 1
    return weights / weights.sum(axis=-1, keepdims=True)


def speech_between(low, high, frames=FRAMES):
    return (np.arange(frames) >= low) & (np.arange(frames) < high)


@pytest.mark.parametrize(("noise", "heads"), [(0, 1), (0.3, 1), (0.8, 4)])
def test_words_of_a_known_map(noise, heads):
    alignment = Alignment.from_arrays(
        map_of(noise=noise, heads=heads), TOKENS, STEP, start_seconds=1.0,
        speech=speech_between(5, 32),
    )  # fmt: skip
    found = attention_timing(alignment, filter_seconds=STEP)
    assert [word.text for word in found.words] == ["no", "one"]
    assert [word.rows for word in found.words] == [(0, 2), (3, 6)]
    times = [time for word in found.words for time in (word.start, word.end)]
    expected = [1 + STEP * frame for frame in (5, 14, 16, 30)]
    np.testing.assert_allclose(times, expected, atol=STEP + 1e-9 if noise else 1e-9)
    assert [token.text for token in found.tokens] == list("no one")
    for before, after in itertools.pairwise(found.tokens):
        assert before.end == after.start


def test_silence_around_speech_belongs_to_no_word_where_it_is_known():
    weights = map_of()
    blind = Alignment.from_arrays(weights, TOKENS, STEP)
    seeing = Alignment.from_arrays(weights, TOKENS, STEP, speech=speech_between(5, 32))
    assert attention_timing(blind).words[0].start == 0
    assert attention_timing(seeing).words[0].start == pytest.approx(5 * STEP)
    assert attention_timing(seeing, trim=False).words[0].start == 0
    silent = Alignment.from_arrays(weights, TOKENS, STEP, speech=np.zeros(FRAMES, bool))
    assert attention_timing(silent).words == attention_timing(blind).words


def test_one_stray_frame_does_not_move_words():
    weights = map_of()
    weights[0, 4] *= 0.5
    weights[0, 4, 7] += 0.5  # a spike of one frame, far too early
    alignment = Alignment.from_arrays(weights, TOKENS, STEP, speech=speech_between(5, 32))
    calm = Alignment.from_arrays(map_of(), TOKENS, STEP, speech=speech_between(5, 32))
    assert attention_timing(alignment).words == attention_timing(calm).words


@pytest.mark.parametrize("tokens", [0, 3])
def test_weights_that_tell_nothing_have_no_times(tokens):
    uniform = np.full((tokens, 10), 0.1)
    alignment = Alignment.from_arrays(uniform, ["a", " ", "b"][:tokens], STEP)
    assert attention_timing(alignment) is None


def test_a_single_token_takes_all_the_speech():
    alignment = Alignment.from_arrays(
        np.full((1, 10), 0.1), ["hm"], 0.1, speech=speech_between(2, 7, 10)
    )
    (word,) = attention_timing(alignment).words
    assert (word.text, word.start, word.end) == ("hm", pytest.approx(0.2), pytest.approx(0.7))


def test_more_tokens_than_frames_still_have_times_in_order():
    weights = np.full((6, 3), 0.1)
    weights[np.arange(6), [0, 0, 1, 1, 2, 2]] += 1
    alignment = Alignment.from_arrays(weights, list("abcdef"), 0.1, renormalise=True)
    starts = [token.start for token in attention_timing(alignment).tokens]
    assert starts == sorted(starts)
    assert starts[-1] <= 0.3


def test_pieces_of_words_make_words():
    tokens = ["<|en|>", "▁no", "▁o", "ne", "</s>"]
    found = timing(tokens, [0, 1, 2, 3, 4], [1, 2, 3, 4, 5])
    assert [(w.text, w.start, w.end, w.rows) for w in found.words] == [
        ("no", 1, 2, (1, 2)),
        ("one", 2, 4, (2, 4)),
    ]
    assert len(found.tokens) == 3


def timed(text, *times):
    words = text.split()
    return [Timed(w, times[2 * i], times[2 * i + 1], (i, i + 1)) for i, w in enumerate(words)]


def test_errors_of_words_both_texts_share():
    true = timed("the cat sat down", 0, 0.2, 0.2, 0.5, 0.5, 0.9, 1.0, 1.4)
    found = timed("the hat sat down so", 0.01, 0.2, 0.2, 0.4, 0.48, 0.95, 1.1, 1.4, 1.5, 1.6)
    errors = boundary_errors(found, true)
    np.testing.assert_allclose(errors.start_ms, [10, -20, 100])
    np.testing.assert_allclose(errors.end_ms, [0, 50, 0])
    assert errors.missed == 1


@pytest.mark.parametrize(("found", "true", "missed"), [([], timed("a", 0, 1), 1), ([], [], 0)])
def test_errors_without_common_words(found, true, missed):
    errors = boundary_errors(found, true)
    assert errors.missed == missed
    assert len(errors.start_ms) == len(errors.end_ms) == 0


# what flite 2.2 (voice slt) printed for "If you read the letter, sit down."
SAID = (
    "pau:0.225 ih:0.306 f:0.397 y:0.503 uw:0.559 r:0.682 eh:0.822 d:0.889 dh:0.923 ax:0.960 "
    "l:1.102 eh:1.147 t:1.178 er:1.410 pau:1.554 s:1.662 ih:1.720 t:1.776 d:1.832 aw:2.160 n:2.255 "
    "pau:2.439 "
)
ALONE = "pau ih f pau y uw pau r eh d pau dh ax pau l eh t er pau s ih t pau d aw n pau "


def test_words_of_flite_from_its_phones():
    said, alone = parse_durations(SAID), parse_words(ALONE)
    assert said[0].name == "pau"
    assert said[0].start == 0
    assert all(a.end == b.start for a, b in itertools.pairwise(said))
    spelled = ["if", "you", "read", "the", "letter", "sit", "down"]
    assert len(alone) == len(spelled)
    words = known_words(spelled, alone, said)
    assert [word.text for word in words] == spelled
    assert [word.start for word in words] == [0.225, 0.397, 0.559, 0.889, 0.960, 1.554, 1.776]
    assert [word.end for word in words] == [0.397, 0.559, 0.889, 0.960, 1.410, 1.776, 2.255]


def test_words_whose_edges_were_not_spoken_have_no_known_times():
    said = parse_durations("pau:0.1 ae:0.2 n:0.3 d:0.4 k:0.5 ae:0.6 t:0.7 pau:0.9")
    words = known_words(["and", "cats"], [["ae", "n", "d"], ["k", "ae", "t", "s"]], said)
    assert [(word.text, word.start, word.end) for word in words] == [("and", 0.1, 0.4)]
    reduced = parse_durations("ax:0.2 n:0.3 d:0.4")  # another vowel is the same word
    assert known_words(["and"], [["ae", "n", "d"]], reduced)[0].start == 0
