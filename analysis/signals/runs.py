"""Runs of true values in masks."""

from typing import NamedTuple

import numpy as np


class RowRuns(NamedTuple):
    """Every maximal run of true values in the rows of a mask, in order."""

    row: np.ndarray  # (runs,) int
    start: np.ndarray  # (runs,) int: first true value
    end: np.ndarray  # (runs,) int: value after the last


def find_runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Half-open bounds of every maximal run of true values, in order.

    Examples
    --------
    >>> find_runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    runs = runs_of_rows(mask[None])
    return list(zip(runs.start.tolist(), runs.end.tolist(), strict=True))


def runs_of_rows(mask: np.ndarray) -> RowRuns:
    """The runs of every row of a (rows, n) mask."""
    width = mask.shape[1] + 1
    apart = np.zeros((len(mask), width), np.int8)  # a false value between rows parts their runs
    apart[:, :-1] = mask
    flat = apart.ravel()
    change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if len(flat) and flat[0]:
        change = np.concatenate([[0], change])
    start, end = change[::2], change[1::2]
    return RowRuns(start // width, start % width, end - start // width * width)
