"""Ogg pages (RFC 3533): whether a stream was cut off, and what of its last page can be saved."""

import struct
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import BinaryIO

LONGEST_PAGE = 65_307  # bytes
HEADER = 27  # bytes before the segment table
END_OF_STREAM = 4  # flag


@dataclass(frozen=True)
class Page:
    """The last page of a file, possibly incomplete."""

    start: int  # byte of the file
    flags: int
    segments: bytes  # lengths of the body's segments; one below 255 ends a packet
    complete: bool  # header, table and body are all there


def ends_early(file: BinaryIO) -> bool:
    """Whether the last page is incomplete or lacks the end-of-stream flag."""
    page = _last_page(file)
    return page is None or not page.complete or not page.flags & END_OF_STREAM


def mend(file: BinaryIO) -> BinaryIO:
    """A copy whose incomplete last page holds just the packets that are whole.

    Decoders drop an incomplete page, which is a second of Opus and four of Vorbis.
    """
    page = _last_page(file)
    file.seek(0)
    content = file.read()
    if page is None or page.complete:
        return BytesIO(content)
    body = page.start + HEADER + len(page.segments)
    kept = _whole_packets(page.segments, len(content) - body)
    if not kept:
        return BytesIO(content[: page.start])
    header = bytearray(content[page.start : page.start + HEADER])
    header[5] &= ~END_OF_STREAM  # or Opus would take the position of the whole page's end for true
    header[22:26] = bytes(4)  # the checksum counts as zero in itself
    header[26] = len(kept)
    mended = bytes(header) + kept + content[body : body + sum(kept)]
    checksum = struct.pack("<I", _checksum(mended))
    return BytesIO(content[: page.start] + mended[:22] + checksum + mended[26:])


def _last_page(file: BinaryIO) -> Page | None:
    end = file.seek(0, 2)
    first = max(0, end - LONGEST_PAGE)
    file.seek(first)
    tail = file.read()
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
