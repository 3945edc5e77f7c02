"""ESPnet's RNN encoders, one recording at a time: what it computes for a batch of one.

Watanabe et al. 2018 (arXiv 1804.00015): optionally a VGG-like block of four convolutions, then
recurrent layers, each followed by a projection (and by subsampling in time), or one projection
after all of them.
"""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.interop.espnet.config import EncoderSizes

CHANNELS = ((1, 64), (64, 64), (64, 128), (128, 128))  # into and out of each convolution


class EspnetEncoder(nn.Module):
    """Feature frames to encoded frames."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.vgg = Convolutions() if sizes.vgg else None
        width = Convolutions.output(sizes.size) if sizes.vgg else sizes.size
        recurrent = ProjectedLayers if sizes.projected else PlainLayers
        self.recurrent = recurrent(width, sizes)

    def forward(self, features: Tensor) -> Tensor:
        """(frames, size) of one recording to (frames', output)."""
        frames = features[None]
        if self.vgg is not None:
            frames = self.vgg(frames)
        return self.recurrent(frames)[0]

    def encode(self, recordings: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(batch, frames', output) and lengths (batch,); each as if it were alone."""
        encoded = [self(features) for features in recordings]
        lengths = torch.tensor([len(frames) for frames in encoded])
        return nn.utils.rnn.pad_sequence(encoded, batch_first=True), lengths


class Convolutions(nn.Module):
    """Two pairs of 3x3 convolutions, each pair followed by a maximum over 2x2."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(*channels, 3, padding=1) for channels in CHANNELS)

    @staticmethod
    def output(size: int) -> int:
        """Size of a frame after them, for `size` mel bands."""
        return CHANNELS[-1][1] * ((size + 3) // 4)

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, frames, size) to (batch, frames / 4, output)."""
        planes = frames[:, None]  # (batch, channels, frames, bands)
        for number, layer in enumerate(self.layers):
            planes = F.relu(layer(planes))
            if number % 2:
                planes = F.max_pool2d(planes, 2, ceil_mode=True)
        return planes.transpose(1, 2).flatten(2)


def _recurrence(size: int, layers: int, sizes: EncoderSizes) -> nn.RNNBase:
    kind = nn.LSTM if sizes.cell == "lstm" else nn.GRU
    return kind(size, sizes.units, layers, batch_first=True, bidirectional=sizes.bidirectional)


class ProjectedLayers(nn.Module):
    """Recurrent layers, each followed by subsampling, a projection and (but the last) a tanh."""

    def __init__(self, size: int, sizes: EncoderSizes) -> None:
        super().__init__()
        inputs = [size] + [sizes.output] * (sizes.layers - 1)
        width = sizes.units * (1 + sizes.bidirectional)
        self.layers = nn.ModuleList(_recurrence(input_size, 1, sizes) for input_size in inputs)
        self.projections = nn.ModuleList(nn.Linear(width, sizes.output) for _ in inputs)
        self.subsampling = sizes.subsampling

    def forward(self, frames: Tensor) -> Tensor:
        last = len(self.layers) - 1
        for number, (layer, project) in enumerate(zip(self.layers, self.projections, strict=True)):
            frames, _ = layer(frames)
            step = self.subsampling[number]
            if step > 1:  # ESPnet's count, which drops a last frame that starts no whole step
                frames = frames[:, ::step][:, : (frames.shape[1] + 1) // step]
            frames = project(frames)
            if number < last:
                frames = frames.tanh()
        return frames


class PlainLayers(nn.Module):
    """Stacked recurrent layers, then one projection and a tanh."""

    def __init__(self, size: int, sizes: EncoderSizes) -> None:
        super().__init__()
        self.layers = _recurrence(size, sizes.layers, sizes)
        self.projection = nn.Linear(sizes.units * (1 + sizes.bidirectional), sizes.output)

    def forward(self, frames: Tensor) -> Tensor:
        return self.projection(self.layers(frames)[0]).tanh()


_NAMES = (  # of ESPnet's state dict, and ours
    (r"^conv(\d)_(\d)\.", lambda m: f"vgg.layers.{2 * int(m[1]) + int(m[2]) - 3}."),
    (r"^(?:bi)?rnn(\d+)\.", lambda m: f"recurrent.layers.{m[1]}."),
    (r"^bt(\d+)\.", lambda m: f"recurrent.projections.{m[1]}."),
    (r"^nbrnn\.", lambda m: "recurrent.layers."),
    (r"^l_last\.", lambda m: "recurrent.projection."),
)


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict from that of ESPnet's encoder (names ``0.birnn0.weight_ih_l0``)."""
    renamed_state = {}
    for name, tensor in state.items():
        ours = name.partition(".")[2]  # without the number of the stage
        for pattern, replacement in _NAMES:
            ours = re.sub(pattern, replacement, ours)
        renamed_state[ours] = tensor
    return renamed_state
