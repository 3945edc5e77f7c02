"""An encoder that starts from that of Whisper, with a recurrent layer and CTC on top."""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.encoders.base import SUBSAMPLING, Encoder, EncoderLayers, valid
from models.encoders.lstm import BidirectionalLSTM
from models.encoders.windows import stitch, window_starts
from models.features import MEL_BINS, whisper_log_mel
from models.schema import Layers, Size

FRAME = 2  # features in one of Whisper's frames: 20 ms
STACKED = SUBSAMPLING // FRAME  # of those in one encoded frame
HEARD = 24  # 10 ms features of the floor that attention may look at behind the end of a recording
TAIL = HEARD + 4  # features of the floor in all: the convolutions reach that much further
FLOOR_QUANTILE = 0.1  # of every mel bin over a recording: what it sounds like while nobody speaks
MARGIN = 400  # features that neighbouring windows share on either side of their seam
WINDOWS_AT_ONCE = 4  # of a long recording, so that memory does not grow with its length


@dataclass(frozen=True)
class WhisperOptions:
    """Sizes of a `WhisperEncoder`; the defaults are those of Whisper tiny."""

    vocabulary: Size = 30  # CTC outputs, blank included
    width: Size = 384  # of Whisper's layers
    blocks: Layers = 4  # Transformer layers
    heads: Size = 6  # of each layer's self-attention
    inner: Size = 1536  # of each layer's feed-forward part
    positions: Size = 1500  # 20 ms frames that Whisper can tell apart: 30 s
    units: Size = 256  # LSTM cells a direction
    dropout: float = 0.1  # before the LSTM layer, training only

    @property
    def dim(self) -> int:
        """Size of an encoded frame."""
        return 2 * self.units


@cache
@torch.inference_mode(mode=False)
def sinusoids(frames: int, width: int) -> Tensor:
    """Whisper's positions, (frames, width): sines, then cosines, of rates from 1 to 1 / 10,000."""
    rates = torch.exp(-math.log(10_000) / (width // 2 - 1) * torch.arange(width // 2, device="cpu"))
    angles = torch.arange(frames, device="cpu")[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Block(nn.Module):
    """One pre-norm Transformer layer of Whisper's encoder."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, inner)
        self.contract = nn.Linear(inner, width)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(batch, frames, width) to the same; `mask` (batch, 1, 1, frames): may be attended to."""
        normed = self.attention_norm(frames)
        query, key, value = (
            layer(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )  # (batch, heads, frames, width / heads)
        context = self._attend(query, key, value, mask)
        frames = frames + self.output(context.transpose(1, 2).flatten(2))
        inner = functional.gelu(self.expand(self.feed_forward_norm(frames)))
        return frames + self.contract(inner)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        if not self.training:
            return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        # The fused kernel's gradient takes twice as long on a CPU as that of the plain equations.
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        return weights.to(value.dtype) @ value


class WhisperEncoder(Encoder):
    """The encoder of Whisper (Radford et al. 2022, arXiv 2212.04356) with a CTC of characters.

    Two convolutions and a stack of Transformer layers as Whisper has them; two of their 20 ms
    frames are put together to one of 40 ms, which a bidirectional LSTM reads. Recordings are not
    padded to 30 s: behind each come `TAIL` features of its own floor, of which attention hears
    `HEARD`. Positions reach 30 s; longer recordings are heard in windows that overlap, and the seam
    between two windows lies where both encode alike.
    """

    kind = "whisper"
    sizes = WhisperOptions
    features = staticmethod(whisper_log_mel)
    pretrained = ("convolutions.", "blocks.", "block_norm.")

    def __init__(self, options: WhisperOptions | None = None) -> None:
        options = options or WhisperOptions()
        super().__init__()
        self.options, self.dim = options, options.dim
        self.convolutions = nn.ModuleList(
            nn.Conv1d(size, options.width, 3, stride=stride, padding=1)
            for size, stride in ((MEL_BINS, 1), (options.width, FRAME))
        )
        self.convolutions[0].requires_grad_(requires_grad=False)  # stays as Whisper learned it
        self.blocks = nn.ModuleList(
            Block(options.width, options.heads, options.inner) for _ in range(options.blocks)
        )
        self.block_norm = nn.LayerNorm(options.width)
        size = STACKED * options.width
        self.layers = nn.ModuleList([BidirectionalLSTM(size, options.units, options.dropout)])
        self.norm = nn.LayerNorm(self.dim)
        self.ctc = nn.Linear(self.dim, options.vocabulary)
        self.phone_ctc = None
        # Features heard at once, whole encoded frames of them.
        self.window = (FRAME * options.positions - TAIL) // SUBSAMPLING * SUBSAMPLING

    def all_layers(self, features: Tensor, lengths: Tensor) -> EncoderLayers:
        """As `forward`; there are no further letters."""
        if int(lengths.max()) <= self.window:
            encoded = self._encode(features[:, : self.window], lengths)
        else:
            encoded = self._encode_long(features, lengths)
        return EncoderLayers(encoded, encoded_lengths(lengths))

    def states(self, features: Tensor, heard: Tensor) -> Tensor:
        """What Whisper's own encoder makes of features.

        Parameters
        ----------
        features : (batch, frames, 80), `whisper_log_mel`
        heard : (batch,) features that attention may look at, from the start

        Returns
        -------
        (batch, frames / 2, width), 20 ms
        """
        planes = features.transpose(1, 2)  # (batch, mel, frames)
        for convolution in self.convolutions:
            planes = functional.gelu(convolution(planes))
        frames = planes.transpose(1, 2)  # (batch, frames / 2, width)
        size = frames.shape[1]
        frames = frames + sinusoids(self.options.positions, self.options.width)[:size]
        mask = valid((heard + FRAME - 1) // FRAME, size)[:, None, None, :]
        for block in self.blocks:
            frames = block(frames, mask)
        return self.block_norm(frames)

    def _encode(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Recordings that fit into a window, encoded: (batch, frames', dim), zero on padding."""
        size = -(-features.shape[1] // SUBSAMPLING)
        states = self.states(with_floor(features, lengths), lengths + HEARD)
        stacked = states[:, : STACKED * size].unflatten(1, (size, STACKED)).flatten(2)
        sizes = encoded_lengths(lengths)
        frames = self.norm(self.layers[0](stacked, sizes))
        return frames * valid(sizes, size)[:, :, None]

    def _encode_long(self, features: Tensor, lengths: Tensor) -> Tensor:
        windows = [
            (row, start, min(length, start + self.window))
            for row, length in enumerate(lengths.tolist())
            for start in window_starts(length, self.window, MARGIN, SUBSAMPLING)
        ]
        parts: list[list[tuple[int, Tensor]]] = [[] for _ in lengths]  # of each row
        for at in range(0, len(windows), WINDOWS_AT_ONCE):
            some = windows[at : at + WINDOWS_AT_ONCE]
            cut = [features[row, start:end] for row, start, end in some]
            batch = nn.utils.rnn.pad_sequence(cut, batch_first=True)
            sizes = torch.tensor([len(piece) for piece in cut], device=lengths.device)
            encoded = self._encode(batch, sizes)
            for (row, start, _), frames, size in zip(
                some, encoded, encoded_lengths(sizes).tolist(), strict=True
            ):
                parts[row].append((start // SUBSAMPLING, frames[:size]))
        rows = [stitch(pieces) for pieces in parts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def encoded_lengths(lengths: Tensor) -> Tensor:
    """Encoded frames of so many features."""
    return -(-lengths // SUBSAMPLING)


def with_floor(features: Tensor, lengths: Tensor) -> Tensor:
    """Each recording followed by `TAIL` features of its own floor; so is what else was padding.

    Whisper knows how recordings end: in silence. (batch, frames, 80) to
    (batch, frames + TAIL, 80).
    """
    inside = valid(lengths, features.shape[1])[:, :, None]
    ranked = features.masked_fill(~inside, torch.inf).sort(1).values
    place = ((lengths - 1) * FLOOR_QUANTILE).long()[:, None, None].expand(-1, 1, MEL_BINS)
    floor = ranked.gather(1, place)  # (batch, 1, 80)
    longer = functional.pad(features, (0, 0, 0, TAIL))
    return torch.where(functional.pad(inside, (0, 0, 0, TAIL)), longer, floor)
