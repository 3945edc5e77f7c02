"""What a file holds is believed, not what its header says of its length."""

import struct

import numpy as np
import pytest

from models.audio import AudioError, load
from tests.support.recordings import hum
from tests.support.sound import SAMPLE_RATE, encode, mux, warned

SECONDS = 3.0
SPEECH = np.round(hum(SECONDS) * 32768).astype(np.int16)
WAV = encode(SPEECH)
TONE = np.round(hum(1.5)[::-1] * 32768).astype(np.int16)


def edited(content: bytes, place: int, value: bytes) -> bytes:
    return content[:place] + value + content[place + len(value) :]


def sized(size: int, riff: int | None = None) -> bytes:
    """The WAV file with other sizes in its header."""
    outer = WAV[4:8] if riff is None else struct.pack("<I", riff)
    return edited(edited(WAV, 4, outer), 40, struct.pack("<I", size))


def chunked(kind: str, name: bytes, sizes: bytes, *others: tuple[int, bytes]) -> bytes:
    """A file whose chunk `name` and other places are overwritten."""
    content = encode(SPEECH, kind=kind)
    for place, value in others:
        content = edited(content, place, value)
    return edited(content, content.index(name) + len(name), sizes)


WAVE64 = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
FLAC = encode(SPEECH, kind="FLAC")
NO_TOTAL = edited(edited(FLAC, 21, bytes([FLAC[21] & 0xF0])), 22, bytes(4))
NEVER_CLOSED = {
    "wav: 0": sized(0),
    "wav: 0 of 0": sized(0, 0),
    "wav: 0 of 36": sized(0, 36),
    "wav: -1": sized(0xFFFFFFFF, 0xFFFFFFFF),
    "wav: -1 of 0": sized(0xFFFFFFFF, 0),
    "wav: largest": sized(0x7FFFFFFF, 0x7FFFFFFF),
    "wav: sox": sized(0x7FFFF000, 0x7FFFF024),
    "wav: arecord": sized(0x80000000, 0x80000024),
    "wav: nearly -1": sized(0xFFFFFFDB, 0xFFFFFFFF),
    "rf64: 0": chunked("RF64", b"ds64", struct.pack("<I3Q", 28, 0, 0, 0)),
    "rf64: -1": chunked("RF64", b"ds64", struct.pack("<I", 28) + b"\xff" * 24),
    "w64: 0": chunked("W64", WAVE64, struct.pack("<Q", 24), (16, bytes(8))),
    "w64: -1": chunked("W64", WAVE64, b"\xff" * 8, (16, b"\xff" * 8)),
    "aiff: 0": chunked("AIFF", b"SSND", bytes(4), (4, bytes(4))),
    "aiff: 8": chunked("AIFF", b"SSND", struct.pack(">I", 8), (4, struct.pack(">I", 46))),
    "aiff: -1": chunked("AIFF", b"SSND", b"\xff" * 4, (4, b"\xff" * 4)),
    "caf: -1": chunked("CAF", b"data", b"\xff" * 8),
    "caf: 0": chunked("CAF", b"data", bytes(8)),
    "au: -1": edited(encode(SPEECH, kind="AU"), 8, b"\xff" * 4),
    "au: 0": edited(encode(SPEECH, kind="AU"), 8, bytes(4)),
    "flac: no total": NO_TOTAL,
    "flac: no total, no MD5": edited(NO_TOTAL, 26, bytes(16)),
    "flac: no frame sizes": edited(NO_TOTAL, 12, bytes(6)),
}


@pytest.mark.parametrize("name", NEVER_CLOSED)
def test_files_that_were_never_closed_are_read_to_their_end(name):
    recording = load(NEVER_CLOSED[name])
    np.testing.assert_array_equal(recording.samples, SPEECH / np.float32(32768))
    assert recording.warnings == ()


def test_silence_at_the_beginning_of_a_wav_that_was_never_closed():
    quiet = np.concatenate([np.zeros(SAMPLE_RATE, np.int16), SPEECH])
    assert load(edited(encode(quiet), 40, bytes(4))).seconds == 1 + SECONDS


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.5])
def test_samples_behind_the_end_that_a_wav_announces(seconds):
    """The header is from an earlier moment: a recorder that was killed while it updated it."""
    size = round(seconds * SAMPLE_RATE) * 2
    recording = load(sized(size, size + 36))
    np.testing.assert_array_equal(recording.samples, SPEECH / np.float32(32768))
    assert warned(recording, "announces less sound") == (size > 0)


def test_samples_behind_the_end_that_other_headers_announce():
    files = {
        "flac": edited(FLAC, 22, struct.pack(">I", SAMPLE_RATE)),
        "au": edited(encode(SPEECH, kind="AU"), 8, struct.pack(">I", 2 * SAMPLE_RATE)),
        "w64": chunked("W64", WAVE64, struct.pack("<Q", 24 + SAMPLE_RATE)),
        "caf": chunked("CAF", b"data", struct.pack(">Q", 4 + SAMPLE_RATE)),
    }
    for name, content in files.items():
        assert load(content).seconds == SECONDS, name
        assert not warned(load(content), "early"), name


LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT\x0e\0\0\0Lavf59.27.100\0"


@pytest.mark.parametrize(
    "behind",
    [LIST, LIST + LIST, b"ID3\x04\0\0\0\0\0\x10" + bytes(16), b"TAG" + b"x" * 125, bytes(999)],
)
def test_what_follows_the_samples_of_a_wav_is_no_sound(behind):
    recording = load(WAV + behind)
    np.testing.assert_array_equal(recording.samples, SPEECH / np.float32(32768))
    assert recording.warnings == ()


def test_a_closed_wav_without_samples_is_empty():
    empty = encode(np.zeros(0, np.int16))
    for content in (empty, empty + LIST, encode(np.zeros(0, np.int16), kind="AIFF")):
        with pytest.raises(AudioError, match="the recording is empty"):
            load(content)


def mp3(samples: np.ndarray, rate: int = SAMPLE_RATE, **options: object) -> bytes:
    return mux(samples, rate, "mp3", "libmp3lame", **options)


def frames(content: bytes) -> list[int]:
    """Where the frames of an MP3 file of 16 kHz begin."""
    rates = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    place, places = content.index(b"\xff\xf3"), []
    while place + 4 <= len(content) and content[place] == 0xFF:
        places.append(place)
        place += 72_000 * rates[content[place + 2] >> 4] // SAMPLE_RATE + (
            content[place + 2] >> 1 & 1
        )
    return places


def test_an_mp3_of_variable_rate_without_a_header():
    """Silence and noise: frames of very different size, from which no length can be guessed."""
    noise = np.random.default_rng(0).normal(size=5 * SAMPLE_RATE) * 0.2
    samples = np.concatenate([np.zeros(5 * SAMPLE_RATE), noise, np.zeros(SAMPLE_RATE)])
    whole = encode(samples, kind="MP3", subtype="MPEG_LAYER_III")
    bare = whole[frames(whole)[1] :]
    recording = load(bare)
    assert recording.seconds == pytest.approx(11.0, abs=0.15)
    assert not warned(recording, "early")


def test_an_mp3_cut_between_frames_and_within_one():
    whole = encode(SPEECH, kind="MP3", subtype="MPEG_LAYER_III")
    places = frames(whole)
    middle = places[len(places) // 2]
    assert warned(load(whole[:middle]), "ends early")  # its first frame counts more
    assert not warned(load(whole[places[1] : middle]), "early")  # nothing tells
    assert warned(load(whole[places[1] : middle + 9]), "ends early")


def test_padding_and_tags_behind_an_mp3_are_no_broken_end():
    whole = mp3(hum(SECONDS))
    ape = b"APETAGEX" + struct.pack("<4I", 2000, 32, 0, 0) + bytes(8)
    for behind in (bytes(3000), b"TAG" + b"x" * 125, ape, b"\n"):
        recording = load(whole + behind)
        assert recording.warnings == ()
        assert recording.seconds == pytest.approx(SECONDS, abs=0.08)


# --- several files in one -------------------------------------------------------------------------

SAME_KIND = {
    "wav": (encode(SPEECH), encode(TONE)),
    "wav of another rate": (encode(SPEECH), encode(TONE, 8_000)),
    "wav of another sample": (encode(SPEECH), encode(TONE, subtype="FLOAT")),
    "wav in two channels": (encode(SPEECH), encode(np.stack([TONE, TONE], 1))),
    "wav that was never closed": (sized(0, 0), encode(TONE)),
    "rf64": (encode(SPEECH, kind="RF64"), encode(TONE, kind="RF64")),
    "w64": (encode(SPEECH, kind="W64"), encode(TONE, kind="W64")),
    "aiff": (encode(SPEECH, kind="AIFF"), encode(TONE, kind="AIFF")),
    "caf": (encode(SPEECH, kind="CAF"), encode(TONE, kind="CAF")),
    "au": (encode(SPEECH, kind="AU"), encode(TONE, kind="AU")),
    "flac": (FLAC, encode(TONE, kind="FLAC")),
    "flac without totals": (NO_TOTAL, encode(TONE, 8_000, kind="FLAC")),
    "flac in two channels": (FLAC, encode(np.stack([TONE, TONE], 1), kind="FLAC")),
    "mp3": (mp3(hum(3.0)), mp3(hum(1.5))),
    "mp3 of another rate": (mp3(hum(3.0)), mp3(hum(1.5, 24_000), 24_000)),
    "mp3 in two channels": (mp3(hum(3.0)), mp3(np.stack([hum(1.5)] * 2, 1))),
    "aac": (mux(hum(3.0), container="adts"), mux(hum(1.5), container="adts")),
    "mp4": (mux(hum(3.0)), mux(hum(1.5))),
    "webm": tuple(mux(hum(n, 48_000), 48_000, "webm", "libopus") for n in (3.0, 1.5)),
    "wma": tuple(mux(hum(n, 44_100), 44_100, "asf", "wmav2", bit_rate=64_000) for n in (3.0, 1.5)),
    "amr": tuple(mux(hum(n, 8_000), 8_000, "amr", "libopencore_amrnb", bit_rate=12_200)
                 for n in (3.0, 1.5)),
    "flac in ogg": tuple(mux(hum(n), container="ogg", codec="flac") for n in (3.0, 1.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME_KIND)
def test_files_joined_end_to_end_are_all_read(name):
    first, second = SAME_KIND[name]
    recording = load(first + second)
    lengths = load(first).seconds + load(second).seconds
    assert lengths > 4.4
    assert recording.seconds == pytest.approx(lengths, abs=0.15)
    assert not warned(recording, "early")
    assert not warned(recording, "damaged")
    end = recording.samples[-SAMPLE_RATE:]
    assert np.abs(end).max() > 0.05  # the second is heard


LINKS = {
    "vorbis": encode(hum(1.0), kind="OGG", subtype="VORBIS"),
    "vorbis of 24 kHz": encode(hum(1.0, 24_000), 24_000, "OGG", "VORBIS"),
    "vorbis in two channels": encode(np.stack([hum(1.0)] * 2, 1), kind="OGG", subtype="VORBIS"),
    "opus": encode(hum(1.0), kind="OGG", subtype="OPUS"),
    "opus of 24 kHz": encode(hum(1.0, 24_000), 24_000, "OGG", "OPUS"),
    "opus in two channels": encode(np.stack([hum(1.0)] * 2, 1), kind="OGG", subtype="OPUS"),
    "flac": mux(hum(1.0), container="ogg", codec="flac"),
}


@pytest.mark.parametrize("first", LINKS)
@pytest.mark.parametrize("second", LINKS)
def test_chained_ogg_of_any_two_kinds(first, second):
    recording = load(LINKS[first] + LINKS[second])
    assert recording.seconds == pytest.approx(2.0, abs=0.05)
    assert warned(recording, "2 recordings joined")
    assert not warned(recording, "early")
    voice = hum(1.0)
    half = recording.samples[-SAMPLE_RATE:]
    assert (
        max(np.corrcoef(voice, np.roll(half, shift))[0, 1] for shift in range(-300, 301, 4)) > 0.9
    )


def test_many_links_and_a_last_one_that_is_cut_off():
    many = b"".join(LINKS.values())
    assert load(many).seconds == pytest.approx(len(LINKS), abs=0.2)
    assert warned(load(many[:-400]), "ends early")


def test_a_joined_file_that_cannot_be_read_does_not_hide_the_others():
    recording = load(WAV + WAV[:44] + WAV)
    assert recording.seconds >= 2 * SECONDS
