"""The LSTM decoder: forced and step by step agree, padding is not seen, ESPnet gives the same."""

import pytest
import torch

from models.attention import Sizes, mechanisms
from models.decoders.lstm import DecoderOptions, LSTMDecoder, build_decoder
from tests.support.espnet_decoder import ATYPES, ENCODER_DIM, pair

VOCABULARY, DIM = 7, 12
SIZES = Sizes(attention_dim=8, heads=2, channels=3, kernel=5, window=3)


def tiny(mechanism: str = "location", **options) -> LSTMDecoder:
    torch.manual_seed(0)
    sizes = {"embedding_dim": 6, "units": 10, "attention": SIZES} | options
    return build_decoder(mechanism, VOCABULARY, DIM, DecoderOptions(**sizes)).eval()


def batch(lengths=(11, 7, 3), tokens: int = 5):
    torch.manual_seed(1)
    encoded = torch.randn(len(lengths), max(lengths), DIM)
    targets = torch.randint(0, VOCABULARY, (len(lengths), tokens))
    return encoded, torch.tensor(lengths), targets


@pytest.mark.parametrize("mechanism", mechanisms())
@pytest.mark.parametrize(("layers", "context_residual"), [(1, False), (2, True)])
def test_teacher_forcing_is_step_by_step(mechanism, layers, context_residual):
    decoder = tiny(mechanism, layers=layers, context_residual=context_residual)
    encoded, lengths, targets = batch()
    logits, weights = decoder(encoded, lengths, targets)
    assert logits.shape == (3, 5, VOCABULARY)
    assert weights.shape == (3, 5, decoder.attention.heads, 11)

    memory, state = decoder.begin(encoded, lengths)
    previous = torch.full((3,), VOCABULARY - 1)
    for number in range(5):
        step = decoder.step(previous, memory, state)
        torch.testing.assert_close(step.logits, logits[:, number], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(step.weights, weights[:, number], atol=1e-6, rtol=1e-5)
        previous, state = targets[:, number], step.state


@pytest.mark.parametrize("mechanism", ["location", "coverage_location", "forward_ta"])
def test_a_padded_batch_is_its_members(mechanism):
    decoder = tiny(mechanism)
    encoded, lengths, targets = batch()
    logits, weights = decoder(encoded, lengths, targets)
    for row, length in enumerate(lengths.tolist()):
        alone, maps = decoder(
            encoded[row : row + 1, :length], lengths[row : row + 1], targets[[row]]
        )
        torch.testing.assert_close(alone[0], logits[row], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(maps[0], weights[row, ..., :length], atol=1e-6, rtol=1e-5)
        assert not weights[row, ..., length:].any()


def test_inputs_start_with_the_end_of_sentence_and_follow_the_targets():
    decoder = tiny()
    targets = torch.tensor([[1, 2, VOCABULARY - 1, -1], [3, 4, 5, VOCABULARY - 1]])
    shifted = decoder.shift_right(targets)
    assert shifted.tolist() == [[6, 1, 2, 6], [6, 3, 4, 5]]
    assert targets[0, -1] == -1, "the targets themselves stay as they are"


def test_given_inputs_are_used_instead():
    decoder = tiny()
    encoded, lengths, targets = batch()
    inputs = decoder.shift_right(targets)
    forced = decoder(encoded, lengths, targets)[0]
    torch.testing.assert_close(decoder(encoded, lengths, targets, inputs)[0], forced)
    inputs[1, 2] = (inputs[1, 2] + 1) % VOCABULARY
    changed = (decoder(encoded, lengths, targets, inputs)[0] - forced).abs().amax(-1) > 1e-6
    assert changed.tolist() == [[False] * 5, [False, False, True, True, True], [False] * 5]


@pytest.mark.parametrize("mechanism", ["equal", "dot", "location", "multi_head_loc", "forward_ta"])
def test_bfloat16_autocast_trains_every_parameter(mechanism):
    decoder = tiny(mechanism, layers=2, context_residual=True, dropout=0.1)
    encoded, lengths, targets = batch()
    exact = decoder(encoded, lengths, targets)[0]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = decoder(encoded, lengths, targets)[0].float()
        decoder.train()
        decoder(encoded, lengths, targets)[0].float().log_softmax(-1)[..., 0].sum().backward()
    torch.testing.assert_close(rounded, exact, atol=0.05, rtol=0.05)
    untouched = [name for name, p in decoder.named_parameters() if p.grad is None]
    assert not untouched
    assert all(torch.isfinite(p.grad).all() for p in decoder.parameters())


def test_dropout_is_for_training_only():
    decoder = tiny(dropout=0.5)
    data = batch()
    torch.testing.assert_close(decoder(*data)[0], decoder(*data)[0])
    decoder.train()
    assert (decoder(*data)[0] - decoder(*data)[0]).abs().max() > 1e-3


def test_an_unknown_mechanism_is_named():
    with pytest.raises(ValueError, match="telepathy"):
        build_decoder("telepathy", VOCABULARY, DIM)


@pytest.mark.parametrize("atype", ATYPES)
@pytest.mark.parametrize(("layers", "context_residual"), [(1, False), (2, True)])
def test_equal_to_espnet(atype, layers, context_residual):
    theirs, ours = pair(atype, VOCABULARY, layers=layers, context_residual=context_residual)
    lengths = torch.tensor([9, 6])
    encoded = torch.randn(2, 9, ENCODER_DIM) * (torch.arange(9) < lengths[:, None])[..., None]
    targets = torch.tensor([[1, 2, 2, 5], [3, 4, -1, -1]])  # as ESPnet wants them: -1 is padding
    seen = []
    theirs.output.register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        theirs(encoded, lengths, targets)
        end = VOCABULARY - 1
        ended = torch.tensor([[1, 2, 2, 5, end], [3, 4, end, -1, -1]])
        logits, _ = ours(encoded, lengths, ended)
    torch.testing.assert_close(logits.flatten(0, 1), seen[0], atol=1e-5, rtol=1e-5)
