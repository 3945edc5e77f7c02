"""What reading a data set left out, put right or could not use: counted, and named by its first."""

from collections.abc import Iterator

LEFT_OUT = "left out"  # the kind of remark whose item is not read at all


class Remarks:
    """Remarks by kind. Reading a data set twice with the same ones counts nothing twice."""

    def __init__(self) -> None:
        self._places: dict[str, dict[str, None]] = {}  # of each kind, in the order of reading

    def add(self, kind: str, place: str) -> None:
        """Something of this kind at a place, as ``m.csv line 3``.

        `kind` is a sentence with ``{n}`` for the number and ``{first}`` for the first place.
        """
        self._places.setdefault(kind, {})[place] = None

    def say(self, sentence: str) -> None:
        """Something that is said once."""
        self._places.setdefault(sentence, {})[""] = None

    def left_out(self, reason: object) -> None:
        """A row that is not read, with the reason, which names its place."""
        self.add(LEFT_OUT, str(reason))

    @property
    def first_left_out(self) -> str | None:
        """Why the first row that is not read is not read."""
        return next(iter(self._places.get(LEFT_OUT, ())), None)

    def sentences(self) -> list[str]:
        """All remarks, a sentence each."""
        return list(self._sentences())

    def _sentences(self) -> Iterator[str]:
        for kind, places in self._places.items():
            first, count = next(iter(places)), len(places)
            if kind == LEFT_OUT:
                more = f", and {count - 1} more" if count > 1 else ""
                yield f"{count} row{'s' if count > 1 else ''} left out: {first}{more}"
            elif first == "":
                yield kind
            else:
                yield kind.format(n=count, s="s" if count > 1 else "", first=first)
