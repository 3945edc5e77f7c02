"""Word and character errors: counts that can be pooled, and who was aligned with whom.

Counts come from jiwer. Rates of several utterances are pooled (errors over reference length),
never averaged: the mean of per-utterance rates overrates short utterances.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import jiwer

from .normalisers import NORMALISERS, normalise

__all__ = ["NORMALISERS", "Counts", "Edit", "Score", "edit_alignment", "normalise", "pool", "score"]


@dataclass(frozen=True)
class Counts:
    """Edit counts of one or many utterances, in words or in characters."""

    hits: int = 0  # reference units found again
    substitutions: int = 0  # replaced by another
    deletions: int = 0  # missing from the hypothesis
    insertions: int = 0  # only in the hypothesis

    @property
    def reference(self) -> int:
        """Units of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors per reference unit; may exceed one; None where the reference is empty."""
        return self.errors / self.reference if self.reference else None

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


@dataclass(frozen=True)
class Score:
    """Errors of a hypothesis, or of many pooled. Spaces count as characters, as in jiwer."""

    words: Counts
    characters: Counts
    normalizer: str  # name of the normaliser both texts went through

    @property
    def wer(self) -> float | None:
        """Word error rate; None where the reference is empty."""
        return self.words.rate

    @property
    def cer(self) -> float | None:
        """Character error rate; None where the reference is empty."""
        return self.characters.rate


@dataclass(frozen=True)
class Edit:
    """One step of the edit alignment between a reference and a hypothesis."""

    op: str  # "equal", "substitute", "delete" or "insert"
    ref: str  # reference word or character, "" for an insertion
    hyp: str  # hypothesis word or character, "" for a deletion
    ref_index: int | None  # its number in the reference, None for an insertion
    hyp_index: int | None  # its number in the hypothesis, None for a deletion


def score(reference: str, hypothesis: str, normalizer: str = "basic") -> Score:
    """Errors of one hypothesis after both texts went through the named normaliser.

    An empty reference makes rates undefined (None) while insertions are still counted.
    """
    said, heard = normalise(reference, normalizer), normalise(hypothesis, normalizer)
    return Score(_count(said, heard, "word"), _count(said, heard, "char"), normalizer)


def pool(scores: Iterable[Score]) -> Score:
    """All errors over all reference units. An empty pool has rates None.

    Raises
    ------
    ValueError
        If the scores went through different normalisers, which cannot be compared.
    """
    scores = list(scores)
    names = {s.normalizer for s in scores}
    if len(names) > 1:
        raise ValueError(f"scores of different normalisers cannot be pooled: {sorted(names)}")
    return Score(
        sum((s.words for s in scores), Counts()),
        sum((s.characters for s in scores), Counts()),
        names.pop() if names else "basic",
    )


def edit_alignment(reference: str, hypothesis: str, unit: str = "word") -> tuple[Edit, ...]:
    """Step by step, which word (or character) stands for which; texts are taken as they are.

    Examples
    --------
    >>> [(e.op, e.ref, e.hyp) for e in edit_alignment("no no", "no on no")]
    [('equal', 'no', 'no'), ('insert', '', 'on'), ('equal', 'no', 'no')]
    """
    said, heard = _units(reference, unit), _units(hypothesis, unit)
    if not said:
        return tuple(Edit("insert", "", u, None, i) for i, u in enumerate(heard))
    edits: list[Edit] = []
    for chunk in _process(reference, hypothesis, unit).alignments[0]:
        refs = range(chunk.ref_start_idx, chunk.ref_end_idx)
        hyps = range(chunk.hyp_start_idx, chunk.hyp_end_idx)
        if chunk.type == "insert":
            edits += [Edit("insert", "", heard[h], None, h) for h in hyps]
        elif chunk.type == "delete":
            edits += [Edit("delete", said[r], "", r, None) for r in refs]
        else:
            edits += [
                Edit(chunk.type, said[r], heard[h], r, h) for r, h in zip(refs, hyps, strict=True)
            ]
    return tuple(edits)


def _units(text: str, unit: str) -> list[str]:
    if unit not in ("word", "char"):
        raise ValueError(f'unit: "word" or "char" is needed, not {unit!r}')
    return text.split() if unit == "word" else list(text.strip())


def _process(
    reference: str, hypothesis: str, unit: str
) -> jiwer.WordOutput | jiwer.CharacterOutput:
    """jiwer's result; words are joined by single spaces first, as jiwer splits at each space."""
    if unit == "word":
        return jiwer.process_words(" ".join(reference.split()), " ".join(hypothesis.split()))
    return jiwer.process_characters(reference.strip(), hypothesis.strip())


def _count(reference: str, hypothesis: str, unit: str) -> Counts:
    if not _units(reference, unit):
        return Counts(insertions=len(_units(hypothesis, unit)))
    result = _process(reference, hypothesis, unit)
    return Counts(result.hits, result.substitutions, result.deletions, result.insertions)
