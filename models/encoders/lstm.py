"""An encoder of bidirectional LSTM layers, trained from nothing, with a CTC head."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.encoders.base import SUBSAMPLING, Encoder, EncoderLayers, valid
from models.features import MEL_BINS, log_mel
from models.schema import Layers, Size


@dataclass(frozen=True)
class LSTMOptions:
    """Sizes of an `LSTMEncoder`."""

    vocabulary: Size = 30  # CTC outputs, blank included
    channels: Size = 32  # of both convolutions
    projection: Size = 320  # input size of the first recurrent layer
    units: Size = 256  # LSTM cells a direction
    layers: Layers = 3  # bidirectional LSTM layers
    dropout: float = 0.1  # between recurrent layers, training only
    phones: Size = 0  # outputs of the auxiliary phone CTC, used in training only
    slow_layers: Layers = 0  # residual layers at half the frame rate, before the last layer
    conditioned: bool = False  # layers from the third on are told what those before have spelt

    @property
    def dim(self) -> int:
        """Size of an encoded frame."""
        return 2 * self.units


def reverse(frames: Tensor, lengths: Tensor) -> Tensor:
    """Each row's first `lengths` frames in reverse order; padding stays where it is.

    frames: (batch, frames, dim); lengths: (batch,).
    """
    place = torch.arange(frames.shape[1], device=frames.device).expand(len(lengths), -1)
    flipped = torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)
    return frames.gather(1, flipped[:, :, None].expand_as(frames))


def _lstm(size: int, units: int) -> nn.LSTM:
    """An LSTM with orthogonal recurrent weights and forget bias 1."""
    lstm = nn.LSTM(size, units, batch_first=True)
    for name, parameter in lstm.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.data.chunk(4):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.xavier_uniform_(parameter)
        else:
            parameter.data.zero_()
            if name.startswith("bias_hh"):
                parameter.data[units : 2 * units] = 1.0
    return lstm


class BidirectionalLSTM(nn.Module):
    """LayerNorm, then an LSTM in each direction of time, concatenated.

    The backward LSTM reads each row reversed within its own length, so padding never reaches a
    valid frame and plain (unpacked) kernels can be used.
    """

    def __init__(self, size: int, units: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.onward = _lstm(size, units)
        self.backward_ = _lstm(size, units)
        self.dropout = nn.Dropout1d(dropout)  # whole channels: one draw serves all frames

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, size) to (batch, frames, 2 * units)."""
        frames = self.dropout(self.norm(frames).transpose(1, 2)).transpose(1, 2)
        onward, _ = self.onward(frames)
        back, _ = self.backward_(reverse(frames, lengths))
        return torch.cat([onward, reverse(back, lengths)], dim=-1)


class SlowLayer(nn.Module):
    """A bidirectional LSTM at half the frame rate, added to what it was given.

    It costs half as much as a layer at the full rate and sees twice as far; the residual keeps the
    detail (the idea of U-shaped encoders: Kim et al. 2022, arXiv 2206.00888). Its `scale` starts at
    zero, so that a layer added to a trained encoder changes nothing at first (Bachlechner et al.
    2020, arXiv 2003.04887).
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.recurrent = BidirectionalLSTM(size, size // 2, dropout)
        self.scale = nn.Parameter(torch.zeros(size))

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """(batch, frames, size) to the same."""
        size = frames.shape[1]
        inside = valid(lengths, size)[:, :, None].to(frames.dtype)
        spare = (0, 0, 0, size % 2)
        # Pairs of frames are averaged; the last valid frame of an odd length stands alone.
        weights = functional.pad(inside, spare).unflatten(1, (-1, 2)).sum(2)
        sums = functional.pad(frames * inside, spare).unflatten(1, (-1, 2)).sum(2)
        pairs = sums / weights.clamp_min(1)  # (batch, frames / 2, size)
        slow = self.recurrent(pairs, (lengths + 1) // 2)
        return frames + self.scale * slow.repeat_interleave(2, 1)[:, :size]


class Condition(nn.Module):
    """A CTC on an inner layer whose letters are told to the layers above it.

    Self-conditioned CTC (Nozaki & Komatsu 2021, arXiv 2104.02724): to CTC the letters are
    independent of each other once the frames are given; layers that know what was spelt below them
    can write what goes together. What is told starts at zero, so that a condition added to a
    trained encoder changes nothing at first.
    """

    def __init__(self, size: int, vocabulary: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.ctc = nn.Linear(size, vocabulary)
        self.told = nn.Parameter(torch.zeros(vocabulary, size))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, size) to the same, and logits (batch, frames, vocabulary)."""
        logits = self.ctc(self.norm(frames))
        letters = logits.float().softmax(-1).to(frames.dtype)
        return frames + letters @ self.told.to(frames.dtype), logits


class LSTMEncoder(Encoder):
    """Two convolutions and a stack of bidirectional LSTMs over log-mel features, with a CTC head.

    The front end is that of ESPnet's RNN encoders in spirit (convolutional 4x subsampling, then
    BLSTM layers: Watanabe et al. 2018, arXiv 1804.00015), with normalisation everywhere because it
    learns faster. Before the last layer there may be slow ones (`SlowLayer`), and a `Condition`
    behind every layer but the first and the last. The auxiliary phone CTC before the last layer
    (Krishna et al. 2018, arXiv 1807.06234) exists in training only.
    """

    kind = "lstm"
    sizes = LSTMOptions
    features = staticmethod(log_mel)

    def __init__(self, options: LSTMOptions | None = None) -> None:
        super().__init__()
        self.options = options = options or LSTMOptions()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(size, options.channels, 3, stride=2, padding=1)
            for size in (1, options.channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(options.channels) for _ in range(2))
        self.projection = nn.Linear(options.channels * MEL_BINS // SUBSAMPLING, options.projection)
        sizes = [options.projection] + [2 * options.units] * (options.layers - 1)
        self.layers = nn.ModuleList(
            BidirectionalLSTM(size, options.units, options.dropout) for size in sizes
        )
        self.dim = options.dim
        self.slow = nn.ModuleList(
            SlowLayer(self.dim, options.dropout) for _ in range(options.slow_layers)
        )
        conditioned_layers = (
            max(0, options.layers - 2 + options.slow_layers) if options.conditioned else 0
        )
        self.conditions = nn.ModuleList(
            Condition(self.dim, options.vocabulary) for _ in range(conditioned_layers)
        )
        self.norm = nn.LayerNorm(self.dim)
        self.ctc = nn.Linear(self.dim, options.vocabulary)
        self.phone_ctc = nn.Linear(self.dim, options.phones) if options.phones else None

    def all_layers(self, features: Tensor, lengths: Tensor) -> EncoderLayers:
        """As `forward`, and what is inside."""
        inner, lengths = self._subsample(features, lengths)
        letters = []
        for number, layer in enumerate((*self.layers[:-1], *self.slow)):
            inner = layer(inner, lengths)
            if self.conditions and number > 0:
                inner, logits = self.conditions[number - 1](inner)
                letters.append(logits)
        frames = self.layers[-1](inner, lengths)
        mask = valid(lengths, frames.shape[1])[:, :, None]
        return EncoderLayers(self.norm(frames) * mask, lengths, inner, tuple(letters))

    def _subsample(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        planes = features[:, None]  # (batch, 1, frames, mel)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            planes = planes * valid(lengths, planes.shape[2])[:, None, :, None]
            planes = functional.relu(norm(convolution(planes)))
            lengths = (lengths + 1) // 2
        frames = planes.transpose(1, 2).flatten(2)  # (batch, frames', channels * mel / 4)
        return self.projection(frames), lengths
