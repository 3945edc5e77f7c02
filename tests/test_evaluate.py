"""Evaluation of a corpus: what it writes, its command, and that it is what compare says."""

import json

import numpy as np
import pytest

from analysis.scoring.errors import pool as pooled
from analysis.scoring.errors import score
from app.comparison import Models, compare
from app.evaluation import evaluate, load_errors, load_results, load_settings, load_summary, pool
from app.evaluation.parquet import METRIC_NAMES
from app.evaluation.progress import Progress, clock
from models.audio import load
from tests.support.command import run as command
from tests.support.evaluation_fixtures import (
    SECONDS,
    VARIANTS,
    finished,
    manifest,
    plan_of,
    settings,
)
from tests.support.small_runs import fake_part, write_corpus

pytestmark = pytest.mark.usefixtures("use_checkpoints")


# --- what it writes -------------------------------------------------------------------------------


def test_a_row_for_every_recording_and_variant(finished):
    results = load_results(finished)
    expected = [(f"u{n:02d}", name) for n in range(len(SECONDS)) for name in VARIANTS]
    assert list(zip(results["id"], results["variant"], strict=True)) == expected
    assert set(METRIC_NAMES) <= set(results.columns)
    assert results["seconds"].tolist() == np.repeat(SECONDS, len(VARIANTS)).tolist()
    assert (finished / "results.parquet").exists()
    assert not (finished / "parts").exists()
    assert load_errors(finished).empty


def test_rows_say_what_compare_says(finished, manifest, checkpoints, settings):
    results = load_results(finished).set_index(["id", "variant"])
    for number in (0, 2):
        recording = load(manifest.parent / f"hum{number}.wav")
        said = results.loc[(f"u{number:02d}", "ctc"), "reference"]
        models = Models(checkpoints)
        for found in compare(
            recording, models.choose(VARIANTS), settings.search, said, models=models
        ):
            row = results.loc[(f"u{number:02d}", found.info.name)]
            assert row["text"] == found.decoded.text
            assert row["wer"] == found.score.wer
            assert row["substitutions"] == found.score.words.substitutions
            assert row["character_deletions"] == found.score.characters.deletions
            assert row["verdict"] == found.diagnosis.verdict
            assert json.loads(row["failures"]) == found.diagnosis.to_json()["failures"]
            for name in METRIC_NAMES:
                value = found.diagnosis.metrics[name]
                assert row[name] == pytest.approx(np.nan if value is None else value, nan_ok=True)


def test_a_batch_gives_what_single_recordings_give(finished, manifest, settings, tmp_path):
    evaluate(plan_of(manifest, settings, tmp_path / "run", workers=1))
    batched, single = load_results(tmp_path / "run"), load_results(finished)
    assert batched["part"].tolist() == [0] * len(single)
    assert batched["text"].tolist() == single["text"].tolist()
    assert batched["verdict"].tolist() == single["verdict"].tolist()


def test_the_summary_pools_errors_and_pairs_every_variant(finished):
    results, summary = load_results(finished), load_summary(finished)
    assert (summary["utterances"], summary["errors"]) == (len(SECONDS), 0)
    assert [found["name"] for found in summary["variants"]] == list(VARIANTS)
    for found in summary["variants"]:
        rows = results[results["variant"] == found["name"]]
        expected = pooled(map(score, rows["reference"], rows["text"]))
        assert found["wer"] == pytest.approx(expected.wer)
        assert found["cer"] == pytest.approx(expected.cer)
        low, high = found["wer_interval"]
        assert low <= found["wer"] <= high
        assert sum(found["verdicts"].values()) == len(SECONDS)
        kinds = [{f["kind"] for f in json.loads(each)} for each in rows["failures"]]
        for kind, count in found["failures"].items():
            assert count == sum(kind in each for each in kinds)
        assert found["rtfx"] == pytest.approx(rows["seconds"].sum() / rows["decode_seconds"].sum())
    assert [(p["a"], p["b"]) for p in summary["pairs"]] == [
        ("location", "multi_head_dot"), ("location", "ctc"), ("multi_head_dot", "ctc"),
    ]  # fmt: skip
    for pair in summary["pairs"]:
        wer = {found["name"]: found["wer"] for found in summary["variants"]}
        assert pair["wer_difference"] == pytest.approx(wer[pair["a"]] - wer[pair["b"]])
        assert 0 <= pair["probability_of_improvement"] <= 1
        assert pair["mapsswe_p"] is None or 0 <= pair["mapsswe_p"] <= 1


def test_results_can_be_read_by_column(finished):
    assert list(load_results(finished, ["id", "wer"]).columns) == ["id", "wer"]


# --- the command ----------------------------------------------------------------------------------


def test_the_command_prints_scores_and_goes_on_after_bad_files(capsys, manifest, tmp_path):
    corpus = tmp_path / "corpus"
    write_corpus(corpus, [0.4, 0.5, 0.6])
    (corpus / "hum1.wav").write_bytes(b"no audio")
    arguments = (
        "evaluate", corpus / "manifest.tsv", "--out", tmp_path / "run", "--variants", "ctc,dot",
    )  # fmt: skip
    status, out, err = command(capsys, *arguments)
    assert status == 0
    assert "WER (basic)" in out
    assert "\ndot " in out
    assert "1 of 3 recordings could not be decoded" in err
    assert "3/3 recordings (100 %), 1 unreadable" in err
    errors = load_errors(tmp_path / "run")
    assert errors["id"].tolist() == ["u01"]
    assert "hum1.wav is not an audio file" in errors["error"][0]
    assert set(load_results(tmp_path / "run")["id"]) == {"u00", "u02"}
    status, out, _ = command(capsys, *arguments, "--json", "-")  # again: nothing left to decode
    assert (status, json.loads(out)["errors"]) == (0, 1)


def test_a_run_goes_on_only_with_the_same_lengths_and_coverage(
    capsys, manifest, tmp_path, monkeypatch
):
    monkeypatch.setattr(pool, "decode_shard", fake_part)
    arguments = ("evaluate", manifest, "--out", tmp_path / "run", "--variants", "dot")
    arguments += ("--workers", 1, "--beam", 2)
    chosen = ("--max-length-ratio", 0.2, "--length-penalty", -0.5, "--coverage-penalty", 0.3)
    assert command(capsys, *arguments, *chosen)[0] == 0
    search = load_settings(tmp_path / "run")["search"]
    names = ("max_length_ratio", "length_penalty", "coverage_penalty")
    assert [search[name] for name in names] == [0.2, -0.5, 0.3]
    assert command(capsys, *arguments, *chosen)[0] == 0
    for number in range(3):
        fewer = chosen[: 2 * number] + chosen[2 * number + 2 :]
        status, _, err = command(capsys, *arguments, *fewer)
        assert status == 1
        assert "differs in the search options" in err


def test_the_command_fails_where_nothing_could_be_decoded(capsys, tmp_path):
    manifest = write_corpus(tmp_path / "corpus", [0.5])
    (tmp_path / "corpus" / "hum0.wav").write_bytes(b"")
    status, _, err = command(
        capsys, "evaluate", manifest, "--out", tmp_path / "run", "--variants", "dot"
    )
    assert status == 1
    assert "1 of 1 recordings could not be decoded" in err
    assert load_results(tmp_path / "run").empty


def test_recordings_without_references_have_verdicts_and_no_scores(capsys, manifest, tmp_path):
    folder = tmp_path / "talks" / "deep"
    folder.mkdir(parents=True)
    (folder / "hum.wav").write_bytes((manifest.parent / "hum1.wav").read_bytes())
    status, _, _ = command(
        capsys, "evaluate", tmp_path / "talks", "--out", tmp_path / "run", "--variants", "dot,ctc"
    )
    assert status == 0
    results = load_results(tmp_path / "run")
    assert results["id"].tolist() == ["deep/hum.wav"] * 2
    assert results[["reference", "wer", "hits"]].isna().all(axis=None)
    assert results["verdict"].notna().all()
    summary = load_summary(tmp_path / "run")
    assert [found["wer"] for found in summary["variants"]] == [None, None]
    assert summary["pairs"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.tsv",), "nowhere.tsv does not exist"),
        (("{manifest}", "--split", "test"), "has no recordings of the split 'test'"),
        (("{empty}",), "has no recordings"),
        (("{manifest}", "--scheduler", "tcp://127.0.0.1:9"), "no Dask scheduler at tcp://127.0.0"),
    ],
)
def test_what_cannot_start_says_so_in_a_sentence(
    capsys, manifest, tmp_path, arguments, said, monkeypatch
):
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 1)
    (tmp_path / "empty").mkdir()
    places = {"manifest": manifest, "empty": tmp_path / "empty"}
    arguments = [each.format(**places) for each in arguments]
    status, _, err = command(
        capsys, "evaluate", *arguments, "--out", tmp_path / "run", "--variants", "dot"
    )
    assert status == 1
    assert said in err


@pytest.mark.parametrize("extra", [("--workers", "0"), ("--workers", "2", "--scheduler", "x"), ()])
def test_wrong_usage(capsys, manifest, tmp_path, extra):
    out = ("--out", tmp_path / "run") if extra else ()
    assert command(capsys, "evaluate", manifest, *out, *extra)[0] == 2


# --- progress -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (200, "3 min 20 s"),
        (18_420, "5 h 07 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_times_as_people_say_them(seconds, said):
    assert clock(seconds) == said


def test_the_time_left_is_that_of_what_is_left():
    shown = Progress(100, before=40)
    shown.done, shown.bad = 60, 2
    assert shown.line(10.0) == "60/100 recordings (60 %), 2 unreadable, 20 s left"
    shown.done = 100
    assert shown.line(30.0).endswith("100/100 recordings (100 %), 2 unreadable in 30 s")
