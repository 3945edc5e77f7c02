"""Weights packed once for many products with few rows each, as every step of a search needs them.

PyTorch multiplies float32 matrices with MKL, which does not use the widest instructions of
processors of other makers; oneDNN, which comes with PyTorch and which its compiler uses for the
same purpose, does: the product of a step takes a half to a third of the time on an AMD EPYC. Where
there is no oneDNN, or gradients or another precision are asked for, it is an ordinary product.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

ROWS = 16  # rows the packing is made for; others work, too
OPERATORS = ("_reorder_linear_weight", "_linear_pointwise")  # not public, so looked for


class Packed:
    """A matrix (out, in): ``packed(x)`` is ``x @ matrix.T``, (batch, out), of x (batch, in)."""

    def __init__(self, matrix: Tensor) -> None:
        self._matrix = matrix
        self._packed = None if torch.is_grad_enabled() else _pack(matrix)

    def __call__(self, rows: Tensor) -> Tensor:
        if self._packed is None or rows.dtype != torch.float32 or torch.is_grad_enabled():
            return F.linear(rows, self._matrix.to(rows.dtype))
        return torch.ops.mkldnn._linear_pointwise(rows, self._packed, None, "none", [], "")


def _pack(matrix: Tensor) -> Tensor | None:
    """The matrix as oneDNN wants it; None where that cannot be had."""
    usable = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
    known = all(hasattr(torch.ops.mkldnn, name) for name in OPERATORS)
    if not (usable and known) or matrix.device.type != "cpu" or matrix.dtype != torch.float32:
        return None
    return torch.ops.mkldnn._reorder_linear_weight(matrix.detach().contiguous(), ROWS)
