"""What each cross-attention head is for, which ones align, and which the diagnosis listens to.

Roles of self-attention heads are in `analysis.heads.self_attention`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from ..alignment import Alignment
from ..failures.thresholds import Thresholds
from ..maps import Maps, row_entropy, unit_rows
from ..metrics.diagonality import path_diagonality
from ..metrics.focus import width_seconds
from ..metrics.metric import none_if_nan
from ..metrics.monotonicity import monotonicity
from ..signals.masked_stats import masked_mean


@dataclass(frozen=True)
class HeadReport:
    """One head: its numbers and its role."""

    layer: int
    head: int
    role: str  # "aligner", "local", "reversed", "global", "sink" or "diffuse"
    metrics: dict[str, float | None]  # as for the whole map
    evidence: str = ""  # the role in one plain sentence
    numbers: dict[str, float | None] = field(default_factory=dict)  # from which the role was told


@dataclass(frozen=True)
class Roles:
    """Limits between roles."""

    sink_share: float = 0.5  # of all mass on one place, whatever the row: a parking place
    sink_seconds: float = 0.12  # size of that place
    aligner_order: float = 0.8  # monotonicity of a head whose peaks follow speech
    aligner_inside: float = 0.5  # its mass along the best monotonic path
    aligner_width: float = 0.6  # seconds, wider rows tell words, not tokens
    local_order: float = 0.5  # follows speech loosely
    reversed_order: float = Thresholds.reversed_order  # as for the verdict of a whole map
    diffuse_located: float = 0.5  # fewer rows with a place than this: it knows nothing
    same_information: float = 0.5  # of the best head's information, to be listened to


@dataclass(frozen=True)
class HeadEvidence:
    """The numbers from which a head's role is told."""

    order: float | None  # monotonicity
    inside: float | None  # path_diagonality
    width: float | None  # width_seconds
    located: float  # share of rows that have a place
    parked: float  # largest share of all mass within `sink_seconds`
    parked_at: float  # that place, seconds
    on_global: float | None = None  # mean mass on a global token, where there is one
    rows: int = 0  # tokens


@dataclass(frozen=True)
class HeadRank:
    """How good an aligner one head is, over many utterances."""

    layer: int
    head: int
    score: float  # mean over utterances of `monotonicity` (at least 0) times `path_diagonality`
    aligner_share: float  # of utterances in which its role is "aligner"
    role: str  # the most frequent one
    monotonicity: float | None  # means over the utterances where they are defined
    path_diagonality: float | None
    width_seconds: float | None
    utterances: int


@dataclass(frozen=True)
class Aggregates:
    """One number for a map with many heads, in the three ways there are."""

    mean: dict[str, float | None]  # metrics of the mean over layers and heads
    best: dict[str, float | None]  # metrics of the best aligner of this utterance
    best_head: tuple[int, int]  # its layer and head
    listening: dict[str, float | None]  # metrics of the mean over the heads that know most


def role(
    alignment: Alignment,
    limits: Roles | None = None,
    global_mass: np.ndarray | None = None,
) -> tuple[str, str]:
    """The role of a single map and its evidence in one sentence.

    ``aligner`` follows speech sharply, ``local`` follows it with a wide window, ``reversed`` goes
    backwards through time, ``sink`` parks most of its mass at one place whatever the token (a
    frame, or a global token whose mass per row is `global_mass`, (tokens,)), ``diffuse`` has rows
    without a place, and ``global`` is what has places, but in no order of time.
    """
    limits = limits or Roles()
    mass = None if global_mass is None else np.asarray(global_mass)[None]
    return classify_role(
        head_evidence(alignment.maps, alignment.start_seconds, limits, mass)[0], limits
    )


def head_evidence(
    maps: Maps, start_seconds: float, limits: Roles, global_mass: np.ndarray | None = None
) -> list[HeadEvidence]:
    """The numbers that tell the role of every map; `global_mass` is (batch, tokens)."""
    located = np.nan_to_num(masked_mean(maps.places.located, maps.real))
    parked, place = _parked(maps, limits)
    order, inside = monotonicity.of_maps(maps), path_diagonality.of_maps(maps)
    width = width_seconds.of_maps(maps)
    mass = [None] * len(maps) if global_mass is None else global_mass.mean(axis=1).tolist()
    return [
        HeadEvidence(
            order=none_if_nan(order[i]),
            inside=none_if_nan(inside[i]),
            width=none_if_nan(width[i]),
            located=float(located[i]),
            parked=float(parked[i]),
            parked_at=start_seconds + float(place[i] * maps.frame_seconds[i]),
            on_global=mass[i],
            rows=int(maps.token_counts[i]),
        )
        for i in range(len(maps))
    ]


def all_evidence(alignment: Alignment, limits: Roles) -> list[HeadEvidence]:
    """The numbers that tell the roles of all heads, layer by layer."""
    start = alignment.start_seconds
    return [head for maps in alignment.by_head() for head in head_evidence(maps, start, limits)]


def classify_role(evidence: HeadEvidence, limits: Roles | None = None) -> tuple[str, str]:
    """The role that the numbers tell, and the reason in one sentence."""
    limits = limits or Roles()
    if evidence.on_global is not None and evidence.on_global >= limits.sink_share:
        return "sink", f"{evidence.on_global:.0%} of all attention goes to the global token."
    if evidence.rows > 2 and evidence.parked >= limits.sink_share:
        return (
            "sink",
            f"{evidence.parked:.0%} of all attention stays at {evidence.parked_at:.2f} s.",
        )
    if evidence.located < limits.diffuse_located:
        return "diffuse", f"Only {evidence.located:.0%} of the rows have a place."
    order, inside, width = evidence.order, evidence.inside or 0, evidence.width
    if order is not None and order <= limits.reversed_order:
        return "reversed", f"Goes backwards through time ({_number(order)})."
    if order is None or order < limits.local_order:
        return "global", f"Rows have places, but in no order of time ({_number(order)})."
    follows = f"Follows speech (rank correlation {order:.2f})"
    sharp = width is not None and width <= limits.aligner_width
    if order >= limits.aligner_order and (sharp or inside >= limits.aligner_inside):
        return "aligner", f"{follows} with {inside:.0%} of its mass along one path."
    return "local", f"{follows} loosely, over {width or 0:.2f} s."


def head_reports(
    alignment: Alignment,
    measure: Callable[[Maps], Mapping[str, np.ndarray]],
    limits: Roles | None = None,
    global_mass: np.ndarray | None = None,
) -> tuple[HeadReport, ...]:
    """Role and numbers of every head, layer by layer.

    Parameters
    ----------
    measure : Maps -> name -> (batch,)
        The numbers of some heads, NaN where undefined.
    global_mass : (layers, heads, tokens), optional
        Attention that each row gave to a global token instead of the audio.
    """
    limits = limits or Roles()
    mass = None if global_mass is None else global_mass.reshape(-1, len(alignment.tokens))
    reports: list[HeadReport] = []
    for maps in alignment.by_head():
        first = len(reports)
        numbers = measure(maps)
        own_mass = None if mass is None else mass[first : first + len(maps)]
        batch = head_evidence(maps, alignment.start_seconds, limits, own_mass)
        for place, evidence in enumerate(batch):
            name, sentence = classify_role(evidence, limits)
            own = {key: none_if_nan(values[place]) for key, values in numbers.items()}
            layer, head = divmod(first + place, alignment.heads)
            reports.append(HeadReport(layer, head, name, own, sentence, asdict(evidence)))
    return tuple(reports)


def rank_heads(
    alignments: Iterable[Alignment], limits: Roles | None = None
) -> tuple[HeadRank, ...]:
    """Which heads are the aligners of a model: all heads, best first, judged over utterances.

    A head that aligns one utterance by luck does not do so in the next. The score asks for both
    order and sharpness, as either alone is high for heads that do not align: a wide window is in
    order, a sink is sharp.

    Raises
    ------
    ValueError
        Without alignments, or if they do not all have the same layers and heads.
    """
    limits = limits or Roles()
    utterances: list[list[HeadEvidence]] = []  # evidence of every head
    shapes = set()
    for alignment in alignments:
        shapes.add((alignment.layers, alignment.heads))
        utterances.append(all_evidence(alignment, limits))
    if len(shapes) != 1:
        raise ValueError("heads can be ranked over alignments that all have the same heads")
    ((_, heads),) = shapes
    ranks = [
        _rank(*divmod(number, heads), [evidence[number] for evidence in utterances], limits)
        for number in range(len(utterances[0]))
    ]
    return tuple(sorted(ranks, key=lambda rank: -rank.score))


def _rank(layer: int, head: int, utterances: list[HeadEvidence], limits: Roles) -> HeadRank:
    roles = Counter(classify_role(evidence, limits)[0] for evidence in utterances)
    return HeadRank(
        layer,
        head,
        score=float(np.mean([alignment_score(evidence) for evidence in utterances])),
        aligner_share=roles["aligner"] / len(utterances),
        role=roles.most_common(1)[0][0],
        monotonicity=_mean([evidence.order for evidence in utterances]),
        path_diagonality=_mean([evidence.inside for evidence in utterances]),
        width_seconds=_mean([evidence.width for evidence in utterances]),
        utterances=len(utterances),
    )


def alignment_score(evidence: HeadEvidence) -> float:
    """How much a map aligns, 0..1: monotonicity times mass along the best monotonic path."""
    return max(0.0, evidence.order or 0.0) * (evidence.inside or 0.0)


def listening(alignment: Alignment, limits: Roles | None = None) -> Alignment:
    """The alignment with one map: the mean over the heads that know most about where to listen.

    Mean maps of many heads are blurred by those that do something else. What a head knows is the
    mutual information between token and frame (entropy of the mean row minus mean entropy of the
    rows): nothing for diffuse heads and for sinks alike, most for aligners, and high for a head
    that loops or skips as well, so that failures are not chosen away. A head that runs backwards
    knows as much as an aligner; the mean of both would be a map that neither has, so it is left out
    where there is an aligner.
    """
    limits = limits or Roles()
    if alignment.layers * alignment.heads == 1 or not alignment.tokens:
        return alignment
    known = np.concatenate([information(maps) for maps in alignment.by_head()])
    known[_against(alignment, limits)] = 0
    chosen = known >= limits.same_information * known.max()
    total, first = np.zeros(alignment.weights.shape[2:], np.float32), 0
    for maps in alignment.by_head():
        total += maps.weights[chosen[first : first + len(maps)]].sum(axis=0)
        first += len(maps)
    return replace(alignment, weights=unit_rows(total)[None, None], dims=2)


def _against(alignment: Alignment, limits: Roles) -> np.ndarray:
    """(layers * heads,) bool: heads that run backwards while another one aligns."""
    orders = np.concatenate([monotonicity.of_maps(maps) for maps in alignment.by_head()])
    if not (orders <= limits.reversed_order).any():  # nearly always, and roles take longer to tell
        return np.zeros(len(orders), bool)
    roles = np.array([classify_role(head, limits)[0] for head in all_evidence(alignment, limits)])
    return (roles == "reversed") & (roles == "aligner").any()


def information(maps: Maps) -> np.ndarray:
    """(batch,) mutual information between token and frame of maps of one size, in nats.

    Range 0..log(frames): how much a token's number tells about where its row listens.
    """
    return row_entropy(maps.weights.mean(axis=1)) - maps.entropies.mean(axis=1)


def _parked(maps: Maps, limits: Roles) -> tuple[np.ndarray, np.ndarray]:
    """Largest share of all mass at one place, and the middle of that place in frames."""
    batch, frames = len(maps), maps.weights.shape[2]
    shares, places = np.zeros(batch), np.zeros(batch)
    counts = np.maximum(maps.token_counts, 1)[:, None]
    total = np.zeros((batch, frames + 1))
    np.cumsum(maps.weights.sum(axis=1) / counts, axis=1, dtype=np.float64, out=total[:, 1:])
    widths = np.maximum(1, np.round(limits.sink_seconds / maps.frame_seconds)).astype(np.int64)
    for width in np.unique(widths):  # one for all, unless frames differ in length
        size = min(int(width), frames)
        chosen = widths == width
        share = total[chosen, size:] - total[chosen, : frames + 1 - size]
        shares[chosen], places[chosen] = share.max(axis=1), share.argmax(axis=1) + size / 2
    return shares, places


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _number(value: float | None) -> str:
    return "no rank correlation" if value is None else f"rank correlation {value:.2f}"
