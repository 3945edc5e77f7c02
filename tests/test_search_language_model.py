"""Shallow fusion in the search: exhaustive enumeration, single recordings and ESPnet."""

import logging
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.checkpoint import CheckpointError
from models.decoding.language_model import Fusion, LanguageModel
from models.decoding.search import SearchOptions, decode
from models.text import BLANK, EOS, Alphabet
from models.training.language_model import Source, estimate
from tests.support.espnet_decoder import ENCODER_DIM, pair
from tests.support.search_cases import (
    HUGE,
    LETTERS,
    SMALL,
    Scripted,
    chain,
    exhaustive,
    run,
    speech,
    tiny,
)

SPACED = Alphabet((BLANK, " ", "a", EOS))


def spelling(alphabet: Alphabet, seed: int = 0, order: int = 3) -> LanguageModel:
    """A language model of random text in an alphabet."""
    rng = np.random.default_rng(seed)
    letters = alphabet.tokens[1:-1]
    texts = ("".join(rng.choice(letters, rng.integers(1, 6))) for _ in range(12))
    return LanguageModel(alphabet, estimate([Source("x", tuple(texts))], alphabet, order, 10**6))


@pytest.mark.parametrize("beam", [1, 4])
def test_a_language_model_without_weight_changes_nothing(beam):
    decoder, (encoded, lengths, ctc) = tiny(), speech((12, 9))
    options = SearchOptions(beam=beam, ctc_weight=0.3, nbest=2, word_bonus=1.0)
    plain = decode(
        decoder, encoded, lengths, LETTERS, SearchOptions(**vars(options) | {"word_bonus": 0}), ctc
    )
    model = spelling(LETTERS)
    found = decode(decoder, encoded, lengths, LETTERS, options, ctc, language_model=model)
    for one, other in zip(plain, found, strict=True):
        assert [(h.tokens, h.score) for h in one] == [(h.tokens, h.score) for h in other]
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine.weights, theirs.weights)


@settings(max_examples=10)
@given(st.integers(0, 1000), st.sampled_from([(0.4, 0.0), (1.2, 0.8)]), st.sampled_from([0.0, 0.9]))
def test_a_huge_beam_with_a_language_model_finds_the_best_of_all(seed, fusion, penalty):
    decoder, (encoded, lengths, _) = tiny("dot", SPACED, seed), speech((4,), SPACED, seed)
    model, (weight, bonus) = spelling(SPACED, seed), fusion

    def score(tokens, total):
        if SPACED.blank in tokens:
            return -np.inf
        said = model.score([t for t in tokens if t != SPACED.eos])
        if tokens[-1] != SPACED.eos:  # cut off at the limit: its end was not written
            state = np.array([model.start])
            for token in tokens:
                state = model.advance(state, np.array([token]))
            said -= model.log_probs(state)[0, SPACED.eos]
        words = len(SPACED.decode(tokens).split())
        return total + weight * said + bonus * words + penalty * len(tokens)

    options = replace(HUGE, lm_weight=weight, word_bonus=bonus, length_penalty=penalty)
    expected = exhaustive(decoder, encoded, lengths, score)[: options.nbest]
    found = decode(decoder, encoded, lengths, SPACED, options, language_model=model)[0]
    assert [each.tokens for each in found] == [tokens for _, tokens in expected]
    np.testing.assert_allclose([h.score for h in found], [s for s, _ in expected], atol=1e-4)


def test_beam_one_takes_the_best_sum_of_decoder_and_language_model():
    decoder, (encoded, lengths, _) = tiny(seed=3), speech((12,), seed=3)
    model = spelling(LETTERS)
    fusion = Fusion(model, 0.8)
    memory, state = decoder.begin(encoded, lengths)
    tokens, written = [LETTERS.eos], fusion.initial_state(1)
    with torch.no_grad():
        while len(tokens) < 13 and (len(tokens) == 1 or tokens[-1] != LETTERS.eos):
            step = decoder.step(torch.tensor(tokens[-1:]), memory, state)
            gains = step.logits.log_softmax(-1).double().numpy()
            gains = gains + fusion.gains(written, np.array(tokens[-1:]))
            tokens.append(int(gains.argmax()))
            state, written = step.state, fusion.advance(written, np.array(tokens[-1:]))
    options = SearchOptions(lm_weight=0.8)
    (found,) = decode(decoder, encoded, lengths, LETTERS, options, language_model=model)[0]
    assert found.tokens == tuple(tokens[1:])


@pytest.mark.parametrize("beam", [1, 3])
def test_a_batch_with_a_language_model_is_its_members(beam):
    decoder, (encoded, lengths, ctc) = tiny(), speech((12, 5, 9, 1))
    model = spelling(LETTERS)
    options = SearchOptions(beam=beam, ctc_weight=0.2, lm_weight=0.6, word_bonus=0.5, nbest=2)
    together = decode(decoder, encoded, lengths, LETTERS, options, ctc, language_model=model)
    for row, length in enumerate(lengths.tolist()):
        one = slice(row, row + 1)
        alone = decode(
            decoder, encoded[one, :length], lengths[one], LETTERS, options, ctc[one, :length],
            language_model=model,
        )[0]  # fmt: skip
        assert [each.tokens for each in alone] == [each.tokens for each in together[row]]
        scores = [[h.score for h in found] for found in (alone, together[row])]
        np.testing.assert_allclose(*scores, atol=1e-5, rtol=1e-6)


def test_a_language_model_decides_what_the_decoder_is_unsure_of():
    decoder = Scripted(chain([0, 0.51, 0.49, 0], [0, 0, 0, 1]))
    text = Source("x", ("b", "b", "b", "a"))
    model = LanguageModel(SMALL, estimate([text], SMALL, 2, 10**6))
    assert run(decoder)[0].tokens == (1, SMALL.eos)
    for beam in (1, 3):
        options = SearchOptions(beam=beam, lm_weight=0.3)
        (found,) = run(decoder, options, language_model=model)
        assert found.tokens == (2, SMALL.eos)
        assert found.log_probs[0] == pytest.approx(np.log(0.49), abs=1e-5), "the decoder's own"


def test_a_language_model_weight_needs_a_fitting_model():
    with pytest.raises(CheckpointError, match="needs a language model"):
        decode(tiny(), *speech()[:2], LETTERS, SearchOptions(lm_weight=0.3))
    with pytest.raises(CheckpointError, match="other characters"):
        decode(
            tiny(), *speech()[:2], LETTERS, SearchOptions(lm_weight=0.3),
            language_model=spelling(SMALL),
        )  # fmt: skip


class EspnetLanguageModel:
    """Ours with the methods that ESPnet's search asks for."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model

    def predict(self, state, token):
        if state is None:
            state = np.array([self.model.start])
        else:
            state = self.model.advance(state, token.reshape(1).numpy())
        return state, torch.tensor(self.model.log_probs(state), dtype=torch.float32)

    def final(self, state):
        return 0.0  # the end of sentence is a token like any other


def test_same_hypotheses_with_a_language_model_as_espnet(monkeypatch):
    monkeypatch.setattr(logging.root, "disabled", True)
    theirs, ours = pair("location", len(LETTERS), context_residual=True)
    torch.manual_seed(2)
    encoded, model = torch.randn(14, ENCODER_DIM), spelling(LETTERS)
    ctc = (2 * torch.randn(14, len(LETTERS))).log_softmax(-1)
    asked = Namespace(
        beam_size=4, penalty=0.0, ctc_weight=0.3, maxlenratio=0.7, minlenratio=0.0, nbest=3,
        lm_weight=0.6,
    )  # fmt: skip
    with torch.no_grad():
        expected = theirs.recognize_beam(
            encoded, ctc, asked, LETTERS.tokens, rnnlm=EspnetLanguageModel(model)
        )
    options = SearchOptions(
        beam=4, max_length_ratio=0.7, ctc_weight=0.3, nbest=3, lm_weight=0.6
    )  # fmt: skip
    found = decode(
        ours, encoded[None], torch.tensor([14]), LETTERS, options, ctc[None], language_model=model
    )[0]
    assert len(found) == len(expected)
    for mine, other in zip(found, expected, strict=True):
        written = tuple(map(int, other["yseq"][1:]))  # ESPnet ends those at the limit, too
        assert written == mine.tokens if mine.ended else written == (*mine.tokens, LETTERS.eos)
        assert float(other["score"]) == pytest.approx(mine.score, abs=1e-3)
