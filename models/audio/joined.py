"""Files that were joined end to end: where each of them begins."""

from typing import BinaryIO

from models.audio.marks import MARKS, OGG, find, kind
from models.audio.view import View

FIRST_PAGE = 2  # flag of an Ogg page: a stream begins


def beginnings(file: BinaryIO) -> list[int]:
    """Bytes at which files of the same kind as the first one begin; 0 is always among them."""
    view = View(file, 0, file.seek(0, 2))
    mark = kind(view)
    if mark is None:
        return [0]
    if mark is OGG:
        return _chain(view)
    return [place for place, _ in find(view, mark)]


def first_known(file: BinaryIO) -> int | None:
    """Byte at which the first file of a known kind begins behind something else."""
    view = View(file, 0, file.seek(0, 2))
    first = [next(find(view, mark), None) for mark in MARKS]
    return min((place for place, _ in filter(None, first) if place), default=None)


def _chain(view: View) -> list[int]:
    """Links of an Ogg file: streams that begin behind pages of others (RFC 3533, chaining)."""
    places, opening = [], False
    for place, page in find(view, OGG):
        first = bool(page[5] & FIRST_PAGE)
        if first and not opening:
            places.append(place)
        opening = first
    return places or [0]
