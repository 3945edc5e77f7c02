"""ESPnet's attention modules as ours.

ESPnet keeps one layer per head and biases that change nothing; ours are fused. The equality is
tested against the installed package, `espnet.nets.pytorch_backend.rnn.attentions`.
"""

from collections.abc import Mapping, Sequence
from inspect import signature

import torch
from torch import Tensor
from torch.nn import functional as F

from models.attention import Attention
from models.attention.content import Additive, Dot, Equal
from models.attention.coverage import Coverage, CoverageLocation
from models.attention.forward import Forward, ForwardTA
from models.attention.location import Location, Location2D, LocationRecurrent
from models.attention.multihead import (
    MultiHeadAdd,
    MultiHeadDot,
    MultiHeadLoc,
    MultiHeadMultiResLoc,
    head_radius,
)

_CLASSES: Mapping[str, type[Attention]] = {  # by ESPnet's --atype
    "noatt": Equal,
    "dot": Dot,
    "add": Additive,
    "location": Location,
    "location2d": Location2D,
    "location_recurrent": LocationRecurrent,
    "coverage": Coverage,
    "coverage_location": CoverageLocation,
    "multi_head_dot": MultiHeadDot,
    "multi_head_add": MultiHeadAdd,
    "multi_head_loc": MultiHeadLoc,
    "multi_head_multi_res_loc": MultiHeadMultiResLoc,
    "forward": Forward,
    "forward_ta": ForwardTA,
}

ESPNET_TYPES = tuple(_CLASSES)

_LAYERS: Mapping[str, str] = {  # those that differ in name only, once the heads are stacked
    "mlp_enc": "key",
    "mlp_k": "key",
    "mlp_dec": "query",
    "mlp_q": "query",
    "mlp_v": "value",
    "mlp_o": "output",
    "mlp_ta": "agent",
    "att_lstm": "lstm",
}


def attention_from_state(
    atype: str,
    state_dict: Mapping[str, Tensor],
    *,
    eprojs: int,
    dunits: int,
    adim: int,
    aheads: int,
    awin: int,
    aconv_chans: int,
    aconv_filts: int,
    odim: int | None = None,
) -> Attention:
    """Our attention with the weights of ESPnet's module.

    Equal to it at every step of a padded batch, also where ESPnet's result depends on the padding
    (`location_recurrent`, `forward`, `forward_ta`: see their ``padding_as_espnet``, which can be
    set to False afterwards); on a single utterance nothing depends on it.

    Parameters
    ----------
    atype
        ESPnet's ``--atype``, or ``forward`` or ``forward_ta``.
    state_dict
        Of that module.
    eprojs, dunits, adim, aheads, awin, aconv_chans, aconv_filts
        ESPnet's sizes: encoder, decoder, attention (per head), heads, window, filters, taps on each
        side of the middle one.
    odim
        Size of the previous output (``forward_ta`` only); the query is
        ``[decoder state, previous output]``.

    Raises
    ------
    ValueError
        If the type is unknown or the weights do not have the names and shapes of that module.
    """
    if atype not in _CLASSES:
        raise ValueError(f"unknown ESPnet attention {atype!r}; known are {', '.join(_CLASSES)}")
    if atype == "forward_ta" and odim is None:
        raise ValueError("forward_ta needs odim, the size of the previous output")
    heads = aheads if atype.startswith("multi_head") else 1
    kernel = 2 * aconv_filts + 1
    sizes = {"attention_dim": heads * adim, "heads": heads, "window": awin, "previous_dim": odim}
    sizes |= {"channels": aconv_chans, "kernel": kernel, "padding_as_espnet": True}
    cls = _CLASSES[atype]
    wanted = [size for size in sizes if size in signature(cls).parameters]
    query_dim = dunits + (odim if atype == "forward_ta" else 0)
    attention = cls(eprojs, query_dim, **{size: sizes[size] for size in wanted})
    try:
        layers = _by_layer(state_dict, heads)
        if "loc_conv.weight" in layers:
            layers["loc_conv.weight"] = _same_width(atype, layers["loc_conv.weight"], kernel)
        attention.load_state_dict(_renamed(atype, layers))
    except (KeyError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"these are not the weights of such a {atype} module: {reason}") from error
    return attention


def _by_layer(state_dict: Mapping[str, Tensor], heads: int) -> dict[str, list[Tensor]]:
    """Tensors of all heads in order, by name without the head (``mlp_q.bias``)."""
    layers: dict[str, dict[int, Tensor]] = {}
    for name, tensor in state_dict.items():
        layer, *head, kind = name.split(".")
        layers.setdefault(f"{layer}.{kind}", {})[int(head[0]) if head else 0] = tensor
    for name, tensors in layers.items():
        if sorted(tensors) != list(range(1 if name == "mlp_o.weight" else heads)):
            raise ValueError(f"{name} has the heads {sorted(tensors)}, not {heads} in all")
    return {name: [tensors[head] for head in sorted(tensors)] for name, tensors in layers.items()}


def _same_width(atype: str, filters: Sequence[Tensor], kernel: int) -> list[Tensor]:
    """(channels, maps, kernel) filters of every head, shorter ones with zeros at both ends."""
    widths = [kernel] * len(filters)
    if atype == "multi_head_multi_res_loc":
        radii = [head_radius(head, len(filters), kernel) for head in range(len(filters))]
        widths = [2 * radius + 1 for radius in radii]
    if widths != (taps := [item.size(-1) for item in filters]):
        raise ValueError(f"the filters have {taps} taps, not {widths}")
    return [F.pad(item[:, 0], [(kernel - item.size(-1)) // 2] * 2) for item in filters]


def _renamed(atype: str, layers: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
    """Our state dict; names without a counterpart are kept, to be refused by the module."""
    ours = {}
    for name, heads in layers.items():
        layer, kind = name.split(".")
        ours[f"{_LAYERS.get(layer, layer)}.{kind}"] = torch.cat(list(heads))
    ours.pop("gvec.bias", None)  # the same for every frame: the softmax does not see it
    if "gvec.weight" in ours:
        ours["score"] = ours.pop("gvec.weight")[:, None]  # (heads, 1, dim)
        if atype.startswith("multi_head"):
            ours["key.bias"] = ours.pop("query.bias")  # inside the tanh it does not matter where
    features = "coverage" if atype == "coverage_location" else "location"
    if "mlp_att.weight" in ours:
        del ours["mlp_att.weight"]
        ours[f"{features}.project"] = torch.stack([head.T for head in layers["mlp_att.weight"]])
    if "loc_conv.weight" in ours:
        filters = "filters" if atype == "location_recurrent" else f"{features}.filters"
        ours[f"{filters}.weight"] = ours.pop("loc_conv.weight")
    if atype == "coverage":
        ours["coverage"] = ours.pop("wvec.weight")[:, 0]
        ours["key.bias"] = ours["key.bias"] + ours.pop("wvec.bias")
    if atype == "forward_ta":  # ESPnet: [context; previous output; state]
        eprojs, dunits = ours["key.weight"].size(1), ours["query.weight"].size(1)
        agent = ours["agent.weight"]
        context, previous, state = agent[:, :eprojs], agent[:, eprojs:-dunits], agent[:, -dunits:]
        ours["agent.weight"] = torch.cat([context, state, previous], dim=1)
    return ours
