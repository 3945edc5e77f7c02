"""Matrices as 8-bit levels: what travels to the browser.

A heat map of 200 x 1500 cells takes 3.4 MB as float64 and 0.4 MB as bytes, and no screen shows more
than 256 steps of one colour scale.
"""

from dataclasses import dataclass

import numpy as np

CELL_LIMIT = 1_000_000  # cells of one figure; beyond it a browser takes seconds to draw
FEWEST_COLUMNS = 2_000  # time is pooled down to this before rows are touched


@dataclass(frozen=True)
class Levels:
    """A matrix ready to draw: ``value = bottom + level / 255 * (top - bottom)``."""

    cells: np.ndarray  # (rows, columns) uint8
    bottom: float  # value of level 0
    top: float  # value of level 255
    row_step: int  # matrix rows in one drawn row
    column_step: int  # matrix columns in one drawn column


def max_pool(matrix: np.ndarray, row_step: int, column_step: int) -> np.ndarray:
    """Largest value of every block: (rows, columns) to (ceil(rows / r), ceil(columns / c)).

    The maximum and not the mean or a stride: an alignment is a thin bright line and must survive.
    """
    if row_step > 1:
        matrix = np.maximum.reduceat(matrix, np.arange(0, matrix.shape[0], row_step), axis=0)
    if column_step > 1:
        matrix = np.maximum.reduceat(matrix, np.arange(0, matrix.shape[1], column_step), axis=1)
    return matrix


def mean_pool(values: np.ndarray, step: int) -> np.ndarray:
    """Mean of every `step` numbers in a row; the last of fewer."""
    first = np.arange(0, len(values), step)
    counts = np.diff(np.append(first, len(values)))
    return np.add.reduceat(values, first) / counts if len(values) else values


def pool_steps(rows: int, columns: int, limit: int = CELL_LIMIT) -> tuple[int, int]:
    """Block sizes (row step, column step) that bring a matrix under the limit, time first."""
    if rows * columns <= limit:
        return 1, 1
    widest = max(1, columns // FEWEST_COLUMNS)
    column_step = min(widest, -(-rows * columns // limit))
    drawn_columns = -(-columns // column_step)
    row_step = -(-rows // max(1, limit // drawn_columns))
    return row_step, column_step


def to_levels(
    matrix: np.ndarray,
    *,
    bottom: float = 0.0,
    top: float | None = None,
    limit: int = CELL_LIMIT,
    finest: tuple[int, int] | None = None,
) -> Levels:
    """Quantise a (rows, columns) matrix to bytes, max-pooled where it is too large to draw.

    `top` defaults to the largest value; values outside bottom..top are clipped. `finest` is how
    many (rows, columns) the screen has pixels for: of cells that share a pixel only one is drawn.
    """
    row_step, column_step = pool_steps(*matrix.shape, limit)
    if finest is not None:
        row_step = max(row_step, -(-matrix.shape[0] // finest[0]))
        column_step = max(column_step, -(-matrix.shape[1] // finest[1]))
    pooled = max_pool(matrix, row_step, column_step)
    if top is None:
        top = float(pooled.max(initial=bottom))
    span = top - bottom if top > bottom else 1.0
    scaled = np.clip((pooled - bottom) / span, 0.0, 1.0) * 255
    return Levels(np.rint(scaled).astype(np.uint8), bottom, top, row_step, column_step)
