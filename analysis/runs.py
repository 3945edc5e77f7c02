"""Runs of true values in a mask."""

import numpy as np


def find_runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Half-open bounds of every maximal run of true values, in order.

    Examples
    --------
    >>> find_runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
