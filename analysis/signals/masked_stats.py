"""Statistics along the last axis of padded arrays, where every row has its own number of values."""

import numpy as np


def compact(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The chosen values of every row moved to its front, in order, NaN behind; and their number.

    Both arrays are (batch, n); returns (batch, most chosen in a row) and (batch,).
    """
    counts = mask.sum(axis=1)
    out = np.full((len(mask), int(counts.max(initial=0))), np.nan)
    out[np.arange(out.shape[1]) < counts[:, None]] = values[mask]
    return out, counts


def quantile(values: np.ndarray, mask: np.ndarray, share: float, lower: bool = False) -> np.ndarray:
    """(batch,) quantile of the chosen values, NaN where none are; `lower` takes no means."""
    ordered = np.sort(np.where(mask, values, np.inf), axis=-1)
    return sorted_quantile(ordered, mask.sum(axis=-1), share, lower)


def sorted_quantile(
    ordered: np.ndarray, counts: np.ndarray, share: float, lower: bool = False
) -> np.ndarray:
    """The same of rows whose first `counts` values are sorted already."""
    if ordered.shape[-1] == 0:
        return np.full(counts.shape, np.nan)
    place = share * np.maximum(counts - 1, 0)
    low = np.floor(place).astype(np.int64)
    value = np.take_along_axis(ordered, low[..., None], axis=-1)[..., 0]
    if not lower:
        high = np.minimum(low + 1, np.maximum(counts - 1, 0))
        above = np.take_along_axis(ordered, high[..., None], axis=-1)[..., 0]
        part = place - low
        rise = np.subtract(above, value, out=np.zeros(value.shape), where=part > 0)
        value = value + part * rise
    return np.where(counts > 0, value, np.nan)


def masked_mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(batch,) mean of the chosen values, NaN where none are."""
    counts = mask.sum(axis=-1)
    total = np.where(mask, values, 0).sum(axis=-1, dtype=np.float64)
    return np.divide(total, counts, out=np.full(counts.shape, np.nan), where=counts > 0)


def midranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(batch, n) ranks from 0 of the first `counts` values; equal values share the mean of theirs.

    What lies behind the first `counts` must be NaN, and gets meaningless ranks.
    """
    n = values.shape[1]
    order = np.argsort(values, axis=1, kind="stable")  # NaN goes last
    ordered = np.take_along_axis(values, order, axis=1)
    new = np.ones((len(values), n + 1), bool)
    new[:, 1:-1] = ordered[:, 1:] != ordered[:, :-1]
    index = np.arange(n)
    first = np.maximum.accumulate(np.where(new[:, :-1], index, 0), axis=1)
    last = np.minimum.accumulate(np.where(new[:, 1:], index, n)[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2, axis=1)
    return ranks
