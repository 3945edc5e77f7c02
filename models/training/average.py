"""The running average of a model's weights over training: often better than the last weights.

An exponential moving average of Polyak and Ruppert's kind (Polyak & Juditsky 1992). Early on, when
weights still change fast, it looks back less far: after n updates the weights of the last n / 10 or
so count, until `decay` is reached.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Averaged weights beside those that are trained; whole numbers are taken as they are."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Take one more update into account."""
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                self.weights[name].lerp_(tensor, 1 - keep)
            else:
                self.weights[name].copy_(tensor)

    @contextmanager
    def inside(self, model: nn.Module) -> Iterator[None]:
        """The model with the averaged weights, for scoring and export; its own come back after."""
        own = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(self.weights)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def state(self) -> dict[str, int | dict[str, Tensor]]:
        """What an exact resume needs."""
        return {"updates": self.updates, "weights": self.weights}

    def restore(self, state: dict[str, int | dict[str, Tensor]]) -> None:
        """Continue from what `state` gave."""
        self.updates, self.weights = state["updates"], dict(state["weights"])
