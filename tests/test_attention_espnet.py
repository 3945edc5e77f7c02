"""Every mechanism equals ESPnet's module with the same weights, step by step."""

import logging

import pytest
import torch
from espnet.nets.pytorch_backend.rnn import attentions as espnet
from hypothesis import given, settings
from hypothesis import strategies as st

from models.interop.espnet import attention_from_state
from tests.support.espnet_decoder import ATYPES as INITIAL

TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
SIZES = {"eprojs": 13, "dunits": 11, "adim": 7, "aheads": 3, "awin": 4}
SIZES |= {"aconv_chans": 5, "aconv_filts": 6}
ATYPES = (*INITIAL, "forward", "forward_ta")
PADDING_MATTERS = ("location_recurrent", "forward", "forward_ta")

logging.getLogger().addFilter(lambda record: "make_pad_mask" not in record.getMessage())


def reference(atype: str, sizes: dict) -> torch.nn.Module:
    """ESPnet's module, with weights large enough to make peaked maps."""
    if atype in INITIAL:
        order = ("eprojs", "dunits", "aheads", "adim", "awin", "aconv_chans", "aconv_filts")
        module = espnet.initial_att(atype, *(sizes[size] for size in order))
    else:
        order = ("eprojs", "dunits", "adim", "aconv_chans", "aconv_filts")
        order = (*order, "odim") if atype == "forward_ta" else order
        cls = espnet.AttForwardTA if atype == "forward_ta" else espnet.AttForward
        module = cls(*(sizes[size] for size in order))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(2.0)
    module.reset()
    return module


def maps_of(atype: str, returned, step: int) -> torch.Tensor:
    """(batch, heads, frames) map of this step from what ESPnet's module returned as its state."""
    if atype == "location2d":
        return returned[:, -1:]
    if atype == "location_recurrent":
        return returned[0][:, None]
    if atype in ("coverage", "coverage_location"):
        assert len(returned) == step + 2  # the uniform one, then one a step
        return returned[-1][:, None]
    return torch.stack(returned, 1) if isinstance(returned, list) else returned[:, None]


def assert_equal_steps(atype: str, sizes: dict, lengths: list[int], steps: int) -> None:
    """Run both on the same padded batch; contexts and maps agree at every step."""
    module = reference(atype, sizes)
    odim = sizes.get("odim") if atype == "forward_ta" else None
    ours = attention_from_state(atype, module.state_dict(), **(sizes | {"odim": odim}))
    encoded = torch.randn(len(lengths), max(lengths), sizes["eprojs"])
    lengths_tensor = torch.tensor(lengths)
    padding = torch.arange(max(lengths)) >= lengths_tensor[:, None, None]
    memory, theirs = ours.prepare(encoded, lengths_tensor), None
    state = ours.initial_state(memory)
    with torch.no_grad():
        for step in range(steps):
            query = torch.randn(len(lengths), sizes["dunits"])
            previous = torch.randn(len(lengths), odim or 0)
            extra = (previous,) if odim else ()
            expected, theirs = module(encoded, lengths, query, theirs, *extra)
            context, weights, state = ours(torch.cat([query, *extra], 1), memory, state)
            torch.testing.assert_close(context, expected, **TOLERANCE)
            maps = maps_of(atype, theirs, step)
            if atype in PADDING_MATTERS:  # ESPnet leaves 1e-6 before normalising on padding
                maps = maps.masked_fill(padding, 0.0)
            torch.testing.assert_close(weights, maps, **TOLERANCE)


@pytest.mark.parametrize("atype", ATYPES)
def test_equals_espnet_on_a_padded_batch(atype):
    torch.manual_seed(1)
    assert_equal_steps(atype, SIZES | {"odim": 5}, [37, 21, 8, 1], steps=6)


@pytest.mark.parametrize("atype", ATYPES)
@settings(max_examples=8)
@given(data=st.data())
def test_equals_espnet_for_any_sizes(atype, data):
    size = st.integers(1, 9)
    sizes = {name: data.draw(size, name) for name in (*SIZES, "odim")}
    lengths = data.draw(st.lists(st.integers(1, 20), min_size=1, max_size=4), "lengths")
    torch.manual_seed(data.draw(st.integers(0, 99), "seed"))
    assert_equal_steps(atype, sizes, lengths, steps=3)


@pytest.mark.parametrize("atype", PADDING_MATTERS)
def test_without_espnets_padding_a_batch_equals_espnet_one_by_one(atype):
    torch.manual_seed(2)
    sizes, lengths = SIZES | {"odim": 5}, [30, 17, 6]
    module = reference(atype, sizes)
    odim = 5 if atype == "forward_ta" else None
    ours = attention_from_state(atype, module.state_dict(), **(sizes | {"odim": odim}))
    ours.padding_as_espnet = False
    encoded = torch.randn(3, 30, sizes["eprojs"])
    queries = torch.randn(4, 3, sizes["dunits"] + (odim or 0))
    memory = ours.prepare(encoded, torch.tensor(lengths))
    state, maps = ours.initial_state(memory), []
    with torch.no_grad():
        for query in queries:
            _, weights, state = ours(query, memory, state)
            maps.append(weights)
        for row, length in enumerate(lengths):
            module.reset()
            theirs = None
            for step, query in enumerate(queries[:, row : row + 1]):
                state_part, previous = query.split([sizes["dunits"], odim or 0], dim=1)
                extra = (previous,) if odim else ()
                single = encoded[row : row + 1, :length]
                _, theirs = module(single, [length], state_part, theirs, *extra)
                expected = maps_of(atype, theirs, step)
                torch.testing.assert_close(
                    maps[step][row : row + 1, :, :length], expected, **TOLERANCE
                )


def convert(atype="multi_head_loc", taken_from="multi_head_loc", drop=None, **changes):
    """Convert the weights of an ESPnet module as if it had other sizes or another type."""
    state = reference(taken_from, SIZES | {"odim": 5}).state_dict()
    if drop:
        del state[drop]
    return attention_from_state(atype, state, **(SIZES | changes))


@pytest.mark.parametrize(
    "wrong",
    [
        {"atype": "hard"},
        {"atype": "forward_ta", "taken_from": "forward_ta"},  # odim missing
        {"atype": "location"},
        {"atype": "multi_head_multi_res_loc"},  # same names, other filters
        {"atype": "multi_head_dot", "taken_from": "multi_head_dot", "aheads": 7, "adim": 3},
        {"drop": "mlp_k.1.weight"},
        {"drop": "mlp_o.weight"},
        {"aconv_filts": 7},
        {"eprojs": 14},
        {"atype": "coverage", "taken_from": "coverage", "drop": "wvec.bias"},
    ],
)
def test_other_weights_are_refused_in_one_sentence(wrong):
    with pytest.raises(ValueError, match=r"ESPnet|odim|not the weights") as caught:
        convert(**wrong)
    assert "\n" not in str(caught.value)
