"""Several channels become one without losing what was said."""

import numpy as np
import pytest

from models.audio import AudioError, load
from tests.support.recordings import hum
from tests.support.sound import SAMPLE_RATE, encode, warned

LEFT = hum(3.0)
NOISE = np.random.default_rng(0).standard_normal((len(LEFT), 8)).astype(np.float32) / 50


def stereo(*channels: np.ndarray) -> bytes:
    return encode(np.stack(channels, axis=1), subtype="FLOAT")


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def test_stereo_is_mixed_down():
    left, right = hum(1.0), 0.5 * hum(1.0)[::-1]
    recording = load(stereo(left, right))
    np.testing.assert_allclose(recording.samples, (left + right) / 2, atol=1e-7)
    assert warned(recording, "stereo mixed down")
    six = load(encode(np.repeat(left[:, None], 6, axis=1)))
    assert warned(six, "6 channels mixed down")
    np.testing.assert_allclose(six.samples, left, atol=1e-4)


LATE = np.concatenate([np.zeros(2, np.float32), LEFT[:-2]])  # by an eighth of a millisecond
RUMBLE = 0.3 * np.sin(2 * np.pi * 40 * np.arange(len(LEFT)) / SAMPLE_RATE).astype(np.float32)
CANCELLING = {
    "opposite": ((LEFT, -LEFT), 1),
    "the second is louder": ((0.7 * LEFT, -LEFT), 2),
    "opposite and late": ((LEFT, -LATE), 1),
    "with an offset of direct current": ((0.2 + LEFT, 0.2 - LEFT), 1),
    "with noise of their own": ((LEFT + NOISE[:, 0] / 5, -LEFT + NOISE[:, 1] / 5), None),
    "with rumble in common": ((RUMBLE + LEFT, RUMBLE - LEFT), 1),
    "four channels": ((LEFT, -LEFT, 0.9 * LEFT, -0.9 * LEFT), 1),
    "a third of the time": ((LEFT, np.where(np.arange(len(LEFT)) < 16_000, -1, 1) * LEFT), 1),
}


@pytest.mark.parametrize("name", CANCELLING)
def test_channels_that_cancel_are_not_averaged(name):
    channels, taken = CANCELLING[name]
    recording = load(stereo(*channels))
    assert warned(recording, "cancel", "opposite phase", f"channel {taken or ''}")
    assert not warned(recording, "mixed down")
    chosen = channels[(taken or 1) - 1]
    assert level(recording.samples) == pytest.approx(level(chosen), rel=0.1)
    if taken:
        np.testing.assert_allclose(recording.samples, chosen, atol=1e-6)


def test_channels_that_cancel_in_44100_hz_and_with_a_codec():
    left = hum(2.0, 44_100)
    recording = load(encode(np.stack([left, -left], 1), 44_100, "OGG", "VORBIS"))
    assert warned(recording, "cancel")
    assert level(recording.samples) > 0.5 * level(left)


HARMLESS = {
    "two speakers": (LEFT, np.roll(LEFT, 2_000)),
    "the same, quieter": (LEFT, 0.1 * LEFT),
    "a quiet echo in opposite phase": (LEFT, -0.2 * LEFT),
    "a late copy": (LEFT, np.roll(LEFT, 37)),
    "noise in both": (NOISE[:, 0], NOISE[:, 1]),
    "eight microphones": tuple(LEFT + NOISE[:, channel] for channel in range(8)),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_other_channels_are_averaged(name):
    channels = HARMLESS[name]
    recording = load(stereo(*channels))
    assert warned(recording, "mixed down")
    assert not warned(recording, "cancel")
    np.testing.assert_allclose(recording.samples, np.mean(channels, axis=0), atol=1e-6)


@pytest.mark.parametrize("silence", [0.0, 1e-4])
def test_a_silent_channel_does_not_lower_the_level(silence):
    quiet = silence * NOISE[:, 0]
    recording = load(stereo(quiet, LEFT))
    assert warned(recording, "stereo mixed down to mono", "without channel 1", "silent")
    np.testing.assert_allclose(recording.samples, LEFT, atol=1e-4)
    surround = load(stereo(quiet, quiet, LEFT, quiet, quiet, quiet))
    assert warned(surround, "6 channels", "without channel 1, 2, 4, 5, 6")
    np.testing.assert_allclose(surround.samples, LEFT, atol=1e-4)


def test_silence_in_all_channels_is_no_silent_channel():
    recording = load(stereo(*np.zeros((2, SAMPLE_RATE), np.float32)))
    assert recording.warnings == ("stereo mixed down to mono", "no speech found")


@pytest.mark.parametrize("samples", [640, 700, 1_500])
def test_the_shortest_recordings_are_judged_as_well(samples):
    short = LEFT[1_000 : 1_000 + samples]
    assert warned(load(stereo(short, -short)), "cancel")
    assert warned(load(stereo(short, short)), "mixed down")


def test_more_channels_than_any_recording_has_are_refused():
    assert warned(load(encode(np.repeat(LEFT[:, None], 64, axis=1))), "64 channels")
    with pytest.raises(AudioError, match="65 channels, more than the 64"):
        load(encode(np.repeat(LEFT[:, None], 65, axis=1)))
