"""Sound out of any file, by FFmpeg's libraries in the process (PyAV), from memory only.

What a file contains decides, never its name or what its header says of its length. Only demuxers
of recordings are allowed and no protocol: playlists, scripts, session descriptions and references
to other files lead nowhere.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition

from models.audio import headers, joined, mp4, mpeg, ogg
from models.audio.marks import kind
from models.audio.view import View

# fmt: off
DEMUXERS = (
    "wav", "w64", "aiff", "au", "caf", "nistsphere", "voc",
    "flac", "ogg", "mp3", "aac", "loas", "ac3", "eac3", "dts", "amr", "gsm", "tta", "wv",
    "mov", "matroska", "asf", "avi", "flv", "mpeg", "mpegts",
)
# fmt: on


def _sound_decoders() -> Iterator[str]:
    for name in sorted(av.codecs_available):
        try:
            if av.Codec(name, "r").type == "audio":
                yield name
        except av.codec.codec.UnknownCodecError:  # an encoder only
            continue


OPTIONS = {
    "format_whitelist": ",".join(DEMUXERS),
    "protocol_whitelist": "",
    "codec_whitelist": ",".join(_sound_decoders()),  # the pictures of a video are not looked at
}
UNFRAMED = ("mp3", "aac", "ac3", "loas", "flac")  # streams that can be entered anywhere
SYNCHRONISED = frozenset((*UNFRAMED, "eac3", "dts"))  # their frames start alike
STATE_LENGTH = frozenset(  # in the header; for others FFmpeg may guess it from the file's size
    ("flac", "nistsphere", "voc", "tta", "wv", "mov", "asf", "matroska", "flv")
)
MPEG = frozenset(("mp3float", "mp3", "mp2float", "mp2"))  # decoders that accept half a frame
OF_LONGEST_TRACK = frozenset(("matroska", "flv"))  # is the length that they state
MATROSKA_BLOCKS = (b"\xa3", b"\xa0")  # their first bytes
BLOCK_HEADER = 4  # bytes that a Matroska packet's position lies before its content
ENOUGH = 10  # packets decoded in a row tell sound from bytes that look like it
FEWEST = 2  # packets of a stream without a header
HELD_SECONDS = 60.0  # of sound that is doubted, at most
TOLERANCE = 0.15  # seconds of encoder delay that a stated length may include
BLOCK_VALUES = 1 << 15  # values handed on together
BUFFER = 1 << 16  # bytes read at once


class UnreadableError(ValueError):
    """No sound was found in the file."""


class UnfinishedError(UnreadableError):
    """An MP4 recording without its index, which is written when it is closed."""


@dataclass(frozen=True)
class SampleBlock:
    """Samples that follow each other."""

    samples: np.ndarray  # (frames, channels) float32
    rate: int  # Hz


@dataclass(frozen=True)
class Opened:
    """A file whose sound is certain to be sound."""

    reader: "Reader"
    blocks: Iterator[SampleBlock]


def open_all(file: BinaryIO) -> Iterator[Opened]:
    """Every file that was joined into this one, in order; most are one.

    Raises
    ------
    UnreadableError
        Where the first one holds no sound.
    """
    size = file.seek(0, 2)
    places = joined.beginnings(file)
    for start, stop in zip(places, [*places[1:], size], strict=True):
        try:
            yield _open_any(file, start, stop, certain=len(places) > 1)
        except UnreadableError:
            if start == 0:
                raise


def _open_any(file: BinaryIO, start: int, stop: int, certain: bool) -> Opened:
    """As what it looks like; else behind what precedes it; else as a stream without beginning."""
    try:
        return _open_one(View(file, start, stop), None)
    except UnreadableError:
        if certain or kind(View(file, start, stop)):
            if mp4.lacks_index(View(file, start, stop)):
                raise UnfinishedError("the index is missing") from None
            raise
    place = joined.first_known(file)
    attempts = [] if place is None else [(place, None)]
    for place, demuxer in [*attempts, *((start, name) for name in UNFRAMED)]:
        try:
            return _open_one(View(file, place, stop), demuxer)
        except UnreadableError:
            continue
    raise UnreadableError("no demuxer finds sound in it")


def _open_one(view: View, demuxer: str | None) -> Opened:
    reader = Reader(view, demuxer)
    blocks = reader.blocks()
    first = next(blocks, None)
    return Opened(reader, chain([] if first is None else [first], blocks))


class Reader:
    """Decodes one file; its judgements are final when `blocks` has ended.

    Parameters
    ----------
    view
        The bytes of the file.
    demuxer
        FFmpeg's name of the container; None to find it out by content.

    Raises
    ------
    UnreadableError
        Where there is no sound track.
    """

    def __init__(self, view: View, demuxer: str | None = None) -> None:
        self.declared = headers.declared(view)
        if self.declared is not None:
            end = view.start + self.declared.end
            view = replace(view, patches=self.declared.patches, end=end)
        self.ends_early = self.declared is not None and self.declared.ends_early
        if view.at(0, 4) == b"OggS" and ogg.ends_early(view):
            self.ends_early, view = True, ogg.mend(view)
        self.view = view
        self.forced = demuxer is not None
        self.seconds = 0.0  # decoded
        self.decoded = 0  # packets
        self.damaged = 0  # packets between others that could not be decoded
        self.container = _container(view, demuxer)
        tracks = [track for track in self.container.streams.audio if track.codec_context]
        if not tracks:
            self.container.close()
            raise UnreadableError("there is no sound track that can be decoded")
        self.tracks = len(tracks)
        default = [track for track in tracks if track.disposition & Disposition.default]
        self.track: AudioStream = (default or tracks)[0]
        self.track.codec_context.thread_count = 1
        self.kind = self.container.format.name.split(",")[0]

    @property
    def stated_seconds(self) -> float | None:
        """Length by the container, possibly FFmpeg's guess."""
        if self.track.duration is not None:
            return float(self.track.duration * self.track.time_base)
        return None if self.container.duration is None else self.container.duration / av.time_base

    @property
    def bits(self) -> int:
        """Of an integer sample where there are more than 16, otherwise 0."""
        context = self.track.codec_context
        if context.name == "flac":
            first, second = (context.extradata or bytes(14))[12:14]  # of STREAMINFO
            bits = ((first & 1) << 4 | second >> 4) + 1
        else:
            bits = next((n for n in (24, 32) if context.name.startswith(f"pcm_s{n}")), 0)
        return bits if bits > 16 else 0

    @property
    def original_rate(self) -> int | None:
        """Hz before encoding, where that differs: Opus is decoded at 48 kHz whatever it was."""
        extra = self.track.codec_context.extradata or b""
        return int.from_bytes(extra[12:16], "little") if extra[:8] == b"OpusHead" else None

    def blocks(self) -> Iterator[SampleBlock]:
        """Everything that can be decoded.

        Raises
        ------
        UnreadableError
            Where that is too little to be told from bytes that only look like sound.
        """
        try:
            yield from _gathered(self._certain())
        finally:
            self.container.close()

    def _certain(self) -> Iterator[AudioFrame]:
        """The frames of all packets, from where they are sure to be sound."""
        held: list[AudioFrame] | None = []
        streak = failed = 0
        for frames in self._packets():
            if held is None:
                yield from frames
                continue
            held += frames
            streak, failed = (streak + 1, failed) if frames else (0, failed + 1)
            if streak == ENOUGH:
                yield from held
                held = None
            elif self.seconds > HELD_SECONDS:
                break
        if held is None:
            return
        bare = self.kind in SYNCHRONISED - {"flac"}
        least = FEWEST if bare else int(self.ends_early or self.forced)
        nothing = self.decoded < least
        if nothing or failed > self.decoded or self.seconds > HELD_SECONDS:
            raise UnreadableError("only single packets can be decoded")
        yield from held

    def _packets(self) -> Iterator[list[AudioFrame]]:
        """The frames of one packet after another; none of one that cannot be decoded."""
        first: Packet | None = None  # of those that were decoded
        last: Packet | None = None
        failed: list[Packet] = []  # since the last one
        packets, broken = self.container.demux(self.track), False
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                broken = True
                break
            if packet is None:
                break
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                if packet.size:
                    failed.append(packet)
                    yield []
                continue
            if packet.size:
                self.decoded += 1
                self.damaged += sum(self._is_broken(first, each) for each in failed if first)
                first, last, failed = first or packet, packet, []
            if frames:
                self.seconds += sum(frame.samples / frame.sample_rate for frame in frames)
                yield frames
        self.ends_early |= broken or self._breaks_off(first, last, failed)

    def _breaks_off(self, first: Packet | None, last: Packet | None, failed: list[Packet]) -> bool:
        """Whether the end is missing, from the last packets and from the length that is stated."""
        if first is None or last is None:
            return bool(failed) or (self.stated_seconds or 0) > TOLERANCE
        if failed and self._is_broken(first, failed[-1]):
            return True
        whole = mpeg.frame_bytes(bytes(last)) if self.track.codec_context.name in MPEG else None
        if whole is not None and whole > last.size:
            return True
        if self.declared is not None:
            return False
        if last.is_corrupt:
            return True
        if self._continues(first, last):
            return True
        tolerance = 1e-6 if self.kind == "flac" else TOLERANCE
        return self._end_of(last) + tolerance < (self._length_in_header(first) or 0)

    def _continues(self, first: Packet, last: Packet) -> bool:
        """Whether half a packet follows the last one, which demuxers do not hand on."""
        if last.pos is None:
            return False
        end = last.pos + last.size
        if self.kind == "matroska":
            return self.view.at(end + BLOCK_HEADER, 1) in MATROSKA_BLOCKS
        return self.kind in SYNCHRONISED and self.view.at(end, 2) == bytes(first)[:2]

    def _is_broken(self, first: Packet, packet: Packet) -> bool:
        """Whether one that cannot be decoded is a part of the sound, and not a tag or padding."""
        content = bytes(packet)
        if self.kind in SYNCHRONISED:
            return content[:1] == bytes(first)[:1]
        return bool(content.strip(b"\0"))

    def _length_in_header(self, first: Packet) -> float | None:
        """Seconds by the header, None where it states no length of this track."""
        if self.kind == "mp3" and first.pos is not None:
            before = self.view.at(max(0, first.pos - 2048), min(2048, first.pos))
            return mpeg.stated_seconds(before, self.track.codec_context.sample_rate)
        if self.kind in OF_LONGEST_TRACK and len(self.container.streams) > 1:
            return None
        return self.stated_seconds if self.kind in STATE_LENGTH else None

    def _end_of(self, packet: Packet) -> float:
        """Seconds up to the end of a packet, gaps between packets included."""
        if packet.pts is None:
            return self.seconds
        end = packet.pts - (self.track.start_time or 0) + (packet.duration or 0)
        return max(self.seconds, float(end * packet.time_base))


def _container(view: View, demuxer: str | None) -> InputContainer:
    if mp4.is_absurd(view):
        raise UnreadableError("its index has more entries than the file has bytes")
    view.seek(0)
    try:
        return av.open(
            view,
            format=demuxer,
            container_options=OPTIONS,
            metadata_errors="replace",
            buffer_size=BUFFER,
        )
    except (av.error.FFmpegError, OSError) as error:
        raise UnreadableError("FFmpeg does not know it") from error


def _gathered(frames: Iterable[AudioFrame]) -> Iterator[SampleBlock]:
    """Blocks of at least `BLOCK_VALUES`, except where the rate or the channels change."""
    pieces: list[np.ndarray] = []
    form, values = (0, 0), 0  # rate, channels; of the pieces
    for frame in frames:
        piece = _floats(frame)
        if pieces and (values >= BLOCK_VALUES or form != (frame.sample_rate, piece.shape[1])):
            yield SampleBlock(np.concatenate(pieces), form[0])
            pieces, values = [], 0
        form = frame.sample_rate, piece.shape[1]
        pieces.append(piece)
        values += piece.size
    if pieces:
        yield SampleBlock(np.concatenate(pieces), form[0])


def _floats(frame: AudioFrame) -> np.ndarray:
    """(frames, channels) float32, full scale at 1."""
    values = frame.to_ndarray()
    planar = frame.format.is_planar
    samples = values.T if planar else values.reshape(-1, frame.layout.nb_channels)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float32) / -np.float32(np.iinfo(samples.dtype).min)
    return samples.astype(np.float32)
