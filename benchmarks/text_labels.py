"""What went wrong with a transcript, told from the two texts alone: no attention is looked at.

The edit alignment of characters (`analysis.scoring.errors.edit_alignment`) says which were inserted
and deleted. From it:

*loop*
    Yes where words repeat at once more often than anywhere in the reference, with at least one
    whole copy inserted (or three copies more, however they were aligned); or where an inserted
    stretch of at least `LOOP_CHARACTERS` consists of pieces that were written before. No where
    there are no more pieces that come again than in the reference, but a few.
*unheard* (*skip* in the middle or at the start, *early_stop* at the end)
    Yes where a stretch of the reference was deleted that took `MISSING_SECONDS` of speech. A
    character is worth the recording's speech divided by the reference's characters. No where all of
    the reference was found again: no stretch of `SOME_SECONDS` without three agreeing letters in a
    row. (Words that were missed are hidden where others were made up in their place: the edit
    alignment calls that a substitution. So they are in a loop or a runaway, of which nothing is
    said.) Where texts repeat, the same edits can be put in several places: which kind it is, is
    said only if the alignment of the reversed texts agrees.
*runaway*
    Yes where the length limit was hit.

A stretch goes on across single agreeing letters, as long as two of three characters in it are
inserted (deleted): letters agree by chance. What is neither yes nor no is unclear (None).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.metrics.repetition import periodic_runs
from analysis.scoring.errors import Edit, edit_alignment

LOOP_CHARACTERS = 12  # inserted and written before: two or three words
COPY_CHARACTERS = 6  # inserted copies of words have at least so many together
REPEATED = 0.6  # of an inserted stretch's pieces were written before
PIECE = 4  # characters of a piece: by chance few come again
MORE_PIECES = 4  # that come again, and do not in the reference, for which loops are unclear
MISSING_SECONDS = 1.3  # of speech whose characters are missing: more than the longest word
SOME_SECONDS = 0.6  # fewer may be one word, or a misspelling
FOUND_CHARACTERS = 3  # agreeing letters in a row; fewer agree by chance
END_CHARACTERS = 3  # reference characters after a stretch that is called the end
KINDS = ("loop", "unheard", "skip", "early_stop", "runaway")


@dataclass(frozen=True)
class TextLabels:
    """Failures by the texts alone: yes, no, or None where they do not tell."""

    loop: bool | None
    unheard: bool | None  # skip or early_stop
    skip: bool | None
    early_stop: bool | None
    runaway: bool


@dataclass(frozen=True)
class Stretch:
    """Edits of one kind that lie together."""

    start: int  # first edit of the edit alignment
    end: int  # edit after the last
    count: int  # of edits of that kind in it


def text_labels(
    reference: str, hypothesis: str, ended: bool | None, speech_seconds: float
) -> TextLabels:
    """Failures of a transcript (both texts normalised already)."""
    edits = edit_alignment(reference, hypothesis, "char")
    ops = [edit.op for edit in edits]
    backwards = [e.op for e in edit_alignment(reference[::-1], hypothesis[::-1], "char")][::-1]
    runaway = ended is False
    loop = _loop(reference, hypothesis, edits)
    each = speech_seconds / max(len(reference), 1)
    both = [_missing(o, len(reference), each) for o in (ops, backwards)]
    places = [frozenset(place for place, missing in found if missing) for found in both]
    found = [not any(some) for some in both]  # nothing at all is missing, perhaps
    if places[0] and places[1]:
        skip, early = (_agreed(place in p for p in places) for place in ("middle", "end"))
        return TextLabels(loop, True, skip, early, runaway)
    nothing = False if all(found) and loop is False and not runaway else None
    return TextLabels(loop, nothing, nothing, nothing, runaway)


def _agreed(answers) -> bool | None:
    first, second = answers
    return first if first == second else None


def stretches(ops: Sequence[str], kind: str) -> list[Stretch]:
    """Stretches of which two thirds and more are edits of a kind, in order."""
    found, start, score, best, best_end = [], 0, 0, 0, 0
    for place, op in enumerate([*ops, None]):
        score = 0 if op is None else score + (1 if op == kind else -2)
        if score > best:
            best, best_end = score, place + 1
        if score <= 0:
            if best > 0:
                count = sum(o == kind for o in ops[start:best_end])
                found.append(Stretch(start, best_end, count))
            start, score, best = place + 1, 0, 0
    return found


def _missing(ops: Sequence[str], characters: int, each: float) -> list[tuple[str, bool]]:
    """Where reference characters are missing ("middle", "end"): surely (deleted), or perhaps."""
    found = []
    for stretch in stretches(ops, "delete"):
        if stretch.count * each >= MISSING_SECONDS:
            left = sum(op != "insert" for op in ops[stretch.end :])
            found.append(("end" if left <= END_CHARACTERS else "middle", True))
    for first, end in _not_found(ops):
        if (end - first) * each >= SOME_SECONDS:
            found.append(("end" if characters - end <= END_CHARACTERS else "middle", False))
    return found


def _not_found(ops: Sequence[str]) -> list[tuple[int, int]]:
    """Stretches of reference characters, half-open, without enough agreeing letters in a row."""
    gaps, reference, run, since = [], 0, 0, 0
    for op in ops:
        run = run + 1 if op == "equal" else 0
        reference += op != "insert"
        if run >= FOUND_CHARACTERS:
            gaps.append((since, reference - run))
            since = reference
    return [gap for gap in [*gaps, (since, reference)] if gap[1] > gap[0]]


def _loop(reference: str, hypothesis: str, edits: Sequence[Edit]) -> bool | None:
    inserted = {edit.hyp_index for edit in edits if edit.op == "insert"}
    copied = _copied(reference, hypothesis, inserted)
    if copied:
        return True
    for stretch in stretches([edit.op for edit in edits], "insert"):
        places = [e.hyp_index for e in edits[stretch.start : stretch.end]]
        places = [place for place in places if place is not None]
        share = _written_before(hypothesis, places[0], places[-1] + 1)
        if stretch.count >= LOOP_CHARACTERS and share >= REPEATED:
            return True
    more = _coming_again(hypothesis) - _coming_again(reference)
    return None if more >= MORE_PIECES or copied is None else False


def _copied(reference: str, hypothesis: str, inserted: set[int | None]) -> bool | None:
    """Do words repeat at once in the hypothesis as they never do in the reference?"""
    answer: bool | None = False
    words, said = hypothesis.split(), reference.split()
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    spoken: dict[int, int] = {}
    for run in periodic_runs(said):
        spoken[run.period] = max(spoken.get(run.period, 1), run.length // run.period)
    for run in periodic_runs(words):
        more = run.length // run.period - spoken.get(run.period, 1)
        places = range(starts[run.first], starts[run.first + run.length])
        new = sum(place in inserted for place in places)
        copy = starts[run.first + run.period] - starts[run.first]
        if more >= 3 or (more >= 1 and new >= max(copy, COPY_CHARACTERS)):
            return True
        answer = None if more >= 1 else answer
    return answer


def _written_before(text: str, start: int, end: int) -> float:
    """Share of the pieces within a stretch of text that occur in what was written before them."""
    pieces = range(start, max(start + 1, end - PIECE + 1))
    seen = [text[place : place + PIECE] in text[: place + PIECE - 1] for place in pieces]
    return sum(seen) / len(seen)


def _coming_again(text: str) -> int:
    """Pieces of a text that were written before in it."""
    pieces = Counter(text[place : place + PIECE] for place in range(len(text) - PIECE + 1))
    return sum(count - 1 for count in pieces.values())
