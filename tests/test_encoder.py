"""Encoder and features: sizes, and that neither padding nor neighbours change a result."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.encoders import Encoder, LSTMEncoder, LSTMOptions
from models.encoders.lstm import Condition, SlowLayer, reverse
from models.features import MEL_BINS, frame_count, log_mel, raw_log_mel

SMALL = LSTMOptions(channels=4, projection=16, units=8, layers=2, phones=5)


KINDS = {
    "plain": {},
    "two slow layers": {"slow_layers": 2},
    "conditioned": {"layers": 3, "slow_layers": 1, "conditioned": True},
}


@pytest.fixture(scope="module", params=KINDS)
def encoder(request) -> Encoder:
    torch.manual_seed(0)
    encoder = LSTMEncoder(replace(SMALL, **KINDS[request.param]))
    for norm in encoder.norms:  # statistics that are not those of a fresh layer
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    for layer in encoder.slow:  # as after some training: at first they do nothing
        layer.scale.data.normal_()
    for condition in encoder.conditions:
        condition.told.data.normal_()
    return encoder.eval()


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4), extra=st.integers(0, 9))
def test_padding_and_neighbours_change_nothing(encoder, lengths, extra):
    rows = [torch.randn(n, MEL_BINS) for n in lengths]
    batch = torch.full((len(rows), max(lengths) + extra, MEL_BINS), 9.0)  # loud padding
    for row, features in zip(batch, rows, strict=True):
        row[: len(features)] = features
    with torch.inference_mode():
        together, sizes = encoder(batch, torch.tensor(lengths))
        for index, features in enumerate(rows):
            alone, size = encoder(features[None], torch.tensor([len(features)]))
            assert sizes[index] == size[0] == math.ceil(len(features) / 4)
            torch.testing.assert_close(together[index, : size[0]], alone[0], atol=1e-5, rtol=1e-4)
            assert not together[index, size[0] :].any()


def test_reverse_turns_only_valid_frames():
    frames = torch.arange(10.0).reshape(2, 5, 1)
    turned = reverse(frames, torch.tensor([3, 5]))[..., 0].tolist()
    assert turned == [[2, 1, 0, 3, 4], [9, 8, 7, 6, 5]]


@pytest.mark.parametrize("length", [1, 2, 5, 6])
def test_a_slow_layer_hears_the_mean_of_two_frames(length):
    layer = SlowLayer(4, dropout=0.0).eval()
    layer.scale.data.fill_(1)
    frames = torch.randn(1, 6, 4)
    frames[:, length:] = 9.0
    pairs = [frames[0, start : min(start + 2, length)].mean(0) for start in range(0, length, 2)]
    heard = layer.recurrent(torch.stack(pairs)[None], torch.tensor([len(pairs)]))[0]
    added = (layer(frames, torch.tensor([length])) - frames)[0, :length]
    for place in range(length):
        torch.testing.assert_close(added[place], heard[place // 2], atol=1e-5, rtol=1e-4)


def test_a_new_slow_layer_changes_nothing():
    frames = torch.randn(2, 7, 8)
    assert SlowLayer(8, dropout=0.0)(frames, torch.tensor([7, 3])).equal(frames)


def test_a_new_condition_changes_nothing_and_later_tells_which_letters_were_spelt():
    torch.manual_seed(0)
    condition, frames = Condition(8, 3), torch.randn(2, 7, 8)
    same, logits = condition(frames)
    assert same.equal(frames)
    condition.told.data[2] = 5.0
    told, again = condition(frames)
    assert again.equal(logits)
    share = logits.softmax(-1)[..., 2:]
    torch.testing.assert_close(told, frames + 5.0 * share.expand_as(frames))


def test_conditions_stand_behind_every_layer_but_the_first_and_the_last():
    encoder = LSTMEncoder(replace(SMALL, **KINDS["conditioned"])).eval()
    heard = encoder.all_layers(torch.randn(2, 40, MEL_BINS), torch.tensor([40, 25]))
    assert [tuple(logits.shape) for logits in heard.letters] == [(2, 10, SMALL.vocabulary)] * 2


def test_both_directions_of_time_reach_a_frame(encoder):
    features = torch.randn(1, 80, MEL_BINS, requires_grad=True)
    encoded, _ = encoder(features, torch.tensor([80]))
    encoded[0, 10, 0].backward()
    reached = features.grad[0].abs().sum(-1) > 0
    assert reached[:20].any()
    assert reached[60:].any()


def test_gradients_reach_every_parameter(encoder):
    heard = encoder.all_layers(torch.randn(2, 40, MEL_BINS), torch.tensor([40, 25]))
    loss = encoder.ctc_log_probs(heard.encoded)[..., 3].sum()
    loss = loss + encoder.phone_ctc(heard.inner)[..., 1].sum()
    loss.backward()
    missing = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []


def test_ctc_log_probs_are_a_distribution(encoder):
    probabilities = encoder.ctc_log_probs(torch.randn(2, 7, encoder.dim)).exp()
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(2, 7))


@pytest.mark.parametrize("samples", [1, 399, 400, 16_000, 16_001, 17_599])
def test_one_feature_frame_every_10_ms(samples):
    features = log_mel(torch.randn(samples))
    assert features.shape == (frame_count(max(samples, 400)), MEL_BINS)


def test_loudness_and_channel_do_not_matter():
    samples = torch.randn(16_000)
    torch.testing.assert_close(log_mel(samples), log_mel(0.3 * samples), atol=2e-2, rtol=0)


def test_a_tone_is_loud_in_its_own_mel_bin():
    time = torch.arange(16_000) / 16_000
    low, high = (raw_log_mel(torch.sin(2 * math.pi * f * time)).mean(0) for f in (200, 4000))
    assert low.argmax() < 12
    assert high.argmax() > 50


def test_silence_gives_finite_features():
    assert np.isfinite(log_mel(torch.zeros(8000)).numpy()).all()
