"""What files of each kind begin with."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from models.audio.view import View

PIECE = 1 << 20  # bytes looked at together
LONGEST = 64  # bytes that tell a beginning, at most


class Mark(NamedTuple):
    """What a kind of file begins with."""

    letters: bytes  # looked for
    place: int  # of these letters in the file
    pattern: re.Pattern[bytes]  # what the beginning has to be as a whole


def mark(letters: bytes, place: int, pattern: bytes) -> Mark:
    """A mark whose pattern may hold any bytes."""
    return Mark(letters, place, re.compile(pattern, re.DOTALL))


OGG = mark(b"OggS\0", 0, rb"OggS\0.")
MP4 = mark(b"ftyp", 4, rb"\0\0\0.ftyp[\x20-\x7e]{4}")
MARKS = (
    OGG,
    MP4,
    mark(b"WAVE", 8, rb"(?:RIF[FX]|RF64|BW64)....WAVE(?:fmt |ds64|bext|JUNK|junk|LIST|fact|FLLR)"),
    mark(b"riff\x2e\x91", 0, rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0"),
    mark(b"FORM", 0, rb"FORM....AIF[FC](?:COMM|FVER|MARK|INST|NAME|ANNO|AUTH|\(c\) )"),
    mark(b"caff", 0, rb"caff\0[\x01\x02]\0\0desc"),
    mark(b".snd\0\0", 0, rb"\.snd\0\0[\0-\x04].(?:....)\0\0\0[\x01-\x1b]\0"),
    mark(b"fLaC", 0, rb"fLaC[\0\x80]\0\0\x22"),
    mark(b"\x1a\x45\xdf\xa3", 0, rb"\x1a\x45\xdf\xa3.{1,24}?\x42\x82.(?:webm|matroska)"),
    mark(b"\x30\x26\xb2\x75\x8e", 0, rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa"),
    mark(b"NIST_1A\n", 0, rb"NIST_1A\n   1024\n"),
    mark(b"#!AMR", 0, rb"#!AMR(?:-WB)?\n"),
    mark(b"TTA", 0, rb"TTA[12][\x01-\x03]\0"),
    mark(b"FLV\x01", 0, rb"FLV\x01[\x01\x04\x05]\0\0\0\x09"),
    mark(b"Creative Voice", 0, rb"Creative Voice File\x1a"),
)


def kind(view: View) -> Mark | None:
    """What the file begins with, None where that is no known mark."""
    head = view.at(0, LONGEST)
    return next((known for known in MARKS if known.pattern.match(head)), None)


def find(view: View, sought: Mark) -> Iterator[tuple[int, bytes]]:
    """Where a mark occurs, in order, and the bytes there."""
    for start in range(0, view.size, PIECE):
        piece = view.at(start, PIECE + LONGEST)
        place = piece.find(sought.letters)
        while 0 <= place < PIECE + sought.place:
            first = place - sought.place
            match = sought.pattern.match(piece, first) if 0 <= first < PIECE else None
            if match:
                yield start + first, match.group()
            place = piece.find(sought.letters, place + 1)
