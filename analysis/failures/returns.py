"""Attention that comes back: loops, genuine repetitions and jumps, told apart.

A loop repeats its text while it listens to the same audio again. A genuine repetition repeats its
text because it was said again: attention moves on through speech. A jump back listens again and
writes something else. Two roads lead to a loop: text that repeats at once (also where attention is
stuck and nothing moves), and a return of attention to audio that was read before with the same
text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..alignment import Alignment
from ..metrics.repetition import Repetition, repetitions
from ..signals.labels import mean_length
from .spans import Span, make_span, merged
from .thresholds import Thresholds

SHORT_COPY_SECONDS = 0.2  # copies shorter than this are judged all together
SEEN_SECONDS = 0.12  # an advance of less than this is lost in the jitter of peaks
PASSED_ROWS = 3  # successive rows that must have been ahead, for a return to what they passed over
MANY_COPIES = 5  # nobody says it this often: a loop even where no row knows where it listens


@dataclass(frozen=True)
class Returns:
    """Everything that repeats, sorted by what attention did."""

    loops: tuple[Span, ...]
    jumps: tuple[Span, ...]
    genuine: tuple[Span, ...]
    wandering: bool = False  # places follow each other in no order: the only jump is the whole map


def find_returns(alignment: Alignment, limits: Thresholds) -> Returns:
    """Loops, jumps back and genuine repetitions of a map."""
    lenient = repetitions(alignment.tokens, spelling=False)
    loops = _copies(alignment, lenient, False, limits)
    # where places follow no order, words that come again far away are no loop
    jumps = [] if loops else _wandering(alignment, limits)
    wandering = bool(jumps)
    for travel in [] if wandering else _travels_back(alignment, limits):
        if not any(travel.span.shared(loop) > 0.5 for loop in loops):
            (loops if travel.same_text else jumps).append(travel.span)
    said = _copies(alignment, repetitions(alignment.tokens), True, limits)
    genuine = [span for span in said if not any(span.shared(loop) > 0.5 for loop in loops)]
    return Returns(merged(loops), tuple(jumps), tuple(genuine), wandering)


def _copies(
    alignment: Alignment, candidates: Sequence[Repetition], advanced: bool, limits: Thresholds
) -> list[Span]:
    """Stretches of copies during which attention advanced, or did not, with the copy before.

    An advance through silence is neither: nothing was said there again.
    """
    spans = []
    for repetition in candidates:
        moved = _moved_on(alignment, repetition, limits)
        if advanced:
            both = pairwise(_heard_speech(alignment, repetition))
            moved = [
                advanced_copy and all(pair)
                for advanced_copy, pair in zip(moved, both, strict=False)
            ]
        for first, last, answer in _stretches(moved):
            if answer == advanced:
                start, end = repetition.copies[first - 1][0], repetition.copies[last][1]
                rows = np.arange(start, end)
                spans.append(make_span(alignment, rows, repetition.copies[first]))
    return spans


def _heard_speech(alignment: Alignment, repetition: Repetition) -> list[bool]:
    """For every copy: did it listen to any speech? Yes where no row of it has a place."""
    rows = alignment.rows
    placed = rows.steady[rows.spoken[rows.steady]]
    answers = []
    for start, end in repetition.copies:
        own = placed[(placed >= start) & (placed < end)]
        frames = slice(rows.low[own].min(initial=rows.frames), rows.high[own].max(initial=0))
        answers.append(len(own) == 0 or bool(alignment.speech_mask[frames].any()))
    return answers


def blind_loops(alignment: Alignment) -> list[Span]:
    """Loops of a map without places: only the text can tell, so it must repeat many times."""
    return [
        make_span(alignment, np.arange(repetition.start, repetition.end), repetition.copies[0])
        for repetition in repetitions(alignment.tokens)
        if len(repetition.copies) >= MANY_COPIES
    ]


def _moved_on(alignment: Alignment, repetition: Repetition, limits: Thresholds) -> list[bool]:
    """For every copy after the first: did attention advance by about the length of a copy?"""
    rows = alignment.rows
    seconds = np.full(len(rows.peak), np.nan)
    placed = rows.steady[rows.spoken[rows.steady]]
    seconds[placed] = rows.peak[placed] * rows.frame_seconds
    copies = repetition.copies
    usual = _usual_seconds(alignment, copies[0][0], copies[1][0])
    if usual < SHORT_COPY_SECONDS:
        answer = _advances(seconds, repetition, usual, alignment.frame_seconds, limits)
        return [] if answer is None else [answer] * (len(copies) - 1)
    answers: list[bool | None] = []
    for (before, before_end), (start, end) in pairwise(copies):
        length = min(end - start, before_end - before)
        steps = seconds[start : start + length] - seconds[before : before + length]
        steps = steps[np.isfinite(steps)]
        step = float(np.median(steps)) if len(steps) else -np.inf
        # far back is other audio, not the same again
        known = step > -(usual + limits.jump_seconds)
        answers.append(step >= limits.moved_on * usual if known else None)
    return _settled(answers)


def _advances(
    seconds: np.ndarray,
    repetition: Repetition,
    usual: float,
    frame_seconds: float,
    limits: Thresholds,
) -> bool | None:
    """The same for copies shorter than a peak is exact: one answer, from the run's two halves.

    None where even an advance would be too short to be seen.
    """
    run = seconds[repetition.start : repetition.end]
    half = len(run) // 2
    first, second = (part[np.isfinite(part)] for part in (run[:half], run[half:]))
    expected = usual * len(repetition.copies) / 2
    if len(first) == 0 or len(second) == 0 or expected < max(SEEN_SECONDS, 1.5 * frame_seconds):
        return None
    return bool(np.median(second) - np.median(first) >= limits.moved_on * expected)


def _settled(answers: list[bool | None]) -> list[bool]:
    """Copies without an answer follow their neighbours; one step among loops is part of them.

    Where no copy has an answer, only many copies speak for a loop.
    """
    known = [i for i, answer in enumerate(answers) if answer is not None]
    if not known:
        return [False] * len(answers) if len(answers) >= MANY_COPIES - 1 else []
    settled = [bool(answers[min(known, key=lambda k: abs(k - i))]) for i in range(len(answers))]
    if all(settled):
        return settled
    for i, answer in enumerate(settled):
        alone = not any(settled[j] for j in (i - 1, i + 1) if 0 <= j < len(settled))
        settled[i] = answer and not alone
    return settled


def _usual_seconds(alignment: Alignment, start: int, end: int) -> float:
    """Time that rows usually take at this map's pace; long words take longer."""
    tokens = [alignment.tokens[row] for row in range(start, end) if alignment.rows.lexical[row]]
    length = sum(max(1, len(token.strip())) for token in tokens)
    return length / mean_length(alignment.tokens) * alignment.rows.pace


def _stretches(moved: list[bool]) -> list[tuple[int, int, bool]]:
    """Runs of equal answers as (first copy, last copy, answer); copies count from 1."""
    stretches: list[tuple[int, int, bool]] = []
    for copy, answer in enumerate(moved, start=1):
        if stretches and stretches[-1][2] == answer:
            stretches[-1] = (stretches[-1][0], copy, answer)
        else:
            stretches.append((copy, copy, answer))
    return stretches


@dataclass(frozen=True)
class Travel:
    """A return of attention to audio that was heard before."""

    span: Span  # with the first reading, if the text is the same
    same_text: bool


def _travels_back(alignment: Alignment, limits: Thresholds) -> list[Travel]:
    """Returns to audio behind the front, and whether they wrote the same.

    The front is the furthest place so far; further searches take only places that two or three
    successive rows reached, since one stray row far ahead would hide every return behind it.
    """
    travels: list[Travel] = []
    for held in (1, 2, PASSED_ROWS):
        for row, stop in _behind(alignment, held, limits):
            travel = _judged(alignment, row, stop, limits)
            if travel is None and held == PASSED_ROWS:
                travel = _passed_over(alignment, row, stop, limits)
            if travel is not None and not any(travel.span.shared(f.span) for f in travels):
                travels.append(travel)
    return travels


def _passed_over(alignment: Alignment, row: int, stop: int, limits: Thresholds) -> Travel | None:
    """A return to audio that was passed over before: late, and therefore out of order.

    It must be long, and so must what was read ahead of it: a few rows ahead are strays.
    """
    chosen = alignment.rows.steady
    if stop - row < (limits.passed_words if alignment.rows.wordlike else limits.passed_tokens):
        return None
    rows = np.arange(int(chosen[row]), int(chosen[stop - 1]) + 1)
    return Travel(make_span(alignment, rows), same_text=False)


def _wandering(alignment: Alignment, limits: Thresholds) -> list[Span]:
    """The whole map, where rows know their places but these follow each other in no order."""
    rows = alignment.rows
    places = rows.peak[rows.ordered] * rows.frame_seconds
    steps = np.diff(places)
    least = limits.wander_words if rows.wordlike else limits.wander_tokens
    if len(steps) < least:
        return []
    still = max(limits.still_seconds, rows.frame_seconds)
    back = steps < -still
    travelled = -steps[back].sum() / max(np.ptp(places), still)
    if back.mean() < limits.wander_back or travelled < limits.wander_travel:
        return []
    return [make_span(alignment, np.arange(rows.ordered[0], rows.ordered[-1] + 1))]


def _behind(alignment: Alignment, held: int, limits: Thresholds) -> list[tuple[int, int]]:
    """Runs of steady rows, half-open, from a fall behind the front until it is reached again."""
    rows = alignment.rows
    places = rows.peak[rows.steady]
    if len(places) < 4:
        return []
    front = _front(places, held)
    limit = max(limits.jump_seconds, limits.jump_paces * rows.pace) / rows.frame_seconds
    fallen = front - places > max(limit, 2.5)
    clear = max(0.1, 0.5 * rows.pace) / rows.frame_seconds
    least = limits.jump_words if rows.wordlike else limits.jump_tokens
    least += len(places) < (1 - limits.noisy_rows) * rows.lexical.sum()
    runs, row = [], 0
    while row < len(places):
        stop = row + 1
        while fallen[row] and stop < len(places) and places[stop] < front[row] - 0.5:
            stop += 1
        if fallen[row] and (front[row] - places[row:stop] > clear).sum() >= least:
            runs.append((row, stop))
        row = stop
    return runs


def _judged(alignment: Alignment, row: int, stop: int, limits: Thresholds) -> Travel | None:
    """Steady rows `row` to `stop` as a return, if their audio had been heard before."""
    rows = alignment.rows
    chosen = rows.steady
    places = rows.peak[chosen]
    reach = 1 + 0.6 * rows.pace / rows.frame_seconds
    heard = np.zeros(rows.frames, bool)
    for place in places[:row].tolist():
        heard[max(0, int(place - reach)) : int(place + reach) + 1] = True
    visited = heard[np.clip(places[row:stop].astype(int), 0, rows.frames - 1)]
    if visited.mean() < limits.jump_heard:
        return None
    low, high = np.quantile(places[row:stop], (0.1, 0.9))
    near = (places[:row] >= low - 2 * reach) & (places[:row] <= high + 2 * reach)
    earlier = np.flatnonzero(near)
    few = stop - row < 5 and not rows.wordlike
    size = 2 if few or rows.wordlike else 3
    known = _grams(alignment, chosen[earlier], size)
    again = _grams(alignment, chosen[row:stop], size)
    same = sum(gram in known for gram in again)
    # so few characters must agree in full
    start, end = int(chosen[row]), int(chosen[stop - 1]) + 1
    if not again or same < (1 if few else limits.same_text) * len(again):
        return Travel(make_span(alignment, np.arange(start, end)), same_text=False)
    first = int(chosen[earlier[min(known.index(gram) for gram in again if gram in known)]])
    return Travel(make_span(alignment, np.arange(first, end), (start, end)), same_text=True)


def _grams(alignment: Alignment, rows: np.ndarray, size: int) -> list[tuple[str, ...]]:
    """Every `size` successive tokens that start at one of the rows."""
    return [alignment.tokens[row : row + size] for row in rows[: len(rows) - size + 1].tolist()]


def _front(places: np.ndarray, held: int) -> np.ndarray:
    """Furthest place before each row that `held` successive rows reached."""
    front = np.full(len(places), -np.inf)
    reached = np.lib.stride_tricks.sliding_window_view(places, held).min(axis=1)
    front[held:] = np.maximum.accumulate(reached)[:-1]
    return front
