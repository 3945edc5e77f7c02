"""Our beam search beside ESPnet's own `Decoder.recognize_beam`: same weights, same recordings."""

import logging
from argparse import Namespace
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.clocks import in_turn
from benchmarks.search import ALPHABET, ENCODER_DIM, FRAMES_PER_SECOND, NEVER, recordings
from models.attention import Sizes, mechanisms
from models.decoders.lstm import LSTMDecoder
from models.decoding.hypothesis import Hypothesis
from models.decoding.search import SearchOptions, decode
from models.interop.espnet.attention import ESPNET_TYPES as KNOWN
from tests.support.espnet_models import recorded

CTC_WEIGHTS = (0.0, 0.3)
ESPNET_TYPES = {"equal": "noatt", "additive": "add"}  # the others are called as ours


def known() -> list[str]:
    """Mechanisms of ours that ESPnet's beam search runs (it passes no previous output)."""
    names = [name for name in mechanisms() if ESPNET_TYPES.get(name, name) in KNOWN]
    return [name for name in names if not name.startswith("forward")]


def rows(names: Sequence[str], options: Namespace) -> Iterator[dict[str, Any]]:
    """A row for every mechanism, with the decoder alone and with CTC."""
    logging.disable(logging.CRITICAL)  # ESPnet logs every step
    try:
        for name in names:
            theirs, ours = espnet_pair(name, options)
            for weight in CTC_WEIGHTS:
                yield {"mechanism": name, **_compare(theirs, ours, weight, options)}
    finally:
        logging.disable(logging.NOTSET)


def espnet_pair(mechanism: str, options: Namespace):
    """ESPnet's decoder with random weights, and ours with the same ones."""
    from espnet.nets.pytorch_backend.rnn.attentions import initial_att
    from espnet.nets.pytorch_backend.rnn.decoders import Decoder

    from models.interop.espnet import attention_from_state

    torch.manual_seed(0)
    atype, units, end = ESPNET_TYPES.get(mechanism, mechanism), options.units, ALPHABET.eos
    ours = Sizes(attention_dim=options.attention_dim)
    heads = ours.heads if atype.startswith("multi_head") else 1
    sizes = {"eprojs": ENCODER_DIM, "dunits": units, "aheads": heads}
    sizes |= {"adim": ours.attention_dim // heads, "awin": ours.window}
    sizes |= {"aconv_chans": ours.channels, "aconv_filts": ours.kernel // 2}
    attention = initial_att(atype, *sizes.values())
    modules = torch.nn.ModuleList([attention])
    theirs = Decoder(
        ENCODER_DIM, end + 1, "lstm", 1, units, end, end, modules, context_residual=True
    ).eval()
    torch.nn.init.normal_(theirs.output.weight, std=0.5)  # clear favourites, so no ties to break
    torch.nn.init.constant_(theirs.output.bias[end], NEVER)
    ours = LSTMDecoder(
        end + 1,
        ENCODER_DIM,
        attention_from_state(atype, attention.state_dict(), **sizes),
        embedding_dim=units,
        units=units,
        context_residual=True,
    ).eval()
    ours.embedding.load_state_dict(theirs.embed.state_dict())
    ours.cells.load_state_dict(theirs.decoder.state_dict())
    ours.output.load_state_dict(theirs.output.state_dict())
    return theirs, ours


def espnet_search(theirs, encoded: Tensor, ctc: Tensor | None, options: Namespace, **changes: Any):
    """ESPnet's best hypothesis for one recording (frames, dim)."""
    asked = {"beam_size": options.beam, "nbest": 1, "penalty": 0.0, "lm_weight": 0.0}
    asked |= {"ctc_weight": 0.0, "minlenratio": 0.0, "maxlenratio": _ratio(options), **changes}
    with torch.no_grad():
        return theirs.recognize_beam(encoded, ctc, Namespace(**asked), ALPHABET.tokens)[0]


def _ratio(options: Namespace) -> float:
    return options.characters / FRAMES_PER_SECOND


def _compare(theirs, ours: LSTMDecoder, weight: float, options: Namespace) -> dict[str, Any]:
    encoded, lengths, ctc = recordings(options.recordings, options.seconds)
    asked = SearchOptions(
        beam=options.beam,
        max_length_ratio=_ratio(options),
        ctc_weight=weight,
        length_normalised=False,
    )
    heard = ctc[0] if weight else None  # else ESPnet would compute what is weighed with zero
    actions = {
        "espnet": partial(espnet_search, theirs, encoded[0], heard, options, ctc_weight=weight),
        "single": partial(decode, ours, encoded[:1], lengths[:1], ALPHABET, asked, ctc[:1]),
        "batched": partial(decode, ours, encoded, lengths, ALPHABET, asked, ctc),
    }
    taken = in_turn(actions, options.repeats)
    expected = tuple(map(int, actions["espnet"]()["yseq"][1:-1]))
    found = {name: actions[name]()[0][0] for name in ("single", "batched")}
    per = {"espnet": 1, "single": 1, "batched": options.recordings}
    return {
        "ctc_weight": weight,
        "beam": options.beam,
        "audio_seconds": options.seconds,
        "tokens": len(expected),
        "recordings_at_once": options.recordings,
        **{f"{name}_seconds": each.wall / per[name] for name, each in taken.items()},
        **{f"{name}_processor": each.processor / per[name] for name, each in taken.items()},
        "same_hypothesis": all(each.tokens == expected for each in found.values()),
        "map_difference": max(_apart(theirs, encoded[0], each) for each in found.values()),
    }


def _apart(theirs, encoded: Tensor, hypothesis: Hypothesis) -> float:
    """How far our maps of a hypothesis are from what ESPnet's modules listen to, writing it."""
    maps = espnet_maps(theirs, encoded, hypothesis.tokens)  # (heads, tokens, frames)
    return float(np.abs(maps.numpy() - hypothesis.weights).max())


@torch.no_grad()
def espnet_maps(theirs, encoded: Tensor, tokens: Sequence[int]) -> Tensor:
    """(heads, tokens, frames) maps of ESPnet's attention when it writes these tokens."""
    attention, listened = theirs.att[0], []
    attention.reset()
    zeros = encoded.new_zeros(1, theirs.dunits)
    hidden, cell, state = [zeros], [zeros], None
    with recorded(attention, listened):
        for token in (ALPHABET.eos, *tokens[:-1]):
            context, state = attention(encoded[None], [len(encoded)], hidden[0], state)
            heard = torch.cat((theirs.embed(torch.tensor([token])), context), 1)
            hidden, cell = theirs.rnn_forward(heard, [None], [None], hidden, cell)
    return torch.stack(listened, 1)


def espnet_seconds(options: Namespace, tokens: int, seconds: float) -> float:
    """Wall seconds ESPnet takes for one recording and one mechanism, with CTC."""
    theirs, _ = espnet_pair(options.peer, options)
    encoded, _, ctc = recordings(1, seconds)
    logging.disable(logging.CRITICAL)
    try:
        asked = {"ctc_weight": CTC_WEIGHTS[-1], "maxlenratio": tokens / len(encoded[0])}
        action = partial(espnet_search, theirs, encoded[0], ctc[0], options, **asked)
        return in_turn({"espnet": action}, options.repeats)["espnet"].wall
    finally:
        logging.disable(logging.NOTSET)
