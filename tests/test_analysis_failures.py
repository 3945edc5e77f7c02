"""Failures, their evidence and their explanations, one map at a time."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.alignment import Alignment
from analysis.diagnosis import diagnose
from analysis.failures.rules import find_failures
from analysis.failures.thresholds import SEVERITY, Thresholds
from tests.support.failing_maps import EDITS, make
from tests.support.maps import Look

UNHEARD = {"skip", "early_stop"}  # failures that speech without a listener makes
PLAIN = Look(unevenness=0.15, pauses=0.0, jitter=0.0, floor=0.02, eos="none")
LOOKS = {
    "characters": PLAIN,
    "words": Look(**{**vars(PLAIN), "words": True}),
    "short frames": Look(**{**vars(PLAIN), "frame_seconds": 0.02}),
    "long frames": Look(**{**vars(PLAIN), "frame_seconds": 0.08}),
    "soft": Look(**{**vars(PLAIN), "width": 0.15}),
    "peaky": Look(**{**vars(PLAIN), "width": 0.005, "floor": 0.0}),
    "no speech mask": Look(**{**vars(PLAIN), "mask": False}),
    "no spaces": Look(**{**vars(PLAIN), "spaces": False}),
    "noise": Look(**{**vars(PLAIN), "floor": 0.3}),
    "even floor": Look(**{**vars(PLAIN), "floor": 0.4, "roughness": False}),
    "with eos": Look(**{**vars(PLAIN), "eos": "flat"}),
    "lag": Look(**{**vars(PLAIN), "lag": 0.15}),
    "pauses": Look(**{**vars(PLAIN), "pauses": 0.3, "longest_pause": 2.0}),
    "heads": Look(**{**vars(PLAIN), "heads": ("aligner", "sink", "flat", "wide")}),
    "layers": Look(**{**vars(PLAIN), "heads": ("aligner", "flat"), "layers": 3}),
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("look", LOOKS)
def test_each_failure_is_found_in_each_look(name, look):
    labelled = make((5, len(look)), name, LOOKS[look])
    diagnosis = diagnose(labelled.alignment)
    kinds = {failure.kind for failure in diagnosis.failures}
    there = labelled.script.kinds
    if not LOOKS[look].mask:  # whether somebody spoke where nothing listened is not known
        assert bool(there & UNHEARD) <= ("unheard" in {note.kind for note in diagnosis.notes})
        there = there - UNHEARD
    assert there <= kinds
    assert kinds <= there | labelled.script.also - (UNHEARD if not LOOKS[look].mask else set())
    assert labelled.script.notes <= {note.kind for note in diagnosis.notes}
    if not kinds:
        assert diagnosis.verdict == "healthy"
    else:
        assert diagnosis.verdict == min(kinds, key=SEVERITY.index)


def overlap(found, known):
    """Intersection over union of two intervals."""
    inside = min(found[1], known[1]) - max(found[0], known[0])
    return max(0.0, inside) / (max(found[1], known[1]) - min(found[0], known[0]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "name", ["loop", "stuck_loop", "stall", "jump_back", "runaway", "reversed", "diffuse"]
)
def test_evidence_names_the_rows(name, seed):
    labelled = make((9, seed), name, PLAIN)
    for kind, known in labelled.script.spans.items():
        found = [f.tokens for f in diagnose(labelled.alignment).failures if f.kind == kind]
        assert max(overlap(tokens, known) for tokens in found) > 0.7, (kind, found, known)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["loop", "skip", "early_stop", "jump_back"])
def test_evidence_names_the_audio(name, seed):
    labelled = make((9, seed), name, PLAIN)
    known = labelled.script.places[name]
    found = [f.seconds for f in diagnose(labelled.alignment).failures if f.kind == name]
    assert max(overlap(seconds, known) for seconds in found) > 0.6, (found, known)


@pytest.mark.parametrize("seed", range(4))
def test_a_spoken_repetition_is_noted_with_its_rows(seed):
    labelled = make((9, seed), "genuine", PLAIN)
    diagnosis = diagnose(labelled.alignment)
    assert diagnosis.verdict == "healthy"
    known = labelled.script.spans["genuine_repetition"]
    assert max(overlap(note.tokens, known) for note in diagnosis.notes) > 0.8


def drawn(tokens, seconds, total, frame_seconds=0.04, width=0.05, **optional):
    """A map of tokens that listen at given seconds; somebody speaks all the time."""
    times = (np.arange(round(total / frame_seconds)) + 0.5) * frame_seconds
    rows = np.exp(-(((times - np.asarray(seconds)[:, None]) / width) ** 2) / 2) + 1e-6
    weights = rows / rows.sum(axis=1, keepdims=True)
    known = {"speech": np.ones(len(times), bool)} | optional
    return Alignment.from_arrays(weights, list(tokens), frame_seconds, **known)


def spelled(text, start, pace=0.07):
    """Characters of a text and their seconds."""
    return list(text), list(start + pace * np.arange(len(text)))


def verdict(alignment):
    return find_failures(alignment).verdict


@pytest.mark.parametrize("frame_seconds", [0.02, 0.04, 0.08])
@pytest.mark.parametrize(
    "text",
    ["hello all the little bees see", "mississippi banana tomorrow", "good book keeping loop"],
)
def test_doubled_letters_are_no_loop(text, frame_seconds):
    tokens, seconds = spelled(text, 0.2)
    assert verdict(drawn(tokens, seconds, seconds[-1] + 0.2, frame_seconds)) == "healthy"


def test_no_no_no_was_said():
    tokens, seconds = spelled("he said no no no and left", 0.2)
    findings = find_failures(drawn(tokens, seconds, seconds[-1] + 0.2))
    assert findings.verdict == "healthy"
    (note,) = findings.notes
    assert note.tokens == (8, 16)
    assert note.seconds == pytest.approx((0.2 + 8 * 0.07, 0.2 + 16 * 0.07), abs=0.15)
    assert '"no"' in note.explanation


@pytest.mark.parametrize(("spoken", "noted"), [(26, (8, 16)), (13, (8, 13)), (10, None), (0, None)])
def test_what_moves_on_through_silence_was_not_said(spoken, noted):
    tokens, seconds = spelled("he said no no no and left", 0.2)
    total = seconds[-1] + 0.2
    speech = (np.arange(round(total / 0.04)) + 0.5) * 0.04 < 0.2 + (spoken - 0.5) * 0.07
    findings = find_failures(drawn(tokens, seconds, total, speech=speech))
    assert findings.verdict == "healthy"
    assert [note.tokens for note in findings.notes] == ([noted] if noted else [])


def test_no_no_no_was_not_said():
    before, first = spelled("he said no", 0.2)
    tokens, seconds = before + list(" no no no"), first + first[-3:] * 3
    after, rest = spelled(" and then he left us", first[-1] + 0.07)
    findings = find_failures(drawn(tokens + after, seconds + rest, rest[-1] + 0.2))
    assert [f.kind for f in findings.failures] == ["loop"]
    assert findings.notes == ()
    assert '"no"' in findings.failures[0].explanation


def test_a_spoken_repetition_may_turn_into_a_loop():
    words = ["well", "he", "said", "no", "no", "no", "no", "no", "no", "and", "left", "us"]
    seconds = [0.3, 0.7, 1.1, 1.5, 1.9, 2.3, 2.3, 2.3, 2.3, 2.7, 3.1, 3.5]
    findings = find_failures(drawn(words, seconds, 3.8))
    assert findings.verdict == "loop"
    assert findings.failures[0].tokens[1] == 9
    (note,) = findings.notes
    assert note.tokens[0] == 3


def test_the_last_words_again_and_again_at_the_end():
    text, times = spelled("turn left at the old bridge hai", 0.3)
    tokens, seconds = text + list(" hai hai hai hai hai"), times + [times[-1]] * 20
    alignment = drawn(tokens, seconds, seconds[-1] + 0.3, ended=False)
    findings = find_failures(alignment)
    assert [f.kind for f in findings.failures] == ["loop", "runaway"]


def test_one_character_again_and_again():
    text, times = spelled("come to the show", 0.3)
    findings = find_failures(drawn(text + ["o"] * 12, times + [times[-2]] * 12, 1.7))
    assert [f.kind for f in findings.failures] == ["loop"]


def test_a_loop_in_a_reversed_map_is_found_in_the_mirror():
    words = ["one", "two", "red", "cat", "red", "cat", "red", "cat", "ten", "six", "sun", "day"]
    seconds = np.array([0.3, 0.7, 1.1, 1.5, 1.1, 1.5, 1.1, 1.5, 1.9, 2.3, 2.7, 3.1])
    findings = find_failures(drawn(words, 3.6 - seconds, 3.6, start_seconds=10.0))
    assert [f.kind for f in findings.failures] == ["reversed", "loop"]
    low, high = findings.failures[1].seconds
    assert (low, high) == pytest.approx((10 + 3.6 - 1.7, 10 + 3.6 - 0.9), abs=0.2)
    assert f"{low:.2f} to {high:.2f} s" in findings.failures[1].explanation


def test_a_loop_in_a_map_without_places_needs_many_copies():
    def blurred(tokens):
        return Alignment.from_arrays(np.full((len(tokens), 50), 0.02), tokens, 0.04)

    story = ["so", "it", "was", "all", "over"]
    said = find_failures(blurred(story + ["no"] * 3))
    looped = find_failures(blurred(story + ["no"] * 9))
    assert [f.kind for f in said.failures] == ["diffuse"]
    assert [f.kind for f in looped.failures] == ["diffuse", "loop"]
    assert looped.failures[1].tokens == (5, 14)


def test_silence_may_be_skipped_and_the_ending_be_silent():
    tokens, seconds = spelled("the first half", 0.1)
    more, later = spelled(" and the second", 4.0)
    speech = np.zeros(200, bool)
    speech[: round(1.15 / 0.04)] = True
    speech[100:127] = True
    assert verdict(drawn(tokens + more, seconds + later, 8.0, speech=speech)) == "healthy"
    spoken = find_failures(drawn(tokens + more, seconds + later, 8.0))
    assert [f.kind for f in spoken.failures] == ["early_stop", "skip"]
    unknown = find_failures(drawn(tokens + more, seconds + later, 8.0, speech=None))
    assert unknown.verdict == "healthy"
    assert [note.kind for note in unknown.notes] == ["unheard", "unheard"]
    for note, failure in zip(unknown.notes, spoken.failures[::-1], strict=True):
        assert note.seconds == failure.seconds
        assert note.tokens == failure.tokens
        assert "whether somebody spoke there is not known" in note.explanation


def test_padding_of_a_window_is_no_speech_that_follows():
    """Whisper's window of 30 s, a map without sound and without voice activity."""
    words = [f"word{n}" for n in range(13)]
    padded = drawn(words, [0.4 + 0.42 * n for n in range(13)], 30.0, 0.02, speech=None, ended=True)
    diagnosis = diagnose(padded)
    assert diagnosis.verdict == "healthy"
    assert [note.kind for note in diagnosis.notes] == ["unheard", "speech_unknown"]
    assert diagnosis.metrics["coverage"] is diagnosis.metrics["skipped_seconds"] is None
    assert diagnosis.metrics["tokens_per_second"] is None
    speech = np.arange(padded.frames) < 300
    heard = diagnose(replace(padded, speech=speech, ended=None))
    assert [note.kind for note in heard.notes] == ["end_unknown"]
    assert heard.metrics["coverage"] == 1
    assert diagnose(replace(padded, speech=speech)).notes == ()


def test_a_late_start_is_a_skip():
    tokens, seconds = spelled("only the ending of it was heard", 3.0)
    (failure,) = find_failures(drawn(tokens, seconds, seconds[-1] + 0.1)).failures
    assert failure.kind == "skip"
    assert failure.seconds == pytest.approx((0, 3), abs=0.2)


def test_a_decoder_that_was_cut_off_did_not_stop_early():
    tokens, seconds = spelled("a beginning and no more than that", 0.1)
    kinds = [f.kind for f in find_failures(drawn(tokens, seconds, 6.0, ended=False)).failures]
    assert kinds == ["runaway"]
    kinds = [f.kind for f in find_failures(drawn(tokens, seconds, 6.0, ended=True)).failures]
    assert kinds == ["early_stop"]


@pytest.mark.parametrize("ended", [True, None])
def test_nothing_is_a_runaway_that_ended_or_may_have(ended):
    tokens, seconds = spelled("a plain and simple sentence", 0.1)
    assert verdict(drawn(tokens, seconds, seconds[-1] + 0.1, ended=ended)) == "healthy"


def test_one_stray_row_is_no_failure():
    tokens, seconds = spelled("a plain and simple sentence about nothing", 0.1)
    for row in range(2, len(tokens) - 2):
        for place in (0.1, seconds[-1]):
            moved = [*seconds[:row], place, *seconds[row + 1 :]]
            assert verdict(drawn(tokens, moved, seconds[-1] + 0.1)) == "healthy", (row, place)


def test_nothing_decoded_from_speech_is_an_early_stop():
    speech = np.ones(100, bool)
    findings = find_failures(
        Alignment.from_arrays(np.zeros((0, 100)), [], 0.04, speech=speech, ended=True)
    )
    (failure,) = findings.failures
    assert failure.kind == "early_stop"
    assert failure.seconds == (0, 4)
    silent = Alignment.from_arrays(np.zeros((0, 100)), [], 0.04, speech=np.zeros(100, bool))
    assert find_failures(silent).verdict == "healthy"


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("speech", [None, False])
def test_the_smallest_maps_get_a_verdict(rows, frames, speech):
    weights = np.eye(frames)[np.minimum(np.arange(rows), frames - 1)]
    mask = None if speech is None else np.full(frames, speech)
    diagnosis = diagnose(Alignment.from_arrays(weights, ["a"] * rows, 0.04, speech=mask))
    assert diagnosis.verdict == "healthy"


def test_a_single_end_of_sentence_gets_a_verdict():
    speech = np.ones(50, bool)
    alignment = Alignment.from_arrays(
        np.full((1, 50), 0.02), ["<eos>"], 0.04, speech=speech, ended=True
    )
    assert diagnose(alignment).verdict == "early_stop"
    assert diagnose(replace(alignment, speech=None)).verdict == "healthy"


def test_thresholds_can_be_changed():
    words = [f"word{i}" for i in range(8)]
    seconds = [0.3, 0.7, 1.1, 1.5, 3.4, 3.8, 4.2, 4.6]
    alignment = drawn(words, seconds, 4.9)
    assert diagnose(alignment).verdict == "skip"
    reversed_map = drawn(words, [5 - s for s in seconds], 4.9)
    assert diagnose(reversed_map).verdict == "reversed"
    strict = Thresholds(reversed_order=-2)
    assert diagnose(reversed_map, thresholds=strict).verdict != "reversed"


def test_seconds_start_at_the_start():
    labelled = make((9, 1), "skip", PLAIN)
    alignment = labelled.alignment
    moved = Alignment.from_arrays(
        alignment.weights, alignment.tokens, alignment.frame_seconds,
        speech=alignment.speech, start_seconds=100.0,
    )  # fmt: skip
    (before,), (after,) = find_failures(alignment).failures, find_failures(moved).failures
    assert after.seconds == pytest.approx(tuple(s + 100 for s in before.seconds))
    assert after.tokens == before.tokens
