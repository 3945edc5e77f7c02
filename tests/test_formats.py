"""Formats out, each read back by a program that is not ours: Praat's, NIST's, subtitle editors'."""

import json
import re
import subprocess
import unicodedata
from dataclasses import replace
from html import unescape
from itertools import pairwise

import numpy as np
import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio import textgrid as praat

from analysis.alignment import Alignment
from analysis.formats.ctm import ctm
from analysis.formats.kaldi_text import kaldi_text
from analysis.formats.sclite import sclite
from analysis.formats.subtitles import CueOptions, srt, stretches, vtt
from analysis.formats.textgrid import textgrid
from analysis.formats.timed import Piece, TimedText, identifier, in_order
from analysis.formats.transcript import timed_text
from analysis.formats.whisper_json import whisper_json
from analysis.scoring.errors import score
from app.export.clips import file_stem

FRAME = 0.04


def transcript(*words: tuple, seconds: float = 10.0, **more) -> TimedText:
    pieces = tuple(Piece(*word) for word in words)
    text = " ".join(piece.text for piece in pieces)
    return TimedText(**{
        "name": "clip", "variant": "dot", "seconds": seconds, "text": text, "words": pieces,
        "tokens": pieces, **more,
    })  # fmt: skip


PLAIN = transcript(("naïve", 0.5, 0.9, 0.5), ("日本", 1.0, 1.5, 0.25), ('say "hi"', 1.5, 2.25, 1.0))
pieces = st.builds(
    lambda text, start, length: Piece(text, start, start + length),
    st.text(max_size=8),
    st.floats(0, 12),
    st.floats(0, 3),
)
transcripts = st.lists(pieces, max_size=12).map(
    lambda words: transcript(*((w.text, w.start, w.end) for w in words))
)


def spelled(letters: str, frames_of: dict[int, float], frames: int, **more) -> Alignment:
    """A map whose row r listens for three frames around the given centre."""
    weights = np.full((len(letters), frames), 1e-4)
    for row, centre in frames_of.items():
        weights[row, int(centre) - 1 : int(centre) + 2] = (0.2, 0.6, 0.2)
    weights /= weights.sum(axis=1, keepdims=True)
    return Alignment.from_arrays(weights, [*letters], FRAME, **more)


# --- from an alignment ----------------------------------------------------------------------------


def test_a_word_lasts_while_its_tokens_listen():
    centres = {row: 5 + 4 * row for row in range(6)}
    speech = np.arange(40) // 28 == 0  # silence at the end
    more = {"text": "ab cde", "variant": "dot", "reference": "ab", "speech": speech}
    found = timed_text(spelled("ab cde", centres, 40, **more), "clip")
    assert [word.text for word in found.words] == ["ab", "cde"]
    assert [token.text for token in found.tokens] == [*"ab cde"]
    assert found.text == "ab cde"
    assert (found.reference, found.variant, found.seconds) == ("ab", "dot", 1.6)
    first, second = found.words
    assert first.start < 5.5 * FRAME < 9.5 * FRAME < first.end < 13.5 * FRAME
    assert 13.5 * FRAME < second.start < 17.5 * FRAME < 25.5 * FRAME < second.end <= 28 * FRAME
    assert all(word.probability is None for word in found.words)


def test_the_letters_of_a_single_word_are_one_word_where_the_text_says_so():
    centres = {0: 5, 1: 9, 2: 14}
    (word,) = timed_text(spelled("yes", centres, 20, text="yes"), "clip").words
    assert word.text == "yes"
    assert word.start < 5.5 * FRAME < 14.5 * FRAME < word.end
    chinese = timed_text(spelled("yes", centres, 20, text="y e s"), "clip").words
    assert [word.text for word in chinese] == ["y", "e", "s"]


def test_probabilities_are_the_mean_over_a_words_tokens():
    alignment = spelled("ab", {0: 5, 1: 9}, 20)
    (word,) = timed_text(alignment, "clip", log_probs=np.log([0.5, 0.25])).words[:1]
    assert word.probability == pytest.approx(0.5)  # without spaces every token is a word
    alignment = spelled("ab c", {0: 5, 1: 9, 2: 12, 3: 16}, 20)
    first, second = timed_text(alignment, "clip", log_probs=np.log([0.5, 0.25, 1, 0.1])).words
    assert first.probability == pytest.approx(0.375)
    assert second.probability == pytest.approx(0.1)


def test_where_the_weights_tell_nothing_tokens_share_the_time():
    flat = Alignment.from_arrays(np.full((4, 10), 0.1), [*"a bc"], FRAME)
    found = timed_text(flat, "clip", seconds=0.2)
    assert [(w.text, w.start, w.end) for w in found.words] == [
        ("a", 0.0, pytest.approx(0.05)), ("bc", pytest.approx(0.1), pytest.approx(0.2)),
    ]  # fmt: skip


def test_nothing_ends_after_the_recording_and_nothing_said_is_no_word():
    found = timed_text(spelled("a b", {0: 5, 1: 20, 2: 38}, 40), "clip", seconds=1.5)
    assert found.words[-1].end == 1.5
    silent = Alignment.from_arrays(np.full((1, 5), 0.2), ["<eos>"], FRAME)
    empty = Alignment.from_arrays(np.zeros((0, 5)), [], FRAME)
    for alignment in (silent, empty):
        assert timed_text(alignment, "clip").words == ()
        assert timed_text(alignment, "clip").text == ""


# --- CTM and sclite, by NIST's own sclite ---------------------------------------------------------


def nist(tmp_path, *arguments: str) -> str:
    command = ["sctk", "sclite", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ctm_has_a_line_per_word_sorted_by_time_with_no_spaces_in_a_field():
    back = transcript(("late", 3.0, 3.5), ("early", 1.0, 1.0), ("", 1.0, 2.0), (" \n", 1.0, 2.0))
    text = ctm([replace(back, name="my clip"), PLAIN])
    assert text.splitlines() == [
        "clip 1 0.500 0.400 naïve 0.5000",
        "clip 1 1.000 0.500 日本 0.2500",
        'clip 1 1.500 0.750 say_"hi" 1.0000',
        "my_clip 1 1.000 0.001 early",
        "my_clip 1 3.000 0.500 late",
    ]
    assert ctm([transcript()]) == ""


def test_sclite_reads_our_ctm_and_counts_what_we_count(tmp_path):
    said = {"one": "the cat sat on the mat", "two": "no no no"}
    heard = {"one": "the cat the hat mat", "two": "no on no no"}
    found = [
        transcript(
            *((word, 0.5 * n, 0.5 * n + 0.4, 0.9) for n, word in enumerate(heard[name].split())),
            name=name,
        )
        for name in said
    ]
    (tmp_path / "hyp.ctm").write_text(ctm(found))
    stm = "".join(f"{name} 1 someone 0.0 10.0 {text}\n" for name, text in said.items())
    (tmp_path / "ref.stm").write_text(stm)
    report = nist(tmp_path, "-h", "hyp.ctm", "ctm", "-r", "ref.stm", "stm", "-o", "pra", "stdout")
    counts = re.findall(r"Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", report)
    errors = {sum(map(int, each[1:])) for each in counts}
    assert len(counts) == 2
    assert errors == {score(said[name], heard[name]).words.errors for name in said}
    assert re.search(r"HYP: .*the .*mat", report)


@pytest.mark.parametrize(
    "word", [";;x", "a;b", "@", "<ALT_BEGIN>", "(uh)", "<unk>", '"q"', "{a", "*"]
)
def test_sclite_takes_no_word_for_a_mark(word, tmp_path):
    found = transcript(("one", 0.0, 0.4), (word, 0.5, 0.9), ("two", 1.0, 1.4), name="one")
    (tmp_path / "hyp.ctm").write_text(ctm([found]))
    (tmp_path / "ref.stm").write_text("one 1 someone 0.0 10.0 one x two\n")
    report = nist(tmp_path, "-h", "hyp.ctm", "ctm", "-r", "ref.stm", "stm", "-o", "pra", "stdout")
    assert "Scores: (#C #S #D #I) 2 1 0 0" in report
    assert unicodedata.normalize("NFKC", ctm([found]).splitlines()[1].split()[4]) == word


CASES = [
    ("the cat sat on the mat today", "the cat sit on mat today very"),  # only one best path each
    ("a b c", "a b c"),
    ("one two", ""),
    ("x", "some other words"),
]


@pytest.mark.parametrize(("said", "heard"), CASES)
def test_our_blocks_are_those_of_sclite(tmp_path, said, heard):
    ours = sclite([transcript(text=heard, reference=said, name="u", variant="v")], "none")
    (tmp_path / "hyp.trn").write_text(f"{heard} (u-v)\n")
    (tmp_path / "ref.trn").write_text(f"{said} (u-v)\n")
    theirs = nist(tmp_path, "-h", "hyp.trn", "-r", "ref.trn", "-i", "wsj", "-o", "pra", "stdout")

    def lines(report: str, name: str) -> list[str]:
        (line,) = re.findall(rf"^{name} *(.*)$", report, flags=re.MULTILINE)
        return line.split()

    count = r"Scores: \(#C #S #D #I\)"
    assert lines(ours, count) == lines(theirs, count)
    for name in ("REF:", "HYP:"):
        assert lines(ours, name) == lines(theirs, name)


def test_columns_of_a_block_stand_under_each_other():
    said = transcript(text="the 日本 cat y", reference="The cat, x", name="a b")
    assert sclite([said]).splitlines() == [
        "id: (a_b-dot)",
        "Scores: (#C #S #D #I) 2 1 0 1",
        "REF:  the **** cat X",
        "HYP:  the 日本 cat Y",  # each of these two is as wide as two letters
        "Eval:     I        S",
    ]
    without = transcript(("a", 0, 1))
    assert sclite([without]) == ""
    silent = sclite([transcript(text="", reference="")])
    assert "(#C #S #D #I) 0 0 0 0" in silent


def test_kaldi_text_is_sorted_by_name_and_one_line_each():
    texts = [transcript(text="b  c\nd", name="z 1"), transcript(text="", name="B")]
    assert kaldi_text([*texts, transcript(text="é", name="a")]) == "B\na é\nz_1 b c d\n"


# --- TextGrid, by praatio -------------------------------------------------------------------------


def read_grid(text: str, tmp_path) -> praat.Textgrid:
    path = tmp_path / "x.TextGrid"
    path.write_text(text, encoding="utf-8")
    return praat.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")


def test_praatio_reads_words_and_tokens_with_their_times(tmp_path):
    tokens = (Piece("n", 0.5, 0.6), Piece(" ", 0.6, 0.7), Piece("<eos>", 2.3, 2.3))
    grid = read_grid(textgrid(replace(PLAIN, seconds=2.5, tokens=tokens)), tmp_path)
    assert grid.tierNames == ("words", "tokens")
    words = [entry for entry in grid.getTier("words").entries if entry.label]
    assert [(e.label, e.start, e.end) for e in words] == [
        ("naïve", 0.5, 0.9), ("日本", 1.0, 1.5), ('say "hi"', 1.5, 2.25),
    ]  # fmt: skip
    assert [e.label for e in grid.getTier("tokens").entries] == ["", "n", "", "", "<eos>", ""]
    for tier in grid.tiers:
        edges = [(entry.start, entry.end) for entry in tier.entries]
        assert edges[0][0] == 0
        assert edges[-1][1] == 2.5
        assert all(a[1] == b[0] for a, b in pairwise(edges))


def test_an_empty_transcript_is_one_empty_interval(tmp_path):
    grid = read_grid(textgrid(transcript(seconds=1.25)), tmp_path)
    assert [tuple(entry) for entry in grid.getTier("words").entries] == [(0, 1.25, "")]


@settings(max_examples=40)
@given(transcripts)
def test_any_transcript_makes_a_grid_that_can_be_read(tmp_path_factory, found):
    grid = read_grid(textgrid(found), tmp_path_factory.mktemp("grid"))
    labels = [entry.label for entry in grid.getTier("words").entries if entry.label]
    wanted = [word for word in found.words if len(word.text.split())]
    assert len(labels) <= len(found.words)
    assert sum(word.text.isalnum() for word in wanted) <= len(labels)


@given(st.lists(pieces, max_size=40), st.floats(0.02, 11))
def test_pieces_in_order_never_overlap_and_lose_nothing(found, seconds):
    ordered = in_order(found, seconds)
    assert sorted(piece.text for piece in ordered) == sorted(piece.text for piece in found)
    edges = [edge for piece in ordered for edge in (piece.start, piece.end)]
    assert edges == sorted(edges)
    assert all(piece.end > piece.start for piece in ordered)
    assert not edges or (edges[0] >= 0 and edges[-1] <= seconds + 1e-9)


def test_words_stay_themselves_in_a_grid_and_in_names(tmp_path):
    words = ("می\u200cخواهم", "क\u094d\u200dष", "co\u00adop", "a\nb", 'say "x"')
    pieces = tuple(Piece(word, n, n + 0.5) for n, word in enumerate(words))
    grid = read_grid(textgrid(transcript(tokens=pieces)), tmp_path)
    labels = [entry.label for entry in grid.getTier("tokens").entries if entry.label]
    assert labels == [*words[:3], "a b", words[4]]
    assert identifier("می\u200cخواهم") == "می\u200cخواهم"
    assert identifier("a\u202eb\ufeff \u200dc") == "ab_\u200dc"  # nothing turns the line around
    assert identifier(";;x") == "x"
    assert file_stem("می\u200cخواهم.wav"[:-4]) == "می\u200cخواهم"
    assert file_stem("हिन्दी पाठ") == "हिन्दी_पाठ"
    assert file_stem("cafe\u0301 co\u00adop") == "café_coop"


# --- subtitles, by pysubs2 ------------------------------------------------------------------------


def times(text: str) -> list[tuple[int, int]]:
    """Start and end of every cue of a WebVTT file, in thousandths of a second."""
    found = re.findall(r"^(\d+):(\d+):(\d+)\.(\d+) --> (\d+):(\d+):(\d+)\.(\d+)$", text, re.M)
    units = np.array([3_600_000, 60_000, 1000, 1])
    return [(int(units @ cue[:4]), int(units @ cue[4:])) for cue in np.array(found, int)]


@pytest.mark.parametrize(("writer", "kind"), [(srt, "srt"), (vtt, "vtt")])
def test_subtitles_are_read_by_another_program(writer, kind):
    words = [("tea", 0.0, 0.5), ("&", 0.5, 0.7), ("<b>", 0.7, 1.0), ("-->", 4.0, 4.0)]
    events = pysubs2.SSAFile.from_string(writer(transcript(*words, seconds=3700)), kind).events
    assert [(event.start, event.end) for event in events] == [(0, 1000), (4000, 4300)]
    assert "-->" not in events[1].text
    late = writer(transcript(("end", 3661.5, 3662.25), seconds=3700))
    events = pysubs2.SSAFile.from_string(late, kind).events
    assert [(event.start, event.end) for event in events] == [(3_661_500, 3_662_250)]


MARKUP = (
    "<unk>",
    "{\\an8}",
    "<b>bold</b>",
    "</s>",
    "a\\Nb",
    "-->",
    "x<y",
    "2<3",
    "{q}",
    "[n]",
)


def by_ffmpeg(text: str, kind: str, tmp_path) -> str:
    """What FFmpeg shows of subtitles, its own escapes undone."""
    path = tmp_path / f"x.{kind}"
    path.write_text(text, encoding="utf-8")
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "webvtt", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return unescape(" ".join(done.stdout.splitlines()[3:])).replace("\u2060", "").strip()


@pytest.mark.parametrize("word", MARKUP)
def test_markup_in_words_is_text_to_other_programs(word, tmp_path):
    found = transcript((word, 0.0, 0.5), ("end", 0.5, 1.0))
    said = f"{word} end".replace("-->", "→")
    for writer, kind in ((srt, "srt"), (vtt, "vtt")):
        shown = by_ffmpeg(writer(found), kind, tmp_path)
        assert unicodedata.normalize("NFKC", shown) == said, kind
    (event,) = pysubs2.SSAFile.from_string(srt(found), "srt").events
    assert unicodedata.normalize("NFKC", event.plaintext) == said


def test_scripts_without_spaces_are_cut_into_lines_too():
    words = [("今天", 0.1 * n, 0.1 * n + 0.1) for n in range(40)]
    cues = srt(transcript(*words)).split("\n\n")
    lines = [line for cue in cues for line in cue.splitlines()[2:]]
    assert "".join(lines) == "今天" * 40
    assert max(map(len, lines)) <= 21  # each as wide as two letters


def test_vtt_is_headed_escaped_and_sorted():
    found = vtt(transcript(("late", 5.0, 5.5), ("<i>&", 1.0, 1.5)))
    assert found.startswith("WEBVTT\n\n00:00:01.000 --> 00:00:01.500\n&lt;i&gt;&amp;\n")
    assert found.index("late") > found.index("&lt;")
    assert vtt(transcript()) == "WEBVTT\n"
    assert srt(transcript()) == ""


@given(transcripts)
def test_every_subtitle_lasts_and_ends_before_the_next(found):
    text = vtt(found)
    edges = times(text)
    assert all(start < end for start, end in edges)
    assert all(before[1] <= after[0] for before, after in pairwise(edges))
    shown = unescape(re.sub(r"^(WEBVTT|.* --> .*)$", "", text, flags=re.MULTILINE)).split()
    said = " ".join(spoken.text for spoken in found.words)
    assert sum(word.isalnum() for word in said.split()) <= len(shown)


def test_words_that_a_runaway_says_at_one_moment_are_all_subtitled_and_scored(tmp_path):
    letters = "so it " + "and " * 60
    rows = {row: 4 + 2 * min(row, 17) for row in range(len(letters))}  # then nothing moves
    found = timed_text(spelled(letters, rows, 40), "clip", seconds=1.6)
    assert sum(word.start == word.end for word in found.words) > 50
    edges = times(vtt(found))
    assert len(edges) > 2
    assert all(start < end for start, end in edges)
    assert all(before[1] <= after[0] for before, after in pairwise(edges))
    lines = [line.split() for line in ctm([found]).splitlines()]
    assert [line[4] for line in lines] == letters.split()
    assert min(float(line[3]) for line in lines) >= 0.001
    (tmp_path / "hyp.ctm").write_text(ctm([found]))
    (tmp_path / "ref.stm").write_text(f"clip 1 someone 0.0 1.6 {letters}\n")
    report = nist(tmp_path, "-h", "hyp.ctm", "ctm", "-r", "ref.stm", "stm", "-o", "pra", "stdout")
    assert "Scores: (#C #S #D #I) 62 0 0 0" in report


@given(transcripts)
def test_every_word_of_a_ctm_lasts_and_times_never_go_back(found):
    lines = [line.split() for line in ctm([found]).splitlines()]
    assert all(float(line[3]) >= 0.001 for line in lines)
    starts = [float(line[2]) for line in lines]
    assert starts == sorted(starts)


def test_long_speech_is_cut_into_lines_that_fit():
    words = [(f"word{n}", 0.4 * n, 0.4 * n + 0.35) for n in range(60)]
    options = CueOptions()
    events = pysubs2.SSAFile.from_string(srt(transcript(*words, seconds=24.0)), "srt").events
    assert " ".join(" ".join(e.plaintext.split()) for e in events).split() == [w[0] for w in words]
    for event in events:
        assert event.end - event.start <= 1000 * options.seconds
        lines = event.plaintext.split("\n")
        assert len(lines) <= options.lines
        assert max(map(len, lines)) <= options.line
    for before, after in pairwise(events):
        assert before.end <= after.start


# --- JSON -----------------------------------------------------------------------------------------


def test_json_has_whispers_names_and_segments_between_pauses():
    words = [("so", 0.1, 0.3, 0.9), ("it", 0.4, 0.5, 0.8), ("is", 3.0, 3.1, None)]
    found = whisper_json(transcript(*words))
    assert json.loads(json.dumps(found)) == found
    assert found["text"] == "so it is"
    assert [segment["text"] for segment in found["segments"]] == [" so it", " is"]
    assert [(s["id"], s["start"], s["end"]) for s in found["segments"]] == [
        (0, 0.1, 0.5), (1, 3.0, 3.1),
    ]  # fmt: skip
    assert found["segments"][0]["words"][0] == {
        "word": " so", "start": 0.1, "end": 0.3, "probability": 0.9,
    }  # fmt: skip
    assert found["segments"][1]["words"][0]["probability"] is None
    assert whisper_json(transcript()) == {"text": "", "segments": []}


@given(transcripts)
def test_segments_hold_every_word_once_and_in_order(found):
    split = stretches(found.words)
    assert [word for segment in split for word in segment] == list(found.words)
    assert all(split)
