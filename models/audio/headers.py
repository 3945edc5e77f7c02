"""Sizes in the headers of WAV, RF64, W64, AIFF, CAF and AU files, corrected to what is there.

A recorder writes them when it is closed. One that was killed, that wrote to a pipe or that passed
4 GiB leaves 0, the largest number, or what was true a while ago.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from models.audio.view import View

LARGE = 0x7FFF0000  # bytes; what recorders write when they stream to a pipe lies above
GUID = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of a Wave64 chunk, behind its four letters
TAGS = (b"ID3", b"TAG", b"APETAGEX")  # may stand behind the samples
MOST_CHUNKS = 10_000  # of a file that is no attack
PIECE = 1 << 20  # bytes looked at together


class Chunk(NamedTuple):
    """One chunk of a file; positions are in bytes."""

    id: bytes  # four letters
    field: int  # where its size is written
    start: int  # where its body starts
    size: int  # of the body, as it is written
    after: int  # where the next chunk is expected


@dataclass(frozen=True)
class Layout:
    """How a family of containers writes its chunks."""

    first: int  # byte of the first chunk
    head: Callable[[bytes], tuple[bytes, int]]  # id and body size from a chunk's first bytes
    length: int  # bytes of a chunk's head
    width: int  # bytes from its size to its body
    align: int  # bodies are padded to a multiple of this
    samples: bytes  # id of the chunk that holds the samples
    write: Callable[[int], bytes]  # a body size as the chunk states it
    preface: int  # bytes of that chunk before its samples
    outer: tuple[int, Callable[[int], bytes]] | None  # the file's own size: where, and how


@dataclass(frozen=True)
class Declared:
    """What a header says about the length of its samples, against the file."""

    patches: dict[int, bytes]  # corrections, by position
    ends_early: bool  # it announces more bytes than there are
    beyond: bool  # samples go on behind the end that it announces
    end: int  # of the view; FFmpeg would take what follows an empty chunk for its samples


def _chunks(order: str, kind: str = "I") -> Callable[[bytes], tuple[bytes, int]]:
    layout = struct.Struct(f"{order}4s{kind}")
    return lambda head: layout.unpack(head)


def _wave64(head: bytes) -> tuple[bytes, int]:
    size = struct.unpack("<16xQ", head)[0] - 24
    return (head[:4] if head[4:16] == GUID else b"????"), size


def _packed(kind: str, extra: int = 0, most: int = 0xFFFFFFFF) -> Callable[[int], bytes]:
    return lambda size: struct.pack(kind, min(size + extra, most))


RIFF = Layout(12, _chunks("<"), 8, 4, 2, b"data", _packed("<I"), 0, (4, _packed("<I", -8)))
RIFX = Layout(12, _chunks(">"), 8, 4, 2, b"data", _packed(">I"), 0, (4, _packed(">I", -8)))
W64 = Layout(
    40, _wave64, 24, 8, 8, b"data", _packed("<Q", 24, 2**62), 0, (16, _packed("<Q", 0, 2**62))
)
AIFF = Layout(12, _chunks(">"), 8, 4, 2, b"SSND", _packed(">I"), 8, (4, _packed(">I", -8)))
CAF = Layout(8, _chunks(">", "Q"), 12, 8, 1, b"data", _packed(">Q", 0, 2**62), 4, None)


def declared(view: View) -> Declared | None:
    """The header's sizes against the file's, None for a container that states none."""
    head = view.at(0, 40)
    if head[:4] in (b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return _large(view)
    if head[:4] == b".snd":
        return _sun(view, head)
    layout = _layout(head)
    return None if layout is None else _compare(view, layout)


def _layout(head: bytes) -> Layout | None:
    if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
        return RIFF if head[:4] == b"RIFF" else RIFX
    if head[:4] == b"riff" and head[24:28] == b"wave":
        return W64
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    return CAF if head[:4] == b"caff" else None


def _walk(view: View, layout: Layout, place: int) -> Iterator[Chunk]:
    for _ in range(MOST_CHUNKS):
        if place + layout.length > view.size:
            return
        name, size = layout.head(view.at(place, layout.length))
        size = max(0, size)
        start = place + layout.length
        yield Chunk(name, start - layout.width, start, size, start + size + -size % layout.align)
        place = start + size + -size % layout.align


def _compare(view: View, layout: Layout, stated: int | None = None) -> Declared | None:
    """`stated`: size of the samples where it is written elsewhere (RF64)."""
    chunks = _walk(view, layout, layout.first)
    samples = next((chunk for chunk in chunks if chunk.id == layout.samples), None)
    if samples is None:
        return None
    size = samples.size if stated is None else stated
    there = view.size - samples.start
    known = size < LARGE or size <= there
    more = size < there and not _closed(view, layout, samples.start + size)
    if more and size > 0 and _is_padding(view, samples.start + size):
        more = False
    patches = {}
    if layout.outer:  # FFmpeg refuses some files for the file's own size
        place, write = layout.outer
        patches[place] = write(view.size)
    if more or size > there:
        patches[samples.field] = layout.write(there)
    end = samples.start if size == 0 and not more else view.size
    return Declared(patches, known and size > there, more and size > layout.preface, end)


def _is_padding(view: View, start: int) -> bool:
    pieces = (view.at(place, PIECE) for place in range(start, view.size, PIECE))
    return all(piece.count(0) == len(piece) for piece in pieces)


def _closed(view: View, layout: Layout, end: int) -> bool:
    """Whether what follows the samples is not sound: chunks to the file's end, or tags."""
    if view.at(end, 8).startswith(TAGS):
        return True
    for place in {end, end + -end % layout.align}:
        after = place
        for chunk in _walk(view, layout, place):
            if not chunk.id.isascii() or not chunk.id.decode().isprintable():
                break
            after = chunk.after
            if after >= view.size - layout.length:
                return after <= view.size + layout.align
    return view.size - end < layout.length


def _large(view: View) -> Declared | None:
    """RF64 and BW64 state sizes in a chunk ``ds64``."""
    chunk = view.at(12, 32)
    stated = struct.unpack("<Q", chunk[16:24])[0] if chunk[:4] == b"ds64" else 0
    plain = _compare(view, RIFF, stated)
    if plain is None or len(plain.patches) < 2:
        return plain and replace(plain, patches={})
    return replace(plain, patches=plain.patches | {0: b"RIFF"})


def _sun(view: View, head: bytes) -> Declared:
    """AU: one size, of everything behind the header; nothing may follow."""
    start, size = struct.unpack(">4xII", head[:12].ljust(12, b"\0"))
    there = view.size - start
    known = 0 < size < LARGE
    patch = {} if known and size == there else {8: b"\xff" * 4}
    return Declared(patch, known and size > there, known and size < there, view.size)
