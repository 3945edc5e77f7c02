"""Stressed clips say what they are said to say, and agreement is counted as documented."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.real_failures import Agreement, Judged, half_of, table
from benchmarks.stressed import Clip, stresses, word_times
from benchmarks.text_labels import TextLabels
from models.audio import SAMPLE_RATE


def clip(text, level, seconds=3.0):
    """A recording in which word i is a constant of its own."""
    words = text.split()
    edges = np.linspace(0, seconds, len(words) + 1)
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    for i, (a, b) in enumerate(pairwise(edges)):
        samples[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] = level + 0.01 * i
    spans = tuple(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    return Clip(text, samples, text, spans)


@pytest.fixture(scope="module")
def made():
    first = clip("one two three four five six", 0.1)
    others = (clip("seven eight nine ten", 0.3), clip("eleven twelve", 0.5))
    return {each.name: each for each in stresses(first, others, np.random.default_rng(0))}


@pytest.mark.parametrize(
    ("name", "text", "seconds"),
    [
        ("plain", "one two three four five six", 3),
        ("repeated 2x", "one two three four five six " * 2, 6),
        ("joined", "one two three four five six seven eight nine ten eleven twelve", 9),
        ("fast", "one two three four five six", 3 / 1.4),
        ("slow", "one two three four five six", 3 / 0.7),
        ("pause", "one two three four five six seven eight nine ten", 8.5),
        ("cut", "one two three four", 2),
        ("cut and joined", "one two three four seven eight nine ten", 5),
    ],
)
def test_stressed_clips_say_their_text(made, name, text, seconds):
    assert made[name].text == text.strip()
    assert len(made[name].samples) / SAMPLE_RATE == pytest.approx(seconds, abs=0.02)


def test_a_word_said_again_is_that_word(made):
    words = made["word said 4x"].text.split()
    again = max(words, key=words.count)
    assert words.count(again) == 4
    level = 0.1 + 0.01 * ["one", "two", "three", "four", "five", "six"].index(again)
    heard = np.isclose(made["word said 4x"].samples, level, atol=1e-4).mean()
    assert heard == pytest.approx(4 / 9, abs=0.03)


def test_word_times_come_from_the_frames_of_their_letters():
    alphabet = "_ abc"
    path = "__aab__ _cc_"
    log_probs = np.full((len(path), len(alphabet)), -9.0)
    log_probs[np.arange(len(path)), [alphabet.index(letter) for letter in path]] = -0.1
    times = word_times("ab c", log_probs, lambda text: [alphabet.index(t) for t in text], 0.04)
    assert np.allclose(times, [(2 * 0.04, 5 * 0.04), (9 * 0.04, 11 * 0.04)])


@dataclass(frozen=True)
class Named:
    id: int


def test_halves_share_nothing_and_lose_nothing():
    everything = [Named(i) for i in range(9)]
    halves = [half_of(everything, half) for half in ("tune", "report")]
    assert sorted(u.id for half in halves for u in half) == list(range(9))
    assert half_of(everything, "tune") == halves[0]


def judged(loop, *kinds, cer=0.0, placed=True):
    labels = TextLabels(loop, None, None, None, False)
    return Judged("clip", "plain", "m", "a", "a", cer, labels, kinds, placed)


def test_agreement_is_counted_over_clear_texts():
    rows = [judged(True, "loop"), judged(True), judged(False), judged(False, "loop"), judged(False)]
    rows += [judged(None, "loop"), judged(None)]
    found = Agreement.of("loop", rows)
    assert (found.both, found.only_text, found.only_attention, found.neither) == (1, 1, 1, 2)
    assert (found.unclear_shown, found.unclear) == (1, 1)
    assert (found.recall, found.precision, found.agreement) == (0.5, 0.5, 0.6)
    assert Agreement.of("loop", []).agreement is None


def test_unheard_is_a_skip_or_an_early_stop():
    labels = TextLabels(False, True, None, None, False)
    rows = [
        Judged("c", "plain", "m", "a", "", 1.0, labels, (kind,), True)
        for kind in ("skip", "early_stop", "loop")
    ]
    assert Agreement.of("unheard", rows).both == 2
    assert Agreement.of("unheard", rows).only_text == 1


def test_diffuse_maps_are_left_out_of_agreement_but_shown():
    text = table([judged(True, "diffuse", placed=False), judged(True, "loop", cer=0.9)])
    assert "1 maps are diffuse" in text
    assert "| loop | 1 | 0 | 0 | 0 | 0 | 1.000 | 1.000 | 1.000 |" in text
    assert "| m | 1 of 2 | 1.000 | - | 0 of 1 | 1 of 1 |" in text
