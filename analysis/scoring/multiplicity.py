"""Many tests at once: of twenty that compare equal systems, one looks significant by luck."""

from collections.abc import Sequence
from dataclasses import dataclass

SURE = 0.05  # corrected p below which a difference is called sure
FEW = 30  # segments under which MAPSSWE's normal distribution is not to be trusted


@dataclass(frozen=True)
class Judged:
    """What one of many tests is worth."""

    corrected: float | None  # p for being one of many; None: undefined
    sure: bool  # corrected p below `SURE`, from at least `FEW` segments


def judge(p_values: Sequence[float | None], segments: Sequence[int]) -> list[Judged]:
    """Which of many matched-pairs tests found a difference that may be called sure.

    Parameters
    ----------
    p_values : (pairs,)
        Of all pairs that are told together, uncorrected; None where undefined.
    segments : (pairs,)
        Stretches that each test compared.
    """
    return [
        Judged(p, p is not None and p < SURE and count >= FEW)
        for p, count in zip(holm(p_values), segments, strict=True)
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected for being many (Holm 1979, A simple sequentially rejective multiple test
    procedure, Scandinavian Journal of Statistics).

    Taking as true all that stay below 0.05 then errs once or more in at most 5 % of such tables,
    whatever the tests have to do with each other. Undefined values stay undefined and do not count.

    Examples
    --------
    >>> holm([0.01, 0.04, None])
    [0.02, 0.04, None]
    """
    order = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p))
        corrected[index] = highest
    return corrected
