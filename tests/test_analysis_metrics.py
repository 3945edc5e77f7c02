"""Metrics on maps whose values follow from how they were made, and invariants of all of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.alignment import Alignment
from analysis.diagnosis import METRICS, measure
from analysis.metrics.coverage import passes
from analysis.metrics.diagonality import monotonic_path
from tests.support.failing_maps import EDITS, make
from tests.support.maps import Look, random_look

FRAME = 0.04


def peaks(places, frames=60, width=1.2, tokens=None, **optional):
    """A map with a Gaussian of `width` frames at each place."""
    rows = np.exp(-(((np.arange(frames) - np.asarray(places)[:, None]) / width) ** 2) / 2) + 1e-9
    tokens = tokens or [f"word{i}" for i in range(len(rows))]
    weights = rows / rows.sum(axis=1, keepdims=True)
    return Alignment.from_arrays(weights, tokens, FRAME, **spoken(frames) | optional)


def spoken(frames):
    """Somebody speaks all the time."""
    return {"speech": np.ones(frames, bool)}


def uniform(tokens=5, frames=40):
    words = [f"w{i}" for i in range(tokens)]
    weights = np.full((tokens, frames), 1 / frames)
    return Alignment.from_arrays(weights, words, FRAME, **spoken(frames))


DIAGONAL = [3, 8, 13, 18, 23, 28, 33, 38, 43, 48, 53, 57]
LOOPED = [3, 8, 13, 18, 8, 13, 18, 8, 13, 18, 23, 28]

KNOWN = [
    ("forward", DIAGONAL, "monotonicity", 1.0),
    ("reversed", DIAGONAL[::-1], "monotonicity", -1.0),
    ("swapped pair", [3, 8, 18, 13, 23], "monotonicity", 0.9),
    ("order only, not distance", [1, 2, 3, 4, 59], "monotonicity", 1.0),
    ("ties share a rank", [10, 10, 30, 30], "monotonicity", 0.8944),
    ("all at one place", [20, 20, 20], "monotonicity", None),
    ("forward", DIAGONAL, "forward_share", 1.0),
    ("reversed", DIAGONAL[::-1], "forward_share", 0.0),
    ("two returns in eleven steps", LOOPED, "forward_share", 9 / 11),
    ("resting is not going back", [5, 5, 5, 9], "forward_share", 1.0),
    ("forward", DIAGONAL, "backward_seconds", 0.0),
    ("two returns of ten frames", LOOPED, "backward_seconds", 20 * FRAME),
    ("reversed", DIAGONAL[::-1], "backward_seconds", 54 * FRAME),
    ("forward", DIAGONAL, "reread_seconds", 0.0),
    ("two more readings of eleven frames", LOOPED, "reread_seconds", 22 * FRAME),
    ("forward", DIAGONAL, "coverage", 1.0),
    ("forward", DIAGONAL, "skipped_seconds", 0.0),
]


@pytest.mark.parametrize(("name", "places", "metric", "expected"), KNOWN)
def test_metrics_of_the_path(name, places, metric, expected):
    value = METRICS[metric](peaks(places))
    if expected is None:
        assert value is None
    else:
        assert value == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("monotonicity", None),
        ("forward_share", None),
        ("backward_seconds", None),
        ("reread_seconds", None),
        ("diagonality", 0.0),
        ("path_diagonality", 0.0),
        ("focus", 1 / 40),
        ("entropy", 1.0),
        ("width_seconds", 40 * FRAME),
        ("coverage", 1.0),
        ("skipped_seconds", 0.0),
        ("tokens_per_second", 5 / (40 * FRAME)),
    ],
)
def test_uniform_rows(metric, expected):
    assert METRICS[metric](uniform()) == (
        None if expected is None else pytest.approx(expected, abs=1e-5)
    )


def test_one_hot_rows():
    alignment = Alignment.from_arrays(np.eye(20), [f"w{i}" for i in range(20)], FRAME)
    values = measure(alignment)
    assert values["focus"] == 1
    assert values["entropy"] == pytest.approx(0, abs=1e-6)
    assert values["width_seconds"] == pytest.approx(FRAME)
    assert values["diagonality"] == pytest.approx(1)
    assert values["path_diagonality"] == pytest.approx(1)
    assert values["monotonicity"] == pytest.approx(1)


def test_the_width_of_an_even_row_is_its_length():
    rows = np.zeros((2, 50))
    rows[0, 10:15] = 1 / 5
    rows[1, 20:30] = 1 / 10
    alignment = Alignment.from_arrays(rows, ["a", "b"], FRAME)
    assert METRICS["width_seconds"](alignment) == pytest.approx(7.5 * FRAME, rel=1e-5)
    assert METRICS["focus"](alignment) == pytest.approx((1 / 5 + 1 / 10) / 2, rel=1e-5)
    expected = (math.log(5) + math.log(10)) / 2 / math.log(50)
    assert METRICS["entropy"](alignment) == pytest.approx(expected, rel=1e-5)


def test_peakiness_is_not_diagonality():
    for places in (DIAGONAL, DIAGONAL[::-1], np.random.default_rng(3).permutation(DIAGONAL)):
        assert METRICS["focus"](peaks(places)) == pytest.approx(
            METRICS["focus"](peaks(DIAGONAL)), rel=0.02
        )
    assert METRICS["diagonality"](peaks(DIAGONAL)) > 0.9
    assert METRICS["diagonality"](peaks(DIAGONAL[::-1])) < 0.1
    assert METRICS["path_diagonality"](peaks(DIAGONAL[::-1])) < 0.3


def test_half_of_the_mass_outside_the_band_is_half_as_diagonal():
    mixed = (peaks(DIAGONAL).map + uniform(12, 60).map) / 2
    alignment = Alignment.from_arrays(mixed, [f"w{i}" for i in range(12)], FRAME)
    assert METRICS["diagonality"](alignment) == pytest.approx(0.5, abs=0.05)


def test_a_pause_bends_the_path_but_not_the_attention():
    places = [2, 4, 6, 8, 10, 12, 100, 104, 108, 112, 116]
    alignment = peaks(places, frames=120)
    assert METRICS["diagonality"](alignment) < 0.6
    assert METRICS["path_diagonality"](alignment) > 0.95


def test_the_straight_line_runs_through_the_speech():
    places = [42 + 3 * i for i in range(10)]
    speech = np.zeros(120, bool)
    speech[40:72] = True
    assert METRICS["diagonality"](peaks(places, frames=120, speech=speech)) > 0.95
    assert METRICS["diagonality"](peaks(places, frames=120)) < 0.6


def test_bimodal_rows_are_where_their_larger_peak_is():
    forward, far = peaks(DIAGONAL).map, peaks(DIAGONAL[::-1]).map
    tokens = [f"w{i}" for i in range(12)]
    mixed = Alignment.from_arrays(0.6 * forward + 0.4 * far, tokens, FRAME)
    assert METRICS["monotonicity"](mixed) > 0.95
    centres = mixed.map @ np.arange(60)  # nearly all the same
    assert np.ptp(centres) < 0.3 * np.ptp(DIAGONAL)


def test_special_tokens_and_spaces_have_no_say_in_order():
    tokens = ["<sos>", "a", "b", " ", "c", "d", "<eos>"]
    alignment = peaks([50, 5, 10, 55, 20, 30, 2], tokens=tokens)
    assert METRICS["monotonicity"](alignment) == pytest.approx(1)
    assert METRICS["forward_share"](alignment) == 1
    assert METRICS["backward_seconds"](alignment) == 0


def test_a_final_token_that_hears_the_rest_does_not_cover_it():
    tokens = [*"abcdefgh", "<eos>"]
    row = np.full((1, 100), 1e-6)
    row[0, 30:] = 1 / 70
    weights = np.concatenate([peaks(range(2, 26, 3), frames=100).map, row / row.sum()])
    alignment = Alignment.from_arrays(weights, tokens, FRAME, **spoken(100))
    assert METRICS["coverage"](alignment) == pytest.approx(0.26, abs=0.04)
    assert METRICS["skipped_seconds"](alignment) == pytest.approx(2.95, abs=0.15)


def test_skipped_speech_is_measured_and_silence_is_not_missed():
    places = [*range(2, 40, 3), *range(102, 140, 3)]
    missing = (102 - 39 - 2) * FRAME
    unheard = peaks(places, frames=142)
    assert METRICS["skipped_seconds"](unheard) == pytest.approx(missing, abs=0.15)
    speech = np.ones(142, bool)
    speech[41:101] = False
    silent = peaks(places, frames=142, speech=speech)
    assert METRICS["skipped_seconds"](silent) == 0
    assert METRICS["coverage"](silent) == 1
    unknown = peaks(places, frames=142, speech=None)
    for name in ("coverage", "skipped_seconds", "tokens_per_second"):
        assert METRICS[name](unknown) is None


def test_padding_at_the_end_without_weight_is_no_part_of_the_line():
    padded = np.pad(peaks(DIAGONAL).map * (peaks(DIAGONAL).map > 1e-6), ((0, 0), (0, 400)))
    words = [f"w{i}" for i in range(12)]
    alignment = Alignment.from_arrays(padded, words, FRAME)
    assert METRICS["diagonality"](alignment) > 0.9
    heard = Alignment.from_arrays(padded, words, FRAME, **spoken(460))
    assert METRICS["diagonality"](heard) < 0.3


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["no", "no", "no", "yes"], 2),
        (["a", "cat", "a", "cat", "<eos>"], 2),
        (list("hello"), 0),
        (list("no no"), 2),
        (list("no no no"), 5),
        (["yes"], 0),
    ],
)
def test_repeated_tokens(tokens, expected):
    places = np.linspace(3, 55, len(tokens))
    assert METRICS["repeated_tokens"](peaks(places, tokens=tokens)) == expected


def test_tokens_per_second_of_speech():
    speech = np.zeros(60, bool)
    speech[10:35] = True
    alignment = peaks([12, 20, 30, 59], tokens=["a", "b", "c", "<eos>"], speech=speech)
    assert METRICS["tokens_per_second"](alignment) == pytest.approx(3.0)


@pytest.mark.parametrize("speech", [None, "silence"])
@pytest.mark.parametrize("rows", [0, 1, 2, 5])
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_the_smallest_maps_have_numbers_or_none(rows, frames, speech):
    weights = np.full((rows, frames), 1 / frames)
    mask = None if speech is None else np.zeros(frames, bool)
    alignment = Alignment.from_arrays(weights, ["a"] * rows, FRAME, speech=mask)
    values = measure(alignment)
    assert all(value is None or math.isfinite(value) for value in values.values())
    if rows == 0:
        assert {name for name, value in values.items() if value is not None} <= {
            "coverage", "skipped_seconds", "repeated_tokens", "tokens_per_second"
        }  # fmt: skip
    if rows < 2:
        assert values["monotonicity"] is None
    if frames == 1:
        assert values["entropy"] is None
    if speech is not None:
        for name in ("coverage", "skipped_seconds", "tokens_per_second", "diagonality"):
            assert values[name] is None


def test_more_tokens_than_frames():
    weights, words = np.repeat(np.eye(6), 4, axis=0), [f"w{i}" for i in range(24)]
    alignment = Alignment.from_arrays(weights, words, FRAME, **spoken(6))
    values = measure(alignment)
    assert values["monotonicity"] > 0.95
    assert values["forward_share"] == 1
    assert values["tokens_per_second"] == pytest.approx(100)


def test_passes_start_where_attention_falls_back():
    places = np.array([[1.0, 3, 5, 4.5, 6, 2, 4, 6, 8, 1], [9, 5, 1, 2, 3, 4, 5] + [np.nan] * 3])
    first, second = passes(places, np.array([1.0, 3.5])).tolist()
    assert first == [0, 0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert second[:7] == [0, 1, 2, 2, 2, 2, 2]


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 5), frames=st.integers(1, 6))
@settings(max_examples=60)
def test_the_monotonic_path_holds_the_most_mass_of_all(seed, rows, frames):
    weights = np.random.default_rng(seed).dirichlet(np.ones(frames), rows)
    # frames so long that smoothing does nothing
    alignment = Alignment.from_arrays(weights, [f"w{i}" for i in range(rows)], 1.0)
    path = monotonic_path(alignment)
    assert (np.diff(path) >= 0).all()
    best = np.zeros(frames)
    for row in weights:
        best = np.array([best[: frame + 1].max() + row[frame] for frame in range(frames)])
    assert weights[np.arange(rows), path].sum() == pytest.approx(best.max(), rel=1e-5)


RANGES = {
    "monotonicity": (-1, 1),
    "forward_share": (0, 1),
    "backward_seconds": (0, math.inf),
    "diagonality": (0, 1),
    "path_diagonality": (0, 1),
    "focus": (0, 1),
    "entropy": (0, 1),
    "width_seconds": (0, math.inf),
    "coverage": (0, 1),
    "skipped_seconds": (0, math.inf),
    "reread_seconds": (0, math.inf),
    "alignment_error_ms": (0, math.inf),
    "repeated_tokens": (0, math.inf),
    "tokens_per_second": (0, math.inf),
}


@st.composite
def random_maps(draw):
    """Anything: sharp or flat rows, few or many, with or without speech."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    rows, frames = draw(st.integers(0, 12)), draw(st.integers(1, 40))
    weights = rng.dirichlet(np.full(frames, draw(st.sampled_from([0.05, 1.0, 100.0]))), rows)
    tokens = rng.choice(["a", "b", "no", " ", "<eos>"], rows).tolist()
    speech = draw(st.sampled_from([None, rng.random(frames) < 0.7]))
    return Alignment.from_arrays(weights, tokens, 0.04, speech=speech, renormalise=True)


@given(random_maps())
@settings(max_examples=120)
def test_every_metric_is_in_its_range_or_none(alignment):
    values = measure(alignment)
    assert set(values) == set(RANGES)
    for name, value in values.items():
        low, high = RANGES[name]
        assert value is None or (type(value) is float and low <= value <= high), name


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_metrics_do_not_depend_on(name, seed):
    look = random_look(np.random.default_rng(seed))
    alignment = make((77, seed), name, Look(**{**vars(look), "mask": True})).alignment
    plain = measure(alignment)
    later = measure(remade(alignment, start_seconds=11.5))
    assert later == pytest.approx(plain, nan_ok=True)
    padded = measure(padded_with_silence(alignment, 37))
    for metric, value in plain.items():
        assert padded[metric] == pytest.approx(value, abs=1e-4), metric


def remade(alignment, **changes):
    kept = {"frame_seconds": alignment.frame_seconds, "speech": alignment.speech}
    return Alignment.from_arrays(alignment.weights, alignment.tokens, **(kept | changes))


def padded_with_silence(alignment, frames):
    weights = np.pad(alignment.weights, ((0, 0), (0, 0), (0, 0), (0, frames)))
    speech = np.pad(alignment.speech_mask, (0, frames))
    return Alignment.from_arrays(weights, alignment.tokens, alignment.frame_seconds, speech=speech)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_mirrored_maps_change_the_sign_of_order_only(seed):
    look = Look(floor=0.0, unevenness=0.2, eos="none")
    alignment = make(seed, "healthy", look).alignment
    mirrored = Alignment.from_arrays(
        alignment.weights[..., ::-1], alignment.tokens, look.frame_seconds,
        speech=alignment.speech[::-1],
    )  # fmt: skip
    there, back = measure(alignment), measure(mirrored)
    assert back["monotonicity"] == pytest.approx(-there["monotonicity"], abs=1e-6)
    for metric in ("focus", "entropy", "width_seconds", "coverage", "skipped_seconds"):
        assert back[metric] == pytest.approx(there[metric], abs=1e-4), metric


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_the_order_of_rows_does_not_matter_to_peakiness(seed):
    rng = np.random.default_rng(seed)
    alignment = make(seed, "healthy", Look(eos="none")).alignment
    order = rng.permutation(len(alignment.tokens))
    mixed = Alignment.from_arrays(
        alignment.map[order], [alignment.tokens[row] for row in order], alignment.frame_seconds
    )
    for metric in ("focus", "entropy", "width_seconds"):
        assert METRICS[metric](mixed) == pytest.approx(METRICS[metric](alignment), abs=1e-5)
