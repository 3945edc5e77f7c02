"""Who decodes the shards: this process, several of this machine, or a Dask cluster.

All three give the parts as they are finished, in any order, and hold few shards at a time. A worker
that dies takes its shard along; the shard is given to another, up to `ATTEMPTS` times.
"""

import itertools
import json
import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from app.evaluation.items import Shard
from app.evaluation.run import Part
from app.evaluation.settings import RunError, Settings
from app.evaluation.work import decode_shard
from models.audio import plain

ATTEMPTS = 3  # a shard that took so many workers along is not tried again
AHEAD = 2  # shards in flight for each worker, so that none waits for the next
CONNECT_SECONDS = 30
POLL_SECONDS = 10  # between two words about a cluster that has no workers
CODE = "import app.evaluation.work"  # what scheduler and workers must be able to do

Say = Callable[[str], None]  # tells the user one line


def here(shards: Iterable[Shard], settings: Settings) -> Iterator[Part]:
    """Decode in this process."""
    for shard in shards:
        yield decode_shard(shard, settings)


def processes(shards: Iterable[Shard], settings: Settings, count: int, say: Say) -> Iterator[Part]:
    """Decode in `count` processes of this machine.

    Raises
    ------
    RunError
        Where a shard took `ATTEMPTS` processes along.
    """
    waiting, lost = _Again(shards), Counter()
    while (more := waiting.peek()) is not None:
        context = multiprocessing.get_context("spawn")
        lifeline, held = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(lifeline,))
        pending: dict[Future, Shard] = {}
        try:
            while pending or waiting.peek() is not None:
                while len(pending) < AHEAD * count and (more := waiting.take()) is not None:
                    pending[_submit(pool, more, settings)] = more
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield future.result()
                    del pending[future]
        except BrokenProcessPool:
            again = sorted(pending.values(), key=lambda shard: shard.number)
            _count_lost(again[:count], lost)
            say(f"a worker died; its work is given to others ({len(again)} parts)")
            waiting.give_back(again)
        finally:
            held.close()  # now its workers end, whatever they are doing
            pool.shutdown(wait=False, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, shard: Shard, settings: Settings) -> Future:
    try:
        return pool.submit(decode_shard, shard, settings)
    except BrokenProcessPool as error:
        failed: Future = Future()  # so that this shard is given back with the others
        failed.set_exception(error)
        return failed


class _Again:
    """Shards in order, with those given back first."""

    def __init__(self, shards: Iterable[Shard]) -> None:
        self._shards, self._back = iter(shards), deque()

    def peek(self) -> Shard | None:
        if not self._back and (shard := next(self._shards, None)) is not None:
            self._back.append(shard)
        return self._back[0] if self._back else None

    def take(self) -> Shard | None:
        return self._back.popleft() if self.peek() is not None else None

    def give_back(self, shards: Iterable[Shard]) -> None:
        self._back.extendleft(reversed(list(shards)))


def _count_lost(shards: Iterable[Shard], lost: Counter) -> None:
    for shard in shards:
        lost[shard.number] += 1
        if lost[shard.number] >= ATTEMPTS:
            raise RunError(
                f"workers died {ATTEMPTS} times while they decoded {shard.items[0].id} and the "
                f"{len(shard.items) - 1} recordings after it; is there enough memory? Use fewer "
                "--workers, and the same command goes on where it stopped"
            )


def _begin(lifeline: Connection) -> None:
    """Let a worker end when the command does, also by kill -9: then its pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command to handle

    def watch() -> None:
        lifeline.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def cluster(shards: Iterable[Shard], settings: Settings, address: str, say: Say) -> Iterator[Part]:
    """Decode on the workers of a Dask cluster.

    Parameters
    ----------
    address
        Of the scheduler, as tcp://host:8786, or the file it wrote with ``--scheduler-file``.

    Raises
    ------
    RunError
        Where Dask is not installed, the scheduler cannot be reached, or a shard took too many
        workers along.
    """
    try:
        import distributed
    except ImportError:
        raise RunError(
            "Dask is not installed; `pip install -r requirements-scale.txt` brings --scheduler"
        ) from None
    with _silent():
        client = _connected(distributed, address)
        with client, _explained(client, distributed):
            _wait_for_workers(client, say)
            _check_code(client)
            yield from _on_cluster(client, distributed, shards, settings)


@contextmanager
def _silent() -> Iterator[None]:
    """Without Dask's own log, which shows stack traces of what is said in one sentence here."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for each, level in zip(loggers, before, strict=True):
            each.setLevel(level)


def _connected(distributed, address: str):
    scheduler = _in_file(Path(address)) if Path(address).is_file() else address
    try:
        return distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise RunError(f"there is no Dask scheduler at {address} ({error})") from None


def _in_file(path: Path) -> str:
    """The address in what a scheduler wrote with ``--scheduler-file``."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["address"]
    except (ValueError, LookupError, TypeError):
        found = None
    if not isinstance(found, str):
        raise RunError(
            f"{plain(str(path))} was not written by a Dask scheduler; give --scheduler its address "
            "or the file that it wrote with --scheduler-file"
        )
    return found


@contextmanager
def _explained(client, distributed) -> Iterator[None]:
    """Say in a sentence what went wrong with the cluster."""
    try:
        yield
    except distributed.KilledWorker as error:
        raise RunError(
            f"part {error.task} was given up after workers died with it; are they given enough "
            "memory? The same command goes on where it stopped"
        ) from None
    except ImportError as error:
        raise RunError(
            f"the cluster's scheduler or workers cannot load AttnScope ({error}): start them in "
            "its folder and with its Python, as `python -m dask scheduler` and `... worker`"
        ) from None
    except Exception as error:
        gone = (distributed.CancelledError, distributed.comm.CommClosedError)
        if client.status == "running" and not isinstance(error, gone):
            raise
        raise RunError(
            "the scheduler was lost; the same command goes on where it stopped"
        ) from None


def _check_code(client) -> None:
    """See that everybody can load our modules: a worker that cannot would leave without a word."""
    client.run_on_scheduler(exec, CODE)
    for found in client.run(exec, CODE, on_error="return").values():
        if isinstance(found, ImportError):
            raise found


def _wait_for_workers(client, say: Say) -> None:
    while not client.scheduler_info(n_workers=-1)["workers"]:
        say("the cluster has no workers yet; waiting")
        try:
            client.wait_for_workers(1, timeout=POLL_SECONDS)
        except TimeoutError:
            continue


def _on_cluster(client, distributed, shards: Iterable[Shard], settings: Settings) -> Iterator[Part]:
    """Keep every worker busy, and no more than that in flight, also while workers come and go."""
    shards = iter(shards)
    submit = partial(client.submit, decode_shard, pure=False, retries=ATTEMPTS - 1)

    def next_ones(count: int) -> list:
        return [
            submit(shard, settings, key=f"attnscope-{shard.number}-{os.getpid()}")
            for shard in itertools.islice(shards, max(0, count))
        ]

    def wanted() -> int:
        return max(1, AHEAD * sum(client.nthreads().values()))

    futures = next_ones(wanted())
    in_flight = len(futures)
    completed = distributed.as_completed(futures, with_results=True, loop=client.loop)
    del futures  # a future that nobody holds is forgotten by the cluster, with its result
    for future, part in completed:
        if isinstance(part, distributed.CancelledError):  # given as if it were a result
            raise part
        future.release()
        in_flight -= 1
        yield part
        for new in next_ones(wanted() - in_flight):
            in_flight += 1
            completed.add(new)
