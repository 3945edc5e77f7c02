"""Who decodes the shards: this process, several of this machine, or a Dask cluster.

All three give the parts as they are finished, in any order, and hold few shards at a time. A worker
that dies takes its shard along; the shard is given to another, up to `ATTEMPTS` times. One that is
given up then does not stop the others: it is named in the end, and the next run tries it again.
"""

import itertools
import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from analysis.cli.console import printable
from app.evaluation.items import Shard
from app.evaluation.settings import RunError, Settings
from app.evaluation.store import Part
from app.evaluation.work import decode_shard
from app.lifeline import end_with_parent
from models import schema
from models.schema import SchemaError

ATTEMPTS = 3  # a shard that took so many workers along is not tried again
AHEAD = 2  # shards in flight for each worker, so that none waits for the next
MOST_FRUITLESS = 5  # groups of workers that died before one of them had decoded anything
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

    A shard that was being decoded when a worker died is set aside until all others are done, and is
    then decoded by one worker alone: one that dies then has nobody else to blame, and more memory
    than before.

    Raises
    ------
    RunError
        In the end, where some shards took `ATTEMPTS` processes along; at once, where workers die
        whatever they are given.
    """
    waiting, suspects, fruitless = _Again(shards), [], 0
    while waiting.peek() is not None:
        pool = _Pool(settings, count)
        yield from pool.decode(waiting)
        fruitless = 0 if pool.delivered or not pool.lost else fruitless + 1
        if fruitless == MOST_FRUITLESS:
            raise RunError(
                f"workers died {fruitless} times before any of them had decoded a part; is there "
                "enough memory? Use fewer --workers, and the same command goes on where it stopped"
            )
        if pool.lost:
            say(
                f"a worker died; what it had is decoded last, the rest goes on "
                f"({len(pool.lost)} parts)"
            )
            suspects += pool.lost[:count]
            waiting.give_back(pool.lost[count:])
    given_up = []
    for shard in suspects:
        for _ in range(ATTEMPTS - 1):
            pool = _Pool(settings, 1)
            yield from pool.decode(_Again([shard]))
            if not pool.lost:
                break
            say(f"a worker died while it decoded part {shard.number} alone")
        else:
            given_up.append(shard)
    _refuse(given_up)


class _Pool:
    """Processes that decode until all is done or one of them dies."""

    def __init__(self, settings: Settings, count: int) -> None:
        self.settings, self.count = settings, count
        self.delivered = 0  # parts
        self.lost: list[Shard] = []  # not decoded because a worker died; first what they worked on

    def decode(self, waiting: "_Again") -> Iterator[Part]:
        context = multiprocessing.get_context("spawn")
        lifeline, held = context.Pipe(duplex=False)
        executor = ProcessPoolExecutor(
            self.count, context, initializer=end_with_parent, initargs=(lifeline,)
        )
        pending: dict[Future, Shard] = {}  # in the order in which workers take them
        broken = False
        try:
            while not broken and (pending or waiting.peek() is not None):
                while len(pending) < AHEAD * self.count and (shard := waiting.take()) is not None:
                    pending[_submit(executor, shard, self.settings)] = shard
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    if isinstance(future.exception(), BrokenProcessPool):
                        broken = True
                        continue
                    part = future.result()
                    del pending[future]
                    self.delivered += 1
                    yield part
            self.lost = list(pending.values())
        finally:
            held.close()  # now its workers end, whatever they are doing
            executor.shutdown(wait=False, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, shard: Shard, settings: Settings) -> Future:
    try:
        return pool.submit(decode_shard, shard, settings)
    except BrokenProcessPool as error:
        failed: Future = Future()  # so that this shard is given back with the others
        failed.set_exception(error)
        return failed


def _refuse(given_up: Sequence[Shard]) -> None:
    """Say which parts are still to be decoded when all others are."""
    if not given_up:
        return
    names = [f"{shard.items[0].id} and the {len(shard.items) - 1} after it" for shard in given_up]
    shown = "; ".join(names[:5]) + (f"; and {len(names) - 5} other parts" if names[5:] else "")
    raise RunError(
        f"workers died {ATTEMPTS} times while they decoded {shown}: all other recordings are "
        "decoded and kept; is there enough memory? The same command tries these again"
    )


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


def cluster(shards: Iterable[Shard], settings: Settings, address: str, say: Say) -> Iterator[Part]:
    """Decode on the workers of a Dask cluster.

    Parameters
    ----------
    address
        Of the scheduler, as tcp://host:8786, or the file it wrote with ``--scheduler-file``.

    Raises
    ------
    RunError
        Where Dask is not installed or the scheduler cannot be reached; in the end, where some
        shards took too many workers along.
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
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _connected(distributed, address: str):
    scheduler = _in_file(Path(address)) if Path(address).is_file() else address
    try:
        return distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise RunError(f"there is no Dask scheduler at {address} ({error})") from None


def _in_file(path: Path) -> str:
    """The address in what a scheduler wrote with ``--scheduler-file``."""
    try:
        return schema.read(path, _Scheduler).address
    except SchemaError:
        raise RunError(
            f"{printable(str(path))} was not written by a Dask scheduler; give --scheduler its "
            "address or the file that it wrote with --scheduler-file"
        ) from None


@dataclass(frozen=True)
class _Scheduler:
    """What is read of the file that a scheduler wrote."""

    address: schema.Name


@contextmanager
def _explained(client, distributed) -> Iterator[None]:
    """Say in a sentence what went wrong with the cluster."""
    try:
        yield
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
    for answer in client.run(exec, CODE, on_error="return").values():
        if isinstance(answer, ImportError):
            raise answer


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

    in_work: dict[str, Shard] = {}  # by key

    def next_ones(count: int) -> list:
        taken = list(itertools.islice(shards, max(0, count)))
        keys = [f"attnscope-{shard.number}-{os.getpid()}" for shard in taken]
        in_work.update(zip(keys, taken, strict=True))
        return [submit(shard, settings, key=key) for key, shard in zip(keys, taken, strict=True)]

    def wanted() -> int:
        return max(1, AHEAD * sum(client.nthreads().values()))

    futures = next_ones(wanted())
    given_up: list[Shard] = []
    completed = distributed.as_completed(
        futures, with_results=True, raise_errors=False, loop=client.loop
    )
    del futures  # a future that nobody holds is forgotten by the cluster, with its result
    for future, result in completed:
        if isinstance(result, distributed.CancelledError):  # given as if it were a result
            raise result
        shard = in_work.pop(future.key)
        if future.status == "error":
            error = future.exception()
            if not isinstance(error, distributed.KilledWorker):
                raise error
            given_up.append(shard)
        else:
            yield result
        future.release()
        for new in next_ones(wanted() - len(in_work)):
            completed.add(new)
    _refuse(given_up)
