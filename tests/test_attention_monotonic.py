"""Mechanisms that only move forward, against plain loops over frames, and learning to align."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from models.attention import Intervention, build
from models.attention.base import valid_frames
from models.attention.monotonic import NARROWEST, expected_stops, hard_stops, spread
from tests.test_attention import ENCODER_DIM, FRAMES, LENGTHS, make, queries, run, speech

TOKENS = 4  # of the language that is learned in `learned`


def sigmoid(energies: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(energies / 2)


def walk(energies, frames, previous):
    """(frames,) where a walk stops: every start followed frame by frame, in float64."""
    p = np.where(frames, sigmoid(np.asarray(energies, dtype=float)), 0.0)
    stops = np.zeros(len(p))
    for start, mass in enumerate(previous):
        for frame in range(start, len(p)):
            stops[frame] += mass * p[frame]
            mass *= 1 - p[frame]
        stops[np.flatnonzero(frames)[-1]] += mass
    return stops


def first_stop(energies, frames, start) -> int:
    """The first allowed frame from `start` on with non-negative energy, or the last allowed one."""
    for frame in range(start, len(energies)):
        if frames[frame] and sigmoid(energies[frame]) >= 0.5:
            return frame
    return int(np.flatnonzero(frames)[-1])


def chunks(stops, energies, frames, width):
    """(frames,) each stop shared among the allowed frames of its chunk, in float64."""
    weights = np.zeros(len(stops))
    for end, mass in enumerate(stops):
        inside = [frame for frame in range(max(0, end - width + 1), end + 1) if frames[frame]]
        total = sum(math.exp(energies[frame]) for frame in inside)
        for frame in inside:
            weights[frame] += mass * math.exp(energies[frame]) / total
    return weights


def rows(*arrays) -> list[torch.Tensor]:
    """(1, 1, frames) tensors."""
    return [torch.as_tensor(array)[None, None] for array in arrays]


@st.composite
def walks(draw):
    """Energies, allowed frames (at least one) and a map up to the last of them, as arrays."""
    size = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    energies = rng.normal(0, draw(st.sampled_from([0.5, 3.0, 20.0])), size).astype(np.float32)
    frames = rng.random(size) < draw(st.sampled_from([0.3, 1.0]))
    frames[rng.integers(size)] = True
    previous = rng.dirichlet(np.full(size, 0.3)).astype(np.float32)
    return energies, frames, previous


@settings(max_examples=60)
@given(walks())
def test_expected_stops_are_those_of_every_walk(case):
    energies, frames, previous = case
    found = expected_stops(*rows(*case))[0, 0].numpy()
    np.testing.assert_allclose(found, walk(energies, frames, previous), atol=2e-6)
    assert found.min() >= 0
    assert not found[~frames].any()


def test_expected_stops_are_the_mean_of_random_walks():
    rng = np.random.default_rng(0)
    energies = rng.normal(-0.7, 1.0, (3, 12))
    found = torch.zeros(1, 1, 12)
    found[..., 0] = 1.0
    position = np.zeros(40_000, dtype=int)
    for energy in energies:
        found = expected_stops(*rows(energy.astype(np.float32), np.ones(12, dtype=bool)), found)
        halts = rng.random((len(position), 12)) < sigmoid(energy)
        halts &= np.arange(12) >= position[:, None]
        halts[:, -1] = True
        position = halts.argmax(1)
    share = np.bincount(position, minlength=12) / len(position)
    np.testing.assert_allclose(found[0, 0].numpy(), share, atol=0.01)


@pytest.mark.parametrize("scale", [60.0, 200.0])
def test_sure_energies_over_long_recordings_lose_nothing(scale):
    rng = np.random.default_rng(1)
    energies = (scale * rng.choice([-1.0, 1.0], 1500, p=[0.97, 0.03])).astype(np.float32)
    asked, frames = rows(energies, np.ones(1500, dtype=bool))
    asked.requires_grad_()
    stops = torch.zeros(1, 1, 1500)
    stops[..., 0] = 1.0
    position = 0
    for _ in range(20):
        stops = expected_stops(asked.roll(1, -1), frames, stops)
        position = first_stop(np.roll(energies, 1), np.ones(1500, dtype=bool), position)
    assert stops[0, 0, position].item() == pytest.approx(1.0, abs=1e-5)
    (stops * torch.arange(1500)).sum().backward()
    assert asked.grad.isfinite().all()


@settings(max_examples=60)
@given(walks())
def test_hard_stops_are_those_of_a_plain_loop(case):
    energies, frames, previous = case
    expected = np.zeros(len(energies))
    expected[first_stop(energies, frames, int(previous.argmax()))] = 1.0
    assert np.array_equal(hard_stops(*rows(*case))[0, 0].numpy(), expected)


@pytest.mark.parametrize("name", ["monotonic hard", "mocha hard"])
@settings(max_examples=15)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_hard_attention_never_goes_back(name, lengths, seed):
    attention = make(name)
    encoded, sizes = speech(lengths, seed)
    memory = attention.prepare(encoded, sizes)
    state, before = attention.initial_state(memory), torch.zeros(len(lengths), 1)
    for query in 3 * queries(8, len(lengths)):
        energies = attention.energies(query, memory, state)
        state = attention(query, memory, state).state
        stop = state.weights.argmax(-1)
        assert ((state.weights == 0) | (state.weights == 1)).all()
        assert (stop >= before).all()
        sure = energies.gather(-1, stop[..., None])[..., 0] >= 0
        assert (sure | (stop == sizes[:, None] - 1)).all()
        before = stop


def test_without_noise_and_doubt_training_is_decoding():
    soft, hard = make("monotonic"), make("monotonic hard")
    for attention in (soft, hard):
        attention.gain.data.fill_(1e4)
    encoded, lengths = speech()
    asked = queries(6, len(lengths))
    torch.testing.assert_close(
        run(soft, encoded, lengths, asked)[1], run(hard, encoded, lengths, asked)[1]
    )


def test_noise_is_for_training_only():
    attention = build("monotonic", ENCODER_DIM, 8, attention_dim=6)
    encoded, lengths = speech()
    asked = queries(3, len(lengths))

    def maps():
        return run(attention, encoded, lengths, asked)[1]

    assert (maps() - maps()).abs().max() > 0.01
    torch.manual_seed(3)
    first = maps()
    torch.manual_seed(3)
    assert torch.equal(maps(), first)
    attention.eval()
    assert torch.equal(maps(), maps())


def test_maps_first_move_on_by_about_a_character():
    """Before training, (1 - p) / p = 2 frames are passed on the way to a stop."""
    attention = build("monotonic", ENCODER_DIM, 8, attention_dim=64)
    attention.noise = 0.0
    attention.score.data.zero_()
    encoded, lengths = speech((200,))
    maps = run(attention, encoded, lengths, queries(5, 1))[1][:, 0, 0]  # (steps, frames)
    centres = maps @ torch.arange(200.0)
    torch.testing.assert_close(
        centres, torch.tensor([2.0, 4.0, 6.0, 8.0, 10.0]), atol=1e-3, rtol=0.0
    )


@settings(max_examples=60)
@given(walks(), st.integers(1, 9))
def test_chunks_are_those_of_a_double_loop(case, width):
    energies, frames, stops = case
    stops = np.where(frames, stops, 0)
    found = spread(*rows(stops, energies, frames), width)[0, 0].numpy()
    np.testing.assert_allclose(found, chunks(stops, energies, frames, width), atol=2e-6)
    assert found.sum() == pytest.approx(stops.sum(), abs=2e-6)


def test_a_quiet_chunk_beside_a_loud_one_is_not_lost():
    energies = np.array([0.0, 1.0, -900.0, -900.0, 900.0, 900.0], dtype=np.float32)
    stops = np.array([0.0, 0.5, 0.0, 0.25, 0.0, 0.25], dtype=np.float32)
    found = spread(*rows(stops, energies, np.ones(6, dtype=bool)), 2)[0, 0].numpy()
    first = 0.5 / (1 + math.e)
    np.testing.assert_allclose(found, [first, 0.5 - first, 0.125, 0.125, 0.125, 0.125], atol=1e-6)


@pytest.mark.parametrize("name", ["mocha", "mocha hard"])
def test_mocha_reads_the_chunks_that_end_where_it_stops(name):
    attention = make(name)
    encoded, lengths = speech()
    memory = attention.prepare(encoded, lengths)
    state = attention.initial_state(memory)
    allowed = torch.rand(len(lengths), FRAMES, generator=torch.Generator().manual_seed(0)) < 0.7
    frames = Intervention(allowed=allowed).frames(memory.valid)[:, 0].numpy()
    for query in queries(5, len(lengths)):
        step = attention(query, memory, state, Intervention(temperature=0.5, allowed=allowed))
        state, energies = step.state, 2 * attention.chunk_energies(query, memory)
        for row in range(len(lengths)):
            inside = (state.weights[row, 0], energies[row, 0])
            expected = chunks(*(each.tolist() for each in inside), frames[row], attention.chunk)
            np.testing.assert_allclose(step.weights[row, 0].detach(), expected, atol=1e-5)
        read = (step.weights @ encoded)[:, 0]
        torch.testing.assert_close(step.context, read)


def test_without_content_the_chunk_is_flat():
    attention = make("mocha hard")
    encoded, lengths = speech((24,))
    query = queries(1, 1)[0]
    memory = attention.prepare(encoded, lengths)
    late = attention.initial_state(memory)._replace(weights=torch.eye(24)[None, None, 15])
    step = attention(query, memory, late, Intervention(dropped=frozenset({"content"})))
    expected = torch.zeros(24)
    expected[8:16] = 1 / 8
    torch.testing.assert_close(step.weights[0, 0], expected)


def test_the_mixture_is_its_density_over_the_valid_frames():
    attention = make("gmm")
    encoded, lengths = speech()
    asked = queries(4, len(lengths))
    _, maps, _ = run(attention, encoded, lengths, asked)
    with torch.no_grad():
        hidden = attention.gaussians(attention.query(asked).tanh()).double().numpy()
    for row, length in enumerate(LENGTHS):
        means = np.zeros(5)
        for step in range(4):
            logits, moves, widths = hidden[step, row].reshape(3, 5)
            means = means + np.log1p(np.exp(moves))
            widths = NARROWEST + np.log1p(np.exp(widths))
            shares = np.exp(logits) / np.exp(logits).sum()
            place = np.arange(length)[:, None]
            bells = np.exp(-((place - means) ** 2) / (2 * widths**2)) / widths
            density = (bells / math.sqrt(2 * math.pi)) @ shares  # (frames,)
            expected = density / density.sum()
            found = maps[step, row, 0, :length].detach().numpy()
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_energies_of_a_mixture_are_its_log_density():
    attention = make("gmm")
    encoded, lengths = speech((2000,))
    memory = attention.prepare(encoded, lengths)
    state = attention.initial_state(memory)
    state = state._replace(means=state.means + 900.0)
    energies = attention.energies(queries(1, 1)[0], memory, state)
    assert energies.exp().sum().item() == pytest.approx(1.0, abs=1e-3)


def test_a_mixture_starts_with_steps_and_widths_of_speech_and_stays_at_the_end():
    attention = build("gmm", ENCODER_DIM, 8)
    attention.gaussians.weight.data.zero_()
    encoded, lengths = speech((24, 40))
    memory = attention.prepare(encoded, lengths)
    state = attention.initial_state(memory)
    mixture = attention.mixture(queries(1, 2)[0], state)
    torch.testing.assert_close(mixture.means, torch.full((2, 5), 2.0))
    torch.testing.assert_close(mixture.widths, torch.full((2, 5), 5.0))
    torch.testing.assert_close(mixture.log_weights.exp(), torch.full((2, 5), 0.2))
    _, maps, state = run(attention, encoded, lengths, queries(60, 2))
    assert (state.means > 100).all()
    assert maps[-1, :, 0].argmax(-1).tolist() == [23, 39]
    torch.testing.assert_close(maps[-1].sum(-1), torch.ones(2, 1))


def spoken(batch: int, length: int, held: tuple[int, int], generator: torch.Generator):
    """Noisy one-hot frames: each token is held for some frames, none comes twice in a row.

    Returns frames (batch, frames, TOKENS), lengths, queries (length, batch, TOKENS + 1) that say
    which token came before, tokens (batch, length) and the token (batch, frames) of each frame.
    """
    steps = torch.randint(1, TOKENS, (batch, length), generator=generator)
    tokens = steps.cumsum(1) % TOKENS
    ends = torch.randint(held[0], held[1] + 1, (batch, length), generator=generator).cumsum(1)
    place = torch.arange(int(ends[:, -1].max()))
    owner = (place >= ends[..., None]).sum(1).clamp(max=length - 1)
    frames = F.one_hot(tokens.gather(1, owner), TOKENS).float()
    frames = frames + 0.1 * torch.randn(frames.shape, generator=generator)
    before = F.pad(tokens[:, :-1], (1, 0), value=TOKENS)
    return frames, ends[:, -1], F.one_hot(before, TOKENS + 1).float().transpose(0, 1), tokens, owner


@pytest.mark.parametrize(
    ("name", "held", "rate", "length"),
    [
        ("monotonic", (2, 4), 0.1, 10),
        ("mocha", (2, 4), 0.1, 10),
        ("gmm", (3, 3), 0.03, 5),  # hears nothing: errors of its steps add up beyond
    ],
)
def test_a_monotonic_alignment_is_learned(name, held, rate, length):
    """Trained on 5 tokens in expectation, it finds each token when decoding."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    attention = build(name, TOKENS, TOKENS + 1, attention_dim=16, chunk=2)
    output = torch.nn.Linear(TOKENS, TOKENS)
    optimizer = torch.optim.Adam([*attention.parameters(), *output.parameters()], lr=rate)
    losses = []
    for _ in range(120):
        frames, lengths, asked, tokens, _ = spoken(16, 5, held, generator)
        contexts, _, _ = run(attention, frames, lengths, asked)
        loss = F.cross_entropy(output(contexts).flatten(0, 1), tokens.t().flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-20:]) < 0.15 * losses[0]
    attention.eval()
    frames, lengths, asked, _, owner = spoken(64, length, held, generator)
    with torch.no_grad():
        maps = run(attention, frames, lengths, asked)[1][:, :, 0].transpose(0, 1)
    assert not maps[~valid_frames(lengths, frames.size(1)).expand_as(maps)].any()
    peaks = maps.argmax(-1)  # (batch, length)
    on_token = (owner.gather(1, peaks) == torch.arange(length)).float().mean().item()
    assert on_token > 0.9
