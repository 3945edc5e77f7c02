"""Decoding that kills the process that decodes: what workers run in tests, by its name alone."""

import os
import signal
import time
from pathlib import Path

from app.evaluation.items import Shard
from app.evaluation.settings import Settings
from app.evaluation.store import Part
from tests.support.small_runs import fake_part

DEADLY = "ATTNSCOPE_TEST_DEADLY"  # beginning of the recordings' names that kill
STARTED = "ATTNSCOPE_TEST_STARTED"  # folder in which workers leave their process ids


def decode_or_die(shard: Shard, settings: Settings) -> Part:
    """A part made up quickly, or the end of this process, as the machine ends it."""
    if any(item.id.startswith(os.environ[DEADLY]) for item in shard.items):
        os.kill(os.getpid(), signal.SIGKILL)
    return fake_part(shard, settings)


def decode_for_ever(shard: Shard, settings: Settings) -> Part:
    """Work that does not end."""
    (Path(os.environ[STARTED]) / str(os.getpid())).touch()
    while True:
        time.sleep(0.01)


def children(parent: int) -> list[int]:
    """Process ids of a process's children."""
    try:
        return [
            int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        ]
    except OSError:
        return []


def is_running(pid: int) -> bool:
    """Whether a process is there and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
