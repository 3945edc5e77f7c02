"""The Transformer's maps: the global token stands apart, positions, interventions."""

import numpy as np
import pytest
import torch

from models.attention.base import Intervention
from models.decoders.transformer_layers import GlobalAttention, sinusoids
from models.decoding.search import SearchOptions, decode
from tests.support.small_transformer import ALPHABET, FRAMES, MAPS, TINY, speech, tiny, walk

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


def test_decoding_leaves_the_random_numbers_alone():
    decoder, (encoded, lengths, _) = tiny(start=100), speech()
    before = torch.get_rng_state()
    decode(decoder, encoded, lengths, ALPHABET)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_recording_far_longer_than_any_other_is_decoded():
    decoder = tiny()
    encoded, lengths, _ = speech((4_000,))
    options = SearchOptions(max_length_ratio=0.001)
    (found,) = decode(decoder, encoded, lengths, ALPHABET, options)[0]
    np.testing.assert_allclose(found.weights.sum(-1), 1, atol=1e-3)
    assert decoder.attention_maps(encoded[0], found.tokens).encoder is None
