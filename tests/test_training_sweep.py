"""Many mechanisms trained alike by one command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.decoders.registry import decoders
from models.training import sweep, train
from tests.support.dashboard import ROOT
from tests.support.training_data import toy_manifest

LIKE_ALL = (
    "--copies", "1", "--updates", "2", "--fp32", "--batch-seconds", "2", "--threads", "1"
)  # fmt: skip


@pytest.fixture
def mine(checkpoints, tmp_path) -> Path:
    """A folder with an encoder alone."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in checkpoints.glob("encoder.*"):
        shutil.copy(file, folder)
    return folder


@pytest.fixture
def manifest(tmp_path) -> Path:
    return toy_manifest(tmp_path)


def command(manifest: Path, mine: Path, out: Path, *more: str) -> list[str]:
    data = ("--data", str(manifest), "--dev", str(manifest))
    return ["--out", str(out), "--checkpoints", str(mine), *data, *LIKE_ALL, *more]


def test_every_mechanism_is_trained_as_it_would_be_alone(manifest, mine, tmp_path, capsys):
    out = tmp_path / "all"
    several = ("--variants", "dot,equal", "--init-from", str(tmp_path / "alone"))
    alone = tmp_path / "alone"
    shutil.copytree(mine, alone)
    for name in ("equal", "dot"):
        one = command(manifest, alone, tmp_path / name, "--variant", name)
        assert train.main(one) == 0
    assert sweep.main(command(manifest, mine, out, *several)) == 0
    said = capsys.readouterr().err
    for name in ("equal", "dot"):
        assert f"{name} trained: wrote" in said
        init = str(alone / f"{name}.safetensors")
        one = command(manifest, alone, tmp_path / f"{name}_on", "--variant", name, "--init", init)
        assert train.main(one) == 0
        both = [load_file(folder / f"{name}.safetensors") for folder in (mine, alone)]
        assert all(torch.equal(both[0][part], both[1][part]) for part in both[1])
        card = json.loads((mine / f"{name}.json").read_text())
        assert (card["training"]["updates"], card["training"]["updates_before"]) == (2, 2)
        assert (out / name / "scores.tsv").exists()
        assert not (out / name / "features").exists()  # they were made once, for all
    assert len(list((out / "features").iterdir())) == 4  # features and outputs, train and dev


def test_all_mechanisms_are_planned_and_seeds_have_folders_of_their_own(tmp_path):
    options, common = sweep.parse(
        ["--out", str(tmp_path), "--checkpoints", "mine", "--seeds", "3,1", "--data", "x@0.5",
         "--lanes", "1"]
    )  # fmt: skip
    jobs = sweep.plan(options, common)
    assert [job.out.name for job in jobs[: len(decoders())]] == list(decoders())
    assert len(jobs) == 2 * len(decoders())
    first, second = jobs[0], jobs[len(decoders())]
    assert (first.checkpoints, second.checkpoints) == (Path("mine"), tmp_path / "seeds" / "1")
    assert second.out.name == f"{first.out.name}-1"
    parsed = [train.parse(list(job.arguments)) for job in (first, second)]
    assert [each.seed for each in parsed] == [3, 1]
    differ = {"seed", "out", "checkpoints"}
    alike = [{k: v for k, v in vars(each).items() if k not in differ} for each in parsed]
    assert alike[0] == alike[1]
    assert alike[0]["features"] == tmp_path / "features"
    assert alike[0]["threads"] >= 1


WRONG = {
    "mechanism": (["--variants", "dot,none"], "there is no mechanism 'none'"),
    "seed": (["--seeds", "1,x"], "'x' is not a whole number"),
    "joint": (["--joint", "0.3"], "--joint is not the same for all"),
    "joint, shortened": (["--joi", "0.3"], "unrecognized arguments: --joi"),
    "one start": (["--init=x"], "--init=x is not the same for all"),
    "of train": (["--updates", "0"], "'0' is not a whole number"),
    "unknown": (["--nonsense"], "unrecognized arguments"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_told_before_anything_runs(mine, tmp_path, capsys, case):
    more, message = WRONG[case]
    with pytest.raises(SystemExit) as stop:
        sweep.main(["--out", str(tmp_path / "x"), "--checkpoints", str(mine), "--data", "x", *more])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_what_cannot_be_read_is_told_in_one_line(mine, tmp_path, capsys):
    here = ["--out", str(tmp_path / "x"), "--checkpoints", str(mine), "--data", "none.tsv"]
    assert sweep.main(here) == 1
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # a closed terminal ends all runs, too
        assert signal.getsignal(signal.SIGHUP) == signal.default_int_handler
    assert capsys.readouterr().err.startswith("sweep: there is no file or folder none.tsv")
    assert sweep.main([*here, "--init-from", str(tmp_path)]) == 1
    assert "there is no checkpoint" in capsys.readouterr().err


TRAINER = """#!/bin/sh
case "$*" in *"--variant dot"*) echo "training: no room on the disk" >&2; exit 1;; esac
trap 'echo stopped >&2; exit 143' TERM
printf 'update 10/20\\r' >&2
[ -e "$0.quick" ] || { sleep 60 & wait; }
echo wrote it
"""


@pytest.fixture
def trainer(tmp_path, monkeypatch) -> Path:
    """Stands in for Python: fails for dot, else goes on for a minute, or ends at once."""
    path = tmp_path / "trainer"
    path.write_text(TRAINER)
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    return path


# As what a shell script starts in the background; a process hands this on to those it starts.
UNINTERRUPTED = 'trap \'\' INT; exec "$0" "$@"'


def jobs(tmp_path: Path, *names: str) -> list[sweep.Job]:
    return [sweep.Job(tmp_path / name, tmp_path, ("--variant", name)) for name in names]


def test_one_that_fails_does_not_keep_the_others(trainer, tmp_path, capsys):
    Path(f"{trainer}.quick").touch()
    dot, additive, equal = jobs(tmp_path, "dot", "additive", "equal")
    assert sweep.follow([dot, additive, equal], lanes=1) == [dot]
    said = capsys.readouterr().err
    assert f"dot failed, see {tmp_path / 'dot' / 'log.txt'}: training: no room" in said
    assert "additive trained: wrote it" in said
    assert "equal trained: wrote it" in said


def test_an_interrupt_reaches_every_run_and_no_other_begins(trainer, tmp_path, monkeypatch):
    def interrupted(*_):
        while not all("update" in job.said() for job in at_work):
            time.sleep(0.01)
        raise KeyboardInterrupt

    *at_work, later = jobs(tmp_path, "additive", "equal", "location")
    monkeypatch.setattr(sweep, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep.follow([*at_work, later], lanes=2)
    assert [job.said() for job in at_work] == ["stopped", "stopped"]
    assert not later.out.exists()


def test_a_terminated_sweep_leaves_nothing_running(manifest, mine, tmp_path):
    """Real processes: what a batch system's SIGTERM stops goes on with the same command."""
    out = tmp_path / "all"
    arguments = command(manifest, mine, out, "--variants", "dot", "--updates", "100000")
    process = subprocess.Popen(
        ["sh", "-c", UNINTERRUPTED, sys.executable, "-m", "models.training.sweep", *arguments],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    (job,) = sweep.plan(*sweep.parse(arguments))
    while "update" not in job.said():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert "the same command continues" in process.stderr.read()
    said = job.said()
    time.sleep(0.5)
    assert job.said() == said  # nothing goes on
