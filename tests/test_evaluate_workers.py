"""Evaluation by many processes and by Dask clusters, some of which are lost."""

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import dask
import distributed
import numpy as np
import pytest

from app.evaluation import (
    Plan,
    RunError,
    evaluate,
    items,
    load_alignment,
    load_results,
    load_summary,
    pool,
    work,
)
from app.evaluation.progress import Progress
from models.interop import external
from tests.support import dying_decoder
from tests.support.evaluation_fixtures import (
    ROOT,
    SECONDS,
    finished,
    manifest,
    one_by_one,
    plan_of,
    same,
    settings,
)
from tests.support.small_runs import fake_part, plain_items

pytestmark = pytest.mark.usefixtures("use_checkpoints")


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


def documented() -> tuple[list[str], list[str]]:
    """How docs/scale.md starts a scheduler and workers by hand: the words of both commands."""
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    lines = text.split("## By hand")[1].split("```")[1].strip().splitlines()
    scheduler, worker = (shlex.split(line.rstrip("& "), comments=True) for line in lines[:2])
    return scheduler, worker


@contextmanager
def started(command: list[str], folder: Path, file: Path, *more: str) -> Iterator[None]:
    """A command of the documentation in a folder, on this machine alone."""
    assert command[0] == "python"
    words = [sys.executable, *command[1:], *more]
    words = [str(file) if word == "scheduler.json" else word for word in words]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(
        [*words, "--no-dashboard"], cwd=folder, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def waited_for(path: Path) -> Path:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return path


@pytest.mark.usefixtures("one_by_one")
def test_a_cluster_started_as_documented_gives_the_same(finished, manifest, settings, tmp_path):
    scheduler, worker = documented()
    file = tmp_path / "scheduler.json"
    with (
        started(scheduler, ROOT, file, "--host", "127.0.0.1", "--port", "0"),
        started(worker, ROOT, file, "--nworkers", "1"),
    ):
        evaluate(plan_of(manifest, settings, tmp_path / "run", scheduler=str(waited_for(file))))
    same(load_results(tmp_path / "run"), load_results(finished))


def in_threads(workers: int) -> distributed.LocalCluster:
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=False, protocol="tcp://",
        dashboard_address=":0", silence_logs=50,
    )  # fmt: skip


def test_workers_that_cannot_load_our_modules_are_told_of(manifest, settings, tmp_path):
    file = tmp_path / "scheduler.json"
    with in_threads(0) as cluster:
        file.write_text(json.dumps({"address": cluster.scheduler_address}))
        with (
            started(documented()[1], tmp_path, file, "--nworkers", "1"),
            pytest.raises(
                RunError, match=r"cannot load AttnScope \(No module named 'app'\): start"
            ),
        ):
            evaluate(plan_of(manifest, settings, tmp_path / "run", scheduler=str(file)))


def test_a_scheduler_that_cannot_load_our_modules_is_told_of(settings, monkeypatch):
    monkeypatch.setattr(pool, "CODE", "import elsewhere")
    with (
        in_threads(1) as cluster,
        pytest.raises(
            RunError, match=r"cannot load AttnScope \(No module named 'elsewhere'\): start"
        ),
    ):
        list(pool.cluster(iter(()), settings, cluster.scheduler_address, print))


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("when", ["between two parts", "while a part is decoded"])
def test_a_scheduler_lost_in_mid_run_is_told_of_and_the_run_goes_on(
    finished, manifest, settings, tmp_path, monkeypatch, when
):
    out, opened, real = tmp_path / "run", [], work.open_item

    def lost(item, of_run):
        opened.append(item.id)
        if when != "between two parts" and len(opened) == 2:
            time.sleep(0.5)  # until the command waits for this part
            cluster.loop.add_callback(cluster.scheduler.close)
            time.sleep(0.5)
        return real(item, of_run)

    class Losing(Progress):
        def add(self, decoded: int, bad: int) -> None:
            if when == "between two parts":
                cluster.close()

    # how long a lost scheduler is looked for
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 4)
    with dask.config.set({"distributed.comm.timeouts.connect": "4s"}), in_threads(1) as cluster:
        plan = plan_of(manifest, settings, out, scheduler=cluster.scheduler_address)
        with monkeypatch.context() as patch:
            patch.setattr(work, "open_item", lost)
            with pytest.raises(RunError, match=r"^the scheduler was lost; the same command goes"):
                evaluate(plan, Losing)
    assert 0 < load_results(out)["id"].nunique() < len(SECONDS)
    evaluate(replace(plan, scheduler=None, workers=1))
    same(load_results(out), load_results(finished))


@pytest.mark.parametrize(
    "content",
    [b"id\tpath\n", b'{"workers": {}}', b'["address"]', b'{"address": 8786}', b"\xff\xfe{}"],
)
def test_files_that_no_scheduler_wrote_are_refused(settings, tmp_path, content):
    file = tmp_path / "corpus.csv"
    file.write_bytes(content)
    with pytest.raises(RunError, match=r"corpus.csv was not written by a Dask scheduler"):
        list(pool.cluster(iter(()), settings, str(file), print))


def test_dask_keeps_its_stack_traces_to_itself():
    loggers = [logging.getLogger(f"distributed.{name}") for name in ("client", "core")]
    assert all(each.isEnabledFor(logging.CRITICAL) for each in loggers)
    with pool._silent():
        assert not any(each.isEnabledFor(logging.CRITICAL) for each in loggers)
    assert all(each.isEnabledFor(logging.CRITICAL) for each in loggers)


def test_a_worker_learns_the_recognisers_of_each_run_it_works_for(settings, monkeypatch):
    monkeypatch.setenv(external.VARIABLE, "whisper:own")
    monkeypatch.setattr(work, "_OWN", "whisper:own")
    for name in ("first", "second"):
        work._loaded(replace(settings, external=f"whisper:{name}"))
        known = external.listed(Path(settings.folder))
        assert [each.name for each in known] == [f"whisper-{name}", "whisper-own"]


@pytest.mark.usefixtures("one_by_one")
def test_a_part_that_kills_its_workers_ends_no_run_and_is_tried_by_the_next(
    settings, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(pool, "decode_shard", dying_decoder.decode_or_die)
    monkeypatch.setenv(dying_decoder.DEADLY, "a00001")
    plan = Plan(lambda: iter(plain_items(6)), settings, tmp_path / "run", workers=2)
    with pytest.raises(RunError, match=r"died 3 times while they decoded a00001 and the 0 after"):
        evaluate(plan)
    decoded = ["a00000", "a00002", "a00003", "a00004", "a00005"]
    assert load_results(plan.out)["id"].unique().tolist() == decoded
    assert load_summary(plan.out) is None  # the run is not finished
    assert capsys.readouterr().err.count("a worker died while it decoded part 1 alone") == 2

    monkeypatch.setenv(dying_decoder.DEADLY, "nobody")
    evaluate(plan)
    assert load_results(plan.out)["id"].unique().tolist() == sorted([*decoded, "a00001"])
    assert load_summary(plan.out)["utterances"] == 6


@pytest.mark.usefixtures("one_by_one")
def test_workers_that_die_whatever_they_are_given_end_the_run(settings, monkeypatch):
    monkeypatch.setattr(pool, "decode_shard", dying_decoder.decode_or_die)
    monkeypatch.setattr(pool, "MOST_FRUITLESS", 2)
    monkeypatch.setenv(dying_decoder.DEADLY, "a0")
    shards = items.shards(iter(plain_items(20)), None)
    with pytest.raises(RunError, match="died 2 times before any of them had decoded a part"):
        list(pool.processes(shards, settings, 2, print))


@pytest.mark.usefixtures("one_by_one")
def test_a_part_that_a_cluster_gives_up_ends_no_run(settings, tmp_path, monkeypatch):
    def decode(shard, of_run):
        if shard.items[0].id == "a00001":  # what Dask says after losing too many workers
            raise distributed.KilledWorker(
                task="part", last_worker=SimpleNamespace(address="x"), allowed_failures=3
            )
        return fake_part(shard, of_run)

    monkeypatch.setattr(pool, "decode_shard", decode)
    with in_threads(2) as cluster:
        address = cluster.scheduler_address
        plan = Plan(lambda: iter(plain_items(4)), settings, tmp_path / "run", scheduler=address)
        with pytest.raises(RunError, match=r"while they decoded a00001 and the 0 after it"):
            evaluate(plan)
    assert load_results(plan.out)["id"].unique().tolist() == ["a00000", "a00002", "a00003"]


PARENT = """
import sys
from app.evaluation import items, pool
from tests.support import dying_decoder
from tests.support.small_runs import fake_part, plain_items
pool.decode_shard = dying_decoder.decode_for_ever
items.SHARD_ITEMS = 1
list(pool.processes(items.shards(iter(plain_items(4)), None), None, 2, print))
"""


@pytest.mark.parametrize("when", ["while they load their libraries", "while they decode"])
def test_workers_end_with_their_parent_also_when_it_is_killed(tmp_path, when):
    environment = {**os.environ, dying_decoder.STARTED: str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, env=environment)
    try:
        wait_until(lambda: len(dying_decoder.children(parent.pid)) >= 2)
        if when == "while they decode":
            wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        workers = dying_decoder.children(parent.pid)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not any(dying_decoder.is_running(pid) for pid in workers), seconds=20)


def wait_until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
