"""How many threads PyTorch computes with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, then with as many as before.

    A step of a decoder is many operations of a few microseconds. More threads gain nothing on them,
    and beside a busy neighbour each operation waits until the last thread has been scheduled.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
