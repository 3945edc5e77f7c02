"""Evaluation that is killed, crashes, and meets other runs."""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from app.evaluation import (
    Plan,
    RunError,
    evaluate,
    load_alignment,
    load_errors,
    load_results,
    load_settings,
    load_summary,
    pool,
    store,
    work,
)
from models.decoding.search import SearchOptions
from tests.support.evaluation_fixtures import (
    ROOT,
    SECONDS,
    VARIANTS,
    finished,
    manifest,
    one_by_one,
    plan_of,
    same,
    settings,
)
from tests.support.small_runs import fake_part, plain_items

pytestmark = pytest.mark.usefixtures("use_checkpoints")


@pytest.mark.usefixtures("one_by_one")
def test_a_killed_run_goes_on_without_loss_or_duplicates(
    finished, manifest, settings, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    kept = replace(settings, keep_alignments=True)
    code = (
        "import sys, time; from pathlib import Path\n"
        "from app.evaluation import evaluate, items, pool\n"
        "from tests.support.evaluation_fixtures import plan_of, Settings, SearchOptions\n"
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
    real, crashes, number = store.Path.replace, 0, 0
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
                patch.setattr(store.Path, "replace", replace_or_crash)
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
    folder = store.RunStore(tmp_path)
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


def test_a_run_from_before_an_option_existed_goes_on_with_its_default(
    settings, tmp_path, monkeypatch
):
    monkeypatch.setattr(pool, "decode_shard", fake_part)
    plan = Plan(lambda: iter(plain_items(2)), settings, tmp_path / "run", workers=1)
    evaluate(plan)
    path = plan.out / "run.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["search"]["word_bonus"]
    path.write_text(json.dumps(values), encoding="utf-8")
    evaluate(plan)
    search = replace(settings.search, word_bonus=1.0)
    with pytest.raises(RunError, match="differs in the search options"):
        evaluate(replace(plan, settings=replace(settings, search=search)))


@pytest.mark.parametrize(
    ("name", "change", "place"),
    [
        ("run.json", {"variants": "ctc"}, r"variants must be a list, not a text"),
        ("run.json", {"variants": [["ctc"]]}, r"variants\[0\] must be a text, not a list"),
        ("run.json", {"search": {"beam": "2"}}, r"search.beam must be a whole number"),
        ("run.json", {"max_seconds": 10**400}, r"max_seconds must be a smaller number"),
        ("run.json", {"checkpoints": [1]}, r"checkpoints must be an object"),
        ("run.json", {"normalizer": None}, r"normalizer must be a text, not null"),
        ("summary.json", {"variants": {}}, r"variants must be a list"),
        ("summary.json", {"variants": [{"name": 1}]}, r"variants\[0\].name must be a text"),
        ("summary.json", {"utterances": -1}, r"utterances must be a whole number >= 0"),
        ("summary.json", None, r"must be an object with names, not null"),
        ("summary.json", "[" * 9_999, r"nests deeper"),
    ],
)
def test_damaged_records_of_a_run_are_refused_naming_the_place(
    settings, tmp_path, monkeypatch, name, change, place
):
    monkeypatch.setattr(pool, "decode_shard", fake_part)
    out = tmp_path / "run"
    evaluate(Plan(lambda: iter(plain_items(2)), settings, out, workers=1))
    path = out / name
    values = json.loads(path.read_text(encoding="utf-8"))
    content = change if isinstance(change, str) else json.dumps(change and values | change)
    path.write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=rf"^{name} of run is damaged|^{name} is damaged") as error:
        (load_settings if name == "run.json" else load_summary)(out)
    assert re.search(place, str(error.value))


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


def test_a_run_killed_before_its_first_file_was_whole_goes_on(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "decode_shard", fake_part)
    out = tmp_path / "run"
    out.mkdir()
    left = out / ".run.json.17"
    left.write_text('{"vari')
    (out / ".lock").touch()
    plan = Plan(lambda: iter(plain_items(2)), settings, out, workers=1)
    (out / "thesis.txt").touch()
    with pytest.raises(RunError, match="other things in it"):
        evaluate(plan)
    assert left.exists()  # somebody else's folder: nothing is removed
    (out / "thesis.txt").unlink()
    assert evaluate(plan).decoded == 2
    assert not left.exists()


def test_two_processes_do_not_write_to_one_run(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "decode_shard", fake_part)
    plan = Plan(lambda: iter(plain_items(2)), settings, tmp_path / "run", workers=1)
    evaluate(plan)
    with store.RunStore(plan.out).locked(), pytest.raises(RunError, match="another process"):
        evaluate(plan)


def test_workers_refuse_other_checkpoints(manifest, settings, tmp_path):
    wrong = replace(settings, checkpoints=(("encoder", "0" * 16),))
    with pytest.raises(RunError, match="other checkpoints than the run for encoder"):
        evaluate(plan_of(manifest, wrong, tmp_path / "run", workers=1))


def test_a_recording_that_breaks_the_decoder_is_reported_and_the_others_decoded(
    manifest, settings, tmp_path, monkeypatch
):
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
