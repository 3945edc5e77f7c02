"""Loading recordings: what each kind of good and bad input gets."""

import io
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.cli.console import printable
from models.audio import SAMPLE_RATE, AudioError, load, resample
from models.audio.resampling import Resampler
from models.torchaudio_cpu import torchaudio
from tests.support.recordings import SAMPLES, hum
from tests.support.sound import encode, warned

FORMATS = (
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"),
    ("WAV", "ULAW"),
    ("WAV", "IMA_ADPCM"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "OPUS"),
    ("OGG", "VORBIS"),
    ("MP3", "MPEG_LAYER_III"),
)
UNREADABLE = "not an audio file AttnScope can read"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return hum(1.5)


@pytest.mark.parametrize(("kind", "subtype"), FORMATS)
def test_every_format_gives_the_samples_back(kind, subtype, speech):
    recording = load(encode(speech, kind=kind, subtype=subtype))
    assert recording.sample_rate == SAMPLE_RATE
    assert recording.samples.dtype == np.float32
    assert recording.samples.ndim == 1
    assert recording.seconds == pytest.approx(1.5, abs=0.08)  # MP3 pads its last frame
    shared = min(len(speech), len(recording.samples))
    same = np.corrcoef(speech[:shared], recording.samples[:shared])[0, 1]
    assert same > 0.95
    assert not warned(recording, "early")
    assert not warned(recording, "no speech")


def test_pcm16_is_exact(speech):
    whole = np.round(speech * 32768) / 32768
    np.testing.assert_array_equal(load(encode(whole)).samples, whole.astype(np.float32))


def test_paths_bytes_and_open_files_are_the_same(tmp_path, speech):
    path = tmp_path / "clip.wav"
    path.write_bytes(encode(speech))
    with path.open("rb") as file:
        opened = load(file)
        assert not file.closed
    for other in (load(str(path)), load(path.read_bytes()), opened):
        np.testing.assert_array_equal(load(path).samples, other.samples)
    assert load(path).name == "clip.wav" == opened.name
    assert load(path.read_bytes()).name == "recording"
    assert load(path, name="mine").name == "mine"


def test_an_unseekable_stream_is_read(speech):
    class Pipe(io.RawIOBase):
        def __init__(self, content: bytes) -> None:
            self.content = io.BytesIO(content)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            return self.content.readinto(buffer)

    assert load(Pipe(encode(speech))).seconds == pytest.approx(1.5)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, this is no recording",
        b"RIFF",
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"RIFF\xff\xff\xff\xffAVI LIST",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"fLaC" + bytes(50),
        b"OggS" + bytes(200),
        b"ID3\x04\x00\x00\x00\x00\x00\x00",
        b"\xff\xfb\x90\x00",
        b"%PDF-1.7\n",
        b"#EXTM3U\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        bytes(5000),
    ],
)
def test_what_is_not_audio_is_refused_with_the_formats(content):
    with pytest.raises(AudioError, match=UNREADABLE) as caught:
        load(content)
    assert "WAV, FLAC, OGG" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["nothing.wav", ".", "a\0b", "x" * 5000])
def test_a_path_that_is_no_file(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AudioError):
        load(path)


def test_no_samples():
    with pytest.raises(AudioError, match="the recording is empty"):
        load(encode(np.zeros(0, np.float32)))


@pytest.mark.parametrize("level", [0.0, 1e-5])
def test_silence_is_decoded_with_a_warning(level):
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    recording = load(encode(level * noise, subtype="FLOAT"))
    assert recording.seconds == 1
    assert "no speech found" in recording.warnings


@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_samples_that_are_no_numbers_are_refused_with_their_place(bad, word):
    stereo = np.stack([hum(2.0), hum(2.0)], axis=1)
    stereo[24_000, 1] = bad
    with pytest.raises(AudioError, match=r"1\.500 s in channel 2") as caught:
        load(encode(stereo, subtype="FLOAT"))
    assert word in str(caught.value)


@pytest.mark.parametrize(("kind", "subtype"), FORMATS)
def test_a_body_cut_short_is_decoded_with_a_warning(kind, subtype):
    whole = encode(hum(4.0), kind=kind, subtype=subtype)
    recording = load(whole[: len(whole) * 3 // 4])
    assert warned(recording, "ends early")
    assert 1.0 < recording.seconds < 3.5


@pytest.mark.parametrize("seconds", [0.8, 4.0])
@pytest.mark.parametrize("subtype", ["OPUS", "VORBIS"])
def test_the_whole_packets_of_a_broken_ogg_page_are_saved(seconds, subtype):
    whole = encode(hum(seconds), kind="OGG", subtype=subtype)
    recording = load(whole[:-40])  # within the last page, which holds a second or more
    assert warned(recording, "ends early")
    assert recording.seconds > seconds - 0.2


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 44_099])
def test_other_rates_are_resampled(rate):
    def tone(at: int) -> np.ndarray:
        return 0.3 * np.sin(2 * np.pi * 440 * np.arange(at) / at).astype(np.float32)

    recording = load(encode(tone(rate), rate))
    assert recording.sample_rate == rate
    assert recording.seconds == pytest.approx(1.0, abs=0.001)
    middle = slice(2_000, 14_000)  # away from the filter's edges
    np.testing.assert_allclose(recording.samples[:16_000][middle], tone(16_000)[middle], atol=0.01)
    assert warned(recording, f"resampled from {rate} Hz to 16000 Hz")
    assert warned(recording, "nothing above 4 kHz") == (rate == 8_000)


@pytest.mark.parametrize("rate", [8_000, 44_100, 44_099, 96_000])
def test_resampling_in_pieces_gives_the_same_as_at_once(rate, monkeypatch):
    samples = np.random.default_rng(0).standard_normal(3 * rate + 7).astype(np.float32)
    whole = resample(samples, rate)
    monkeypatch.setattr("models.audio.resampling.PIECE_SECONDS", 0.31)
    resampler = Resampler(rate)
    parts = [resampler.add(part) for part in np.array_split(samples, 23)]
    pieces = np.concatenate([*parts, resampler.finish()])
    np.testing.assert_allclose(pieces, whole, atol=1e-5)


def test_resampling_removes_what_would_fold_back():
    high = np.sin(2 * np.pi * 11_000 * np.arange(48_000) / 48_000).astype(np.float32)
    assert np.abs(resample(high, 48_000)[500:-500]).max() < 0.01


def test_24_bits_and_clipping_are_mentioned():
    assert warned(load(encode(hum(1.0), subtype="PCM_24")), "24-bit")
    loud = np.clip(20 * hum(1.0), -1, 1)
    assert warned(load(encode(loud)), "clipped")
    assert not load(encode(hum(1.0))).warnings


def test_floating_point_beyond_full_scale_is_scaled_down():
    recording = load(encode(100 * hum(1.0), subtype="FLOAT"))
    assert np.abs(recording.samples).max() == pytest.approx(1)
    assert warned(recording, "scaled down")


def test_too_short_and_too_long_are_refused_with_the_limit():
    with pytest.raises(AudioError, match=r"40 ms"):
        load(encode(hum(0.039)))
    assert load(encode(hum(0.04))).seconds == pytest.approx(0.04)
    with pytest.raises(AudioError, match=r"limit of 2 s.*--max-seconds"):
        load(encode(hum(2.5)), max_seconds=2)
    assert load(encode(hum(2.5)), max_seconds=2.5).seconds == 2.5


@pytest.mark.parametrize("rate", [1, 100, 3_999, 400_000])
def test_impossible_sample_rates_are_refused(rate):
    content = bytearray(encode(hum(1.0)))
    content[24:28] = struct.pack("<I", rate)
    with pytest.raises(AudioError, match="sample rate"):
        load(bytes(content))


def test_names_are_text():
    name = "<b>clip</b>.wav"
    assert load(encode(hum(1.0)), name=name).name == name
    assert printable("a\x1b[31m\nb\udc80") == "a\ufffd[31m\ufffdb\ufffd"
    with pytest.raises(AudioError, match=r"<b>clip</b>\.wav is not an audio file"):
        load(b"", name=name)


def test_the_samples_are_read_without_complaint():
    clips = sorted(path for path in SAMPLES.iterdir() if path.suffix in (".ogg", ".flac"))
    assert clips
    for path in clips:
        recording = load(path)
        assert not warned(recording, "early")
        assert not warned(recording, "no speech")


# --- whatever the bytes are -----------------------------------------------------------------------


def survives(content: bytes) -> None:
    """Loading gives a valid recording or an `AudioError`, nothing else."""
    try:
        recording = load(content)
    except AudioError:
        return
    assert recording.samples.dtype == np.float32
    assert recording.samples.ndim == 1
    assert recording.seconds >= 0.039
    assert np.isfinite(recording.samples).all()
    assert np.abs(recording.samples).max() <= 1


@pytest.mark.parametrize(("kind", "subtype"), FORMATS)
def test_damaged_files_never_raise_anything_else(kind, subtype):
    rng = random.Random(f"{kind} {subtype}")
    whole = encode(hum(0.3), kind=kind, subtype=subtype)
    for trial in range(60):
        content = bytearray(whole)
        reach = 64 if trial % 2 else len(content)  # every second time, the header only
        for _ in range(rng.choice((1, 2, 4, 16))):
            place = rng.randrange(min(reach, len(content)))
            content[place] = rng.choice((0, 127, 128, 255, rng.randrange(256)))
        if trial % 5 == 0:
            del content[rng.randrange(len(content)) :]
        survives(bytes(content))


@settings(max_examples=100)
@given(
    st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS\0\x02", b"ID3\x04\0", b"\xff\xfb"]),
    st.binary(max_size=300),
)
def test_random_bytes_never_raise_anything_else(start, rest):
    survives(start + rest)


def test_a_recording_of_odd_rate_needs_little_memory():
    """The exact ratio of these rates would need a resampling kernel of gigabytes."""
    assert resample(np.zeros(37_199 * 2, np.float32), 37_199).size == pytest.approx(32_000, abs=2)


def test_torchaudio_works_beside_any_torch():
    """What the project uses of torchaudio; its C++ operators may be missing."""
    assert torchaudio.functional.resample.__module__.startswith("torchaudio")
    assert torchaudio.transforms.MelSpectrogram.__module__.startswith("torchaudio")
