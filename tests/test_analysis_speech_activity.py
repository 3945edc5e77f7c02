"""Energy voice activity on signals whose speech is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.signals import speech_activity
from analysis.signals.speech_activity import speech_frames

RATE = 16_000


def voiced(rng, seconds):
    """A buzz with a syllable rhythm and a spectrum that falls, about as loud as speech."""
    time = np.arange(int(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
    return 0.1 * buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)) + rng.normal(0, 1e-3, len(time))


def recording(rng, pieces, floor):
    """(kind, seconds) pieces one after another, over a noise floor."""
    parts = [
        voiced(rng, seconds) if kind == "speech" else np.zeros(int(seconds * RATE))
        for kind, seconds in pieces
    ]
    samples = np.concatenate(parts)
    return samples + rng.normal(0, floor, len(samples))


PIECES = [("pause", 0.8), ("speech", 1.2), ("pause", 0.6), ("speech", 0.5), ("pause", 1.0)]


@pytest.mark.parametrize("frame_seconds", [0.02, 0.04, 0.08])
@pytest.mark.parametrize("floor", [0.0, 1e-4, 3e-3, 2e-2])
def test_speech_and_pauses_are_told_apart(frame_seconds, floor):
    rng = np.random.default_rng(0)
    samples = recording(rng, PIECES, floor)
    frames = int(len(samples) / RATE / frame_seconds)
    found = speech_frames(samples, RATE, frames, frame_seconds)
    times = (np.arange(frames) + 0.5) * frame_seconds
    said = ((times > 0.8) & (times < 2.0)) | ((times > 2.6) & (times < 3.1))
    near = np.zeros(frames, bool)
    for edge in (0.8, 2.0, 2.6, 3.1):
        near |= np.abs(times - edge) < 0.15  # the hangover on purpose widens speech
    assert (found == said)[~near].all()
    assert found[said].mean() > 0.94


@pytest.mark.parametrize("gain", [0.02, 0.3, 3.0])
def test_loudness_does_not_matter(gain):
    rng = np.random.default_rng(1)
    samples = recording(rng, PIECES, 1e-3)
    usual = speech_frames(samples, RATE, 102, 0.04)
    np.testing.assert_array_equal(speech_frames(gain * samples, RATE, 102, 0.04), usual)


@pytest.mark.parametrize("seconds", [0.01, 0.25, 1.0])
@pytest.mark.parametrize("pieces", [PIECES, PIECES[:1]], ids=["speech", "noise alone"])
def test_long_recordings_are_heard_in_blocks_as_they_are_at_once(pieces, seconds, monkeypatch):
    samples = recording(np.random.default_rng(1), pieces, 1e-3) + 0.05
    levels = speech_activity._levels(samples, RATE)
    usual = speech_frames(samples, RATE, 102, 0.04)
    monkeypatch.setattr(speech_activity, "BLOCK_SECONDS", seconds)
    np.testing.assert_allclose(speech_activity._levels(samples, RATE), levels, atol=1e-6)
    np.testing.assert_array_equal(speech_frames(samples, RATE, 102, 0.04), usual)


def test_an_offset_does_not_matter():
    samples = recording(np.random.default_rng(1), PIECES, 1e-3)
    usual = speech_frames(samples, RATE, 102, 0.04)
    np.testing.assert_array_equal(speech_frames(samples + 0.3, RATE, 102, 0.04), usual)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.zeros(RATE), False),
        (np.full(RATE, 0.5), False),
        (np.random.default_rng(0).normal(0, 1e-5, RATE), False),
        (np.random.default_rng(0).normal(0, 0.1, RATE), False),
        (np.zeros(0), False),
        (np.zeros(1), False),
        (0.2 * np.sin(np.arange(RATE) * 2 * np.pi * 200 / RATE), True),  # a held vowel, if anything
    ],
    ids=["silence", "offset", "faint noise", "loud noise", "empty", "one sample", "tone"],
)
def test_recordings_without_contrast(samples, expected):
    found = speech_frames(samples, RATE, 25, 0.04)
    assert found.shape == (25,)
    assert found.dtype == bool
    assert found.all() == expected
    assert found.any() == expected


def test_clicks_are_no_speech():
    rng = np.random.default_rng(2)
    samples = recording(rng, PIECES, 1e-4)
    samples[int(0.3 * RATE) : int(0.3 * RATE) + 40] += 0.5
    found = speech_frames(samples, RATE, 102, 0.04)
    assert not found[:15].any()


@given(
    length=st.integers(0, 4000),
    rate=st.sampled_from([8000, 16000, 44100]),
    frames=st.integers(0, 60),
    frame_seconds=st.floats(0.005, 0.2),
)
@settings(max_examples=60)
def test_any_size_gives_one_answer_per_frame(length, rate, frames, frame_seconds):
    samples = np.random.default_rng(length).normal(0, 0.1, length)
    found = speech_frames(samples, rate, frames, frame_seconds)
    assert found.shape == (frames,)
