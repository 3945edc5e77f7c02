"""Energies behind the weights, their terms, and what may be changed of one step."""

import math

import pytest
import torch

from models.attention import Attention, AttentionStep, Intervention, Memory, State
from tests.test_attention import CLOSE, FRAMES, HARD, NAMES, every_mode, make, queries, run, speech

REMEMBERING = tuple(
    name for name in NAMES if any(part in name for part in ("loc", "coverage", "forward"))
)


def decided(name: str, step: AttentionStep) -> torch.Tensor:
    """The map that follows from the energies; mocha spreads it over chunks afterwards."""
    return step.state.weights if name.startswith("mocha") else step.weights


def third_step(name: str) -> tuple[Attention, Memory, State, torch.Tensor]:
    """A mechanism with what it is given at its third step."""
    attention = make(name)
    encoded, lengths = speech()
    memory = attention.prepare(encoded, lengths)
    _, _, state = run(attention, encoded, lengths, queries(2, len(lengths)))
    return attention, memory, state, queries(3, len(lengths))[2]


@every_mode
def test_terms_sum_to_the_energies_behind_the_weights(name):
    attention, memory, state, query = third_step(name)
    terms = attention.terms(query, memory, state)
    assert set(terms) <= {"content", "location", "coverage"}
    energies = sum(terms.values())
    if name.startswith(("monotonic", "mocha")):  # no softmax: tested against plain loops elsewhere
        weights = attention.normalise(energies, memory.valid, memory, state)
    else:
        weights = energies.masked_fill(~memory.valid, -math.inf).softmax(-1)
    if attention.family == "forward":  # the prior multiplies after the softmax
        weights = (attention.prior(state) * weights).clamp(min=1e-6).masked_fill(~memory.valid, 0)
        weights = weights / weights.sum(-1, keepdim=True)
    found = decided(name, attention(query, memory, state))
    torch.testing.assert_close(found, weights, **CLOSE)
    assert weights[0].max() > 1.5 * weights[0].min() or name == "equal"


@pytest.mark.parametrize("name", REMEMBERING)
def test_the_history_is_a_term_and_matters(name):
    attention, memory, state, query = third_step(name)
    terms = attention.terms(query, memory, state)
    assert list(terms) == ["content", attention.history_term]
    assert terms[attention.history_term].abs().max() > 0.1
    fresh = attention.terms(query, memory, attention.initial_state(memory))
    torch.testing.assert_close(fresh["content"], terms["content"], **CLOSE)
    assert (fresh[attention.history_term] - terms[attention.history_term]).abs().max() > 1e-2


@every_mode
def test_dropping_terms_leaves_the_others(name):
    attention, memory, state, query = third_step(name)
    terms = attention.terms(query, memory, state)

    def weights(*dropped):
        asked = Intervention(dropped=frozenset(dropped))
        return decided(name, attention(query, memory, state, asked))

    def expected(energies):
        return attention.normalise(energies, memory.valid, memory, state)

    torch.testing.assert_close(weights("weather"), expected(sum(terms.values())), **CLOSE)
    uniform = torch.zeros_like(next(iter(terms.values())))
    torch.testing.assert_close(weights(*terms), expected(uniform), **CLOSE)
    for kept, energies in terms.items():
        torch.testing.assert_close(weights(*(set(terms) - {kept})), expected(energies), **CLOSE)


@every_mode
def test_only_allowed_frames_are_attended(name):
    attention = make(name)
    encoded, lengths = speech()
    allowed = torch.zeros(len(lengths), FRAMES, dtype=torch.bool)
    allowed[0, 5:9] = True
    allowed[1, 12:] = True  # also padding, from frame 15
    allowed[2, 2:] = True  # nothing but padding: ignored
    asked = queries(4, len(lengths))
    _, maps, _ = run(attention, encoded, lengths, asked, Intervention(allowed=allowed))
    torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]), **CLOSE)
    for row, frames in ((0, [5, 6, 7, 8]), (1, [12, 13, 14])):
        heard = (maps[:, row] > 0).any(1).nonzero()[:, 1].unique().tolist()
        assert set(heard) <= set(frames) if name in HARD else heard == frames
    _, free, _ = run(attention, encoded, lengths, asked)
    torch.testing.assert_close(maps[:, 2:], free[:, 2:], **CLOSE)


@every_mode
def test_temperature_divides_the_energies(name):
    attention = make(name)
    encoded, lengths = speech()
    memory = attention.prepare(encoded, lengths)
    state = attention.initial_state(memory)
    query = queries(1, len(lengths))[0]
    energies = attention.energies(query, memory, state) / 0.25
    expected = attention.normalise(energies, memory.valid, memory, state)
    found = decided(name, attention(query, memory, state, Intervention(temperature=0.25)))
    torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_of_zero_or_less_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature"):
        Intervention(temperature=temperature)
