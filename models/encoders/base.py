"""What every encoder is: features in, 40 ms frames out, and a CTC of characters on them."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

SUBSAMPLING = 4  # features of 10 ms in an encoded frame of 40 ms, whatever the encoder


class EncoderLayers(NamedTuple):
    """What an encoder makes of a batch, layer by layer."""

    encoded: Tensor  # (batch, frames', dim), 40 ms, zero on padding
    lengths: Tensor  # (batch,) valid encoded frames
    inner: Tensor | None = None  # (batch, frames', dim) what the phone CTC reads, if there is one
    letters: tuple[Tensor, ...] = ()  # (batch, frames', vocabulary) logits of inner CTCs


class Encoder(nn.Module):
    """The one encoder that every attention variant listens through, and its CTC head."""

    kind: ClassVar[str]  # as in a card; see `models.encoders.KINDS`
    sizes: ClassVar[type]  # frozen dataclass of its options
    features: ClassVar[Callable[[Tensor], Tensor]]  # (samples,) at 16 kHz to (frames, 80), 10 ms
    pretrained: ClassVar[tuple[str, ...]] = ()  # beginnings of names of weights learned elsewhere
    options: Any  # of the type `sizes`
    dim: int  # size of an encoded frame
    ctc: nn.Linear  # from an encoded frame to CTC tokens
    phone_ctc: nn.Linear | None  # auxiliary, in training only

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch.

        Parameters
        ----------
        features : (batch, frames, 80), as the encoder's `features` makes them, 10 ms
        lengths : (batch,) valid frames of each row

        Returns
        -------
        encoded : (batch, frames', dim), 40 ms, zero on padding
        lengths : (batch,) valid encoded frames, ``ceil(lengths / 4)``
        """
        layers = self.all_layers(features, lengths)
        return layers.encoded, layers.lengths

    def all_layers(self, features: Tensor, lengths: Tensor) -> EncoderLayers:
        """As `forward`, and what is inside."""
        raise NotImplementedError

    def ctc_log_probs(self, encoded: Tensor) -> Tensor:
        """Log-probabilities of CTC tokens, (batch, frames', vocabulary), float32."""
        return self.ctc(encoded).float().log_softmax(-1)


def valid(lengths: Tensor, size: int) -> Tensor:
    """Mask (batch, size), true below each length."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]
