"""Ogg pages (RFC 3533): whether a stream was cut off, and what of its last page can be saved."""

import struct
from dataclasses import dataclass, replace
from functools import cache

from models.audio.view import View

LONGEST_PAGE = 65_307  # bytes
HEADER = 27  # bytes before the segment table
END_OF_STREAM = 4  # flag


@dataclass(frozen=True)
class Page:
    """The last page of a file, possibly incomplete."""

    start: int  # byte of the view
    flags: int
    segments: bytes  # lengths of the body's segments; one below 255 ends a packet
    complete: bool  # header, table and body are all there


def ends_early(view: View) -> bool:
    """Whether the last page is incomplete or lacks the end-of-stream flag."""
    page = _last_page(view)
    return page is None or not page.complete or not page.flags & END_OF_STREAM


def mend(view: View) -> View:
    """The view with an incomplete last page reduced to the packets of it that are whole.

    Decoders drop an incomplete page, which is a second of Opus and four of Vorbis.
    """
    page = _last_page(view)
    if page is None or page.complete:
        return view
    content = view.at(page.start, LONGEST_PAGE)
    body = HEADER + len(page.segments)
    kept = _whole_packets(page.segments, len(content) - body)
    end = view.start + page.start
    if not kept:
        return replace(view, end=end)
    header = bytearray(content[:HEADER])
    header[5] &= ~END_OF_STREAM  # or Opus would take the position of the whole page's end for true
    header[22:26] = bytes(4)  # the checksum counts as zero in itself
    header[26] = len(kept)
    mended = bytes(header) + kept + content[body : body + sum(kept)]
    checksum = struct.pack("<I", _checksum(mended))
    return replace(view, end=end, tail=mended[:22] + checksum + mended[26:])


def _last_page(view: View) -> Page | None:
    first = max(0, view.size - LONGEST_PAGE)
    tail = view.at(first, LONGEST_PAGE)
    start = tail.rfind(b"OggS")
    if start < 0:
        return None
    header = tail[start : start + HEADER].ljust(HEADER, b"\0")
    table = tail[start + HEADER : start + HEADER + header[26]]
    size = HEADER + header[26] + sum(table)
    return Page(first + start, header[5], table, start + size <= len(tail))


def _whole_packets(segments: bytes, available: int) -> bytes:
    """The part of a segment table whose packets end within the bytes that are there."""
    used = whole = 0
    for number, size in enumerate(segments, 1):
        used += size
        if used > available:
            break
        if size < 255:
            whole = number
    return segments[:whole]


def _checksum(page: bytes) -> int:
    """CRC-32 of polynomial 04c11db7, most significant bit first, starting from zero."""
    table, value = _checksum_table(), 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ table[value >> 24 ^ byte]
    return value


@cache
def _checksum_table() -> tuple[int, ...]:
    def entry(value: int) -> int:
        for _ in range(8):
            value = value << 1 ^ (0x104C11DB7 if value & 0x80000000 else 0)
        return value

    return tuple(entry(byte << 24) for byte in range(256))
