"""Properties of every registered attention mechanism."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.attention import FAMILIES, Attention, Sizes, build, gather, mechanisms, register
from models.attention.base import valid_frames
from models.attention.content import Additive, tanh_score

NAMES = tuple(mechanisms())
ENCODER_DIM, QUERY_DIM, FRAMES = 9, 8, 24
LENGTHS = (24, 15, 2, 1)
SIZES = Sizes(attention_dim=12, heads=3, channels=4, kernel=7, window=3, previous_dim=3)
CLOSE = {"atol": 2e-6, "rtol": 0.0}  # float32 sums in another order
HARD = ("monotonic hard", "mocha hard")  # these decide otherwise when they are not in training

every_mechanism = pytest.mark.parametrize("name", NAMES)
every_mode = pytest.mark.parametrize("name", [*NAMES, *HARD])


def make(name: str) -> Attention:
    """A mechanism whose weights are large enough for maps that are far from uniform, no noise."""
    name, _, hard = name.partition(" ")
    torch.manual_seed(NAMES.index(name))
    attention = build(name, ENCODER_DIM, QUERY_DIM, SIZES)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.mul_(3.0)
    attention.noise = 0.0  # only some have it
    return attention.train(not hard)


def speech(lengths=LENGTHS, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A padded batch (batch, frames, dim) and its lengths (batch,)."""
    generator = torch.Generator().manual_seed(seed)
    encoded = torch.randn(len(lengths), max(lengths), ENCODER_DIM, generator=generator)
    return encoded, torch.tensor(lengths)


def queries(steps: int, batch: int) -> torch.Tensor:
    return torch.randn(steps, batch, QUERY_DIM, generator=torch.Generator().manual_seed(7))


def run(attention: Attention, encoded, lengths, asked, intervention=None):
    """Contexts (steps, batch, dim), maps (steps, batch, heads, frames) and the last state."""
    memory = attention.prepare(encoded, lengths)
    state = attention.initial_state(memory)
    contexts, maps = [], []
    for query in asked:
        context, weights, state = attention(query, memory, state, intervention)
        contexts.append(context)
        maps.append(weights)
    return torch.stack(contexts), torch.stack(maps), state


def leaves(tree) -> list[torch.Tensor]:
    """All tensors of a memory or state."""
    if tree is None:
        return []
    return [tree] if isinstance(tree, torch.Tensor) else [t for item in tree for t in leaves(item)]


def test_all_are_registered_family_by_family():
    families = [info.family for info in mechanisms().values()]
    assert families == sorted(families, key=FAMILIES.index)
    assert set(NAMES) >= {
        *("equal", "dot", "additive", "location", "location2d", "location_recurrent"),
        *("coverage", "coverage_location", "multi_head_dot", "multi_head_add"),
        *("multi_head_loc", "multi_head_multi_res_loc", "forward", "forward_ta"),
        *("monotonic", "mocha", "gmm"),
    }
    assert all(info.title and info.paper and info.cls.__doc__ for info in mechanisms().values())


@every_mode
@settings(max_examples=10)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_rows_sum_to_one_and_are_zero_on_padding(name, lengths, seed):
    attention = make(name)
    encoded, lengths = speech(lengths, seed)
    contexts, maps, _ = run(attention, encoded, lengths, queries(4, len(lengths)))
    assert maps.shape == (4, len(lengths), attention.heads, encoded.size(1))
    assert contexts.shape == (4, len(lengths), attention.context_dim)
    assert (maps >= 0).all()
    torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]), **CLOSE)
    padding = ~valid_frames(lengths, encoded.size(1)).expand(maps.shape[1:])
    assert (maps[:, padding] == 0).all()


@every_mode
@pytest.mark.parametrize("filling", [0.0, 1e4])
def test_padding_changes_nothing(name, filling):
    attention = make(name)
    encoded, lengths = speech()
    valid = valid_frames(lengths, FRAMES)[:, 0, :, None]
    asked = queries(5, len(lengths))
    contexts, maps, _ = run(attention, encoded, lengths, asked)
    padded = torch.nn.functional.pad(
        torch.where(valid, encoded, filling), (0, 0, 0, 11), value=filling
    )
    longer_contexts, longer_maps, _ = run(attention, padded, lengths, asked)
    torch.testing.assert_close(longer_contexts, contexts, **CLOSE)
    torch.testing.assert_close(longer_maps[..., :FRAMES], maps, **CLOSE)


@every_mode
def test_other_utterances_of_the_batch_change_nothing(name):
    attention = make(name)
    encoded, lengths = speech()
    asked = queries(5, len(lengths))
    contexts, maps, _ = run(attention, encoded, lengths, asked)
    for row, length in enumerate(LENGTHS):
        one = slice(row, row + 1)
        alone, alone_maps, _ = run(attention, encoded[one, :length], lengths[one], asked[:, one])
        torch.testing.assert_close(alone, contexts[:, one], **CLOSE)
        torch.testing.assert_close(alone_maps, maps[:, one, :, :length], **CLOSE)


@every_mode
@torch.inference_mode()
def test_batches_that_do_not_fit_into_the_cache_give_the_same(name, monkeypatch):
    attention = make(name)
    encoded, lengths = speech()
    asked = queries(5, len(lengths))
    expected, expected_maps, _ = run(attention, encoded, lengths, asked)
    rows = 3 * FRAMES * SIZES.attention_dim  # of four
    monkeypatch.setattr("models.attention.content.CACHED", rows)
    contexts, maps, _ = run(attention, encoded, lengths, asked)
    torch.testing.assert_close(contexts, expected, **CLOSE)
    torch.testing.assert_close(maps, expected_maps, **CLOSE)


@every_mechanism
def test_gradients_reach_every_parameter(name):
    attention = make(name)
    encoded, lengths = speech()
    contexts, _, _ = run(attention, encoded, lengths, queries(3, len(lengths)))
    contexts.square().sum().backward() if list(attention.parameters()) else None
    for parameter_name, parameter in attention.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().max() > 1e-6, parameter_name


@every_mode
def test_gather_gives_every_hypothesis_its_own_past(name):
    attention = make(name)
    encoded, lengths = speech()
    index = torch.tensor([2, 0, 0, 3, 1, 2])
    first, then = queries(3, len(lengths)), queries(4, len(index))[3:]
    memory = attention.prepare(encoded, lengths)
    _, _, state = run(attention, encoded, lengths, first)
    gathered = attention(then[0], gather(memory, index), gather(state, index))

    reordered = attention.prepare(encoded[index], lengths[index])
    _, _, past = run(attention, encoded[index], lengths[index], first[:, index])
    expected = attention(then[0], reordered, past)
    for found, wanted in zip(leaves(gathered), leaves(expected), strict=True):
        torch.testing.assert_close(found, wanted, **CLOSE)
    for tensor in leaves(memory) + leaves(state):
        assert len(tensor) == len(lengths)


@every_mode
def test_a_step_leaves_memory_and_state_as_they_were(name):
    attention = make(name)
    encoded, lengths = speech()
    memory = attention.prepare(encoded, lengths)
    _, _, state = run(attention, encoded, lengths, queries(2, len(lengths)))
    before = [tensor.clone() for tensor in leaves(memory) + leaves(state)]
    query = queries(3, len(lengths))[2]
    first = attention(query, memory, state)
    attention.terms(query, memory, state)
    again = attention(query, memory, state)
    for old, new in zip(before, leaves(memory) + leaves(state), strict=True):
        assert torch.equal(old, new)
    assert torch.equal(first.weights, again.weights)


@every_mode
def test_autocast_keeps_rows_that_sum_to_one(name):
    attention = make(name)
    encoded, lengths = speech()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        contexts, maps, _ = run(attention, encoded, lengths, queries(4, len(lengths)))
    assert maps.dtype == torch.float32
    torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]), **CLOSE)
    assert contexts.isfinite().all()


def test_equal_reads_the_mean_of_the_valid_frames():
    encoded, lengths = speech()
    contexts, maps, _ = run(make("equal"), encoded, lengths, queries(2, len(lengths)))
    means = torch.stack(
        [row[:length].mean(0) for row, length in zip(encoded, lengths, strict=True)]
    )
    torch.testing.assert_close(contexts, means.expand(2, -1, -1), **CLOSE)
    torch.testing.assert_close(maps[1, 1, 0, :15], torch.full((15,), 1 / 15), **CLOSE)


@pytest.mark.parametrize("name", ["coverage", "coverage_location"])
def test_coverage_is_the_sum_of_all_maps(name):
    encoded, lengths = speech()
    _, maps, state = run(make(name), encoded, lengths, queries(6, len(lengths)))
    first = valid_frames(lengths, FRAMES) / lengths[:, None, None]
    torch.testing.assert_close(state.total, first + maps.sum(0), **CLOSE)


@pytest.mark.parametrize("name", ["forward", "forward_ta"])
def test_forward_attention_stays_or_moves_one_frame_on(name):
    encoded, lengths = speech()
    _, maps, _ = run(make(name), encoded, lengths, queries(4, len(lengths)))
    for step, weights in enumerate(maps[:, 0, 0], start=1):
        assert weights[: step + 1].sum() > 0.99  # the rest has the floor only


@pytest.mark.parametrize("device_dtype", [torch.float32, torch.float64])
def test_tanh_score_is_the_dot_product_with_tanh(device_dtype):
    vector = torch.randn(3, 1, 5, dtype=device_dtype, requires_grad=True)
    inside = (torch.randn(2, 3, 7, 5, dtype=device_dtype) * 4).requires_grad_()
    expected = (vector[:, 0, None] * inside.tanh()).sum(-1)
    torch.testing.assert_close(tanh_score(vector, 2 * inside), expected, **CLOSE)
    found = torch.autograd.grad(tanh_score(vector, 2 * inside).sin().sum(), [vector, inside])
    wanted = torch.autograd.grad(expected.sin().sum(), [vector, inside])
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0.0)


def test_filters_of_different_length_stay_so_in_training():
    attention = make("multi_head_multi_res_loc")  # 7 taps: heads see 1, 2 and 3 on each side
    encoded, lengths = speech()
    contexts, _, _ = run(attention, encoded, lengths, queries(3, len(lengths)))
    contexts.square().sum().backward()
    filters = attention.location.filters.weight
    for tensor in (filters, filters.grad):
        taps = tensor.detach().view(3, 4, 7).abs().sum(1) > 0  # (heads, taps)
        assert taps.int().tolist() == [[0, 0, 1, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1, 0], [1] * 7]


def test_sizes_reach_the_mechanism():
    attention = build("location2d", 6, 5, SIZES, kernel=5, window=2)
    assert attention.location.filters.weight.shape == (4, 2, 5)
    assert attention.key.weight.shape == (12, 6)
    assert build("multi_head_loc", 6, 5, SIZES).heads == 3


@pytest.mark.parametrize(
    ("name", "sizes", "error", "words"),
    [
        ("hard", {}, ValueError, "no attention mechanism 'hard'"),
        ("dot", {"width": 3}, TypeError, "width"),
        ("location", {"kernel": 4}, ValueError, "odd number of taps"),
        ("multi_head_dot", {"heads": 5}, ValueError, "12 cannot be divided among 5 heads"),
        ("mocha", {"chunk": 0}, ValueError, "chunk must be at least 1, not 0"),
        ("mocha", {"attention_dim": 1}, ValueError, "attention_dim of at least 2, not 1"),
        ("gmm", {"mixtures": 0}, ValueError, "mixtures must be at least 1"),
        ("location", {"channels": 0}, ValueError, "channels must be at least 1"),
        ("location2d", {"window": 0}, ValueError, "window must be at least 1"),
        ("additive", {"attention_dim": 0}, ValueError, "attention_dim must be at least 1"),
        ("forward_ta", {"previous_dim": -1}, ValueError, "previous_dim must be at least 0"),
        ("forward_ta", {"previous_dim": 0}, ValueError, "forward_ta needs previous_dim"),
        ("forward_ta", {"previous_dim": 8}, ValueError, "forward_ta needs previous_dim"),
    ],
)
def test_unusable_sizes_are_refused(name, sizes, error, words):
    with pytest.raises(error, match=words):
        build(name, ENCODER_DIM, QUERY_DIM, SIZES, **sizes)


def test_a_constructor_takes_no_size_it_does_not_need():
    with pytest.raises(TypeError, match="heads"):
        Additive(6, 5, attention_dim=4, heads=2)


@pytest.mark.parametrize("lengths", [[5, 0], [5, 7]])
def test_lengths_outside_the_batch_are_refused(lengths):
    with pytest.raises(ValueError, match="between 1 and 6"):
        make("dot").prepare(torch.zeros(2, 6, ENCODER_DIM), torch.tensor(lengths))


def test_names_and_families_are_checked():
    with pytest.raises(ValueError, match="there already is"):
        register("dot", "content", "Again", "nobody")(Additive)
    with pytest.raises(ValueError, match="unknown attention family"):
        register("new", "magic", "New", "nobody")
    assert mechanisms()["additive"].cls is Additive
    assert Additive.name == "additive"


def test_gather_keeps_the_shape_of_the_tree():
    tree = {"a": (torch.arange(3), None), "b": [torch.eye(3)]}
    found = gather(tree, torch.tensor([2, 2]))
    assert found["a"][0].tolist() == [2, 2]
    assert found["a"][1] is None
    assert found["b"][0].tolist() == [[0, 0, 1], [0, 0, 1]]
    with pytest.raises(TypeError, match="str"):
        gather(("text",), torch.tensor([0]))
