"""Long recordings in overlapping windows, for encoders that hear only so much at once."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

CENTRE = 4  # the seam lies in the middle one of so many parts of what two windows share
SMOOTHING = 5  # encoded frames over which two windows are compared


def window_starts(length: int, window: int, margin: int, step: int) -> list[int]:
    """Where windows begin that cover `length` features.

    Neighbours share `2 * margin` features or more, so that every frame is heard with `margin`
    features around it, but at the ends of the recording. The last window ends with the recording.
    All starts are multiples of `step`.
    """
    if length <= window:
        return [0]
    last = -(-(length - window) // step) * step
    hop = (window - 2 * margin) // step * step
    return [*range(0, last, hop), last]


def stitch(parts: Sequence[tuple[int, Tensor]]) -> Tensor:
    """The encoded windows of one recording, (first frame, (frames, dim)) each, as one.

    Two neighbours are joined in the middle of what they share, at the frame where they are most
    alike: in a pause rather than in a letter that one of them has a frame earlier than the other.
    Every frame of the result is one of a window's.
    """
    begin, joined = parts[0]
    pieces, taken = [], begin  # frames before `taken` are in `pieces`
    for start, frames in parts[1:]:
        shared = begin + len(joined) - start
        low = start + shared // 2 - shared // (2 * CENTRE)
        high = low + max(1, shared // CENTRE)
        seam = low + most_alike(
            joined[low - begin : high - begin], frames[low - start : high - start]
        )
        pieces.append(joined[taken - begin : seam - begin])
        begin, joined, taken = start, frames, seam
    return torch.cat([*pieces, joined[taken - begin :]])


@torch.no_grad()
def most_alike(one: Tensor, other: Tensor) -> int:
    """The frame around which two encodings, (frames, dim) each, differ least."""
    distance = (one - other).float().square().mean(1)[None]
    reach = SMOOTHING // 2
    smooth = functional.avg_pool1d(
        functional.pad(distance[None], (reach, reach), mode="replicate"), SMOOTHING, 1
    )
    return int(smooth.argmin())
