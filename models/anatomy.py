"""One step of an LSTM decoder taken apart, and what happens when a step is changed.

`dissect` walks along a finished hypothesis and returns everything one step is made of. `rewrite`
decodes the same recording again, greedily, and changes what may be attended from one step on: the
tokens before that step stay, so that what differs afterwards is due to the change.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import getdoc

import numpy as np
import torch
from torch import Tensor

from models.attention.base import Intervention
from models.decoders.base import Decoder, DecoderStep
from models.decoders.lstm import LSTMDecoder
from models.decoding.hypothesis import Hypothesis
from models.memory import MEASURING, available_bytes, require

STILL_HEARD = 1  # frames on either side of a moved peak that stay audible


@dataclass(frozen=True)
class Part:
    """A tensor of the step, with how it is called in the equations."""

    name: str  # for people
    symbol: str  # LaTeX
    shape: tuple[int, ...]  # without the batch axis
    axes: tuple[str, ...]  # what each axis counts


@dataclass(frozen=True, eq=False)
class Step:
    """Everything one output step consists of."""

    query: np.ndarray  # (query_dim,)
    terms: dict[str, np.ndarray]  # (heads, frames) each; they sum to the energies
    energies: np.ndarray  # (heads, frames), before the softmax
    weights: np.ndarray  # (heads, frames), after it
    context: np.ndarray  # (context_dim,)
    log_probs: np.ndarray  # (vocabulary,)
    parts: tuple[Part, ...]  # tensors in the order in which they are computed


@dataclass(frozen=True)
class Change:
    """What to change from one step on. Nothing by default."""

    step: int = 0  # first output step that is changed
    temperature: float = 1.0  # energies are divided by it
    dropped: frozenset[str] = frozenset()  # energy terms left out
    hidden: tuple[int, int] | None = None  # frames that cannot be attended, half-open
    peak: int | None = None  # frame to which this one step's attention is moved


def formula(decoder: LSTMDecoder) -> str:
    """The mechanism's own equation as its documentation states it, empty if it states none."""
    text = getdoc(type(decoder.attention)) or ""
    match = re.search(r"``([^`]+)``", text)
    return match.group(1) if match else ""


def parameters(decoder: LSTMDecoder) -> dict[str, tuple[int, ...]]:
    """Shape of every trained tensor of the mechanism, by its name."""
    named = decoder.attention.named_parameters()
    return {name: tuple(tensor.shape) for name, tensor in named}


@torch.inference_mode()
def dissect(decoder: LSTMDecoder, encoded: Tensor, tokens: Sequence[int], step: int) -> Step:
    """One step of a hypothesis, taken apart; those before it are only walked through.

    Parameters
    ----------
    encoded
        (frames, dim) of one recording, without padding.
    tokens
        What was decoded, the end of the sentence included where it was written.
    step
        Number of the step, from 0.

    Raises
    ------
    TypeError
        If the decoder has no single attention step to take apart (a Transformer has many).
    ValueError
        If the step lies beyond the hypothesis.
    """
    if not isinstance(decoder, LSTMDecoder):
        raise TypeError("only a decoder with one attention mechanism has a step to take apart")
    _check_step(step, tokens)
    memory, state = decoder.begin(encoded[None], torch.tensor([len(encoded)]))
    previous = _start(decoder)
    for token in tokens[:step]:
        state = decoder.step(previous, memory, state).state
        previous = torch.tensor([token])
    query = decoder.query(previous, state)  # (1, query_dim)
    attention = decoder.attention
    terms = attention.terms(query, memory, state.attention)
    energies = attention.energies(query, memory, state.attention)
    context = attention(query, memory, state.attention).context  # (1, context_dim)
    taken = decoder.step(previous, memory, state)
    return _step(decoder, encoded, query, terms, energies, context, taken, memory)


def _check_step(step: int, tokens: Sequence[int]) -> None:
    if not 0 <= step < max(1, len(tokens)):
        raise ValueError(f"there is no step {step} in a hypothesis of {len(tokens)} tokens")


def _start(decoder: Decoder) -> Tensor:
    return torch.tensor([decoder.vocabulary - 1])


def _step(decoder, encoded, query, terms, energies, context, taken: DecoderStep, memory) -> Step:
    keys = memory.keys
    parts = [
        Part("encoded frames", "h", tuple(encoded.shape), ("frames", "encoder")),
        Part("query", "q", (query.size(-1),), ("decoder",)),
    ]
    if keys is not None:
        parts.append(Part("keys", "k", tuple(keys.shape[1:]), ("heads", "frames", "attention")))
    frames = ("heads", "frames")
    parts += [Part(f"{name} term", "e", tuple(t.shape[1:]), frames) for name, t in terms.items()]
    parts += [
        Part("weights", r"\alpha", tuple(taken.weights.shape[1:]), frames),
        Part("context", "c", (context.size(-1),), ("context",)),
        Part("decoder state", "s", (taken.state.hidden[-1].size(-1),), ("decoder",)),
        Part("output", "y", (taken.logits.size(-1),), ("tokens",)),
    ]
    return Step(
        query=query[0].numpy(),
        terms={name: term[0].numpy() for name, term in terms.items()},
        energies=energies[0].numpy(),
        weights=taken.weights[0].numpy(),
        context=context[0].numpy(),
        log_probs=taken.logits[0].log_softmax(-1).numpy(),
        parts=tuple(parts),
    )


@torch.inference_mode()
def rewrite(
    decoder: Decoder,
    encoded: Tensor,
    tokens: Sequence[int],
    change: Change,
    *,
    max_length_ratio: float = 1.0,
) -> Hypothesis:
    """Keep a hypothesis up to a step, change what may be attended there, and decode on greedily.

    Parameters
    ----------
    encoded
        (frames, dim) of one recording, without padding.
    tokens
        The original hypothesis; the first ``change.step`` of them are kept.
    max_length_ratio
        Limit of the whole hypothesis in tokens per frame.

    Returns
    -------
    Hypothesis
        The kept tokens and those that follow, with their weights (heads, tokens, frames).

    Raises
    ------
    ValueError
        If the step lies beyond the hypothesis.
    MemoryError
        If the maps grow too large.
    """
    _check_step(change.step, tokens)
    frames, eos = len(encoded), decoder.vocabulary - 1
    memory, state = decoder.begin(encoded[None], torch.tensor([frames]))
    previous, chosen, log_probs, maps, masses = _start(decoder), [], [], [], []
    limit, room = max(change.step + 1, int(max_length_ratio * frames), 1), available_bytes()
    for number in range(limit):
        intervention = _intervention(change, number, frames)
        taken = decoder.step(previous, memory, state, intervention)
        scores = taken.logits[0].log_softmax(-1)  # (vocabulary,)
        token = tokens[number] if number < change.step else int(scores.argmax())
        chosen.append(int(token))
        log_probs.append(float(scores[token]))
        maps.append(taken.weights[0])
        masses += [] if taken.global_mass is None else [taken.global_mass[0]]
        size = (2 + MEASURING) * len(maps) * maps[0].nbytes
        require(size, room, f"the maps of {len(maps)} tokens")
        if token == eos:
            break
        previous, state = torch.tensor([token]), taken.state
    return Hypothesis(
        tokens=tuple(chosen),
        log_probs=np.array(log_probs, dtype=np.float32),
        weights=torch.stack(maps, 1).numpy(),  # (heads, tokens, frames)
        ended=chosen[-1] == eos,
        score=float(sum(log_probs)),
        global_mass=torch.stack(masses, 1).numpy() if masses else None,  # (heads, tokens)
    )


def _intervention(change: Change, step: int, frames: int) -> Intervention | None:
    """What one step is subject to; nothing before the change."""
    if step < change.step:
        return None
    allowed = torch.ones(1, frames, dtype=torch.bool)
    if change.hidden is not None:
        allowed[:, slice(*change.hidden)] = False
    if change.peak is not None and step == change.step:
        allowed[:] = False
        allowed[:, max(0, change.peak - STILL_HEARD) : change.peak + STILL_HEARD + 1] = True
    return Intervention(change.temperature, allowed, change.dropped)
