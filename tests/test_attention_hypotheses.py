"""A recording's hypotheses look at one memory: nothing may depend on how it is laid out."""

import pytest
import torch
from torch.testing import assert_close

from models.attention import build, gather
from models.attention import content as content_module
from models.attention.base import Memory, products, repeat
from tests.test_attention import (
    CLOSE,
    ENCODER_DIM,
    QUERY_DIM,
    SIZES,
    every_mode,
    leaves,
    make,
    queries,
    speech,
)

TIMES = 3


def steps(attention, memory, state, asked):
    """Contexts and maps (steps, batch, ...) and the last state."""
    found = []
    for query in asked:
        step = attention(query, memory, state)
        found.append((step.context, step.weights))
        state = step.state
    return *map(torch.stack, zip(*found, strict=True)), state


@every_mode
@pytest.mark.parametrize("cached", [None, 1, 9 * 24 * 2, 9 * 24 * 100])
def test_each_hypothesis_hears_its_own_recording(name, cached, monkeypatch):
    if cached is not None:  # how many numbers are computed at once must not matter either
        monkeypatch.setattr(content_module, "CACHED", cached)
    attention, (encoded, lengths) = make(name), speech((24, 15, 7))
    memory = attention.prepare(encoded, lengths)
    state = repeat(attention.initial_state(memory), TIMES)
    asked = queries(4, TIMES * len(encoded))
    with torch.inference_mode():
        shared = steps(attention, attention.repeat(memory, TIMES), state, asked)
        apart = steps(attention, repeat(memory, TIMES), state, asked)
    for mine, theirs in zip(leaves(shared), leaves(apart), strict=True):
        assert_close(mine, theirs, **CLOSE)


@pytest.mark.parametrize("queries", [1, 4])
def test_products_of_every_row_with_its_recordings_matrix(queries):
    shared = torch.randn(2, 3, 5, 4)  # (recordings, heads, size, out)
    each = torch.randn(6, 3, queries, 5)
    found = products(each, shared)
    for row in range(6):
        for head in range(3):
            assert_close(found[row, head], each[row, head] @ shared[row // 3, head])


def test_keys_and_values_are_not_copied_for_hypotheses():
    attention = build("location", ENCODER_DIM, QUERY_DIM, SIZES)
    memory = attention.prepare(*speech())
    shared = attention.repeat(memory, TIMES)
    assert shared.keys is memory.keys
    assert shared.values is memory.values
    assert len(shared.valid) == TIMES * len(memory.valid)


def test_a_mechanism_that_does_not_say_so_gets_a_row_for_each_hypothesis():
    attention = make("dot")
    attention.shares_memory = False
    memory = attention.prepare(*speech())
    rows = torch.arange(len(memory.valid)).repeat_interleave(TIMES)
    found: Memory = attention.repeat(memory, TIMES)
    for mine, theirs in zip(found, gather(memory, rows), strict=True):
        assert torch.equal(mine, theirs)
