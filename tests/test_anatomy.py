"""A step taken apart adds up to the step that was taken; a change leaves what was before it."""

import numpy as np
import pytest
import torch

from models.anatomy import Change, dissect, formula, parameters, rewrite
from models.attention.base import Sizes, mechanisms
from models.decoders.lstm import DecoderOptions, build_decoder
from models.decoding.search import SearchOptions, decode
from models.text import Alphabet

OPTIONS = DecoderOptions(embedding_dim=6, units=16, attention=Sizes(8, 2, 2, 5, 3))
RNN = [name for name, info in mechanisms().items() if hasattr(info.cls, "energies")]


@pytest.fixture
def encoded() -> torch.Tensor:
    return torch.randn(23, 12, generator=torch.Generator().manual_seed(5))


def made(name: str, seed: int = 0):
    torch.manual_seed(seed)
    return build_decoder(name, len(Alphabet()), 12, OPTIONS).eval()


def greedy(decoder, encoded):
    found = decode(
        decoder, encoded[None], torch.tensor([len(encoded)]), Alphabet(), SearchOptions()
    )
    return found[0][0]


@pytest.mark.parametrize("name", RNN)
def test_a_dissected_step_is_the_step_that_was_taken(name, encoded):
    decoder = made(name)
    hypothesis = greedy(decoder, encoded)
    tokens = hypothesis.tokens
    steps = [dissect(decoder, encoded, tokens, number) for number in range(len(tokens))]
    weights = np.stack([step.weights for step in steps], 1)
    np.testing.assert_allclose(weights, hypothesis.weights, atol=1e-5)
    for step, token, log_prob in zip(steps, tokens, hypothesis.log_probs, strict=True):
        assert step.log_probs[token] == pytest.approx(log_prob, abs=1e-4)
        np.testing.assert_allclose(sum(step.terms.values()), step.energies, rtol=1e-4, atol=1e-4)
        shapes = {part.name: part.shape for part in step.parts}
        assert shapes["weights"] == step.weights.shape
        assert shapes["query"] == step.query.shape
        assert shapes["context"] == step.context.shape


@pytest.mark.parametrize("name", RNN)
def test_every_mechanism_states_its_formula_and_its_tensors(name):
    decoder = made(name)
    assert "=" in formula(decoder) or "~" in formula(decoder)
    expected = {key: tuple(value.shape) for key, value in decoder.attention.state_dict().items()}
    assert parameters(decoder).items() <= expected.items()


@pytest.mark.parametrize("name", ["dot", "location", "coverage"])
def test_without_a_change_the_rewritten_hypothesis_is_the_greedy_one(name, encoded):
    decoder = made(name)
    original = greedy(decoder, encoded)
    again = rewrite(decoder, encoded, original.tokens, Change(step=3))
    assert again.tokens == original.tokens
    assert again.ended == original.ended
    np.testing.assert_allclose(again.weights, original.weights, atol=1e-5)


def test_a_moved_peak_moves_one_row_and_keeps_those_before(encoded):
    decoder = made("location")
    original = greedy(decoder, encoded)
    moved = rewrite(decoder, encoded, original.tokens, Change(step=4, peak=20))
    np.testing.assert_allclose(moved.weights[:, :4], original.weights[:, :4], atol=1e-5)
    assert moved.weights[0, 4, 19:22].sum() == pytest.approx(1, abs=1e-5)
    assert moved.weights[0, 5].max() < 0.9  # the row after it is free again


def test_hidden_frames_are_not_heard_from_the_step_on(encoded):
    decoder = made("additive")
    original = greedy(decoder, encoded)
    deaf = rewrite(decoder, encoded, original.tokens, Change(step=2, hidden=(5, 15)))
    assert deaf.weights[0, 2:, 5:15].max() == 0
    assert deaf.weights[0, :2, 5:15].min() > 0
    assert deaf.weights.sum(-1) == pytest.approx(1, abs=1e-5)


def test_a_dropped_term_and_a_temperature_reach_the_energies(encoded):
    decoder = made("location")
    original = greedy(decoder, encoded)
    dropped = rewrite(decoder, encoded, original.tokens, Change(dropped=frozenset({"location"})))
    sharp = rewrite(decoder, encoded, original.tokens, Change(temperature=0.25))
    assert np.abs(dropped.weights[0, 0] - original.weights[0, 0]).max() > 1e-6
    assert sharp.weights[0, 0].max() > original.weights[0, 0].max()


def test_a_step_beyond_the_hypothesis_is_refused(encoded):
    with pytest.raises(ValueError, match="no step 9"):
        rewrite(made("dot"), encoded, (1, 2, 3), Change(step=9))
