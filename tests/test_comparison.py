"""Comparing variants: one encoding for all, results as they finish, JSON to the letter."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.diagnosis import diagnose
from app import comparison
from app.comparison import ClipResult, Models, assess, compare, to_json
from models import recogniser
from models.audio import Recording
from models.checkpoint import CheckpointError
from models.decoding.search import SearchOptions
from tests.support.recordings import hum

METRICS = {
    "monotonicity", "forward_share", "backward_seconds", "diagonality", "path_diagonality", "focus",
    "entropy", "width_seconds", "coverage", "skipped_seconds", "reread_seconds",
    "alignment_error_ms", "repeated_tokens", "tokens_per_second",
}  # fmt: skip


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording(hum(1.2), 44_100, ("resampled",), "hum.wav")


@pytest.fixture(scope="module")
def models(checkpoints: Path) -> Models:
    return Models(checkpoints)


def test_a_recording_is_encoded_once_and_results_come_one_by_one(recording, models, monkeypatch):
    calls = []
    monkeypatch.setattr(
        recogniser, "encode", lambda *given, real=recogniser.encode: calls.append(1) or real(*given)
    )
    results = compare(recording, models.choose(), SearchOptions(), models=models)
    assert not calls  # nothing happens until the first result is asked for
    first = next(results)
    assert calls == [1]
    names = [first.info.name, *(result.info.name for result in results)]
    assert names == [info.name for info in recogniser.variants(models.folder)]
    assert calls == [1]


def test_variants_come_in_display_order_whatever_the_order_asked(recording, models):
    names = ["ctc", "location", "dot"]
    results = list(compare(recording, models.choose(names), SearchOptions(), models=models))
    assert [result.info.name for result in results] == ["dot", "location", "ctc"]


def test_without_a_reference_there_is_no_score_and_with_one_every_variant_has_it(recording, models):
    (plain,) = compare(recording, models.choose(["dot"]), SearchOptions(), models=models)
    assert plain.score is None
    said = plain.decoded.text
    (perfect,) = compare(recording, models.choose(["dot"]), SearchOptions(), said, models=models)
    assert perfect.score.wer == 0
    assert perfect.decoded.alignment.reference == said
    (empty,) = compare(recording, models.choose(["dot"]), SearchOptions(), "", models=models)
    assert empty.score.wer is None
    assert empty.score.words.insertions == len(said.split())


def test_the_diagnosis_is_given_ctc_and_the_numbers_of_the_tokens(recording, models, monkeypatch):
    given = []

    def spy(alignment, **evidence):
        given.append((alignment, evidence))
        return diagnose(alignment, **evidence)

    monkeypatch.setattr(comparison, "diagnose", spy)
    list(compare(recording, models.choose(["location", "ctc"]), SearchOptions(), models=models))
    tokens = models.variant("location").alphabet.tokens
    for alignment, evidence in given:
        assert alignment.tokens == tuple(tokens[number] for number in evidence["token_ids"])
        assert evidence["ctc_log_probs"].shape == (alignment.frames, len(tokens))
        np.testing.assert_allclose(np.exp(evidence["ctc_log_probs"]).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("ctc", [True, False])
def test_heads_that_attend_to_a_global_token_are_sinks(recording, models, ctc):
    info, variant = models.choose(["transformer"])[0], models.variant("transformer")
    encoded = models.encode(recording)
    encoded = encoded if ctc else replace(encoded, ctc_log_probs=None)
    (decoded,) = variant.decode(encoded)
    mass = np.zeros_like(decoded.global_mass)
    mass[1, 0] = 0.9
    found = assess(info, variant, encoded, 0, replace(decoded, global_mass=mass), None, "basic")
    sink = found.diagnosis.heads[2]
    assert (sink.layer, sink.head, sink.role) == (1, 0, "sink")
    assert "global token" in sink.evidence


@pytest.mark.parametrize("names", [["nothing"], ["dot", "nothing"], []])
def test_unknown_variants_are_refused_with_a_list(models, names):
    with pytest.raises(CheckpointError, match=r"available: .*dot, .*location.*ctc"):
        models.choose(names)


def test_variants_without_checkpoint_are_refused(checkpoints, tmp_path):
    for name in ("encoder", "dot"):
        for ending in (".json", ".safetensors"):
            (tmp_path / f"{name}{ending}").write_bytes(
                (checkpoints / f"{name}{ending}").read_bytes()
            )
    models = Models(tmp_path)
    assert [info.name for info in models.choose()] == ["dot", "ctc"]
    with pytest.raises(CheckpointError, match="'location' has no checkpoint; available: dot, ctc"):
        models.choose(["location"])
    with pytest.raises(CheckpointError, match="no checkpoints were found"):
        Models(tmp_path / "nowhere").choose()


def test_threads_share_models_and_get_the_results_of_one(checkpoints, recording, monkeypatch):
    loads = []
    monkeypatch.setattr(
        recogniser,
        "load_variant",
        lambda name, folder, real=recogniser.load_variant: loads.append(name) or real(name, folder),
    )
    models = Models(checkpoints)
    texts: list[tuple[str, ...]] = []

    def work() -> None:
        results = compare(
            recording, models.choose(["dot", "coverage"]), SearchOptions(), models=models
        )
        texts.append(tuple(result.decoded.text for result in results))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts) == 4
    assert len(set(texts)) == 1
    assert sorted(loads) == ["coverage", "dot"]


def test_json_is_the_documented_format_to_the_letter(recording, models):
    names = ["additive", "multi_head_loc", "ctc"]
    results = tuple(
        compare(recording, models.choose(names), SearchOptions(), "no no", models=models)
    )
    clip = ClipResult(recording, "some/hum.wav", "no no", results)
    values = to_json([clip])
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert list(values) == ["schema", "clips"]
    assert values["schema"] == 1
    (found,) = values["clips"]
    assert list(found) == ["clip", "reference", "normalizer", "variants"]
    assert found["clip"] == {
        "path": "some/hum.wav",
        "seconds": pytest.approx(1.2),
        "sample_rate": 44_100,
        "warnings": ["resampled"],
    }
    assert found["reference"] == "no no"
    assert found["normalizer"] == "basic"
    assert [variant["name"] for variant in found["variants"]] == names
    for variant in found["variants"]:
        check_variant(variant)
    assert [len(variant["heads"]) for variant in found["variants"]] == [1, 2, 1]
    for metric in values["clips"][0]["variants"][0]["metrics"].values():
        assert metric is None or np.isfinite(metric)


def check_variant(variant: dict) -> None:
    assert list(variant) == [
        "name", "family", "text", "tokens", "ended", "wer", "cer", "verdict", "failures", "notes",
        "metrics", "heads", "decode_seconds",
    ]  # fmt: skip
    assert isinstance(variant["ended"], bool)
    assert isinstance(variant["wer"], float)
    assert isinstance(variant["decode_seconds"], float)
    assert all(isinstance(token, str) for token in variant["tokens"])
    assert set(variant["metrics"]) == METRICS
    for value in variant["metrics"].values():
        assert value is None or isinstance(value, float)
    for failure in variant["failures"]:
        assert list(failure) == ["kind", "tokens", "seconds"]
        assert [type(number) for number in failure["tokens"]] == [int, int]
        assert [type(number) for number in failure["seconds"]] == [float, float]
    expected = variant["failures"][0]["kind"] if variant["failures"] else "healthy"
    assert variant["verdict"] == expected
    for head in variant["heads"]:
        assert list(head) == ["layer", "head", "role", "metrics"]
        assert set(head["metrics"]) == METRICS


def test_json_without_a_reference_has_nulls(recording, models):
    results = tuple(compare(recording, models.choose(["dot"]), SearchOptions(), models=models))
    (found,) = to_json([ClipResult(recording, "a.wav", None, results, "english")])["clips"]
    assert found["reference"] is None
    assert found["normalizer"] == "english"
    assert found["variants"][0]["wer"] is None
    assert found["variants"][0]["cer"] is None


def test_a_shared_encoding_serves_every_variant(recording, models):
    """The map of every variant covers the same frames of 40 ms, with the same voice activity."""
    results = list(compare(recording, models.choose(), SearchOptions(), models=models))
    assert {result.decoded.alignment.frames for result in results} == {30}
    masks = {result.decoded.alignment.speech.tobytes() for result in results}
    assert len(masks) == 1
    assert comparison.SCHEMA == 1
    longer = replace(recording, samples=hum(2.0))
    (other,) = compare(longer, models.choose(["dot"]), SearchOptions(), models=models)
    assert other.decoded.alignment.frames == 50
