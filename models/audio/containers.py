"""Audio containers: told apart by their first bytes, and whether one was cut off before its end."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Literal

from models.audio import ogg

PROBE = 16  # bytes that tell every container accepted
UNKNOWN_SIZES = range(0x7FFF0000, 0x80010000)  # what recorders write when they stream to a pipe


def _whole(file: BinaryIO) -> bool:
    return False


def _wav_ends_early(file: BinaryIO) -> bool:
    """Whether the data chunk announces more bytes than the file has (RIFF WAVE, RF64)."""
    file.seek(0, 2)
    end = file.tell()
    position, data_size_64 = 12, None
    while position + 8 <= end:
        file.seek(position)
        chunk, size = struct.unpack("<4sI", file.read(8))
        if chunk == b"ds64" and size >= 16:
            data_size_64 = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
        if chunk == b"data":
            if size == 0xFFFFFFFF:
                size = data_size_64 or 0
            return size not in UNKNOWN_SIZES and position + 8 + size > end
        position += 8 + size + size % 2
    return False


def _aiff_ends_early(file: BinaryIO) -> bool:
    """Whether the outermost chunk announces more bytes than the file has."""
    size = struct.unpack(">4xI", file.read(8))[0]
    return 8 + size > file.seek(0, 2)


@dataclass(frozen=True)
class Container:
    """A kind of audio file."""

    title: str  # with its article, for messages
    decoder: Literal["soundfile", "ffmpeg"]
    demuxer: str = ""  # FFmpeg's name: given to it, so that it never guesses
    ends_early: Callable[[BinaryIO], bool] = _whole  # from the container alone, before decoding
    mend: Callable[[BinaryIO], BinaryIO] | None = None  # what can be saved of one that does


WAV = Container("a WAV file", "soundfile", ends_early=_wav_ends_early)
FLAC = Container("a FLAC file", "soundfile")  # its decoder reports a missing end
OGG = Container("an Ogg file", "soundfile", ends_early=ogg.ends_early, mend=ogg.mend)
MP3 = Container("an MP3 file", "soundfile")  # fewer frames decoded than its header counts
M4A = Container("an M4A/MP4 recording", "ffmpeg", "mov")
WEBM = Container("a WebM recording", "ffmpeg", "matroska")
AAC = Container("an AAC recording", "ffmpeg", "aac")
AIFF = Container("an AIFF file", "ffmpeg", "aiff", _aiff_ends_early)
CAF = Container("a CAF file", "ffmpeg", "caf")
AMR = Container("an AMR recording", "ffmpeg", "amr")
ASF = Container("a WMA recording", "ffmpeg", "asf")

MAGIC = (
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b"ID3", MP3),
    (b"\x1a\x45\xdf\xa3", WEBM),
    (b"caff", CAF),
    (b"#!AMR", AMR),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ASF),
)
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # of text; the first would pass for a frame of MPEG audio


def identify(file: BinaryIO) -> Container | None:
    """The container of an open file, or None; leaves the file at its start."""
    file.seek(0)
    head = file.read(PROBE)
    file.seek(0)
    if head.startswith(UTF_16):
        return None
    for magic, container in MAGIC:
        if head.startswith(magic):
            return container
    if head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return WAV if head[8:12] == b"WAVE" else None
    if head[:4] == b"FORM":
        return AIFF if head[8:12] in (b"AIFF", b"AIFC") else None
    if head[4:8] == b"ftyp":
        return M4A
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return MP3 if head[1] & 0x06 else AAC  # layer bits: an ADTS header has none
    return None
