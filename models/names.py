"""Names that are told apart, also as files where capitals make no difference."""

from collections.abc import Callable, Iterable


def _dashed(name: str, number: int) -> str:
    return f"{name}-{number}"


def told_apart(names: Iterable[str], numbered: Callable[[str, int], str] = _dashed) -> list[str]:
    """The names in order; one that is taken before it gets the first number, from 2, that is free.

    Parameters
    ----------
    names
        In any spelling; two that differ in capitals alone count as one.
    numbered
        How a name gets its number.

    Examples
    --------
    >>> told_apart(["x", "X", "x-2", "x"])
    ['x', 'X-2', 'x-2-2', 'x-3']
    """
    taken: set[str] = set()
    unique_names = []
    for name in names:
        unique, number = name, 1
        while unique.casefold() in taken:
            number += 1
            unique = numbered(name, number)
        taken.add(unique.casefold())
        unique_names.append(unique)
    return unique_names
