"""The whole diagnosis: accuracy on generated maps, head roles, JSON."""

import json

import numpy as np
import pytest

from analysis.alignment import Alignment
from analysis.diagnosis import METRICS, diagnose, measure
from analysis.failures.thresholds import SEVERITY
from analysis.heads.cross_attention import information, listening, role
from analysis.maps import Maps
from tests import accuracy
from tests.support.failing_maps import EDITS, make
from tests.support.maps import Look


@pytest.fixture(scope="module")
def tally():
    """Maps of a seed that was not used while the rules were made."""
    return accuracy.measure(seed=20_261_121, maps=30)


@pytest.mark.parametrize("kind", SEVERITY)
def test_failures_are_found_on_diverse_maps(tally, kind):
    assert tally.found[kind] + tally.missed[kind] >= 30
    assert tally.recall(kind) >= 0.93
    assert tally.precision(kind) >= 0.93


def test_healthy_maps_and_genuine_repetitions_raise_no_alarm(tally):
    assert tally.quiet.total() == 60
    assert tally.alarm_rate <= 0.02
    assert tally.note_recall >= 0.93


FRAMES, TOKENS = 120, 24
WORDS = [f"w{i}" for i in range(TOKENS)]


def gaussians(centres, width):
    rows = np.exp(-(((np.arange(FRAMES) - np.asarray(centres)[:, None]) / width) ** 2) / 2)
    rows += 1e-6
    return rows / rows.sum(axis=1, keepdims=True)


PATH = np.linspace(3, 116, TOKENS)
RANDOM = np.random.default_rng(0)
HEADS = {
    "aligner": gaussians(PATH, 2),
    "local": gaussians(PATH, 16),
    "reversed": gaussians(PATH[::-1], 2),
    "global": gaussians(RANDOM.permutation(PATH), 4),
    "sink": gaussians(np.full(TOKENS, 60), 1),
    "diffuse": np.full((TOKENS, FRAMES), 1 / FRAMES),
}


def as_heads(*names, layers=1):
    weights = np.array([[HEADS[name] for name in names]] * layers)
    return Alignment.from_arrays(weights, WORDS, 0.04)


@pytest.mark.parametrize("name", HEADS)
def test_roles_of_heads(name):
    alone = as_heads(name)
    found, evidence = role(alone)
    assert found == name
    assert evidence.endswith(".")


def test_a_sink_with_a_few_rows_elsewhere_is_a_sink():
    rows = HEADS["sink"].copy()
    rows[::5] = HEADS["aligner"][::5]
    alone = Alignment.from_arrays(rows, WORDS, 0.04)
    assert role(alone)[0] == "sink"


def test_every_head_of_every_layer_is_reported():
    diagnosis = diagnose(as_heads("aligner", "diffuse", "sink", layers=2))
    assert [(head.layer, head.head, head.role) for head in diagnosis.heads] == [
        (layer, head, role)
        for layer in range(2)
        for head, role in enumerate(["aligner", "diffuse", "sink"])
    ]
    assert diagnosis.heads[0].metrics["monotonicity"] == pytest.approx(1)
    assert diagnosis.heads[1].metrics["monotonicity"] is None
    assert diagnosis.heads[1].metrics["entropy"] == pytest.approx(1)


def test_metrics_on_top_are_those_of_the_mean_map():
    layered = as_heads("aligner", "local", "sink")
    mean = Alignment.from_arrays(layered.map, WORDS, 0.04)
    assert diagnose(layered).metrics == pytest.approx(measure(mean), abs=1e-5)


def test_the_verdict_listens_to_heads_that_know_where():
    heads = as_heads("aligner", "diffuse", "diffuse", "sink", "sink")
    np.testing.assert_allclose(listening(heads).map, HEADS["aligner"], atol=1e-6)
    assert diagnose(heads).verdict == "healthy"
    assert diagnose(as_heads("diffuse", "diffuse")).verdict == "diffuse"


@pytest.mark.parametrize("others", [("reversed",), ("diffuse", "reversed"), ("reversed",) * 3])
def test_a_head_that_runs_backwards_does_not_speak_for_one_that_aligns(others):
    heads = as_heads("aligner", *others)
    np.testing.assert_allclose(listening(heads).map, HEADS["aligner"], atol=1e-6)
    assert diagnose(heads).verdict == "healthy"


@pytest.mark.parametrize("others", [(), ("diffuse",), ("sink", "reversed")])
def test_without_an_aligner_a_head_that_runs_backwards_is_the_verdict(others):
    assert diagnose(as_heads("reversed", *others)).verdict == "reversed"


def test_information_is_what_tokens_tell_about_places():
    even = np.eye(16)
    maps = [even, np.full((16, 16), 1 / 16), np.tile(even[3], (16, 1)), np.repeat(even[:2], 8, 0)]
    found = information(Maps.from_arrays(maps, ["abcdefghijklmnop"] * 4, 0.04))
    np.testing.assert_allclose(found, [np.log(16), 0, 0, np.log(2)], atol=1e-5)


@pytest.mark.parametrize("name", EDITS)
def test_json_has_the_documented_keys_and_plain_values(name):
    look = Look(heads=("aligner", "flat"), layers=2)
    diagnosis = diagnose(make((3, 3), name, look).alignment)
    data = json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))
    assert set(data) == {"verdict", "failures", "notes", "metrics", "heads"}
    assert data["verdict"] in ("healthy", *SEVERITY)
    for found in data["failures"] + data["notes"]:
        assert set(found) == {"kind", "tokens", "seconds"}
        (i, j), (a, b) = found["tokens"], found["seconds"]
        assert 0 <= i < j
        assert a <= b
    assert set(data["metrics"]) == {*METRICS, "alignment_error_ms"}
    for head in data["heads"]:
        assert set(head) == {"layer", "head", "role", "metrics"}
        assert set(head["metrics"]) == set(data["metrics"])
    assert len(data["heads"]) == 4


def test_names_of_metrics_are_the_documented_ones():
    assert {*METRICS, "alignment_error_ms"} == {
        "monotonicity", "forward_share", "backward_seconds", "diagonality", "path_diagonality",
        "focus", "entropy", "width_seconds", "coverage", "skipped_seconds", "reread_seconds",
        "alignment_error_ms", "repeated_tokens", "tokens_per_second",
    }  # fmt: skip


def test_forced_alignment_reaches_the_diagnosis():
    scores = np.full((FRAMES, TOKENS + 1), -9.0)
    scores[:, 0] = -0.1
    scores[(PATH + 2).round().astype(int), np.arange(TOKENS) + 1] = 0.0
    diagnosis = diagnose(
        as_heads("aligner"), ctc_log_probs=scores, token_ids=list(range(1, TOKENS + 1))
    )
    assert diagnosis.metrics["alignment_error_ms"] == pytest.approx(80, abs=20)
    assert diagnosis.heads[0].metrics["alignment_error_ms"] == pytest.approx(80, abs=20)
    times = 0.04 * (PATH + 0.5)
    exact = diagnose(as_heads("aligner"), token_seconds=times)
    assert exact.metrics["alignment_error_ms"] < 20


def test_saved_maps_get_the_same_diagnosis(tmp_path):
    alignment = make((3, 4), "loop", Look(heads=("aligner", "wide"))).alignment
    alignment.save(tmp_path / "map.npz")
    assert diagnose(Alignment.load(tmp_path / "map.npz")).to_json() == diagnose(alignment).to_json()


def test_sentences_are_sentences():
    for name in EDITS:
        diagnosis = diagnose(make((3, 5), name, Look()).alignment)
        for found in (*diagnosis.failures, *diagnosis.notes):
            assert found.explanation[0].isupper() or found.explanation[0] == '"'
            assert found.explanation.endswith(".")
            assert len(found.explanation) < 160
