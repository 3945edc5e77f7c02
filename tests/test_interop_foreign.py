"""Other toolkits' files as alignments: ESPnet's arrays, Whisper's relatives' words."""

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.alignment import Alignment, AlignmentError
from analysis.diagnosis import diagnose
from analysis.formats.timed import Piece, TimedText
from analysis.formats.whisper_json import whisper_json
from analysis.io import toolkits
from app.cli.main import main

WORDS = [("so", 0.1, 0.3), ("it", 0.3, 0.3), ("is", 1.0, 1.5)]
STABLE_TS = {
    "text": " so it is",
    "segments": [
        {"id": 0, "start": 0.1, "end": 0.3, "text": " so it", "words": [
            {"word": " so", "start": 0.1, "end": 0.3, "probability": 0.9, "tokens": [50]},
            {"word": " it", "start": 0.3, "end": 0.3, "probability": 0.8, "tokens": [51]}]},
        {"id": 1, "start": 1.0, "end": 1.5, "text": " is", "words": [
            {"word": " is", "start": 1.0, "end": 1.5, "probability": 0.7, "tokens": [52]},
            {"word": " ", "start": 1.5, "end": 1.5, "probability": 0.7, "tokens": [53]}]},
    ],
}  # fmt: skip
TIMESTAMPED = {
    "text": "so it is",
    "segments": [
        {"id": 0, "start": 0.1, "end": 1.5, "text": "so it is", "confidence": 0.8,
         "words": [{"text": text, "start": start, "end": end, "confidence": 0.9}
                   for text, start, end in WORDS]},
    ],
    "language": "en",
}  # fmt: skip
PLAIN = [{"word": text, "start": start, "end": end} for text, start, end in WORDS]
FORMS = {
    "stable-ts": STABLE_TS,
    "whisper-timestamped": TIMESTAMPED,
    "word_segments": {"word_segments": PLAIN},
    "words": {"words": PLAIN},
    "list": PLAIN,
    "ours": whisper_json(
        TimedText("a", "b", 2.0, "so it is", tuple(Piece(*word) for word in WORDS), ())
    ),
}


def bytes_of(values) -> bytes:
    return json.dumps(values).encode()


@pytest.mark.parametrize("form", FORMS)
def test_words_become_rows_in_their_time(form):
    found = toolkits.from_words(bytes_of(FORMS[form]))
    assert found.tokens == ("so", "it", "is")
    assert found.text == "so it is"
    assert found.frame_seconds == 0.02
    assert found.weights.shape == (1, 1, 3, 75)
    for row, (_, start, end) in zip(found.map, WORDS, strict=True):
        heard = np.flatnonzero(row)
        assert heard[0] == round(start / 0.02)
        assert heard[-1] + 1 == max(round(end / 0.02), heard[0] + 1)  # one frame at least
        assert np.ptp(row[heard]) < 1e-7
    assert found.speech is None  # whether somebody spoke between the words is not known
    assert found.remarks == ()


def test_words_without_times_lie_between_their_neighbours():
    words = [{"word": "5"}, {"word": "a", "start": 1, "end": 2}, {"word": "1914"},
             {"word": "b", "start": 3, "end": 4}, {"word": "9"}]  # fmt: skip
    found = toolkits.from_words(bytes_of({"segments": [{"words": words}]}))
    heard = [np.flatnonzero(row)[[0, -1]] * 0.02 for row in found.map]
    assert [round(float(a), 2) for a, _ in heard] == [0, 1, 2, 3, 4]
    assert [round(float(b) + 0.02, 2) for _, b in heard] == [1, 2, 3, 4, 4.02]


def test_a_whole_day_of_words_gets_coarser_frames_and_no_more():
    words = [{"word": str(n), "start": 20 * n, "end": 20 * n + 1} for n in range(3_000)]
    found = toolkits.from_words(bytes_of({"words": words}))
    assert found.weights.size <= toolkits.MAX_CELLS
    assert found.frame_seconds == pytest.approx(5.12)  # the first of 0.02, 0.04, ... that does


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is not JSON"),
        (b"\xff\xfe", "the file is not JSON"),
        (b"[" * 100_000, "nests deeper than|is not JSON"),
        (b"{}", "no words with times"),
        (b'{"segments": []}', "no words with times"),
        (b'{"segments": [{"text": "a", "start": 0, "end": 1, "words": []}]}', "no words"),
        (b'{"segments": [{"id": 0, "text": "a b", "start": 0, "end": 1}]}', "no words"),
        (b'{"words": [1]}', "no words with times"),
        (b'[1, {"word": 5}]', "must be an object"),
        (b'{"words": [{"word": 5, "start": 0}]}', "a word must be a text"),
        (b'{"words": [{"word": "a"}]}', "the file has no times"),
        (b'{"words": [{"word": "a", "start": "soon"}]}', "the file has no times"),
        (b'{"words": [{"word": "a", "start": NaN}]}', "the file has no times"),
        (b'{"words": [{"word": "a", "start": true}]}', "the file has no times"),
        (b'{"words": [{"word": "a", "start": -9, "end": 1e300}]}', "the file has no times"),
    ],
)
def test_other_json_is_refused_in_one_sentence(content, message):
    with pytest.raises(AlignmentError, match=message):
        toolkits.from_words(content)


def test_files_that_are_too_large_or_missing_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(toolkits, "MAX_BYTES", 10)
    with pytest.raises(AlignmentError, match="larger than"):
        toolkits.from_words(io.BytesIO(b" " * 11))
    monkeypatch.setattr(toolkits, "MAX_WORDS", 2)
    monkeypatch.setattr(toolkits, "MAX_BYTES", 1_000)
    with pytest.raises(AlignmentError, match="3 are more than the 2"):
        toolkits.from_words(bytes_of(PLAIN))
    for name in ("gone.json", "gone.npy", "gone.npz"):
        with pytest.raises(AlignmentError, match="there is no such file"):
            toolkits.read(tmp_path / name)


@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["segments", "words", "word", "text", "start", "end"]), inner, max_size=4
    ),
    max_leaves=12,
))  # fmt: skip
def test_any_json_is_read_or_refused(values):
    try:
        found = toolkits.from_words(json.dumps(values).encode())
    except AlignmentError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert len(found.tokens) == len(found.map)


# --- ESPnet's arrays ------------------------------------------------------------------------------


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def diagonal(rows: int, frames: int) -> np.ndarray:
    weights = np.full((rows, frames), 1e-4)
    for row in range(rows):
        weights[row, int((row + 0.5) * frames / rows)] = 1.0
    return weights / weights.sum(axis=1, keepdims=True)


def test_espnets_arrays_are_maps_with_numbered_tokens():
    found = toolkits.read(npy(diagonal(5, 60).astype(np.float32)), "utt1.npy")
    assert found.tokens == ("1", "2", "3", "4", "5")
    assert found.frame_seconds == 0.04
    assert found.ended is None
    assert diagnose(found).metrics["monotonicity"] == pytest.approx(1.0)
    heads = np.stack([diagonal(5, 60)] * 4)
    options = toolkits.ReadOptions(frame_seconds=0.03)
    found = toolkits.read(npy(heads), "utt1.ep.3.npy", options)
    assert (found.heads, found.frame_seconds) == (4, 0.03)
    loose = npy(diagonal(5, 60) * 0.9)
    with pytest.raises(AlignmentError, match=r"sums to 0\.9 instead of 1"):
        toolkits.read(loose, "a.npy")
    assert toolkits.read(loose, "a.npy", toolkits.ReadOptions(renormalise=True)).frames == 60


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a NumPy .npy array"),
        (b"\x93NUMPY\x01\x00garbage", "not a NumPy .npy array"),
        (npy(np.array([{"a": 1}], dtype=object)), "never unpickled"),
        (npy(np.ones(3)), "rows and frames are needed"),
        (npy(np.full((2, 3), np.nan)), "not a finite number"),
        (npy(np.ones((2, 50)))[:-8], "damaged or cut short"),
    ],
)
def test_other_arrays_are_refused_in_one_sentence(content, message):
    with pytest.raises(AlignmentError, match=message):
        toolkits.read(content, "a.npy")


def test_a_header_cannot_ask_for_all_the_memory():
    file = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(AlignmentError, match="are more than the 200 million"):
        toolkits.read(file.getvalue(), "a.npy")


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_nothing_is_ever_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.npy", "a.npz", "a.json"):
        with pytest.raises(AlignmentError):
            toolkits.read(pickle.dumps(Bomb()), name)
    assert not Path("exploded").exists()


# --- on the command line --------------------------------------------------------------------------


def test_diagnose_takes_every_kind_by_its_ending(tmp_path, capsys):
    np.save(tmp_path / "espnet.npy", diagonal(6, 50))
    (tmp_path / "words.json").write_bytes(bytes_of(STABLE_TS))
    Alignment.from_arrays(diagonal(2, 20), ["a", "b"], 0.04).save(tmp_path / "own.npz")
    (tmp_path / "bad.json").write_text("{")
    names = ["espnet.npy", "words.json", "own.npz", "bad.json"]
    files = [str(tmp_path / name) for name in names]
    assert main(["diagnose", *files, "--frame-seconds", "0.02", "--json", "-"]) == 1
    found = {Path(each["file"]).name: each for each in json.loads(capsys.readouterr().out)["files"]}
    assert list(found) == names
    assert found["bad.json"]["error"] == "the file is not JSON"
    width = found["espnet.npy"]["metrics"]["width_seconds"]
    assert width == pytest.approx(0.02, rel=0.1)  # a frame
    assert {note["kind"] for note in found["words.json"]["notes"]} == {
        "speech_unknown", "end_unknown",
    }  # fmt: skip
    assert found["words.json"]["metrics"]["monotonicity"] == pytest.approx(1.0)
    assert all("verdict" in each for name, each in found.items() if name != "bad.json")
