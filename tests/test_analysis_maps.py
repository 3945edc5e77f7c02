"""Many maps at once give what each gives alone, whatever they are padded with."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.alignment import Alignment, head_maps, mean_maps
from analysis.diagnosis import METRICS, diagnose, measure, measure_many, measure_maps
from analysis.maps import BLOCK
from analysis.signals.masked_stats import compact, masked_mean, midranks, quantile
from analysis.signals.runs import runs_of_rows
from tests.support.failing_maps import EDITS, make


def same(batch, item, alone):
    for name, value in alone.items():
        if name in METRICS:
            found = batch[name][item]
            assert (value is None) == bool(np.isnan(found)), name
            assert value is None or found == pytest.approx(value, rel=1e-5, abs=1e-6), name


def test_a_batch_of_all_kinds_gives_what_each_map_gives_alone():
    alignments = [make((41, seed), name).alignment for seed, name in enumerate(EDITS)]
    batch = measure_maps(mean_maps(alignments))
    for item, alignment in enumerate(alignments):
        same(batch, item, measure(alignment))


def test_parts_of_any_size_give_the_same():
    alignments = [make((42, seed), "healthy").alignment for seed in range(7)]
    whole, parts = measure_many(alignments, 7), measure_many(iter(alignments), 3)
    for name in METRICS:
        np.testing.assert_allclose(whole[name], parts[name], rtol=1e-5, atol=1e-6)
    assert all(len(values) == 0 for values in measure_many([]).values())


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("cells", [1, 20_000])
def test_long_maps_are_measured_in_blocks_with_the_same_result(heads, cells, monkeypatch):
    for seed, name in enumerate(list(EDITS)[::2]):
        one = make((43, seed), name).alignment
        own = one.weights[0, 0]
        different = [own, own[:, ::-1], 0.5 * own + 0.5 / one.frames][:heads]  # no two alike
        alignment = replace(one, weights=np.stack(different)[None].astype(np.float32))
        known = {
            "token_seconds": np.linspace(0, one.seconds, len(one.tokens)),
            "global_mass": np.linspace(0, 1, heads)[None, :, None] * np.ones(len(one.tokens)),
        }
        whole = diagnose(alignment.light(), **known)
        assert len({str(report) for report in whole.heads}) == heads
        with monkeypatch.context() as patch:
            patch.setattr("analysis.maps.BLOCK", cells)
            patch.setattr("analysis.alignment.BLOCK", cells)
            assert diagnose(replace(alignment), **known) == whole


def test_measuring_long_maps_needs_little_more_memory_than_the_maps():
    rng = np.random.default_rng(0)
    heads, rows, frames = 3, 2500, 2600
    weights = np.full((heads, rows, frames), 0.1 / frames, np.float32)
    path = np.linspace(0, frames - 1, rows).astype(int)
    weights[:, np.arange(rows), path] += 0.9
    alignment = Alignment.from_arrays(weights, rng.choice(list("abc "), rows).tolist(), 0.04)
    del weights
    size, block = 4 * rows * frames, 4 * BLOCK  # bytes of one head, and of what is measured at once
    tracemalloc.start()
    diagnose(alignment)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * size + 8 * block


def test_a_light_alignment_is_the_same_without_its_measurements():
    alignment = make((44, 0), "loop").alignment
    before = diagnose(alignment)
    light = alignment.light()
    assert "maps" in vars(alignment)
    assert "maps" not in vars(light)
    assert light.rows is alignment.rows
    assert light.weights is alignment.weights
    assert diagnose(light) == before


@st.composite
def odd_maps(draw):
    """Few or no tokens, one frame or many, flat or sharp, silent or not."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    made = []
    for _ in range(draw(st.integers(1, 4))):
        rows, frames = int(rng.integers(0, 9)), int(rng.integers(1, 30))
        weights = rng.dirichlet(np.full(frames, rng.choice([0.05, 1.0, 1e4])), rows)
        if rng.random() < 0.2:
            weights = np.full((rows, frames), 1 / frames)
        tokens = rng.choice(["a", "b", "no", " ", "<eos>"], rows).tolist()
        speech = [None, rng.random(frames) < 0.6, np.zeros(frames, bool)][rng.integers(3)]
        seconds = float(rng.choice([0.01, 0.04, 0.08]))
        made.append(
            Alignment.from_arrays(weights, tokens, seconds, speech=speech, renormalise=True)
        )
    return made


@given(odd_maps())
@settings(max_examples=60)
def test_odd_maps_do_not_disturb_each_other(alignments):
    batch = measure_maps(mean_maps(alignments))
    for item, alignment in enumerate(alignments):
        same(batch, item, measure(alignment))


def test_heads_as_a_batch_are_normalised_and_in_order():
    weights = np.random.default_rng(0).random((2, 3, 4, 5))
    alignment = Alignment.from_arrays(weights, list("abcd"), 0.04, renormalise=True)
    maps = head_maps(alignment)
    assert len(maps) == 6
    np.testing.assert_allclose(maps.weights.sum(axis=2), 1, atol=1e-6)
    np.testing.assert_allclose(maps.weights[4], alignment.weights[1, 1], atol=1e-6)


def test_ragged_statistics():
    values = np.array([[3.0, 1.0, 2.0, 9.0], [5.0, 5.0, 7.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 1], [0, 0, 0, 0]], bool)
    kept, counts = compact(values, mask)
    assert counts.tolist() == [3, 3, 0]
    assert kept[:2].tolist() == [[3, 1, 2], [5, 5, 0]]
    assert np.isnan(kept[2]).all()
    np.testing.assert_allclose(quantile(values, mask, 0.5), [2, 5, np.nan])
    np.testing.assert_allclose(quantile(values, mask, 0.25), [1.5, 2.5, np.nan])
    np.testing.assert_allclose(quantile(values, mask, 0.45, lower=True), [1, 0, np.nan])
    np.testing.assert_allclose(masked_mean(values, mask), [2, 10 / 3, np.nan])
    assert midranks(kept, counts)[:2].tolist() == [[2, 0, 1], [1.5, 1.5, 0]]


def test_runs_of_rows_do_not_run_into_each_other():
    mask = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 1]], bool)
    runs = runs_of_rows(mask)
    assert list(zip(*(part.tolist() for part in runs), strict=True)) == [
        (0, 1, 3), (1, 0, 1), (1, 2, 3), (3, 0, 3)
    ]  # fmt: skip
