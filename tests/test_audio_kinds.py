"""Every kind of file is told by what it holds; what only looks like sound is refused."""

import io
import random
import struct
import zipfile

import numpy as np
import pytest

from models.audio import AudioError, load, ogg
from models.audio.reader import Reader, UnreadableError, open_all
from models.audio.view import View
from tests.support.recordings import hum
from tests.support.sound import SAMPLE_RATE, encode, mux, warned

UNREADABLE = "not an audio file AttnScope can read"
SECONDS = 2.0
CODED = {  # container, codec, rate, settings of the encoder
    "m4a": ("ipod", "aac", 16_000, {}),
    "mp4": ("mp4", "alac", 16_000, {}),
    "mp4 of opus": ("mp4", "libopus", 48_000, {}),
    "mp4 of flac": ("mp4", "flac", 16_000, {}),
    "3gp": ("3gp", "libopencore_amrnb", 8_000, {"bit_rate": 12_200}),
    "amr": ("amr", "libopencore_amrnb", 8_000, {"bit_rate": 12_200}),
    "mov": ("mov", "pcm_s16le", 16_000, {}),
    "webm": ("webm", "libopus", 48_000, {}),
    "mka": ("matroska", "aac", 16_000, {}),
    "aac": ("adts", "aac", 16_000, {}),
    "latm": ("latm", "aac", 16_000, {}),
    "flac in ogg": ("ogg", "flac", 16_000, {}),
    "opus": ("ogg", "libopus", 48_000, {}),
    "mp3": ("mp3", "libmp3lame", 16_000, {}),
    "mp2": ("mp2", "mp2", 16_000, {}),
    "ac3": ("ac3", "ac3", 48_000, {}),
    "eac3": ("eac3", "eac3", 48_000, {}),
    "wma": ("asf", "wmav2", 44_100, {"bit_rate": 64_000}),
    "avi": ("avi", "libmp3lame", 44_100, {}),
    "flv": ("flv", "aac", 44_100, {}),
    "mpg": ("mpeg", "mp2", 48_000, {}),
    "ts": ("mpegts", "aac", 48_000, {}),
    "caf": ("caf", "alac", 16_000, {}),
    "tta": ("tta", "tta", 16_000, {}),
    "wv": ("wv", "wavpack", 16_000, {}),
    "voc": ("voc", "pcm_s16le", 16_000, {}),
    "g722 in wav": ("wav", "g722", 16_000, {}),
    "g726 in wav": ("wav", "g726", 8_000, {"bit_rate": 32_000}),
    "mp3 in wav": ("wav", "libmp3lame", 16_000, {}),
    "ac3 in wav": ("wav", "ac3", 48_000, {}),
    "alaw in wav": ("wav", "pcm_alaw", 8_000, {}),
    "adpcm in wav": ("wav", "adpcm_ms", 16_000, {}),
}
LIBSNDFILE = (("NIST", "PCM_16"), ("NIST", "ULAW"), ("AU", "ULAW"), ("WAV", "GSM610"),
              ("WAV", "MS_ADPCM"), ("CAF", "ALAC_24"), ("W64", "PCM_24"))  # fmt: skip


def likeness(samples: np.ndarray, wanted: np.ndarray) -> float:
    """Highest correlation over 100 ms of shift: the delay of an encoder."""
    middle = slice(4_000, 24_000)
    shifts = range(-1_600, 1_601, 2)
    return max(np.corrcoef(wanted[middle], np.roll(samples, s)[middle])[0, 1] for s in shifts)


def coded(name: str, seconds: float = SECONDS) -> bytes:
    container, codec, rate, settings = CODED[name]
    return mux(hum(seconds, rate), rate, container, codec, **settings)


@pytest.mark.parametrize("name", CODED)
def test_every_kind_is_read(name):
    recording = load(coded(name))
    assert recording.sample_rate == CODED[name][2]
    assert recording.seconds == pytest.approx(SECONDS, abs=0.12)
    assert likeness(recording.samples, hum(SECONDS)) > (0.4 if "amr" in CODED[name][1] else 0.95)
    assert not warned(recording, "early")
    assert not warned(recording, "damaged")


@pytest.mark.parametrize(("kind", "subtype"), LIBSNDFILE)
def test_kinds_that_libsndfile_writes_are_read(kind, subtype):
    recording = load(encode(hum(SECONDS), kind=kind, subtype=subtype))
    assert recording.seconds == pytest.approx(SECONDS, abs=0.05)
    assert likeness(recording.samples, hum(SECONDS)) > 0.95
    assert not warned(recording, "early")


CUT = ["webm", "mka", "aac", "flac in ogg", "opus", "mp3", "mp2", "wma", "avi", "flv", "tta",
       "latm",
       "ac3 in wav"]  # fmt: skip


@pytest.mark.parametrize("name", CUT)
def test_a_body_cut_within_a_block_is_decoded_with_a_warning(name):
    whole = coded(name)
    recording = load(whole[: len(whole) * 3 // 4 + 5])
    assert warned(recording, "ends early")
    assert 0.5 < recording.seconds < 1.9


def test_an_mp4_whose_index_comes_first_is_cut_off():
    whole = mux(hum(SECONDS), options={"movflags": "frag_keyframe+empty_moov"})
    assert load(whole).seconds == pytest.approx(SECONDS, abs=0.12)
    assert not warned(load(whole), "early")
    assert warned(load(whole[: len(whole) * 3 // 4 + 5]), "ends early")


def test_an_mp4_without_its_index_is_refused_in_a_sentence():
    with pytest.raises(AudioError, match=f"{UNREADABLE}: it is an MP4 recording without the index"):
        load(coded("m4a")[:-3000])


def test_a_live_webm_states_no_length():
    whole = mux(hum(SECONDS, 48_000), 48_000, "webm", "libopus", options={"live": "1"})
    assert load(whole).seconds == pytest.approx(SECONDS, abs=0.02)
    assert not warned(load(whole), "early")
    assert warned(load(whole[: len(whole) // 2]), "ends early")


# --- not at the beginning -------------------------------------------------------------------------


def id3(size: int, fill: bytes = b"\0") -> bytes:
    length = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + length + (fill * (size // len(fill) + 1))[:size]


APE = b"APETAGEX" + struct.pack("<4I", 2000, 32, 0, 0xA0000000) + bytes(8)
GARBAGE = random.Random(1).randbytes(5_000)
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 99999\r\n\r\n"
BEFORE = {
    "a tag": id3(1_000),
    "a large tag": id3(2_000_000, GARBAGE),
    "two tags": id3(200) + id3(300),
    "a tag of another kind": APE,
    "zeros": bytes(3_000),
    "many zeros": bytes(300_000),
    "garbage": GARBAGE,
    "an answer of a server": HTTP,
}
STREAMS = ("mp3", "aac", "ac3")


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", STREAMS)
def test_streams_behind_something_else(name, before):
    recording = load(BEFORE[before] + coded(name))
    assert recording.seconds == pytest.approx(SECONDS, abs=0.2)
    assert likeness(recording.samples[-len(hum(SECONDS)) :], hum(SECONDS)) > 0.9
    assert not warned(recording, "early")


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "AIFF"])
def test_files_behind_something_else(kind, before):
    samples = np.round(hum(SECONDS) * 32768).astype(np.int16)
    recording = load(BEFORE[before] + encode(samples, kind=kind))
    np.testing.assert_array_equal(recording.samples, samples / np.float32(32768))


@pytest.mark.parametrize("name", ["mp3", "aac", "ac3", "mp2", "latm"])
@pytest.mark.parametrize("part", [0.1, 0.333, 0.5])
def test_streams_entered_in_the_middle(name, part):
    whole = coded(name, 4.0)
    recording = load(whole[round(len(whole) * part) :])
    assert recording.seconds == pytest.approx(4.0 * (1 - part), abs=0.3)
    assert not warned(recording, "early")
    assert not warned(recording, "damaged")


def test_the_name_of_a_file_does_not_matter(tmp_path):
    for name, ending in (
        ("mp3", "wav"),
        ("m4a", "mp3"),
        ("opus", "flac"),
        ("aac", "ogg"),
        ("wma", "m3u8"),
    ):
        path = tmp_path / f"clip.{ending}"
        path.write_bytes(coded(name))
        assert load(path).seconds == pytest.approx(SECONDS, abs=0.12)


def speex(packets: int) -> bytes:
    """Ogg/Speex, narrow band at 15 kbit/s: random bits, as no encoder is at hand (RFC 5574)."""
    rng = random.Random(1)
    head = b"Speex   " + b"1.2".ljust(20, b"\0")
    head += struct.pack("<13i", 1, 80, 8_000, 0, 4, 1, -1, 160, 0, 1, 0, 0, 0)
    vendor = struct.pack("<I4sI", 4, b"test", 0)
    # nb mode 5, 300 bits: the five first ones say so
    bodies = [bytes([0b00101_000 | rng.randrange(8)]) + rng.randbytes(37) for _ in range(packets)]
    pages = []
    for number, body in enumerate([head, vendor, *bodies]):
        flags = 2 if number == 0 else 4 if number == packets + 1 else 0
        position = max(0, number - 1) * 160
        page = (
            b"OggS\0" + struct.pack("<BqIII", flags, position, 7, number, 0) + bytes([1, len(body)])
        )
        checksum = struct.pack("<I", ogg._checksum(page + body))
        pages.append(page[:22] + checksum + page[26:] + body)
    return b"".join(pages)


def test_speex_in_ogg():
    recording = load(speex(100))
    assert recording.seconds == pytest.approx(2.0, abs=0.03)
    assert recording.sample_rate == 8_000
    assert np.abs(recording.samples).max() > 0.01
    assert recording.warnings[0].startswith("resampled from 8000 Hz")


def test_the_sound_of_a_video():
    for container in ("mp4", "matroska", "avi"):
        codec, rate = ("libmp3lame", 44_100) if container == "avi" else ("aac", 16_000)
        recording = load(mux(hum(SECONDS, rate), rate, container, codec, video=True))
        assert recording.seconds == pytest.approx(SECONDS, abs=0.1)
        assert not warned(recording, "early")


def test_a_video_without_sound_is_refused():
    file = mux(hum(SECONDS), tracks=0, video=True)
    with pytest.raises(AudioError, match=UNREADABLE):
        load(file)


def test_the_first_of_several_tracks_is_read_and_said():
    recording = load(mux(hum(SECONDS), container="matroska", tracks=2))
    assert warned(recording, "2 sound tracks")
    assert likeness(recording.samples, hum(SECONDS)) > 0.95


# --- no sound -------------------------------------------------------------------------------------


def picture() -> bytes:
    video = io.BytesIO(mux(hum(1.0), tracks=0, video=True, container="avi"))
    return b"\x89PNG\r\n\x1a\n" + video.getvalue()[:40] + random.Random(2).randbytes(60_000)


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as inside:
        inside.writestr("noise", random.Random(3).randbytes(80_000))
    return file.getvalue()


NO_SOUND = {
    "picture": picture(),
    "archive": archive(),
    "array": b"\x93NUMPY\x01\0v\0" + np.random.default_rng(0).normal(size=20_000).tobytes(),
    "samples without a header": np.round(hum(2.0) * 9_000).astype("<i2").tobytes(),
    "noise without a header": np.random.default_rng(0)
    .integers(-99, 99, 40_000)
    .astype("<i2")
    .tobytes(),
    "text": b"The quick brown fox jumps over the lazy dog.\n" * 2_000,
    "text in UTF-16": ("The quick brown fox.\n" * 2_000).encode("utf-16"),
    "a table": b"path,text\n" + b"a.wav,hello there\n" * 3_000,
    "zeros": bytes(200_000),
    "ones": b"\xff" * 200_000,
    **{f"random bytes {seed}": random.Random(seed).randbytes(100_000) for seed in range(20)},
}


@pytest.mark.parametrize("name", NO_SOUND)
def test_what_only_looks_like_sound_is_refused(name):
    with pytest.raises(AudioError, match=UNREADABLE):
        load(NO_SOUND[name])


# --- limits ---------------------------------------------------------------------------------------


def test_decoding_stops_at_the_limit(monkeypatch):
    """Half an hour of silence in a few kilobytes."""
    small = encode(np.zeros(1_800 * SAMPLE_RATE, np.int16), kind="FLAC")
    assert len(small) < 200_000
    readers = []

    def opened(file):
        for each in open_all(file):
            readers.append(each.reader)
            yield each

    monkeypatch.setattr("models.audio.loading.open_all", opened)
    with pytest.raises(AudioError, match="lasts 1800 s, longer than the limit of 5 s"):
        load(small, max_seconds=5)
    assert readers[0].seconds < 10


def test_an_index_that_announces_millions_of_samples_is_not_built():
    """For each of them FFmpeg would make an entry of 24 bytes."""
    whole = bytearray(coded("m4a"))
    place = whole.index(b"stsz")
    whole[place + 8 : place + 16] = struct.pack(">2I", 1, 2**31)
    with pytest.raises(AudioError, match=UNREADABLE):
        load(bytes(whole))


def test_a_file_of_empty_chunks_is_given_up():
    """FFmpeg would walk through all of them, back and forth."""
    chunks = b"RIFF\xff\xff\xff\xffWAVE" + encode(hum(1.0))[12:36] + bytes(2_000_000)
    view = View(io.BytesIO(chunks), 0, len(chunks))
    with pytest.raises(UnreadableError):
        Reader(view)
    assert view.jumps < 60_000
    with pytest.raises(AudioError, match=UNREADABLE):
        load(chunks)


def test_a_view_is_a_part_of_a_file_with_corrections():
    view = View(io.BytesIO(b"0123456789"), 2, 8, {1: b"ab", 4: b"c"}, b"XYZ")
    assert view.read() == b"2ab5c7XYZ"
    assert view.at(2, 3) == b"b5c"
    assert view.at(5, 9) == b"7XYZ"
    assert view.seek(-1, 2) == 8
    assert view.read(5) == b"Z"
    assert view.read(5) == b""
