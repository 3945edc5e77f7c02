"""Evaluation of a corpus: what it writes, what it survives, and that it is what compare says."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import distributed
import numpy as np
import pandas as pd
import pytest

from analysis.errors import pool as pooled
from analysis.errors import score
from app.cli import main
from app.comparison import Models, compare
from app.evaluation import (
    Plan,
    RunError,
    Settings,
    evaluate,
    items,
    load_alignment,
    load_errors,
    load_results,
    load_settings,
    load_summary,
    pool,
    run,
)
from app.evaluation.progress import Progress, clock
from app.evaluation.rows import METRIC_NAMES
from app.evaluation.settings import fingerprints
from models.audio import load
from models.search import SearchOptions
from tests.runs import fake_part, plain_items, write_corpus

ROOT = Path(__file__).resolve().parent.parent
SECONDS = [0.9, 0.4, 1.3, 0.6, 1.0, 0.5, 0.8, 0.7]
VARIANTS = ("location", "multi_head_dot", "ctc")
TIMES = ["decode_seconds", "encode_seconds"]
pytestmark = pytest.mark.usefixtures("use_checkpoints")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), SECONDS)


@pytest.fixture
def one_by_one(monkeypatch) -> None:
    """Every recording a shard of its own, so that small corpora have many."""
    monkeypatch.setattr(items, "SHARD_ITEMS", 1)


@pytest.fixture(scope="module")
def settings(checkpoints) -> Settings:
    infos = Models(checkpoints).choose(VARIANTS)
    found = fingerprints(infos, checkpoints)
    # tiny decoders never end by themselves: a short limit keeps them quick
    search = SearchOptions(max_length_ratio=0.5)
    return Settings(VARIANTS, search, folder=str(checkpoints), checkpoints=found)


def command(capsys, *arguments) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return status, printed.out, printed.err


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Equal in everything but the times."""
    pd.testing.assert_frame_equal(found.drop(columns=TIMES), expected.drop(columns=TIMES))


def plan_of(manifest: Path, settings: Settings, out: Path, **more) -> Plan:
    return Plan(lambda: items.read_items(manifest), settings, out, "test", **more)


# --- what it writes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(manifest, settings, tmp_path_factory) -> Path:
    """A run with its maps, in this process, every recording a shard of its own."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items, "SHARD_ITEMS", 1)
        evaluate(plan_of(manifest, replace(settings, keep_alignments=True), out, workers=1))
    return out


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
        for found in compare(recording, VARIANTS, settings.search, said, models=models):
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


# --- what it survives -----------------------------------------------------------------------------


@pytest.mark.usefixtures("one_by_one")
def test_a_killed_run_goes_on_without_loss_or_duplicates(
    finished, manifest, settings, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    kept = replace(settings, keep_alignments=True)
    code = (
        "import sys, time; from pathlib import Path\n"
        "from app.evaluation import evaluate, items, pool\n"
        "from tests.test_evaluate import plan_of, Settings, SearchOptions\n"
        "items.SHARD_ITEMS = 1\n"
        "real = pool.decode_shard\n"
        "def slow(*given):\n"
        "    time.sleep(0.3)\n"
        "    return real(*given)\n"
        "pool.decode_shard = slow\n"
        f"evaluate(plan_of(Path({str(manifest)!r}), {kept!r}, Path({str(out)!r}), workers=1))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(out.glob("parts/0*.parquet"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = load_results(out)  # readable as it is
    assert 0 < len(before) < len(SECONDS) * len(VARIANTS)
    assert load_summary(out) is None

    decoded = []
    real = pool.decode_shard
    monkeypatch.setattr(pool, "decode_shard", lambda s, t: decoded.append(s.number) or real(s, t))
    evaluate(plan_of(manifest, kept, out, workers=1))
    assert decoded == sorted(set(range(len(SECONDS))) - set(before["part"]))
    same(load_results(out), load_results(finished))
    assert load_alignment(out, "u00", "ctc").tokens == load_alignment(finished, "u00", "ctc").tokens


class Crash(BaseException):
    """The machine goes down."""


@pytest.mark.usefixtures("one_by_one")
def test_a_crash_at_any_moment_loses_and_doubles_nothing(settings, tmp_path, monkeypatch):
    """The n-th write fails before or after its renaming, for every n there is."""
    monkeypatch.setattr(pool, "decode_shard", fake_part)
    chosen = replace(settings, keep_alignments=True)
    found = [*plain_items(2), *(replace(each, id="x") for each in plain_items(1))]

    def attempt(out: Path) -> None:
        evaluate(Plan(lambda: iter(found), chosen, out, workers=1))

    attempt(tmp_path / "whole")
    expected = load_results(tmp_path / "whole")
    real, crashes, number = run.Path.replace, 0, 0
    while crashes == number:
        number += 1
        for after in (False, True):
            out, calls = tmp_path / f"{number}{after}", []

            def replace_or_crash(self, target, calls=calls, after=after, number=number):
                calls.append(target)
                if len(calls) != number:
                    return real(self, target)
                if after:
                    real(self, target)
                raise Crash

            with monkeypatch.context() as patch:
                patch.setattr(run.Path, "replace", replace_or_crash)
                try:
                    attempt(out)
                except Crash:
                    crashes += not after
            attempt(out)
            same(load_results(out), expected)
            assert load_errors(out)["id"].tolist() == ["x"]
            assert load_summary(out) == load_summary(tmp_path / "whole")
            assert not list(out.rglob(".*.[0-9]*"))
    assert crashes >= 10  # run.json, three parts with maps, errors of one, errors.csv, results


def test_parts_of_files_are_no_results(tmp_path, settings):
    """What a killed process leaves under a temporary name counts for nothing."""
    folder = run.Folder(tmp_path)
    folder.parts.mkdir()
    (folder.parts / ".000000.parquet.17").write_bytes(b"PAR1 half")
    assert folder.done() == []
    with folder.locked():
        assert not list(folder.parts.iterdir())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"variants": ("ctc",)}, "the variants"),
        ({"search": SearchOptions(beam=2)}, "the search options"),
        ({"normalizer": "english"}, "the normaliser"),
        ({"max_seconds": 5.0}, "--max-seconds"),
        ({"keep_alignments": True}, "--keep-alignments"),
        ({"checkpoints": (("encoder", "0"),)}, "the checkpoints"),
    ],
)
def test_another_run_in_the_folder_is_refused(settings, tmp_path, monkeypatch, change, named):
    monkeypatch.setattr(pool, "decode_shard", fake_part)
    plan = Plan(lambda: iter(plain_items(2)), settings, tmp_path / "run", workers=1)
    evaluate(plan)
    with pytest.raises(RunError, match=f"differs in {named}; use another --out"):
        evaluate(replace(plan, settings=replace(settings, **change)))
    with pytest.raises(RunError, match="differs in the recordings"):
        evaluate(replace(plan, items=lambda: iter(plain_items(3))))
    evaluate(plan)  # what was there is still whole


def test_folders_with_other_things_are_left_alone(settings, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    plan = Plan(lambda: iter(plain_items(1)), settings, tmp_path)
    with pytest.raises(RunError, match="other things in it"):
        evaluate(plan)
    with pytest.raises(RunError, match="is a file"):
        evaluate(replace(plan, out=tmp_path / "thesis.txt"))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    for read in (load_results, load_errors, load_settings, load_summary):
        with pytest.raises(RunError, match="is not a run"):
            read(tmp_path)


def test_two_processes_do_not_write_to_one_run(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "decode_shard", fake_part)
    plan = Plan(lambda: iter(plain_items(2)), settings, tmp_path / "run", workers=1)
    evaluate(plan)
    with run.Folder(plan.out).locked(), pytest.raises(RunError, match="another process"):
        evaluate(plan)


def test_workers_refuse_other_checkpoints(manifest, settings, tmp_path):
    wrong = replace(settings, checkpoints=(("encoder", "0" * 16),))
    with pytest.raises(RunError, match="other checkpoints than the run for encoder"):
        evaluate(plan_of(manifest, wrong, tmp_path / "run", workers=1))


def test_a_recording_that_breaks_the_decoder_is_reported_and_the_others_decoded(
    manifest, settings, tmp_path, monkeypatch
):
    from app.evaluation import work

    real = work._results

    def breaks(batch, *rest):
        if any(each.item.id == "u03" for each in batch):
            raise RuntimeError("no path")
        return real(batch, *rest)

    monkeypatch.setattr(work, "_results", breaks)
    evaluate(plan_of(manifest, settings, tmp_path / "run", workers=1))
    errors = load_errors(tmp_path / "run")
    assert errors["error"].tolist() == ["decoding failed (RuntimeError: no path)"]
    assert load_results(tmp_path / "run")["id"].nunique() == len(SECONDS) - 1


# --- many workers ---------------------------------------------------------------------------------


class KillOne(Progress):
    """Kills a worker when the first part has come."""

    find = staticmethod(lambda: [])  # process ids of the workers
    killed: list[int]

    def add(self, decoded: int, bad: int) -> None:
        super().add(decoded, bad)
        if not self.killed:
            self.killed.append(self.find()[-1])
            os.kill(self.killed[0], signal.SIGKILL)


def killing(find) -> type[KillOne]:
    return type("Killing", (KillOne,), {"find": staticmethod(find), "killed": []})


@pytest.mark.usefixtures("one_by_one")
def test_two_processes_one_killed_give_the_same(finished, manifest, settings, tmp_path, capsys):
    import multiprocessing

    progress = killing(lambda: [child.pid for child in multiprocessing.active_children()])
    plan = plan_of(manifest, replace(settings, keep_alignments=True), tmp_path / "run", workers=2)
    evaluate(plan, progress)
    assert len(progress.killed) == 1
    assert "a worker died" in capsys.readouterr().err
    same(load_results(tmp_path / "run"), load_results(finished))


@pytest.mark.usefixtures("one_by_one")
def test_a_dask_cluster_one_worker_killed_gives_the_same(finished, manifest, settings, tmp_path):
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    )
    with cluster:
        pids = [worker.pid for worker in cluster.workers.values()]
        progress = killing(lambda: pids)
        plan = plan_of(
            manifest,
            replace(settings, keep_alignments=True),
            tmp_path / "run",
            scheduler=cluster.scheduler_address,
        )
        evaluate(plan, progress)
        assert len(progress.killed) == 1
    same(load_results(tmp_path / "run"), load_results(finished))
    here, there = (load_alignment(out, "u02", "location") for out in (finished, tmp_path / "run"))
    np.testing.assert_array_equal(here.weights, there.weights)


def test_a_shard_that_kills_its_workers_is_given_up():
    lost = pool.Counter()
    shard = items.Shard(7, tuple(plain_items(2)))
    for _ in range(pool.ATTEMPTS - 1):
        pool._count_lost([shard], lost)
    with pytest.raises(RunError, match="died 3 times while they decoded a00000 and the 1"):
        pool._count_lost([shard], lost)


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
