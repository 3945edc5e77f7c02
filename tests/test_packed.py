"""Packed matrices give what an ordinary product gives, whatever the machine has."""

import pytest
import torch
from torch.testing import assert_close

from models.decoders import packed
from models.decoders.packed import Packed


@pytest.mark.parametrize("rows", [1, 2, 16, 50])
@pytest.mark.parametrize("known", [True, False], ids=["packed", "plain"])
def test_is_the_product(rows, known, monkeypatch):
    if not known:  # a build of PyTorch without these operators
        monkeypatch.setattr(packed, "OPERATORS", ("_of_another_version",))
    matrix, x = torch.randn(12, 7), torch.randn(rows, 7)
    with torch.inference_mode():
        assert_close(Packed(matrix)(x), x @ matrix.T, atol=1e-5, rtol=1e-5)


def test_where_there_is_onednn_this_version_of_pytorch_has_the_operators():
    with torch.inference_mode():
        packed_here = Packed(torch.randn(3, 2))._packed is not None
    assert packed_here == torch.backends.mkldnn.is_available()


def test_gradients_reach_the_matrix():
    matrix, x = torch.randn(5, 3, requires_grad=True), torch.randn(2, 3)
    Packed(matrix)(x).sum().backward()
    assert_close(matrix.grad, x.sum(0).expand(5, -1))


def test_a_search_may_go_on_with_gradients_or_in_another_precision():
    matrix, x = torch.randn(5, 3, requires_grad=True), torch.randn(2, 3)
    with torch.no_grad():
        product = Packed(matrix)
        assert_close(product(x.double()), x.double() @ matrix.double().T)
    product(x).sum().backward()
    assert_close(matrix.grad, x.sum(0).expand(5, -1))
