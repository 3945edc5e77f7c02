"""What was found in a map: failures and notes, as records and as JSON values."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Self

LONGEST_KIND = 200  # characters
LARGEST = 1e12  # of a row number or a time, to either side


@dataclass(frozen=True)
class Finding:
    """A stretch of a decoding that something is said about."""

    kind: str
    tokens: tuple[int, int]  # rows concerned, half-open
    seconds: tuple[float, float]  # audio concerned
    explanation: str = ""  # one plain sentence; empty where only the span was stored

    def to_json(self) -> dict[str, Any]:
        """Plain values of every field."""
        return self.span_json() | {"explanation": self.explanation}

    def span_json(self) -> dict[str, Any]:
        """Kind and span without the explanation, as ``compare --json`` prints them."""
        return {"kind": self.kind, "tokens": list(self.tokens), "seconds": list(self.seconds)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The record of what `to_json` or `span_json` gave.

        Raises
        ------
        ValueError
            If a field is missing or is not what it should be.
        """
        try:
            kind, tokens, seconds = values["kind"], values["tokens"], values["seconds"]
            (first, last), (start, end) = tokens, seconds
            explanation = values.get("explanation") or ""
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ValueError("a failure has a kind, two tokens and two seconds") from None
        if not isinstance(kind, str) or len(kind) > LONGEST_KIND:
            raise ValueError("the kind of a failure is a short text")
        if not all(_is_number(row, Integral) and row >= 0 for row in tokens):
            raise ValueError("the tokens of a failure are two row numbers")
        if not all(_is_number(time, Real) for time in seconds):
            raise ValueError("the seconds of a failure are two finite numbers")
        if not isinstance(explanation, str):
            raise ValueError("the explanation of a failure is a text")
        return cls(kind, (int(first), int(last)), (float(start), float(end)), explanation)


@dataclass(frozen=True)
class Failure(Finding):
    """Something that went wrong; its kind is one of `analysis.failures.thresholds.SEVERITY`."""


@dataclass(frozen=True)
class Note(Finding):
    """Something worth knowing that is no failure.

    Its kind is ``genuine_repetition``; ``unheard``, where no token listened and it is not known
    whether somebody spoke; or, of the whole map, ``speech_unknown`` and ``end_unknown``, which say
    what is not judged.
    """


def _is_number(value: Any, kind: type) -> bool:
    number = isinstance(value, kind) and not isinstance(value, bool)
    return number and abs(float(value)) <= LARGEST
