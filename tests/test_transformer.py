"""The Transformer: steps are one pass, the global token stands apart, maps are those used."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from models.attention.base import FAMILIES, Intervention, gather
from models.audio import Recording
from models.checkpoint import CheckpointError
from models.decoder import DecoderOptions
from models.recogniser import encode, load_encoder, load_variant
from models.registry import build, decoders
from models.search import SearchOptions, decode
from models.text import BLANK, EOS, Alphabet
from models.training import recipes
from models.transformer import TransformerDecoder, TransformerOptions
from models.transformer_layers import GlobalAttention, sinusoids
from tests.conftest import hum

ALPHABET = Alphabet((BLANK, *"abcdef", EOS))
DIM, FRAMES, TOKENS = 12, 11, 5
TINY = TransformerOptions(dim=16, heads=2, encoder_layers=2, decoder_layers=3, inner=24)
MAPS = TINY.decoder_layers * TINY.heads


def tiny(seed: int = 0, **changes) -> TransformerDecoder:
    torch.manual_seed(seed)
    decoder = TransformerDecoder(len(ALPHABET), DIM, replace(TINY, **changes))
    for parameter in decoder.parameters():  # large enough for clear preferences
        torch.nn.init.normal_(parameter, std=0.4)
    return decoder.eval()


def speech(lengths=(FRAMES, 7, 3), seed: int = 1):
    torch.manual_seed(seed)
    encoded = torch.randn(len(lengths), max(lengths), DIM)
    return encoded, torch.tensor(lengths), torch.randint(1, len(ALPHABET), (len(lengths), TOKENS))


def walk(decoder, encoded, lengths, targets, intervention=None):
    """The steps that write `targets`, each with its state."""
    memory, state = decoder.begin(encoded, lengths)
    previous, steps = torch.full((len(targets),), ALPHABET.eos), []
    for target in targets.t():
        steps.append(decoder.step(previous, memory, state, intervention))
        previous, state = target, steps[-1].state
    return steps


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


@settings(max_examples=15, deadline=None, derandomize=True)
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


# --- search ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_beam_one_is_greedy(seed):
    decoder, (encoded, lengths, _) = tiny(seed), speech((9,), seed)
    memory, state = decoder.begin(encoded, lengths)
    previous, tokens = torch.tensor([ALPHABET.eos]), []
    while len(tokens) < 9 and ALPHABET.eos not in tokens:
        step = decoder.step(previous, memory, state)
        previous, state = step.logits.argmax(-1), step.state
        tokens.append(int(previous))
    (found,) = decode(decoder, encoded, lengths, ALPHABET)[0]
    assert found.tokens == tuple(tokens)
    assert found.ended == (tokens[-1] == ALPHABET.eos)


SEARCHES = (
    SearchOptions(),
    SearchOptions(beam=4, nbest=3),
    SearchOptions(beam=3, nbest=2, coverage_penalty=0.2, ctc_weight=0.3),
)


@pytest.mark.parametrize("options", SEARCHES)
def test_what_a_search_returns_belongs_to_its_hypothesis(options):
    decoder, (encoded, lengths, _) = tiny(), speech((9, 4, 1, 6))
    ctc = torch.randn(4, 9, len(ALPHABET)).log_softmax(-1)
    for row, found in enumerate(decode(decoder, encoded, lengths, ALPHABET, options, ctc)):
        frames = encoded[row, : lengths[row]]
        for hypothesis in found:
            tokens = torch.tensor([hypothesis.tokens])
            with torch.no_grad():
                logits, _ = decoder(frames[None], lengths[row : row + 1], tokens)
            chosen = logits.log_softmax(-1).gather(2, tokens[..., None])[0, :, 0]
            np.testing.assert_allclose(hypothesis.log_probs, chosen, atol=1e-4)
            maps = decoder.attention_maps(frames, hypothesis.tokens)
            cross = maps.cross.reshape(MAPS, len(hypothesis.tokens), -1)
            np.testing.assert_allclose(hypothesis.weights, cross, atol=1e-5)
            mass = maps.cross_global.reshape(MAPS, -1)
            np.testing.assert_allclose(hypothesis.global_mass, mass, atol=1e-5)


@pytest.mark.parametrize("options", [*SEARCHES, SearchOptions(beam=2, window=(0.1, 0.2))])
def test_recordings_decoded_together_are_decoded_as_alone(options):
    decoder, (encoded, lengths, _) = tiny(3), speech((10, 4, 7), 3)
    ctc = torch.randn(3, 10, len(ALPHABET)).log_softmax(-1)
    together = decode(decoder, encoded, lengths, ALPHABET, options, ctc)
    for row, length in enumerate(lengths.tolist()):
        one = slice(row, row + 1)
        data = encoded[one, :length], lengths[one], ALPHABET, options, ctc[one, :length]
        for mine, theirs in zip(decode(decoder, *data)[0], together[row], strict=True):
            assert mine.tokens == theirs.tokens
            assert mine.weights.shape == (MAPS, len(mine.tokens), length)
            np.testing.assert_allclose(mine.weights, theirs.weights, atol=1e-5)
            np.testing.assert_allclose(mine.global_mass, theirs.global_mass, atol=1e-5)


# --- attention and the global token ---------------------------------------------------------------


def attention_and_source(heads: int = 2, seed: int = 0):
    torch.manual_seed(seed)
    attention = GlobalAttention(8, heads)
    return attention, torch.randn(3, 4, 8), torch.randn(3, 1 + 6, 8)


def test_attention_is_one_softmax_over_positions_and_global_token():
    attention, queries, offered = attention_and_source()
    torch.nn.init.normal_(attention.value.bias)
    reference = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    parts = (attention.query, attention.key, attention.value)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        reference.in_proj_bias.copy_(
            torch.cat([torch.zeros(8) if part.bias is None else part.bias for part in parts])
        )
        reference.out_proj.load_state_dict(attention.output.state_dict())
    hidden = torch.tensor([[False] * 7, [False] * 5 + [True] * 2, [False] * 2 + [True] * 5])
    context, shares = reference(
        queries, offered, offered, key_padding_mask=hidden, average_attn_weights=False
    )
    visible = ~hidden[:, None, None, 1:]
    attended = attention(queries, attention.offer(offered), visible)
    mass = attended.global_mass[..., None]
    torch.testing.assert_close(attended.context, context)
    torch.testing.assert_close(mass, shares[..., :1])
    torch.testing.assert_close((1 - mass) * attended.weights, shares[..., 1:])
    fused = attention.fused(queries, attention.offer(offered), visible)
    torch.testing.assert_close(fused.context, context)
    assert fused.weights is None


def test_a_map_survives_a_global_token_that_takes_everything():
    attention, queries, offered = attention_and_source()
    memory, query = attention.offer(offered), queries[:, :1]
    loud = 1e4 * attention._queries(query)  # (batch, heads, 1, size), the token's key
    drowned = attention(query, memory._replace(keys=torch.cat((loud, memory.keys[:, :, 1:]), 2)))
    torch.testing.assert_close(drowned.global_mass, torch.ones(3, 2, 1))
    torch.testing.assert_close(drowned.weights, attention(query, memory).weights)
    torch.testing.assert_close(drowned.context, attention._merge(memory.values[:, :, :1]))


def test_without_queries_every_map_is_uniform():
    decoder, (encoded, _, _) = tiny(), speech()
    for module in decoder.modules():
        if isinstance(module, GlobalAttention):
            torch.nn.init.zeros_(module.query.weight)
            torch.nn.init.zeros_(module.query.bias)
    maps = decoder.attention_maps(encoded[0], [1, 2, 3])
    rows = np.tril(np.ones((3, 3))) / np.arange(1, 4)[:, None]  # each sees itself and those before
    np.testing.assert_allclose(maps.decoder, np.broadcast_to(rows, (3, 2, 3, 3)), atol=1e-6)
    masses = np.broadcast_to([1 / 2, 1 / 3, 1 / 4], (3, 2, 3))
    np.testing.assert_allclose(maps.decoder_global, masses, atol=1e-6)
    for found, shape in ((maps.encoder, (2, 2, FRAMES, FRAMES)), (maps.cross, (3, 2, 3, FRAMES))):
        np.testing.assert_allclose(found, np.full(shape, 1 / FRAMES), atol=1e-6)
    for found in (maps.encoder_global, maps.cross_global):
        np.testing.assert_allclose(found, 1 / (FRAMES + 1), atol=1e-6)


def test_maps_of_a_transcript_are_whole_and_causal():
    decoder, (encoded, _, _) = tiny(), speech()
    maps = decoder.attention_maps(encoded[0], [1, 2, 3, 2])
    for kind in (maps.encoder, maps.decoder, maps.cross):
        assert kind.dtype == np.float32
        np.testing.assert_allclose(kind.sum(-1), 1, atol=1e-5)
    assert not np.triu(maps.decoder, 1).any()
    assert maps.encoder_global.shape == (2, 2, FRAMES)
    short = decoder.attention_maps(encoded[0], [1, 2, 3, 2], most_frames=FRAMES - 1)
    assert short.encoder is None
    assert short.encoder_global is None
    np.testing.assert_allclose(short.cross, maps.cross, atol=1e-5)


def test_interventions_change_what_is_heard_as_they_say():
    decoder, (encoded, lengths, targets) = tiny(), speech()
    plain = walk(decoder, encoded, lengths, targets)[0]

    def changed(**how):
        return walk(decoder, encoded, lengths, targets, Intervention(**how))[0]

    allowed = torch.zeros(3, FRAMES, dtype=torch.bool)
    allowed[:2, 2:4] = True  # of the third recording nothing: the wish is ignored
    windowed = changed(allowed=allowed)
    assert not windowed.weights[:2, :, ~allowed[0]].any()
    torch.testing.assert_close(windowed.weights.sum(-1), torch.ones(3, MAPS))
    torch.testing.assert_close(windowed.weights[2], plain.weights[2])

    uniform = (torch.arange(FRAMES) < lengths[:, None]) / lengths[:, None]
    for flat in (changed(dropped=frozenset({"content"})), changed(temperature=1e6)):
        torch.testing.assert_close(
            flat.weights, uniform[:, None].expand(3, MAPS, FRAMES), atol=1e-4, rtol=0
        )
    deaf = changed(dropped=frozenset({"global"}))
    assert not deaf.global_mass.any()
    first = slice(0, TINY.heads)  # later layers see a different context
    torch.testing.assert_close(deaf.weights[:, first], plain.weights[:, first])
    torch.testing.assert_close(changed().logits, plain.logits)
    sharp = changed(temperature=0.2).weights[:, first].amax(-1)
    assert (sharp >= plain.weights[:, first].amax(-1) - 1e-6).all()


# --- positions ------------------------------------------------------------------------------------


def test_the_likeness_of_two_positions_depends_on_their_distance_alone():
    places = torch.tensor([[0, 3, 50, 53, 14_000, 14_003]])
    codes = sinusoids(places, 16)[0].double()
    likeness = (codes[::2] * codes[1::2]).sum(-1)
    torch.testing.assert_close(likeness, likeness[:1].expand(3), atol=1e-2, rtol=0)
    assert likeness[0] < 7.9  # of 8 for the same position


def test_training_starts_counting_anywhere_and_decoding_at_zero():
    data = speech()
    plain, anywhere = tiny(), tiny(start=100)
    torch.testing.assert_close(anywhere(*data)[0], plain(*data)[0])
    torch.testing.assert_close(plain.train()(*data)[0], plain.eval()(*data)[0])
    anywhere.train()
    assert (anywhere(*data)[0] - anywhere(*data)[0]).abs().max() > 1e-3


def test_a_recording_far_longer_than_any_other_is_decoded():
    decoder = tiny()
    encoded, lengths, _ = speech((4_000,))
    options = SearchOptions(max_length_ratio=0.001)
    (found,) = decode(decoder, encoded, lengths, ALPHABET, options)[0]
    np.testing.assert_allclose(found.weights.sum(-1), 1, atol=1e-3)
    assert decoder.attention_maps(encoded[0], found.tokens).encoder is None


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
