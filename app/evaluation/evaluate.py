"""Run a corpus through every variant; run again, it goes on where it stopped."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from analysis.cli.console import printable
from app.evaluation import pool
from app.evaluation.items import Digest, Item, Shard, digest, shards
from app.evaluation.progress import Progress
from app.evaluation.settings import SCHEMA, RunError, Settings, difference
from app.evaluation.store import Part, RunStore, load_settings, write_json
from app.evaluation.summary import summarise
from models.corpora.remarks import Remarks


@dataclass(frozen=True)
class Plan:
    """What is to be decoded, how, and by whom."""

    items: Callable[[], Iterator[Item]]  # gives them anew each time, always the same
    settings: Settings
    out: Path  # folder of the run
    source: str = ""  # for people: what the items are
    workers: int | None = None  # processes of this machine; None: one a processor, if there is work
    scheduler: str | None = None  # of a Dask cluster, instead
    together: int | None = None  # recordings of a part at most: between two, a run can be stopped
    remarks: Remarks | None = None  # what `items` left out or put right, known once they are read
    say: Callable[[str], None] = print  # what is told of them, before anything is decoded


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to."""

    out: Path
    decoded: int  # recordings
    bad: int  # recordings that could not be decoded: errors.csv
    summary: dict[str, Any]  # as in summary.json


def evaluate(plan: Plan, progress: Callable[[int, int], Progress] = Progress) -> RunOutcome:
    """Decode what is not decoded yet, then write the table and the summary.

    Parameters
    ----------
    plan
        What to do.
    progress
        Makes what reports: from the number of items, and of those done before.

    Raises
    ------
    RunError
        Where the folder holds another run, or workers cannot be had.
    """
    folder, source = RunStore(plan.out), digest(plan.items())
    for sentence in plan.remarks.sentences() if plan.remarks else ():
        plan.say(sentence)
    now = plan.settings.to_json() | {"source": source.sha256, "items": source.items}
    _refuse_others(folder, now)  # before anything is written
    with folder.locked():
        _refuse_others(folder, now)  # another process may have been quicker
        if not folder.settings.exists():
            write_json(folder.settings, now | {"name": plan.source})
        if not folder.results.exists():
            _decode(folder, plan, source, progress)
            numbers = folder.done()
            folder.write_errors(numbers)
            folder.merge(numbers)
        folder.drop_parts()
        return _summarised(folder, plan, source)


def _summarised(folder: RunStore, plan: Plan, source: Digest) -> RunOutcome:
    bad = folder.count_errors()
    decoded = source.items - bad
    summary = {"schema": SCHEMA, "utterances": decoded, "errors": bad}
    summary |= {"remarks": plan.remarks.sentences() if plan.remarks else []}
    summary |= summarise(folder.tables, plan.settings.normalizer)
    write_json(folder.summary, summary)
    return RunOutcome(plan.out, decoded, bad, summary)


def _refuse_others(folder: RunStore, now: dict[str, Any]) -> None:
    """See that the folder is empty, or that the run there is this one."""
    name = printable(str(folder.path))
    if folder.settings.exists():
        before = load_settings(folder.path)
        before.pop("name", None)
        # a run from before an option existed searched with the option's default
        before["search"] = Settings(()).to_json()["search"] | before["search"]
        if other := difference(before, now):
            raise RunError(f"{name} holds a run that differs in {other}; use another --out")
        return
    if folder.others():
        raise RunError(f"{name} is a folder with other things in it; use another --out")
    if folder.path.exists() and not folder.path.is_dir():
        raise RunError(f"{name} is a file; use another --out")


def _decode(
    folder: RunStore, plan: Plan, source: Digest, progress: Callable[[int, int], Progress]
) -> None:
    done = set(folder.done())
    before = 0
    waiting = 0
    for shard in shards(plan.items(), plan.together):
        before += len(shard.items) if shard.number in done else 0
        waiting += shard.number not in done
    if not waiting:
        return
    shown = progress(source.items, before)
    if before:
        shown.say(f"{before} recordings were decoded before; going on")
    folder.write_errors(sorted(done))
    left = (shard for shard in shards(plan.items(), plan.together) if shard.number not in done)
    for part in _engine(plan, waiting, shown.say)(left):
        folder.save(part)
        if part.bad:
            folder.append_errors(part.bad)
        shown.add(part.items, len(part.bad))


def _engine(
    plan: Plan, waiting: int, say: Callable[[str], None]
) -> Callable[[Iterator[Shard]], Iterator[Part]]:
    settings = plan.settings
    if plan.scheduler:
        return partial(pool.cluster, settings=settings, address=plan.scheduler, say=say)
    wanted = plan.workers or processors()
    count = min(wanted, waiting)
    if count > 1:
        return partial(pool.processes, settings=settings, count=count, say=say)
    return partial(pool.here, settings=settings)


def processors() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
