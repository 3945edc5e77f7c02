"""What search, training and anatomy ask of every attention decoder."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from models.attention.base import Intervention, repeat


class DecoderStep(NamedTuple):
    """What one step of a decoder gives."""

    logits: Tensor  # (batch, vocabulary), before the softmax
    weights: Tensor  # (batch, heads, frames), what this step listened to
    state: Any  # to pass to the next step; a tree of batch-first tensors
    global_mass: Tensor | None = None  # (batch, heads) attention to a global token, beside the maps


class Decoder(nn.Module):
    """What search and training ask of a decoder.

    The last token of the vocabulary both starts and ends a sentence. Memory and state are trees of
    tensors whose first axis is the batch, so that `models.attention.base.gather` can reorder them.
    """

    vocabulary: int  # number of output tokens
    map_layers: int = 0  # layers whose maps lie one after the other on the axis of heads; 0: none

    def begin(self, encoded: Tensor, lengths: Tensor) -> tuple[Any, Any]:
        """Memory and first state for speech (batch, frames, dim) of those lengths (batch,)."""
        raise NotImplementedError

    def repeat(self, memory: Any, times: int) -> Any:
        """The memory for so many hypotheses of each recording, one after the other."""
        return repeat(memory, times)

    def step(
        self,
        previous: Tensor,
        memory: Any,
        state: Any,
        intervention: Intervention | None = None,
    ) -> DecoderStep:
        """One token further: `previous` (batch,) holds the tokens written last."""
        raise NotImplementedError

    def forward(
        self, encoded: Tensor, lengths: Tensor, targets: Tensor, inputs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (batch, length, vocabulary) and weights (batch, length, heads, frames), forced."""
        raise NotImplementedError

    def shift_right(self, targets: Tensor) -> Tensor:
        """The token before each target: the start of the sentence, then the targets but the last.

        Negative (ignored) targets become the end of the sentence, so that they can be embedded.
        """
        end = self.vocabulary - 1
        previous = targets.masked_fill(targets < 0, end).roll(1, dims=1)
        previous[:, 0] = end
        return previous
