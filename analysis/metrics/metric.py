"""A metric: one formula for many maps, and a function of one alignment."""

from collections.abc import Callable
from functools import update_wrapper

import numpy as np

from ..alignment import Alignment
from ..maps import Maps


class Metric:
    """A number of every map of a batch, callable with a single alignment as well.

    Used as a decorator of a function ``Maps -> (batch,) float``, NaN where undefined:
    ``focus.of_maps(maps)`` gives the array, ``focus(alignment)`` the float or None of its mean map.
    """

    __name__: str

    def __init__(self, of_maps: Callable[[Maps], np.ndarray]) -> None:
        self.of_maps = of_maps
        update_wrapper(self, of_maps)

    def __call__(self, alignment: Alignment) -> float | None:
        return none_if_nan(self.of_maps(alignment.maps)[0])


def none_if_nan(value: float) -> float | None:
    """A Python number, None for NaN."""
    return None if np.isnan(value) else float(value)
