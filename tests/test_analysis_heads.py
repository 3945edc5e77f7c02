"""Heads: ranking over utterances, numbers of many heads, global tokens, self-attention."""

import numpy as np
import pytest

from analysis.alignment import Alignment
from analysis.diagnosis import aggregate, diagnose, measure
from analysis.heads.cross_attention import rank_heads, role
from analysis.heads.self_attention import self_heads

FRAMES, TOKENS = 120, 20
WORDS = [f"w{i}" for i in range(TOKENS)]


def gaussians(centres, width, frames=FRAMES):
    rows = np.exp(-(((np.arange(frames) - np.asarray(centres)[:, None]) / width) ** 2) / 2) + 1e-6
    return rows / rows.sum(axis=1, keepdims=True)


def layered(rng, order):
    """An utterance with heads of known roles, in the given order over two layers of two."""
    path = np.linspace(4, 115, TOKENS) + rng.normal(0, 1, TOKENS)
    made = {
        "aligner": gaussians(path, 1.5),
        "local": gaussians(path, 16),
        "global": gaussians(rng.permutation(path), 3),
        "sink": gaussians(np.full(TOKENS, 1), 1),
    }
    weights = np.array([made[name] for name in order]).reshape(2, 2, TOKENS, FRAMES)
    return Alignment.from_arrays(weights, WORDS, 0.04)


def test_the_aligners_of_a_model_come_first():
    rng = np.random.default_rng(0)
    order = ["global", "local", "aligner", "sink"]
    ranks = rank_heads(layered(rng, order) for _ in range(6))
    assert [(rank.layer, rank.head) for rank in ranks[:2]] == [(1, 0), (0, 1)]
    assert {(rank.layer, rank.head): rank.role for rank in ranks} == {
        (0, 0): "global", (0, 1): "local", (1, 0): "aligner", (1, 1): "sink"
    }  # fmt: skip
    best = ranks[0]
    assert best.aligner_share == 1
    assert best.utterances == 6
    assert best.monotonicity > 0.99
    assert best.score > 0.9 > ranks[1].score > ranks[2].score


def test_one_lucky_utterance_makes_no_aligner():
    rng = np.random.default_rng(1)
    lucky = [layered(rng, ["aligner", "global", "local", "sink"])]
    others = [layered(rng, ["global", "aligner", "local", "sink"]) for _ in range(5)]
    first, *_ = rank_heads(lucky + others)
    assert (first.layer, first.head) == (0, 1)
    assert first.aligner_share == pytest.approx(5 / 6)


def test_heads_of_different_models_are_not_ranked_together():
    rng = np.random.default_rng(2)
    one = layered(rng, ["aligner", "global", "local", "sink"])
    with pytest.raises(ValueError, match="same heads"):
        rank_heads([one, one.head(0, 0)])
    with pytest.raises(ValueError, match="same heads"):
        rank_heads([])


def test_numbers_of_every_head_are_those_of_its_map_alone():
    alignment = layered(np.random.default_rng(3), ["global", "local", "aligner", "sink"])
    for head in diagnose(alignment).heads:
        alone = measure(alignment.head(head.layer, head.head))
        assert head.metrics == pytest.approx(alone, abs=1e-5)
        assert head.role == role(alignment.head(head.layer, head.head))[0]


def test_aggregates_answer_three_questions():
    alignment = layered(np.random.default_rng(4), ["global", "local", "aligner", "sink"])
    found = aggregate(alignment)
    assert found.best_head == (1, 0)
    assert found.best == pytest.approx(measure(alignment.head(1, 0)), abs=1e-5)
    assert found.mean == pytest.approx(measure(alignment), abs=1e-5)
    assert found.best["path_diagonality"] > found.mean["path_diagonality"]


def test_aggregates_of_one_head_are_all_the_same():
    one = layered(np.random.default_rng(4), ["global", "local", "aligner", "sink"]).head(1, 0)
    found = aggregate(one)
    assert found.mean == pytest.approx(found.best, abs=1e-5)
    assert found.mean == pytest.approx(found.listening, abs=1e-5)
    assert found.best_head == (0, 0)


def test_attention_to_a_global_token_is_a_sink_whatever_is_left():
    alignment = layered(np.random.default_rng(5), ["aligner", "local", "aligner", "aligner"])
    mass = np.zeros((2, 2, TOKENS))
    mass[0, 0] = 0.8
    heads = diagnose(alignment, global_mass=mass).heads
    assert [head.role for head in heads] == ["sink", "local", "aligner", "aligner"]
    assert "global token" in heads[0].evidence
    assert heads[0].numbers["on_global"] == pytest.approx(0.8)


SIZE = 24


def shifted(by, causal):
    """All mass at one distance; rows whose place does not exist look at the nearest one."""
    columns = np.clip(np.arange(SIZE) + by, 0, np.arange(SIZE) if causal else SIZE - 1)
    return np.eye(SIZE)[columns]


def seen(causal):
    mask = np.tril(np.ones((SIZE, SIZE))) if causal else np.ones((SIZE, SIZE))
    return mask / mask.sum(axis=1, keepdims=True)


def window(causal):
    rows = gaussians(np.arange(SIZE), 2.5, SIZE) * (seen(causal) > 0)
    return rows / rows.sum(axis=1, keepdims=True)


def parked(column, causal):
    rows = 0.2 * seen(causal)
    rows[:, column] += 0.8 * (seen(causal)[:, column] > 0)
    return rows / rows.sum(axis=1, keepdims=True)


def anywhere(causal):
    rows = np.random.default_rng(6).exponential(size=(SIZE, SIZE)) ** 3 * (seen(causal) > 0)
    return rows / rows.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("expected", "made"),
    [
        ("diagonal", lambda causal: shifted(0, causal)),
        ("previous", lambda causal: shifted(-1, causal)),
        ("local", window),
        ("sink", lambda causal: parked(0, causal)),
        ("diffuse", seen),
        ("global", anywhere),
    ],
)
def test_roles_of_self_attention(expected, made, causal):
    (head,) = self_heads(made(causal)[None, None], causal=causal)
    assert head.role == expected, head
    assert head.evidence.endswith(".")


def test_the_next_position_and_the_last_column_exist_in_encoders_only():
    maps = np.array([[shifted(1, False), parked(SIZE - 1, False)]])
    first, second = self_heads(maps)
    assert (first.role, second.role) == ("next", "sink")
    assert second.sink_column == SIZE - 1


def test_sinks_on_spaces_are_named():
    tokens = ["a" if i != 3 else " " for i in range(SIZE)]
    (head,) = self_heads(parked(3, False)[None, None], tokens=tokens)
    assert head.role == "sink"
    assert "space" in head.evidence
    assert head.on_marks > 0.8


def test_a_global_token_is_a_sink_of_self_attention():
    mass = np.full((1, 1, SIZE), 0.7)
    (head,) = self_heads(shifted(0, True)[None, None], causal=True, global_mass=mass)
    assert (head.role, head.on_global) == ("sink", pytest.approx(0.7))


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("causal", [False, True])
def test_the_smallest_self_attention_has_a_role(size, causal):
    rows = np.tril(np.ones((size, size)))
    (head,) = self_heads((rows / rows.sum(1, keepdims=True))[None, None], causal=causal)
    numbers = [head.on_itself, head.on_previous, head.nearby, head.sink, head.entropy]
    assert all(0 <= number <= 1 for number in numbers)


def test_maps_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="weights"):
        self_heads(np.ones((1, 1, 3, 4)))
    with pytest.raises(ValueError, match="tokens"):
        self_heads(np.ones((1, 1, 3, 3)) / 3, tokens=["a"])
    with pytest.raises(ValueError, match="global_mass"):
        self_heads(np.ones((1, 1, 3, 3)) / 3, global_mass=np.zeros(3))
