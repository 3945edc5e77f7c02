"""Search against exhaustive enumeration, a plain greedy loop, single recordings and ESPnet."""

import logging
from argparse import Namespace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.attention import mechanisms
from models.decoding import search
from models.decoding.backpointers import Backpointers, Place
from models.decoding.search import SearchOptions, decode
from tests.support.espnet_decoder import ATYPES, ENCODER_DIM, pair
from tests.support.search_cases import (
    DIM,
    HUGE,
    LETTERS,
    SMALL,
    Scripted,
    chain,
    check_exhaustively,
    rescored,
    run,
    speech,
    tiny,
)


def plain_greedy(decoder, encoded, lengths, eos, limit):
    """The obvious loop, with nothing in common with the search."""
    memory, state = decoder.begin(encoded, lengths)
    previous, tokens, maps = torch.tensor([eos]), [], []
    while len(tokens) < limit and (not tokens or tokens[-1] != eos):
        step = decoder.step(previous, memory, state)
        previous, state = step.logits.argmax(-1), step.state
        tokens.append(int(previous))
        maps.append(step.weights[0])
    return tuple(tokens), torch.stack(maps, 1).numpy()


@pytest.mark.parametrize("mechanism", mechanisms())
def test_beam_one_is_greedy(mechanism):
    for seed in range(4):
        decoder, (encoded, lengths, ctc) = tiny(mechanism, seed=seed), speech(seed=seed)
        with torch.no_grad():
            tokens, maps = plain_greedy(decoder, encoded, lengths, LETTERS.eos, 12)
        for options in (SearchOptions(), SearchOptions(ctc_weight=0.3, nbest=3)):
            (found,) = decode(decoder, encoded, lengths, LETTERS, options, ctc)[0]
            assert found.tokens == tokens
            assert found.ended == (tokens[-1] == LETTERS.eos)
            np.testing.assert_allclose(found.weights, maps, atol=1e-6)


@pytest.mark.parametrize("mechanism", mechanisms())
@pytest.mark.parametrize("beam", [1, 3])
def test_a_batch_is_its_members(mechanism, beam):
    decoder, (encoded, lengths, ctc) = tiny(mechanism), speech((12, 5, 9, 1))
    options = SearchOptions(
        beam=beam, ctc_weight=0.2, coverage_penalty=0.1, window=(0.1, 0.2), nbest=2
    )
    together = decode(decoder, encoded, lengths, LETTERS, options, ctc)
    for row, length in enumerate(lengths.tolist()):
        one = slice(row, row + 1)
        alone = decode(
            decoder, encoded[one, :length], lengths[one], LETTERS, options, ctc[one, :length]
        )[0]
        assert [each.tokens for each in alone] == [each.tokens for each in together[row]]
        for mine, theirs in zip(alone, together[row], strict=True):
            assert mine.weights.shape == (decoder.attention.heads, len(mine.tokens), length)
            np.testing.assert_allclose(mine.weights, theirs.weights, atol=1e-5)
            np.testing.assert_allclose(mine.log_probs, theirs.log_probs, atol=1e-5, rtol=1e-5)
            assert mine.score == pytest.approx(theirs.score, abs=1e-5, rel=1e-6)


@settings(max_examples=15)
@given(
    st.sampled_from(list(mechanisms())),
    st.integers(0, 1000),
    st.lists(st.integers(1, 10), min_size=1, max_size=4),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_what_is_returned_belongs_to_the_hypothesis(mechanism, seed, lengths, beam, ctc_weight):
    decoder, (encoded, sizes, ctc) = tiny(mechanism, seed=seed), speech(lengths, seed=seed)
    options = SearchOptions(beam=beam, nbest=2, ctc_weight=ctc_weight)
    for row, found in enumerate(decode(decoder, encoded, sizes, LETTERS, options, ctc)):
        assert 1 <= len(found) <= 2
        assert [each.score for each in found] == sorted((h.score for h in found), reverse=True)
        for hypothesis in found:
            one, size = encoded[row : row + 1, : lengths[row]], sizes[row : row + 1]
            log_probs, maps = rescored(decoder, one, size, hypothesis)
            np.testing.assert_allclose(hypothesis.log_probs, log_probs, atol=1e-5, rtol=1e-5)
            np.testing.assert_allclose(hypothesis.weights, maps, atol=1e-5)
            assert hypothesis.weights.dtype == hypothesis.log_probs.dtype == np.float32
            assert hypothesis.ended == (hypothesis.tokens[-1] == LETTERS.eos)
            assert hypothesis.ended or len(hypothesis.tokens) == lengths[row]
            assert LETTERS.eos not in hypothesis.tokens[:-1]


@settings(max_examples=10)
@given(st.integers(0, 1000), st.sampled_from([0.0, -0.7, 0.9]))
def test_a_huge_beam_finds_the_best_of_all(seed, penalty):
    decoder, (encoded, lengths, _) = tiny("dot", SMALL, seed), speech((4,), SMALL, seed)
    options = SearchOptions(**vars(HUGE) | {"length_penalty": penalty})
    check_exhaustively(
        decoder, encoded, lengths, options, lambda tokens, total: total + penalty * len(tokens)
    )


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_a_huge_beam_with_ctc_finds_the_best_of_all(seed):
    decoder = tiny("location", SMALL, seed)
    encoded, lengths, ctc = speech((4,), SMALL, seed)
    # CTC's sums over all paths of four frames, whose end of sentence is a token like any other.
    sums = {}
    for path in product(range(4), repeat=4):
        kept = [t for i, t in enumerate(path) if t and (i == 0 or t != path[i - 1])]
        probability = float(ctc[0, range(4), path].double().sum().exp())
        sums[tuple(kept)] = sums.get(tuple(kept), 0.0) + probability

    def score(tokens, total):
        if SMALL.blank in tokens:
            return -1e10
        if tokens[-1] == SMALL.eos:
            probability = sums.get(tokens[:-1], 0.0)
        else:
            probability = sum(p for t, p in sums.items() if t[: len(tokens)] == tokens)
        return 0.6 * total + 0.4 * float(np.log(max(probability, 1e-300)))

    options = SearchOptions(beam=300, nbest=3, ctc_weight=0.4)
    check_exhaustively(decoder, encoded, lengths, options, score, ctc)


def test_a_wide_beam_does_not_collapse_to_a_short_transcript():
    # Eleven fairly sure letters and the end; the end is possible, though unlikely, at once.
    decoder = Scripted(chain(*[[0, 0.7, 0.25, 0.05]] * 11, [0, 0.05, 0.05, 0.9]))
    (whole,) = run(decoder, SearchOptions(beam=5), frames=20)
    assert whole.tokens == (1,) * 11 + (SMALL.eos,)
    (short,) = run(decoder, SearchOptions(beam=5, length_normalised=False), frames=20)
    assert short.tokens == (SMALL.eos,), "0.05 is more than 0.7 ** 11 * 0.9"
    (paid,) = run(decoder, SearchOptions(beam=5, length_penalty=1.0), frames=20)
    assert paid.tokens == whole.tokens


def test_the_whole_hypothesis_wins_over_its_greedy_beginning():
    # Greedy takes a (0.6), then is lost; b (0.4) is followed by a sure end.
    start, after = [0, 0.6, 0.4, 0], [[0.25] * 4, [0.1, 0.3, 0.3, 0.3], [0, 0, 0.01, 0.99]]
    decoder = Scripted([[start] * 4, [*after, [0, 0, 0, 1]]])
    assert run(decoder)[0].tokens[0] == 1
    assert run(decoder, SearchOptions(beam=2))[0].tokens == (2, SMALL.eos)


def test_a_decoder_that_never_ends_is_stopped():
    decoder = Scripted(chain([0, 0.9, 0.1, 0]))
    for beam in (1, 3):
        (found,) = run(decoder, SearchOptions(beam=beam, max_length_ratio=0.5), frames=9)
        assert found.tokens == (1,) * 4
        assert not found.ended
    (found,) = run(decoder, SearchOptions(max_length_ratio=0.01), frames=9)
    assert len(found.tokens) == 1


def test_a_loop_after_the_end_does_not_win():
    # Ending is as likely as it ever gets after two letters; going on becomes ever surer of itself.
    decoder = Scripted(chain([0, 0.9, 0, 0.1], [0, 0.9, 0, 0.1], [0, 0.1, 0, 0.9], [0, 1, 0, 0]))
    (found,) = run(decoder, SearchOptions(beam=4), frames=100)
    assert found.tokens == (1, 1, SMALL.eos)


def test_coverage_prefers_the_hypothesis_that_listens_on():
    # After a the decoder listens to the first frame again, after b to the second one.
    decoder = Scripted(
        chain([0, 0.55, 0.45, 0], [0, 0, 0, 1]),
        maps=[[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]],
    )
    assert run(decoder, SearchOptions(beam=2), frames=3)[0].tokens == (1, 3)
    found = run(decoder, SearchOptions(beam=2, coverage_penalty=1.0, nbest=2), frames=3)
    assert [each.tokens for each in found] == [(2, 3), (1, 3)]
    # Both heard the first frame, b the second one as well.
    assert [2 * each.score for each in found] == pytest.approx(
        [np.log(0.45) + 2, np.log(0.55) + 1], abs=1e-5
    )


@pytest.mark.parametrize("mechanism", ["dot", "location", "multi_head_dot", "forward"])
@pytest.mark.parametrize("beam", [1, 4])
def test_windows_are_respected(mechanism, beam):
    decoder, (encoded, lengths, _) = tiny(mechanism), speech((40, 25))
    torch.nn.init.constant_(decoder.output.bias[LETTERS.eos], -100.0)  # so that it goes on
    options = SearchOptions(beam=beam, window=(0.08, 0.2), max_length_ratio=0.5)
    for found in decode(decoder, encoded, lengths, LETTERS, options):
        peaks = [0, *found[0].weights.mean(0).argmax(-1)]
        for row, peak in zip(found[0].weights.mean(0), peaks, strict=False):
            inside = row[max(0, peak - 2) : peak + 6]
            assert inside.sum() == pytest.approx(1, abs=1e-5)
    assert len(peaks) > 3, "a search of some steps"


@pytest.mark.parametrize("beam", [1, 3])
def test_padding_beyond_the_longest_recording_changes_nothing(beam):
    decoder, (encoded, lengths, _) = tiny(), speech((12, 8))
    options = SearchOptions(beam=beam, window=(0.08, 0.2), coverage_penalty=0.1)
    padded = torch.nn.functional.pad(encoded, (0, 0, 0, 5), value=9.0)
    expected = decode(decoder, encoded, lengths, LETTERS, options)
    for (one,), (other,) in zip(
        expected, decode(decoder, padded, lengths, LETTERS, options), strict=True
    ):
        assert one.tokens == other.tokens
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-5)


def test_more_than_the_whole_recording_is_the_whole():
    decoder, (encoded, lengths, _) = tiny(), speech((12, 8))
    torch.nn.init.constant_(decoder.output.bias[LETTERS.eos], -100.0)
    plain = decode(decoder, encoded, lengths, LETTERS, SearchOptions(max_length_ratio=1e-300))
    assert [len(one.tokens) for (one,) in plain] == [1, 1]
    wide = SearchOptions(max_length_ratio=1e-300, window=(1e300, 1e300))
    for (one,), (other,) in zip(
        plain, decode(decoder, encoded, lengths, LETTERS, wide), strict=True
    ):
        np.testing.assert_array_equal(one.weights, other.weights)
    ending = Scripted(chain([0, 0.9, 0, 0.1], [0, 0, 0, 1]))
    assert run(ending, SearchOptions(max_length_ratio=1e300))[0].tokens == (1, SMALL.eos)


def test_temperature_sharpens_the_maps():
    decoder, (encoded, lengths, _) = tiny("location"), speech((30,))
    peaks = []
    for temperature in (4.0, 1.0, 0.25):
        options = SearchOptions(temperature=temperature, max_length_ratio=0.1)
        peaks.append(decode(decoder, encoded, lengths, LETTERS, options)[0][0].weights[:, 0].max())
    assert peaks[0] < peaks[1] < peaks[2]


def test_the_mode_of_the_decoder_is_restored_and_dropout_is_off():
    decoder, data = tiny(dropout=0.5), speech((12, 8))[:2]
    evaluated = decode(decoder, *data, LETTERS)
    decoder.train()
    trained = decode(decoder, *data, LETTERS)
    assert decoder.training
    assert all(module.training for module in decoder.modules())
    for one, other in zip(evaluated, trained, strict=True):
        assert one[0].tokens == other[0].tokens
    assert not any(parameter.grad_fn for parameter in decoder.parameters())


def test_a_part_in_another_mode_than_the_whole_keeps_it():
    decoder, data = tiny(), speech()[:2]
    decoder.training = True  # as a new module around one that is loaded for decoding
    modes = [module.training for module in decoder.modules()]
    assert set(modes) == {True, False}
    decode(decoder, *data, LETTERS)
    assert [module.training for module in decoder.modules()] == modes


@pytest.mark.parametrize(
    "wrong",
    [
        {"beam": 0},
        {"nbest": 0},
        {"ctc_weight": 1.5},
        {"max_length_ratio": 0.0},
        {"max_length_ratio": np.inf},
        {"max_length_ratio": np.nan},
        {"temperature": 0.0},
        {"window": (-1.0, 1.0)},
        {"window": (np.inf, 1.0)},
        {"window": (1.0, np.nan)},
        {"lm_weight": -0.1},
    ],
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValueError, match=r"\w+"):
        SearchOptions(**wrong)


def test_joint_decoding_needs_ctc():
    with pytest.raises(ValueError, match="CTC"):
        decode(tiny(), *speech()[:2], LETTERS, SearchOptions(ctc_weight=0.3))


def test_no_recordings_no_hypotheses():
    assert decode(tiny(), torch.zeros(0, 5, DIM), torch.zeros(0, dtype=torch.long), LETTERS) == []


@pytest.mark.parametrize("every", [1, 2])
def test_dropping_unneeded_maps_changes_nothing(monkeypatch, every):
    decoder, (encoded, lengths, ctc) = tiny("coverage"), speech((30, 24, 30))
    options = SearchOptions(beam=5, nbest=5, ctc_weight=0.3)
    kept = decode(decoder, encoded, lengths, LETTERS, options, ctc)
    monkeypatch.setattr(search, "PRUNE_EVERY", every)
    for one, other in zip(
        kept, decode(decoder, encoded, lengths, LETTERS, options, ctc), strict=True
    ):
        assert [each.tokens for each in one] == [each.tokens for each in other]
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine.weights, theirs.weights)


def test_backpointers_keep_only_what_is_wanted():
    history = Backpointers()
    maps = torch.arange(12.0).reshape(3, 4)  # step, two recordings with two slots each
    for step, parents in enumerate(([[0, 0], [0, 0]], [[1, 0], [0, 1]], [[1, 1], [1, 0]])):
        tokens = torch.arange(4) + 10 * step
        weights = maps[step].reshape(4, 1, 1)
        mass = 0.5 * maps[step].reshape(4, 1)  # half of the weight, to know it again
        history.add((7, 8), torch.tensor(parents), tokens, -tokens.double(), weights, mass)
    wanted = Place(2, 8, 1), Place(1, 7, 0)
    before = [history.trace(place) for place in wanted]
    assert before[0].tokens == (2, 12, 23)
    assert [float(each) for each in before[0].maps] == [2, 6, 10]
    assert before[1].tokens == (1, 10)
    assert [float(each) for each in before[1].maps] == [0, 5]
    assert [float(each) for each in before[0].global_mass] == [1, 3, 5]
    assert history.bytes == 2 * 12 * 4
    history.prune(wanted)
    assert history.bytes == 2 * 5 * 4
    assert [len(step.weights) for step in history.steps] == [2, 2, 1]
    history.prune(wanted)
    for old, place in zip(before, wanted, strict=True):
        new = history.trace(place)
        assert new.tokens == old.tokens
        assert new.maps == old.maps
        assert new.global_mass == old.global_mass


@pytest.mark.parametrize("atype", ATYPES)
@pytest.mark.parametrize(
    ("beam", "ctc_weight", "penalty"),
    [(4, 0.0, 0.0), (4, 0.0, 0.4), (4, 0.3, 0.0), (1, 0.0, 0.0), (1, 0.9, 0.0), (1, 1.0, 0.0)],
)
def test_same_hypotheses_as_espnet(atype, beam, ctc_weight, penalty, monkeypatch):
    monkeypatch.setattr(logging.root, "disabled", True)
    theirs, ours = pair(atype, len(LETTERS), context_residual=True)
    torch.manual_seed(2)
    encoded = torch.randn(14, ENCODER_DIM)
    ctc = (2 * torch.randn(14, len(LETTERS))).log_softmax(-1)
    asked = Namespace(
        beam_size=beam,
        penalty=penalty,
        ctc_weight=ctc_weight,
        maxlenratio=0.7,
        minlenratio=0.0,
        nbest=3,
        lm_weight=0.0,
    )
    with torch.no_grad():
        expected = theirs.recognize_beam(
            encoded, ctc if ctc_weight else None, asked, LETTERS.tokens
        )
    options = SearchOptions(
        beam=beam,
        max_length_ratio=0.7,
        length_penalty=penalty,
        ctc_weight=ctc_weight,
        nbest=3,
        length_normalised=False,
    )
    found = decode(ours, encoded[None], torch.tensor([14]), LETTERS, options, ctc[None])[0]
    assert len(found) == len(expected)
    for mine, other in zip(found, expected, strict=True):
        written = tuple(map(int, other["yseq"][1:]))  # ESPnet ends those at the limit, too
        assert written == mine.tokens if mine.ended else written == (*mine.tokens, LETTERS.eos)
        if mine.score > -1e9:  # greedy may take what CTC finds impossible: -1e10, lost in float32
            assert float(other["score"]) == pytest.approx(mine.score, abs=1e-3)
