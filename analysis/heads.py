"""What each head of a layered map is for, and which of them the diagnosis should listen to."""

from dataclasses import dataclass, replace

import numpy as np

from analysis.alignment import Alignment
from analysis.maps import row_entropy


@dataclass(frozen=True)
class HeadReport:
    """One head: its numbers and its role."""

    layer: int
    head: int
    role: str  # "aligner", "local", "global", "sink" or "diffuse"
    metrics: dict[str, float | None]  # as for the whole map
    evidence: str = ""  # the role in one plain sentence


@dataclass(frozen=True)
class Roles:
    """Limits between roles."""

    sink_share: float = 0.5  # of all mass on one place, whatever the row: a parking place
    sink_seconds: float = 0.12  # size of that place
    aligner_order: float = 0.8  # monotonicity of a head whose peaks follow speech
    aligner_inside: float = 0.5  # its mass along the best monotonic path
    aligner_width: float = 0.6  # seconds, wider rows tell words, not tokens
    local_order: float = 0.5  # follows speech loosely
    diffuse_located: float = 0.5  # fewer rows with a place than this: it knows nothing
    same_information: float = 0.5  # of the best head's information, to be listened to


def role(
    alignment: Alignment, metrics: dict[str, float | None], limits: Roles | None = None
) -> tuple[str, str]:
    """The role of a single map and its evidence in one sentence.

    ``aligner`` follows speech sharply, ``local`` follows it with a wide window, ``sink`` parks most
    of its mass at one place whatever the token, ``diffuse`` has rows without a place, and
    ``global`` is what has places, but in no order of time.
    """
    limits = limits or Roles()
    rows = alignment.rows
    parked, where = _parked(alignment, limits)
    if len(alignment.tokens) > 2 and parked >= limits.sink_share:
        return "sink", f"{parked:.0%} of all attention stays at {where:.2f} s."
    located = float(rows.located.mean()) if len(rows.located) else 0.0
    if located < limits.diffuse_located:
        return "diffuse", f"Only {located:.0%} of the rows have a place."
    order, inside = metrics["monotonicity"], metrics["path_diagonality"]
    width = metrics["width_seconds"]
    if order is None or order < limits.local_order:
        return "global", f"Rows have places, but in no order of time ({_number(order)})."
    follows = f"Follows speech (rank correlation {order:.2f})"
    sharp = width is not None and width <= limits.aligner_width
    if order >= limits.aligner_order and (sharp or (inside or 0) >= limits.aligner_inside):
        return "aligner", f"{follows} with {inside or 0:.0%} of its mass along one path."
    return "local", f"{follows} loosely, over {width or 0:.2f} s."


def listening(alignment: Alignment, limits: Roles | None = None) -> Alignment:
    """The alignment with one map: the mean over the heads that know most about where to listen.

    Mean maps of many heads are blurred by those that do something else. What a head knows is the
    mutual information between token and frame (entropy of the mean row minus mean entropy of the
    rows): nothing for diffuse heads and for sinks alike, most for aligners, and high for a head
    that loops or skips as well, so that failures are not chosen away.
    """
    limits = limits or Roles()
    if alignment.layers * alignment.heads == 1 or not alignment.tokens:
        return alignment
    maps = alignment.weights.reshape(-1, len(alignment.tokens), alignment.frames)
    known = np.array([information(weights) for weights in maps])
    chosen = known >= limits.same_information * known.max()
    mean = maps[chosen].mean(axis=0)
    mean /= mean.sum(axis=1, keepdims=True)
    return replace(alignment, weights=mean[None, None], dims=2)


def information(weights: np.ndarray) -> float:
    """Mutual information between token and frame of a (tokens, frames) map, in nats.

    Range 0..log(frames): how much a token's number tells about where its row listens.
    """
    mean = weights.mean(axis=0, keepdims=True)
    return float(row_entropy(mean)[0] - row_entropy(weights).mean())


def _parked(alignment: Alignment, limits: Roles) -> tuple[float, float]:
    """Largest share of all mass at one place, and that place in seconds."""
    if not alignment.tokens:
        return 0.0, 0.0
    width = min(max(1, round(limits.sink_seconds / alignment.frame_seconds)), alignment.frames)
    total = np.concatenate([[0.0], np.cumsum(alignment.map.mean(axis=0), dtype=np.float64)])
    share = total[width:] - total[:-width]
    place = int(share.argmax())
    return float(share[place]), alignment.time(place + width / 2)


def _number(value: float | None) -> str:
    return "no rank correlation" if value is None else f"rank correlation {value:.2f}"
