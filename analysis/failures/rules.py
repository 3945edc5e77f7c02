"""From evidence to verdict: what went wrong in a map, where, and how we know.

Rules, not a trained classifier: each looks at where rows listened (`analysis.maps`), what they
wrote, and which speech was heard, and can be explained in a sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..alignment import Alignment
from ..metrics.coverage import Hole, holes
from ..metrics.monotonicity import monotonicity
from .failure import Failure, Note
from .returns import blind_loops, find_returns
from .spans import Span, make_span
from .stalls import find_stalls
from .thresholds import SEVERITY, Thresholds


@dataclass(frozen=True)
class Findings:
    """All failures of a map, most serious first, and its notes."""

    failures: tuple[Failure, ...]
    notes: tuple[Note, ...]

    @property
    def verdict(self) -> str:
        """The most serious kind, or ``healthy``."""
        return self.failures[0].kind if self.failures else "healthy"


def find_failures(alignment: Alignment, thresholds: Thresholds | None = None) -> Findings:
    """All failures and notes of the alignment's mean map.

    A map that is diffuse has no places to reason about, so that only this, text that repeats many
    times and a missing end are reported. A reversed map is judged as it looks in the mirror, where
    loops, stalls and skips are what they always are; jumps mean nothing there.
    """
    limits = thresholds or Thresholds()
    runaway = _runaway(alignment)
    vague = _vague_rows(alignment, limits)
    if vague == (0, len(alignment.tokens)):
        loops = [_loop(alignment, span) for span in blind_loops(alignment)]
        return Findings(_by_severity([_diffuse(alignment, vague), *loops, *runaway]), ())
    order = monotonicity(alignment)
    backwards = order is not None and order <= limits.reversed_order
    evidence = _evidence(alignment, backwards, limits)
    failures = [_stall(alignment, span) for span in evidence.stalls]
    if order is not None and backwards:
        failures.append(_reversed(alignment, order))
    else:
        failures += [_jump(alignment, span, evidence.wandering) for span in evidence.jumps]
    unheard = evidence.holes if alignment.speech is not None else ()
    if runaway and not any(hole.place == "end" for hole in unheard):
        # once everything was heard, resting and wandering are how a decoder runs away
        failures = [f for f in failures if f.tokens[0] < runaway[0].tokens[0] - 1]
    failures += [_loop(alignment, span) for span in evidence.loops]
    failures += _unheard(alignment, unheard) + runaway
    if vague is not None:
        failures.append(_diffuse(alignment, vague))
    notes = [_genuine(alignment, span) for span in evidence.genuine]
    if alignment.speech is None:
        notes += [_maybe_unheard(alignment, hole) for hole in evidence.holes]
    return Findings(_by_severity(failures), tuple(notes))


@dataclass(frozen=True)
class MapEvidence:
    """Spans and holes of a map that failures are made from, in its own frames."""

    loops: tuple[Span, ...]
    jumps: tuple[Span, ...]
    genuine: tuple[Span, ...]
    stalls: tuple[Span, ...]
    holes: tuple[Hole, ...]
    wandering: bool = False  # the only jump is the whole map: there is no order at all


def _evidence(alignment: Alignment, backwards: bool, limits: Thresholds) -> MapEvidence:
    """Evidence of the map, looked for in its mirror image if it runs backwards."""
    judged = _mirrored(alignment) if backwards else alignment
    returns = find_returns(judged, limits)
    # where places follow no order, some are near each other by chance
    stalls = () if returns.wandering else tuple(find_stalls(judged, returns.loops, limits))
    evidence = MapEvidence(
        returns.loops, returns.jumps, returns.genuine, stalls, holes(judged), returns.wandering
    )
    if not backwards:
        return evidence
    frames = alignment.frames
    swap = {"start": "end", "middle": "middle", "end": "start"}

    def mirror(spans: tuple[Span, ...]) -> tuple[Span, ...]:
        return tuple(
            replace(span, first_frame=frames - span.end_frame, end_frame=frames - span.first_frame)
            for span in spans
        )

    return MapEvidence(
        mirror(evidence.loops),
        (),
        mirror(evidence.genuine),
        mirror(evidence.stalls),
        tuple(
            replace(hole, start=frames - hole.end, end=frames - hole.start, place=swap[hole.place])
            for hole in reversed(evidence.holes)
        ),
    )


def _by_severity(failures: Sequence[Failure]) -> tuple[Failure, ...]:
    return tuple(sorted(failures, key=lambda f: (SEVERITY.index(f.kind), f.tokens, f.seconds)))


def _vague_rows(alignment: Alignment, limits: Thresholds) -> tuple[int, int] | None:
    """The stretch of rows that do not know where they listen, if long enough to be a failure."""
    rows = alignment.rows
    lexical = np.flatnonzero(rows.lexical)
    count, everything = len(lexical), (0, len(alignment.tokens))
    if count < 2:
        return None
    vague = ~rows.located[lexical]
    order = monotonicity(alignment)
    weak = float(np.median(rows.gain[lexical])) < limits.weak_gain
    # the fewer rows, the more order chance alone can make
    chance = np.clip(3 / np.sqrt(max(1, len(rows.ordered) - 1)), limits.weak_order, 0.85)
    if weak and (order is None or abs(order) < chance) and count >= 4:
        return everything
    first, last = _best_stretch(np.where(vague, 1.0, -1.5))
    length = last - first
    if length < min(limits.diffuse_tokens, count) or length < limits.diffuse_share * count:
        return None
    if length >= 0.8 * count:
        return everything
    return int(lexical[first]), int(lexical[last - 1]) + 1


def _best_stretch(gains: np.ndarray) -> tuple[int, int]:
    """Half-open bounds of the stretch with the largest sum (Kadane), empty if none is positive."""
    total = np.concatenate([[0.0], np.cumsum(gains)])
    lowest = np.minimum.accumulate(total)
    end = int((total - lowest).argmax())
    return int(total[: end + 1].argmin()), end


def _loop(alignment: Alignment, span: Span) -> Failure:
    seconds = _seconds(alignment, span)
    return Failure(
        "loop",
        (span.start, span.end),
        seconds,
        f'"{_short(span.text)}" is written again while attention listens to the same audio, '
        f"{_stretch(seconds)}.",
    )


def _genuine(alignment: Alignment, span: Span) -> Note:
    seconds = _seconds(alignment, span)
    return Note(
        "genuine_repetition",
        (span.start, span.end),
        seconds,
        f'"{_short(span.text)}" was said again: attention moved on to new audio with every copy, '
        f"{_stretch(seconds)}.",
    )


def _stall(alignment: Alignment, span: Span) -> Failure:
    seconds = _seconds(alignment, span)
    return Failure(
        "stall",
        (span.start, span.end),
        seconds,
        f'Attention rests at {_stretch(seconds)} while "{_short(span.text)}" is written.',
    )


def _jump(alignment: Alignment, span: Span, wandering: bool) -> Failure:
    seconds = _seconds(alignment, span)
    if wandering:
        reason = f"Attention goes back and forth in no order of time, {_stretch(seconds)}."
    else:
        reason = (
            f"Attention goes back to audio that it had passed, {_stretch(seconds)}, and writes "
            f'something else there: "{_short(span.text)}".'
        )
    return Failure("jump_back", (span.start, span.end), seconds, reason)


def _diffuse(alignment: Alignment, rows: tuple[int, int]) -> Failure:
    whole = rows == (0, len(alignment.tokens))
    which = "No row knows" if whole else f"Rows {rows[0]} to {rows[1] - 1} do not know"
    return Failure(
        "diffuse",
        rows,
        _everything(alignment),
        f"{which} where to listen: attention is spread over the recording.",
    )


def _reversed(alignment: Alignment, order: float) -> Failure:
    return Failure(
        "reversed",
        (0, len(alignment.tokens)),
        _everything(alignment),
        f"Attention runs backwards through time (rank correlation {order:.2f}).",
    )


def _runaway(alignment: Alignment) -> list[Failure]:
    """The length limit was hit; the evidence is what was written after attention last advanced."""
    count = len(alignment.tokens)
    if alignment.ended is not False or count == 0:
        return []
    rows = alignment.rows
    chosen = rows.reading
    start = 0
    if len(chosen):
        front = np.maximum.accumulate(rows.peak[chosen])
        left = np.arange(len(front), 0, -1)  # an eighth of the usual advance is wandering
        near = np.maximum(1.0, np.maximum(1, left / 8) * rows.pace / rows.frame_seconds)
        start = int(chosen[(front >= front[-1] - near).argmax()])
    span = make_span(alignment, np.arange(start, count))
    return [
        Failure(
            "runaway",
            (start, count),
            _seconds(alignment, span),
            f"The length limit stopped the decoder after {count} tokens; it never ended itself.",
        )
    ]


def _unheard(alignment: Alignment, unheard: Sequence[Hole]) -> list[Failure]:
    """Skips and early stops: speech that no row listened to."""
    failures = []
    for hole in unheard:
        seconds = (alignment.time(hole.start), alignment.time(hole.end))
        if hole.place != "end":
            failures.append(
                Failure(
                    "skip",
                    _around(alignment, hole),
                    seconds,
                    f"No token listened to {hole.seconds:.1f} s of speech, {_stretch(seconds)}.",
                )
            )
        elif alignment.ended is not False:  # a decoder that was cut off did not stop early
            count = len(alignment.tokens)
            failures.append(
                Failure(
                    "early_stop",
                    (max(0, count - 1), count),
                    seconds,
                    f"The {'decoder' if alignment.ended else 'text'} ended although "
                    f"{hole.seconds:.1f} s of speech follow, "
                    f"{_stretch(seconds)}.",
                )
            )
    return failures


def _maybe_unheard(alignment: Alignment, hole: Hole) -> Note:
    """Audio that no row listened to, where nothing tells whether somebody spoke."""
    seconds = (alignment.time(hole.start), alignment.time(hole.end))
    count = len(alignment.tokens)
    return Note(
        "unheard",
        (max(0, count - 1), count) if hole.place == "end" else _around(alignment, hole),
        seconds,
        f"No token listened to {_stretch(seconds)}; whether somebody spoke there is not known.",
    )


def _around(alignment: Alignment, hole: Hole) -> tuple[int, int]:
    """The rows on both sides of a hole."""
    rows = alignment.rows
    chosen = rows.reading
    if len(chosen) == 0:
        return 0, len(alignment.tokens)
    places = rows.peak[chosen]
    low, high = np.minimum(places[:-1], places[1:]), np.maximum(places[:-1], places[1:])
    across = np.flatnonzero((low < hole.start) & (high >= hole.end))
    if len(across):
        return int(chosen[across[0]]), int(chosen[across[0] + 1]) + 1
    after = int(chosen[np.abs(places - hole.end).argmin()])
    return max(0, after - 1) if hole.place == "middle" else after, after + 1


def _mirrored(alignment: Alignment) -> Alignment:
    """The same map with time running the other way."""
    speech = alignment.speech
    return replace(
        alignment,
        weights=alignment.weights[..., ::-1],
        speech=None if speech is None else speech[::-1],
    )


def _everything(alignment: Alignment) -> tuple[float, float]:
    return alignment.time(0), alignment.time(alignment.frames)


def _seconds(alignment: Alignment, span: Span) -> tuple[float, float]:
    return alignment.time(span.first_frame), alignment.time(span.end_frame)


def _stretch(seconds: tuple[float, float]) -> str:
    return f"{seconds[0]:.2f} to {seconds[1]:.2f} s"


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
