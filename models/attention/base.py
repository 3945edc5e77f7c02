"""What every attention mechanism shares: interface, masking, interventions, registry.

A mechanism is one class with one decorator::

    @register("mine", "content", "My attention", "Me 2026")
    class Mine(Attention):
        def __init__(self, encoder_dim, query_dim, *, attention_dim): ...
        def energies(self, query, memory, state): ...

The module holds parameters only. What an utterance needs is in a `Memory`, what a hypothesis
remembers from step to step in a state; both are (nested) named tuples of tensors whose first axis
is the batch, so that a beam re-orders its hypotheses with `gather`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from inspect import signature
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from models.schema import Size

FAMILIES = (
    "no attention",
    "content",
    "location",
    "coverage",
    "multi-head",
    "forward",
    "monotonic",
    "transformer",
    "ctc",
)

State = Any  # None, or a NamedTuple of batch-first tensors: what a hypothesis remembers


class Memory(NamedTuple):
    """What one batch of utterances offers to every step; computed once by `Attention.prepare`.

    A mechanism that `shares_memory` may be given fewer keys and values than queries: each row then
    serves as many neighbouring queries, the hypotheses of one recording.
    """

    keys: Tensor | None  # (batch, heads, frames, key_dim), what the query is compared with
    values: Tensor  # (batch, heads or 1, frames, value_dim), what the context is made of
    valid: Tensor  # (batch, 1, frames) bool, False on padding


class AttentionStep(NamedTuple):
    """What one decoder step listened to."""

    context: Tensor  # (batch, context_dim)
    weights: Tensor  # (batch, heads, frames), rows sum to 1, exactly 0 on padding
    state: State  # to be passed to the next step


@dataclass(frozen=True, eq=False)
class Shared:
    """What all hypotheses have in common; in a memory or state, `gather` leaves it as it is."""

    value: Any


@dataclass(frozen=True)
class Intervention:
    """A change of the attention at decoding time, the same for every mechanism.

    Energies lose the dropped terms, are divided by the temperature, masked, then normalised.
    A term that a mechanism does not have is not missed; without any term left it is uniform.
    """

    temperature: float = 1.0  # below 1 sharper, above 1 flatter
    allowed: Tensor | None = None  # (batch, frames) bool; ignored for rows where it leaves no frame
    dropped: frozenset[str] = frozenset()  # names of energy terms to leave out

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"the temperature must be above 0, not {self.temperature}")

    def frames(self, valid: Tensor) -> Tensor:
        """(batch, 1, frames) bool: which of the valid frames may be attended."""
        if self.allowed is None:
            return valid
        frames = valid & self.allowed[:, None]
        return torch.where(frames.any(-1, keepdim=True), frames, valid)


@dataclass(frozen=True)
class Sizes:
    """One set of sizes for all mechanisms; each takes those that its constructor names."""

    attention_dim: Size = 256  # of the space where queries meet keys, over all heads
    heads: Size = 4  # multi-head mechanisms only
    channels: Size = 10  # filters of a location convolution (per head)
    kernel: Size = 31  # their taps in frames, odd
    window: Size = 5  # past maps that location2d looks at
    chunk: Size = 8  # frames that mocha reads, back from where it stops
    mixtures: Size = 5  # Gaussians of gmm
    previous_dim: Size = 0  # last entries of the query that are the previous output (forward_ta)

    def __post_init__(self) -> None:
        for size in fields(self):
            least, given = int(size.name != "previous_dim"), getattr(self, size.name)
            if given < least:
                raise ValueError(f"{size.name} must be at least {least}, not {given}")


@dataclass(frozen=True)
class MechanismInfo:
    """A registered mechanism."""

    name: str  # as in commands and files
    family: str  # one of FAMILIES
    title: str  # for people
    paper: str  # where it comes from
    cls: type[Attention]  # the module

    @property
    def wants_previous_output(self) -> bool:
        """Whether the query must end with the embedding of the previous output token."""
        return self.cls.wants_previous_output


_REGISTRY: dict[str, MechanismInfo] = {}  # filled by `register` while the package is imported


def register(name: str, family: str, title: str, paper: str) -> Callable[[type], type]:
    """Class decorator that makes a mechanism known under `name`.

    Raises
    ------
    ValueError
        If the family is unknown or the name is taken.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown attention family {family!r}; families are {', '.join(FAMILIES)}")

    def decorate(cls: type[Attention]) -> type[Attention]:
        if name in _REGISTRY:
            raise ValueError(f"there already is an attention mechanism called {name!r}")
        cls.name, cls.family, cls.title, cls.paper = name, family, title, paper
        _REGISTRY[name] = MechanismInfo(name, family, title, paper, cls)
        return cls

    return decorate


def mechanisms() -> dict[str, MechanismInfo]:
    """All registered mechanisms by name, family by family: the order in which they are shown."""
    ordered = sorted(_REGISTRY.values(), key=lambda info: FAMILIES.index(info.family))
    return {info.name: info for info in ordered}


def build(
    name: str, encoder_dim: int, query_dim: int, sizes: Sizes | None = None, **changes: int
) -> Attention:
    """Make the mechanism called `name`.

    Parameters
    ----------
    encoder_dim, query_dim
        Last axis of the encoded frames and of the query.
    sizes
        Common sizes; the mechanism takes those that its constructor names.
    **changes
        Single common sizes that differ from `sizes`.

    Raises
    ------
    ValueError
        If there is no such mechanism, or a size does not suit it.
    TypeError
        If `changes` has a name that is not in `Sizes`.
    """
    if name not in _REGISTRY:
        raise ValueError(f"no attention mechanism {name!r}; there are {', '.join(_REGISTRY)}")
    sizes = replace(sizes or Sizes(), **changes)
    cls = _REGISTRY[name].cls
    wanted = [size.name for size in fields(Sizes) if size.name in signature(cls).parameters]
    return cls(encoder_dim, query_dim, **{size: getattr(sizes, size) for size in wanted})


def gather(tree: Any, index: Tensor) -> Any:
    """Re-index every tensor of a memory or state along the batch axis.

    Parameters
    ----------
    tree
        Nested (named) tuples, lists and dicts of batch-first tensors, `Shared`, or None.
    index
        (hypotheses,) long; rows may be repeated or left out.
    """
    return _each(tree, lambda tensor: tensor.index_select(0, index))


def repeat(tree: Any, times: int) -> Any:
    """Every row of a memory or state so many times, one after the other."""
    return _each(tree, lambda tensor: tensor.repeat_interleave(times, 0))


def share(memory: Any, times: int) -> Any:
    """A memory whose rows each serve so many neighbouring hypotheses: only `valid` is repeated."""
    return memory._replace(valid=memory.valid.repeat_interleave(times, 0))


def rows(tree: Any, chosen: slice) -> Any:
    """Neighbouring rows of every tensor of a memory or state, as views."""
    return _each(tree, lambda tensor: tensor[chosen])


def _each(tree: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The tree with every tensor changed."""
    if isinstance(tree, Tensor):
        return change(tree)
    if tree is None or isinstance(tree, Shared):
        return tree
    if isinstance(tree, dict):
        return {key: _each(item, change) for key, item in tree.items()}
    if not isinstance(tree, tuple | list):
        raise TypeError(f"cannot re-index a {type(tree).__name__}")
    items = [_each(item, change) for item in tree]
    return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)


def products(queries: Tensor, shared: Tensor) -> Tensor:
    """Multiply what every hypothesis has with the matrices of its recording.

    Parameters
    ----------
    queries
        (batch, heads, queries, size).
    shared
        (recordings, heads, size, out); the batch holds equally many neighbours of each recording.

    Returns
    -------
    Tensor
        (batch, heads, queries, out).
    """
    times = len(queries) // len(shared)
    together = queries.unflatten(0, (-1, times)).transpose(1, 2).flatten(2, 3)
    product = together @ shared  # (recordings, heads, times * queries, out)
    return product.unflatten(2, (times, -1)).transpose(1, 2).flatten(0, 1)


def valid_frames(lengths: Tensor, frames: int) -> Tensor:
    """(batch, 1, frames) bool: True on the frames of each utterance, False on its padding.

    Raises
    ------
    ValueError
        If a length is below 1 or above `frames`.
    """
    if int(lengths.min()) < 1 or int(lengths.max()) > frames:
        raise ValueError(f"lengths must be between 1 and {frames} frames, got {lengths.tolist()}")
    return (torch.arange(frames, device=lengths.device) < lengths[:, None])[:, None]


def weights_dtype(tensor: Tensor) -> torch.dtype:
    """At least float32, also under autocast: half-precision rows would not sum to 1."""
    return torch.promote_types(tensor.dtype, torch.float32)


class Attention(nn.Module):
    """One attention step with explicit state.

    A mechanism must define `energies`. It may override `make_keys` and `make_values` (once per
    utterance), `initial_state` and `advance` (what it remembers), `terms` (of what its energies
    consist), `align` (a prior on top of the softmax), `normalise` (what to do instead of a softmax)
    and `read` (from weights to context).

    Parameters
    ----------
    context_dim
        Size of the context vector.
    heads
        Number of maps.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    wants_previous_output: ClassVar[bool] = False  # query ends with the previous output's embedding
    shares_memory: ClassVar[bool] = False  # works with keys and values for several queries each

    def __init__(self, context_dim: int, heads: int = 1) -> None:
        super().__init__()
        self.context_dim = context_dim
        self.heads = heads

    def prepare(self, encoded: Tensor, lengths: Tensor) -> Memory:
        """Compute what every step needs.

        Parameters
        ----------
        encoded
            (batch, frames, encoder_dim) padded encoder output.
        lengths
            (batch,) valid frames of each utterance.
        """
        valid = valid_frames(lengths.to(encoded.device), encoded.size(1))
        return Memory(self.make_keys(encoded), self.make_values(encoded), valid)

    def make_keys(self, encoded: Tensor) -> Tensor | None:
        """Encoded frames as keys, (batch, heads, frames, key_dim)."""
        return None

    def make_values(self, encoded: Tensor) -> Tensor:
        """Encoded frames as values, (batch, heads or 1, frames, value_dim)."""
        return encoded[:, None]

    def repeat(self, memory: Memory, times: int) -> Memory:
        """The memory for so many hypotheses of each recording, one after the other."""
        return (share if self.shares_memory else repeat)(memory, times)

    def initial_state(self, memory: Memory) -> State:
        """What a hypothesis remembers before its first step."""
        return None

    def forward(
        self,
        query: Tensor,
        memory: Memory,
        state: State,
        intervention: Intervention | None = None,
    ) -> AttentionStep:
        """Attend once.

        Parameters
        ----------
        query
            (batch, query_dim).
        memory, state
            From `prepare`; from `initial_state` or the previous step.
        """
        change = intervention or Intervention()
        if change.dropped:
            energies = self._kept_energies(query, memory, state, change.dropped)
        else:
            energies = self.energies(query, memory, state)
        if change.temperature != 1.0:
            energies = energies / change.temperature
        weights = self.normalise(energies, change.frames(memory.valid), memory, state)
        context = self.read(weights, memory)
        return AttentionStep(context, weights, self.advance(query, memory, state, context, weights))

    def energies(self, query: Tensor, memory: Memory, state: State) -> Tensor:
        """(batch, heads, frames) energies, scaled as the softmax takes them."""
        raise NotImplementedError

    def terms(self, query: Tensor, memory: Memory, state: State) -> dict[str, Tensor]:
        """Named parts of the energies, each (batch, heads, frames); they sum to `energies`."""
        return {"content": self.energies(query, memory, state)}

    def normalise(self, energies: Tensor, frames: Tensor, memory: Memory, state: State) -> Tensor:
        """(batch, heads, frames) weights of the energies; only `frames` may be attended."""
        energies = torch.where(frames, energies, -torch.inf)  # (batch, heads, frames)
        weights = energies.softmax(-1, dtype=weights_dtype(energies))
        return self.align(weights, frames, memory, state)

    def align(self, weights: Tensor, frames: Tensor, memory: Memory, state: State) -> Tensor:
        """Final weights from those of the softmax; `frames` are those that may be attended."""
        return weights

    def read(self, weights: Tensor, memory: Memory) -> Tensor:
        """(batch, context_dim) weighted sum of the values."""
        return products(weights[:, :, None], memory.values).flatten(1)

    def advance(
        self, query: Tensor, memory: Memory, state: State, context: Tensor, weights: Tensor
    ) -> State:
        """What the hypothesis remembers after this step."""
        return state

    def _kept_energies(self, query, memory, state, dropped: frozenset[str]) -> Tensor:
        terms = self.terms(query, memory, state)
        kept = [energy for name, energy in terms.items() if name not in dropped]
        return sum(kept) if kept else torch.zeros_like(next(iter(terms.values())))
