"""CTC against sums over all paths, and prefix scores against ESPnet's."""

from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest
import torch
from espnet.nets.ctc_prefix_score import CTCPrefixScore
from hypothesis import given, settings
from hypothesis import strategies as st

from models.attention import gather
from models.decoding import ctc

BLANK, EOS = 0, 3


def random_log_probs(seed: int, frames: int = 5, vocabulary: int = 4, spread: float = 2.0):
    logits = np.random.default_rng(seed).normal(size=(frames, vocabulary)) * spread
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def collapse(path) -> tuple[int, ...]:
    return tuple(token for token, _ in groupby(path) if token != BLANK)


def all_paths(log_probs):
    """Every path and its probability."""
    frames, vocabulary = log_probs.shape
    for path in product(range(vocabulary), repeat=frames):
        yield path, float(np.exp(log_probs[np.arange(frames), path].sum()))


def transcripts(log_probs) -> dict[tuple[int, ...], float]:
    """Probability of every transcript, summed over its paths."""
    found = defaultdict(float)
    for path, probability in all_paths(log_probs):
        found[collapse(path)] += probability
    return found


def occupation(log_probs, tokens) -> np.ndarray:
    """(tokens, frames) posterior of each token of the transcript, summed over its paths."""
    found = np.zeros((len(tokens), len(log_probs)))
    for path, probability in all_paths(log_probs):
        if collapse(path) == tokens:
            starts = [t for t, token in enumerate(path) if t == 0 or token != path[t - 1]]
            number = -1
            for frame, token in enumerate(path):
                number += frame in starts and token != BLANK
                if token != BLANK:
                    found[number, frame] += probability
    return found / found.sum(1, keepdims=True)


def one_hot(path, vocabulary: int = 4, sure: float = 0.97) -> np.ndarray:
    probs = np.full((len(path), vocabulary), (1 - sure) / (vocabulary - 1))
    probs[np.arange(len(path)), path] = sure
    return np.log(probs)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_prefix_beam_finds_the_likeliest_transcripts(seed):
    log_probs = random_log_probs(seed)
    expected = sorted(transcripts(log_probs).items(), key=lambda item: -item[1])[:4]
    found = ctc.prefix_beam(log_probs, beam=500, nbest=4)
    assert [hypothesis.tokens for hypothesis in found] == [tokens for tokens, _ in expected]
    np.testing.assert_allclose(
        [hypothesis.score for hypothesis in found], np.log([p for _, p in expected]), rtol=1e-9
    )


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_alignment_is_the_posterior_over_all_paths(seed):
    log_probs = random_log_probs(seed)
    sums = transcripts(log_probs)
    tokens = sorted(sums, key=sums.get)[len(sums) // 2 + seed % (len(sums) // 2)]
    found = ctc.align(log_probs, tokens)
    assert found.score == pytest.approx(np.log(sums[tokens]))
    np.testing.assert_allclose(found.weights[0], occupation(log_probs, tokens), atol=1e-6)
    prefixes = [
        sum(p for t, p in sums.items() if t[:size] == tokens[:size])
        for size in range(len(tokens) + 1)
    ]
    np.testing.assert_allclose(found.log_probs, np.diff(np.log(prefixes)), atol=1e-5)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 9))
def test_every_row_of_an_alignment_sums_to_one(seed, frames, vocabulary):
    log_probs = random_log_probs(seed, frames, vocabulary, spread=3.0)
    for found in (ctc.greedy(log_probs), *ctc.prefix_beam(log_probs, beam=4, nbest=2)):
        assert found.weights.shape == (1, len(found.tokens), frames)
        assert found.weights.dtype == found.log_probs.dtype == np.float32
        np.testing.assert_allclose(found.weights.sum(-1), 1.0, atol=1e-5)
        centres = found.weights[0] @ np.arange(frames)
        assert (np.diff(centres) > 0).all(), "CTC never goes back"
        assert (found.log_probs <= 1e-6).all()
        assert found.ended


def test_greedy_merges_repetitions_and_drops_blanks():
    assert ctc.greedy(one_hot([0, 1, 1, 0, 1, 2, 2, 0])).tokens == (1, 1, 2)


def test_repeated_letters_do_not_share_their_frames():
    found = ctc.greedy(one_hot([1, 1, 0, 1, 1, 1]))
    assert found.tokens == (1, 1)
    assert found.weights[0, 0, :2].sum() > 0.9
    assert found.weights[0, 1, 3:].sum() > 0.9


def test_the_end_of_sentence_is_never_written():
    log_probs = one_hot([1, EOS, 2])
    assert ctc.greedy(log_probs).tokens == (1, EOS, 2)
    assert ctc.greedy(log_probs, eos=EOS).tokens == (1, 2)
    assert EOS not in ctc.prefix_beam(log_probs, eos=EOS)[0].tokens


def test_silence_is_an_empty_transcript():
    for found in (ctc.greedy(one_hot([0, 0, 0])), *ctc.prefix_beam(one_hot([0, 0, 0]))):
        assert found.tokens == ()
        assert found.weights.shape == (1, 0, 3)
        assert found.score == pytest.approx(3 * np.log(0.97))


def test_too_few_frames_for_a_transcript():
    log_probs = random_log_probs(0, frames=3)
    assert ctc.align(log_probs, [1, 2, 1]).weights.shape == (1, 3, 3)
    with pytest.raises(ValueError, match="4 frames are needed"):
        ctc.align(log_probs, [1, 1, 2])


def test_an_unlikely_transcript_is_aligned_too():
    log_probs = one_hot([1] * 40, sure=1 - 1e-12)  # hundreds of nats against the other tokens
    found = ctc.align(log_probs, [2] * 20)
    assert np.isfinite(found.score)
    np.testing.assert_allclose(found.weights.sum(-1), 1.0, atol=1e-5)


def test_pruning_the_lattice_changes_nothing():
    log_probs = random_log_probs(3, frames=400, vocabulary=6, spread=6.0)
    pruned = ctc.greedy(log_probs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctc, "PRUNED", np.inf)
        full = ctc.greedy(log_probs)
    assert len(full.tokens) > 100
    assert pruned.score == pytest.approx(full.score)
    np.testing.assert_allclose(pruned.weights, full.weights, atol=1e-6)


def extended(scorer, state, tokens):
    """Prefix scores of every token, and the state after `tokens`, one for each hypothesis."""
    scores, tokens = scorer.score(state), torch.tensor(tokens)
    return scores, scorer.extend(state, tokens, scores[torch.arange(len(tokens)), tokens])


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.lists(st.sampled_from([1, 2]), min_size=0, max_size=3))
def test_prefix_scores_are_sums_over_transcripts(seed, prefix):
    log_probs = random_log_probs(seed)
    sums = transcripts(log_probs)
    scorer = ctc.PrefixScorer(torch.tensor(log_probs)[None], torch.tensor([5]), BLANK, EOS)
    state = scorer.initial_state(1)
    for token in prefix:
        _, state = extended(scorer, state, [token])
    scores, prefix = scorer.score(state)[0].exp().numpy(), tuple(prefix)
    for token in (1, 2):
        longer = (*prefix, token)
        expected = sum(p for t, p in sums.items() if t[: len(longer)] == longer)
        assert scores[token] == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert scores[EOS] == pytest.approx(sums.get(prefix, 0.0), rel=1e-6, abs=1e-12)
    assert scores[BLANK] == 0


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # ESPnet reads unset memory
def test_prefix_scores_equal_espnets_in_a_padded_batch():
    vocabulary, lengths = 9, (50, 31)
    eos, tokens = vocabulary - 1, ((5, 2, 3, 6), (5, 5, 3, 6), (7, 5, 3, 4), (7, 1, 3, 4), (3,) * 4)
    rows = [random_log_probs(seed, 50, vocabulary, 3.0).astype(np.float32) for seed in (0, 1)]
    scorer = ctc.PrefixScorer(torch.tensor(np.stack(rows)), torch.tensor(lengths), BLANK, eos)
    state = scorer.initial_state(2)  # two hypotheses of each of two recordings
    theirs = [CTCPrefixScore(rows[h // 2][: lengths[h // 2]], BLANK, eos, np) for h in range(4)]
    states, written = [each.initial_state() for each in theirs], [[eos] for _ in theirs]
    for chosen in tokens:
        scores, state = extended(scorer, state, chosen)
        for number, token in enumerate(chosen):
            expected, new = theirs[number](written[number], np.arange(vocabulary), states[number])
            np.testing.assert_allclose(scores[number, 1:], expected[1:], atol=2e-4, rtol=1e-5)
            states[number] = new[token]
            written[number].append(token)


def test_reordered_hypotheses_keep_their_scores():
    log_probs = torch.tensor(np.stack([random_log_probs(seed, 12) for seed in (0, 1)]))
    scorer = ctc.PrefixScorer(log_probs, torch.tensor([12, 9]), BLANK, EOS)
    _, state = extended(scorer, scorer.initial_state(2), [1, 2, 2, 1])
    scores = scorer.score(state)
    swapped = torch.tensor([1, 0, 3, 3])
    torch.testing.assert_close(scorer.score(gather(state, swapped)), scores[swapped])
    second = scorer.select(torch.tensor([1])).score(gather(state, torch.tensor([2, 3])))
    torch.testing.assert_close(second, scores[2:])


def test_a_prefix_longer_than_the_recording_is_impossible_but_finite():
    scorer = ctc.PrefixScorer(torch.tensor(random_log_probs(0, 3))[None], torch.tensor([3]), 0, EOS)
    state = scorer.initial_state(1)
    for token in (1, 2, 1, 2, 1):
        scores, state = extended(scorer, state, [token])
        assert torch.isfinite(scores).all()
    assert float(state.score) <= ctc.IMPOSSIBLE
