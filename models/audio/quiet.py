"""C libraries that write to standard error by themselves, kept from doing so."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Let nothing reach file descriptor 2, where this is the only thread.

    The descriptor belongs to the whole process: beside other threads, as in the dashboard, what
    they say would be lost as well, so there nothing is done.
    """
    kept = _duplicate(2) if threading.active_count() == 1 else None
    if kept is None:
        yield
        return
    if sys.stderr:
        sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _duplicate(descriptor: int) -> int | None:
    """A second descriptor of the same file, None where the first is closed."""
    try:
        return os.dup(descriptor)
    except OSError:
        return None
