"""What a beam search has written so far: pointers from every hypothesis to the one it grew from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

TOGETHER = 64  # steps whose maps lie side by side


class Place(NamedTuple):
    """A hypothesis: the one that held `slot` of `recording` after step `step`."""

    step: int
    recording: int
    slot: int


class Trace(NamedTuple):
    """A hypothesis from its first step to its last."""

    tokens: tuple[int, ...]
    log_probs: np.ndarray  # (tokens,) float32
    maps: tuple[Tensor, ...]  # (heads, frames) of every token
    global_mass: tuple[Tensor, ...] | None  # (heads,) of every token, if there is a global token


@dataclass
class SearchStep:
    """What one step of a search chose, for a grid of recordings and slots."""

    rows: dict[int, int]  # row of each recording in the grid
    parents: np.ndarray  # (recordings, slots) slot each hypothesis grew from, in the step before
    tokens: np.ndarray  # (recordings, slots) token it grew by
    log_probs: np.ndarray  # (recordings, slots) the decoder's log-probability of that token
    weights: Tensor  # (maps, heads, frames) what the parents listened to
    maps: np.ndarray  # (recordings, slots of parents) index into `weights`, -1 if dropped
    global_mass: Tensor | None = None  # (maps, heads) attention to a global token, if there is one
    pruned: bool = False  # some maps were dropped

    @property
    def nbytes(self) -> int:
        """Size of the maps with their masses."""
        return self.weights.nbytes + (0 if self.global_mass is None else self.global_mass.nbytes)


class _Copies:
    """Tensors of all steps, copied beside each other.

    Left where they are, each would keep the memory around it from being used again: hundreds of
    megabytes in a few minutes of speech.
    """

    def __init__(self) -> None:
        self._block: Tensor | None = None  # (TOGETHER, ...) for those to come
        self._filled = 0

    def keep(self, tensor: Tensor) -> Tensor:
        """A copy of the tensor."""
        full = self._block is None or self._filled == len(self._block)
        if full or self._block.shape[1:] != tensor.shape or self._block.dtype != tensor.dtype:
            self._block, self._filled = tensor.new_empty((TOGETHER, *tensor.shape)), 0
        kept = self._block[self._filled].copy_(tensor)
        self._filled += 1
        return kept


class Backpointers:
    """Histories of all hypotheses, without a copy per step.

    Maps are kept as the decoder made them, one per parent, and only those of hypotheses that are
    asked for are put together, by `trace`. `prune` drops the maps that nothing can ask for.
    """

    def __init__(self) -> None:
        self.steps: list[SearchStep] = []
        self.bytes = 0  # of all maps
        self._maps, self._masses = _Copies(), _Copies()

    def add(
        self,
        recordings: Sequence[int],
        parents: Tensor,
        tokens: Tensor,
        log_probs: Tensor,
        maps: Tensor,
        global_mass: Tensor | None = None,
    ) -> None:
        """Note one step.

        Parameters
        ----------
        recordings
            The recording of each row of the grid.
        parents
            (recordings, slots) as in `SearchStep`.
        tokens, log_probs
            (recordings * slots,) as in `SearchStep`.
        maps
            (recordings * slots, heads, frames) maps of the parents.
        global_mass
            (recordings * slots, heads) what the parents gave to a global token, if there is one.
        """
        rows = {number: row for row, number in enumerate(recordings)}
        shape, index = parents.shape, np.arange(len(maps))
        tokens, log_probs = tokens.cpu().numpy(), log_probs.cpu().numpy()
        choice = (parents.cpu().numpy(), tokens.reshape(shape), log_probs.reshape(shape))
        masses = None if global_mass is None else self._masses.keep(global_mass)
        kept = (self._maps.keep(maps), index.reshape(shape), masses)
        self.steps.append(SearchStep(rows, *choice, *kept))
        self.bytes += self.steps[-1].nbytes

    def trace(self, place: Place) -> Trace:
        """Everything about one hypothesis."""
        slot, tokens, log_probs, maps, masses = place.slot, [], [], [], []
        for step in reversed(self.steps[: place.step + 1]):
            row = step.rows[place.recording]
            tokens.append(int(step.tokens[row, slot]))
            log_probs.append(step.log_probs[row, slot])
            slot = step.parents[row, slot]
            kept = step.maps[row, slot]
            maps.append(step.weights[kept])
            if step.global_mass is not None:
                masses.append(step.global_mass[kept])
        log_probs = np.array(log_probs[::-1], np.float32)
        global_mass = tuple(masses[::-1]) if masses else None
        return Trace(tuple(tokens[::-1]), log_probs, tuple(maps[::-1]), global_mass)

    def prune(self, wanted: Iterable[Place]) -> None:
        """Free the maps that are not part of the history of any of the `wanted` hypotheses."""
        ends: dict[int, set[tuple[int, int]]] = {}
        for step, recording, slot in wanted:
            ends.setdefault(step, set()).add((recording, slot))
        heads: set[tuple[int, int]] = set()  # (recording, slot) after the step looked at
        for number in range(len(self.steps) - 1, -1, -1):
            step = self.steps[number]
            heads |= ends.pop(number, set())
            heads = {(r, int(step.parents[step.rows[r], slot])) for r, slot in heads}
            used = sorted({int(step.maps[step.rows[r], slot]) for r, slot in heads})
            if step.pruned and len(used) == len(step.weights) and not ends:
                break  # nothing changed here, so nothing did before
            renumbered = np.full(len(step.weights), -1)
            renumbered[used] = np.arange(len(used))
            step.maps = np.where(step.maps < 0, -1, renumbered[step.maps])
            if len(used) < len(step.weights):
                self.bytes -= step.nbytes
                step.weights = step.weights[used]
                if step.global_mass is not None:
                    step.global_mass = step.global_mass[used]
                self.bytes += step.nbytes
            step.pruned = True


def together(rows: list[Tensor]) -> np.ndarray:
    """(heads, tokens, ...) float32 of every token's (heads, ...), read-only: no copy is needed."""
    whole = np.empty((len(rows[0]), len(rows), *rows[0].shape[1:]), np.float32)
    torch.stack([row.float().cpu() for row in rows], 1, out=torch.from_numpy(whole))
    whole.flags.writeable = False
    return whole
