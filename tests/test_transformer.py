"""The Transformer decoder: steps are one pass, it trains, its cards are checked."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from models.anatomy import Change
from models.attention.base import FAMILIES, gather
from models.audio import Recording
from models.checkpoint import CheckpointError
from models.decoders.lstm import DecoderOptions
from models.decoders.registry import build, decoders
from models.decoders.transformer import TransformerDecoder, TransformerOptions
from models.decoding.search import SearchOptions, decode
from models.recogniser import encode, load_encoder, load_variant
from models.text import Alphabet
from models.training import recipes
from tests.support.recordings import hum
from tests.support.small_transformer import ALPHABET, DIM, FRAMES, MAPS, TOKENS, speech, tiny, walk

# --- one pass, steps, batches ---------------------------------------------------------------------


def test_one_pass_is_step_by_step():
    decoder, (encoded, lengths, targets) = tiny(), speech()
    logits, weights = decoder(encoded, lengths, targets)
    assert logits.shape == (3, TOKENS, len(ALPHABET))
    assert weights.shape == (3, TOKENS, MAPS, FRAMES)
    for number, step in enumerate(walk(decoder, encoded, lengths, targets)):
        torch.testing.assert_close(step.logits, logits[:, number], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(step.weights, weights[:, number], atol=1e-6, rtol=1e-5)
        assert step.global_mass.shape == (3, MAPS)


def test_a_padded_batch_is_its_members():
    decoder, (encoded, lengths, targets) = tiny(), speech()
    logits, weights = decoder(encoded, lengths, targets)
    encoded[1, 7:] = 1e3  # what stands in the padding does not matter
    for row, length in enumerate(lengths.tolist()):
        one = slice(row, row + 1)
        alone, maps = decoder(encoded[one, :length], lengths[one], targets[one])
        torch.testing.assert_close(alone[0], logits[row], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(maps[0], weights[row, ..., :length], atol=1e-6, rtol=1e-5)
        assert not weights[row, ..., length:].any()


@settings(max_examples=15)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 99))
def test_rows_sum_to_one_beside_the_global_mass(lengths, seed):
    decoder, (encoded, sizes, targets) = tiny(seed), speech(lengths, seed)
    for step in walk(decoder, encoded, sizes, targets[:, :2]):
        torch.testing.assert_close(step.weights.sum(-1), torch.ones(len(lengths), MAPS))
        assert ((step.global_mass > 0) & (step.global_mass < 1)).all()


@pytest.mark.parametrize("changed", range(TOKENS))
def test_later_tokens_change_nothing(changed):
    decoder, (encoded, lengths, targets) = tiny(), speech()
    inputs = decoder.shift_right(targets)
    before = decoder(encoded, lengths, targets, inputs)[0]
    inputs[:, changed] = inputs[:, changed] % (len(ALPHABET) - 1) + 1
    moved = (decoder(encoded, lengths, targets, inputs)[0] - before).abs().amax((0, 2)) > 1e-5
    assert moved.tolist() == [number >= changed for number in range(TOKENS)]


def test_ignored_targets_are_as_good_as_any():
    decoder, (encoded, lengths, targets) = tiny(), speech()
    logits = decoder(encoded, lengths, targets)[0]
    targets[:, -1] = -100
    torch.testing.assert_close(decoder(encoded, lengths, targets)[0], logits)


def test_hypotheses_reordered_go_on_as_if_they_had_been_written_so():
    decoder, (encoded, lengths, targets) = tiny(), speech((6, 6, 6))
    order = torch.tensor([2, 0, 0, 1])
    memory, _ = decoder.begin(encoded, lengths)
    state = gather(walk(decoder, encoded, lengths, targets)[-1].state, order)
    found = decoder.step(targets[order, -1], gather(memory, order), state)
    written = torch.cat((targets[order], torch.ones(4, 1, dtype=torch.long)), 1)
    expected = walk(decoder, encoded[order], lengths[order], written)[-1]
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.weights, expected.weights, atol=1e-6, rtol=1e-5)


# --- sizes and training ---------------------------------------------------------------------------


def test_it_has_as_many_parameters_as_the_others():
    def count(name: str) -> int:
        sizes = recipes.SIZES[decoders()[name].options]
        decoder = build(name, len(Alphabet()), 512, sizes)
        return sum(parameter.numel() for parameter in decoder.parameters())

    transformer = count("transformer")
    assert 2 * transformer < 2.01e6  # bytes in half precision
    for other in ("dot", "additive", "location", "coverage_location"):
        assert abs(transformer / count(other) - 1) < 0.05


@pytest.mark.parametrize("half", [False, True])
def test_every_parameter_is_trained(half):
    decoder, (encoded, lengths, targets) = tiny(dropout=0.1, start=50), speech()
    exact = decoder(encoded, lengths, targets)[0]
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        again = decoder(encoded, lengths, targets)[0].float()
        decoder.train()
        logits = decoder(encoded, lengths, targets)[0].float()
        F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    difference = (again - exact).abs().mean() / exact.abs().mean()
    assert difference < (0.05 if half else 1e-6)
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_it_learns_to_copy_and_where_to_listen():
    torch.manual_seed(0)
    options = TransformerOptions(32, 2, encoder_layers=1, decoder_layers=2, inner=64)
    decoder = TransformerDecoder(len(ALPHABET), DIM, options)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=4e-3)
    codes = torch.randn(len(ALPHABET), DIM)

    def sentences(count: int, letters: int = 4, frames: int = 2):
        written = torch.randint(1, ALPHABET.eos, (count, letters))
        spoken = codes[written.repeat_interleave(frames, 1)]
        spoken = spoken + 0.1 * torch.randn_like(spoken)
        targets = F.pad(written, (0, 1), value=ALPHABET.eos)
        return spoken, torch.full((count,), letters * frames), targets

    for _ in range(150):
        encoded, lengths, targets = sentences(32)
        logits, _ = decoder(encoded, lengths, targets)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    encoded, lengths, targets = sentences(40)
    found = [best[0] for best in decode(decoder, encoded, lengths, ALPHABET)]
    right = np.mean([h.tokens == tuple(t) for h, t in zip(found, targets.tolist(), strict=True)])
    assert right > 0.9, f"{right:.0%} copied, loss {loss.item():.3f}"
    own = np.arange(8) // 2 == np.arange(4)[:, None]  # (letters, frames) that spell each letter
    heard = np.mean([h.weights[:, :4].mean(0)[own].sum() / 4 for h in found if len(h.tokens) == 5])
    assert heard > 0.4, f"{heard:.2f} of the attention, 0.25 by chance"


# --- everywhere else ------------------------------------------------------------------------------


def test_it_is_listed_in_its_family_and_built_by_name():
    infos = decoders()
    assert infos["transformer"].family == "transformer"
    families = [info.family for info in infos.values()]
    assert families == sorted(families, key=FAMILIES.index)
    assert isinstance(build("transformer", 8, DIM), TransformerDecoder)
    with pytest.raises(ValueError, match="telepathy"):
        build("telepathy", 8, DIM)
    with pytest.raises(TypeError, match="TransformerOptions"):
        build("transformer", 8, DIM, DecoderOptions())


@pytest.mark.parametrize(
    "sizes", [{"dim": 15}, {"dim": 16, "heads": 3}, {"decoder_layers": 0}, {"encoder_layers": 0}]
)
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(ValueError, match=r"dimension"):
        TransformerDecoder(8, DIM, TransformerOptions(**sizes))


def test_a_card_with_other_sizes_is_refused(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints, tmp_path / "checkpoints")
    card = folder / "transformer.json"
    values = json.loads(card.read_text())
    wrong = ({"dim": 16}, {"decoder_layers": 1}, {"heads": 3}, {"dim": 9}, {"units": 12})
    for change in wrong:
        card.write_text(json.dumps(values | {"config": values["config"] | change}))
        with pytest.raises(CheckpointError, match=r"transformer\.safetensors"):
            load_variant("transformer", folder)
    card.write_text(json.dumps(values))
    assert load_variant("transformer", folder).decoder.options.dim == values["config"]["dim"]


def test_a_decoded_recording_has_maps_by_layer_and_head(checkpoints):
    recordings = [Recording(hum(seconds), 16_000, (), "hum") for seconds in (0.6, 1.1)]
    encoded = encode(load_encoder(checkpoints), recordings)
    variant = load_variant("transformer", checkpoints)
    for row, decoded in enumerate(variant.decode(encoded, SearchOptions(beam=2))):
        alignment, frames = decoded.alignment, int(encoded.lengths[row])
        tokens = len(alignment.tokens)
        assert alignment.weights.shape == (2, 2, tokens, frames)
        assert alignment.dims == 4
        assert alignment.map.shape == (tokens, frames)
        maps = variant.attention_maps(encoded, row, decoded)
        np.testing.assert_allclose(maps.cross, alignment.weights, atol=1e-5)
        np.testing.assert_allclose(maps.cross_global, decoded.global_mass, atol=1e-5)
        assert maps.encoder.shape == (1, 2, frames, frames)
        assert maps.decoder.shape == (2, 2, tokens, tokens)
        again = variant.rewrite(encoded, row, decoded, Change(step=len(alignment.tokens) - 1))
        np.testing.assert_allclose(again.global_mass, decoded.global_mass, atol=1e-5)
    other = load_variant("dot", checkpoints)
    decoded = other.decode(encoded)[0]
    assert decoded.global_mass is None
    assert other.attention_maps(encoded, 0, decoded) is None


def test_it_is_trained_on_as_much_as_the_others():
    mine, theirs = (
        recipes.RECIPES[decoders()[name].options] for name in ("transformer", "location")
    )
    assert mine.keys() == theirs.keys()
    assert {name for name in mine if mine[name] != theirs[name]} <= {"rate", "warmup"}
