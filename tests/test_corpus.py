"""Data sets in every form: what is read, and what is said about mistakes."""

import io
import json
import re
import subprocess
import sys
import tarfile
import urllib.error
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from app.evaluation.items import read_items
from models.audio import NO_SPEECH, AudioError
from models.corpora.corpus import (
    ManifestError,
    Remarks,
    iterate_manifest,
    read_manifest,
    read_transcribed,
    with_audio,
)
from models.corpora.librispeech import download
from models.corpora.recordings import load_utterance
from models.corpora.utterance import Utterance
from models.torchaudio_cpu import torchaudio
from tests.support.recordings import hum

ROOT = Path(__file__).resolve().parent.parent


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def summary(path: Path, split: str | None = None) -> list[tuple]:
    return [(u.id, u.path, u.text, u.speaker, u.seconds) for u in read_manifest(path, split)]


def test_every_form_gives_the_same_utterances(tmp_path):
    """Two utterances of a speaker, once in every form."""
    flac = {f"libri/7/9/7-9-{n}.flac": "" for n in (0, 1)}
    write(tmp_path, flac | {
        "t.tsv": "id\tpath\ttext\tspeaker\n7-9-0\tlibri/7/9/7-9-0.flac\ta \"b\"\t7\n"
                 "7-9-1\tlibri/7/9/7-9-1.flac\tc, d\t7\n",
        "t.csv": 'path,speaker,text\nlibri/7/9/7-9-0.flac,7,"a ""b"""\n'
                 'libri/7/9/7-9-1.flac,7,"c, d"\n',
        "semicolon.csv": 'path;speaker;text\nlibri/7/9/7-9-0.flac;7;"a ""b"""\n'
                 'libri/7/9/7-9-1.flac;7;c, d\n',
        "n.jsonl": '{"audio_filepath": "libri/7/9/7-9-0.flac", "text": "a \\"b\\"", "speaker": 7}\n'
                   '\n{"audio_filepath": "libri/7/9/7-9-1.flac", "text": "c, d", "speaker": "7"}\n',
        "k/wav.scp": "7-9-0 ../libri/7/9/7-9-0.flac\n7-9-1\t../libri/7/9/7-9-1.flac\n",
        "k/text": '7-9-0 a "b"\n7-9-1 c, d\n', "k/utt2spk": "7-9-0 7\n7-9-1 7\n",
        "libri/7/9/7-9.trans.txt": '7-9-0 a "b"\n7-9-1 c, d\n',
    })  # fmt: skip
    expected = summary(tmp_path / "t.tsv")
    assert [row[2] for row in expected] == ['a "b"', "c, d"]
    for form in ("t.csv", "semicolon.csv", "n.jsonl", "k", "k/wav.scp", "libri"):
        found = summary(tmp_path / form)
        found = [(row[0], row[1].resolve(), *row[2:]) for row in found]
        assert found == [(row[0], row[1].resolve(), *row[2:]) for row in expected], form


SPREADSHEETS = {  # name: what other programs write for one recording
    "pandas.tsv": 'path\ttext\n"a ""b"".wav"\t"she said ""no"""\n',
    "quoted.tsv": '"path"\t"text"\n"a ""b"".wav"\t"she said ""no"""\n',
    "as-it-is.tsv": 'path\ttext\na "b".wav\tshe said "no"\n',
    "blank-end.csv": 'path,text\n"a ""b"".wav","she said ""no"""\n   \n,\n \t,  \n',
    "blank-end.tsv": 'path\ttext\na "b".wav\tshe said "no"\n  \n\t\n',
    "blanks.csv": 'path, text\n"a ""b"".wav", "she said ""no"""\n',
    "turned.csv": '\n text, path\n"she said ""no""", "a ""b"".wav"\n',
    "capitals.csv": 'Path;TEXT \n"a ""b"".wav";"she said ""no"""\n',
}


@pytest.mark.parametrize("name", SPREADSHEETS)
def test_what_spreadsheets_do_to_a_table_makes_no_difference(tmp_path, name):
    write(tmp_path, {name: SPREADSHEETS[name]})
    (row,) = read_manifest(tmp_path / name)
    assert (row.path, row.text) == (tmp_path / 'a "b".wav', 'she said "no"')


def test_quotes_of_a_tsv_count_only_around_a_whole_cell(tmp_path):
    texts = {
        '"a': '"a',
        'a"': 'a"',
        '"': '"',
        '"a" or "b"': '"a" or "b"',
        '"a\tb"': "a\tb",
        '""': None,  # an empty cell: nothing is known
    }
    rows = "".join(f"{number}.wav\t{text}\n" for number, text in enumerate(texts))
    write(tmp_path, {"m.tsv": "path\ttext\n" + rows})
    assert [row.text for row in read_manifest(tmp_path / "m.tsv")] == list(texts.values())
    write(tmp_path, {"m.tsv": 'path\ttext\nx.wav\t"a\tb\n'})
    with pytest.raises(ManifestError, match="line 2 has 3 columns"):
        read_manifest(tmp_path / "m.tsv")


def test_further_columns_keep_their_spelling(tmp_path):
    write(tmp_path, {"m.csv": "Path,text,Text, Age Group \nx.wav,a,b,child\n"})
    (row,) = read_manifest(tmp_path / "m.csv")
    assert (row.text, dict(row.extra)) == ("a", {"Text": "b", "Age Group": "child"})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_utf_16_is_no_recording_and_what_to_do_is_said(tmp_path, encoding):
    bom = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "m.csv").write_bytes(f"{bom}path,text\na.wav,x\n".encode(encoding))
    with pytest.raises(ManifestError, match=r"m\.csv is not UTF-8 text; save it as UTF-8"):
        next(read_items(tmp_path / "m.csv"))


def test_lengths_splits_and_further_columns_are_kept(tmp_path):
    write(tmp_path, {
        "m.csv": "path,text,split,seconds,age_group,corpus\na.wav,x,dev,1.5,child,c\n"
                 "b.wav,y,train,,adult,c\n",
        "m.json": '{"audio_filepath": "a.wav", "text": "x", "duration": 2, "lang": "el", '
                  '"note": null}',
    })  # fmt: skip
    first, second = read_manifest(tmp_path / "m.csv")
    assert (first.seconds, first.corpus, dict(first.extra)) == (1.5, "c", {"age_group": "child"})
    assert second.seconds is None
    assert [row.id for row in read_manifest(tmp_path / "m.csv", "dev")] == ["a"]
    (row,) = read_manifest(tmp_path / "m.json")
    assert (row.seconds, dict(row.extra), row.end) == (2.0, {"lang": "el"}, None)
    assert read_manifest(tmp_path / "m.json", "dev") == [row]  # no split: belongs to each


def test_file_names_that_meet_again_get_ids_of_their_own(tmp_path):
    rows = "path,text\n" + "".join(f"{folder}/1.wav,x\n" for folder in "abc")
    write(tmp_path, {"m.csv": rows})
    assert [row.id for row in read_manifest(tmp_path / "m.csv")] == ["1", "1-2", "1-3"]


def test_a_name_that_is_like_a_made_one_is_not_given_twice(tmp_path):
    names = ("a/1-2", "a/1", "b/1", "b/1-2", "c/1", "d/1")
    write(tmp_path, {"m.csv": "path,text\n" + "".join(f"{name}.wav,x\n" for name in names)})
    found = [row.id for row in read_manifest(tmp_path / "m.csv")]
    assert found == ["1-2", "1", "1-3", "1-2-2", "1-4", "1-5"]


def test_a_folder_of_subsets_tells_train_from_dev(tmp_path):
    for subset in ("train-clean-100", "dev-clean"):
        write(tmp_path / subset / "1" / "2", {"1-2.trans.txt": "1-2-0 HI\n", "1-2-0.flac": ""})
    rows = read_manifest(tmp_path)
    assert {(row.corpus, row.split) for row in rows} == {
        ("train-clean-100", "train"),
        ("dev-clean", "dev"),
    }
    assert [row.corpus for row in read_manifest(tmp_path, "dev")] == ["dev-clean"]
    assert [row.split for row in read_manifest(tmp_path / "dev-clean")] == [""]


def test_parts_are_cut_out_of_their_recordings(tmp_path):
    samples = np.repeat([0.1, 0.2, 0.3], 16_000).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", samples, 16_000, subtype="FLOAT")
    write(tmp_path, {
        "wav.scp": "long long.wav\n", "text": "a one\nb two\nc three\nd late\n",
        "segments": "a long 0 1\nb long 1.25 1.75\nc long 2.5 -1\nd long 9 10\n",
        "n.jsonl": '{"audio_filepath": "long.wav", "text": "two", "offset": 1.0, "duration": 0.5}',
    })  # fmt: skip
    *rows, late = read_manifest(tmp_path)
    loaded = [load_utterance(row) for row in rows]
    assert [round(recording.seconds, 3) for recording in loaded] == [1.0, 0.5, 0.5]
    assert [float(r.samples.mean()) for r in loaded] == pytest.approx([0.1, 0.2, 0.3], abs=1e-4)
    assert [row.seconds for row in rows] == [1.0, 0.5, None]
    with pytest.raises(AudioError, match=r"d starts at 9 s, but long.wav has only 3.0 s"):
        load_utterance(late)
    assert load_utterance(rows[1], max_seconds=0.5).seconds == 0.5  # of a file of 3 s
    with pytest.raises(AudioError, match=r"a lasts 1 s, longer than the limit of 0\.5 s"):
        load_utterance(rows[0], max_seconds=0.5)
    tiny = replace(rows[0], end=0.03)
    with pytest.raises(AudioError, match=r"a lasts 30 ms, shorter than one encoder frame"):
        load_utterance(tiny)
    (part,) = read_manifest(tmp_path / "n.jsonl")
    assert part.id == "long-1"
    assert load_utterance(part).samples.mean() == pytest.approx(0.2, abs=1e-4)


def test_parts_are_warned_of_as_themselves(tmp_path):
    """Two seconds of a hum, then two of nothing, in stereo."""
    samples = np.concatenate([hum(2.0), np.zeros(32_000, np.float32)])
    soundfile.write(tmp_path / "half.wav", np.stack([samples, samples], 1), 16_000)
    part = Utterance("p", tmp_path / "half.wav", "", start=0.5, end=1.5)
    mixed = "stereo mixed down to mono"
    assert load_utterance(part).warnings == (mixed,)
    assert load_utterance(replace(part, start=2.5, end=4.0)).warnings == (mixed, NO_SPEECH)
    late = load_utterance(replace(part, end=6.5))
    assert late.warnings == (mixed, "the file ends 2.5 s before this part of it does")


FILES = {  # name: (content, what is said, names of the rows that are read all the same)
    "wide.csv": (
        "path,text\na.wav,x\nb.wav," + "y" * 200_000,
        "wide.csv line 3 cannot be read",
        "a",
    ),
    "empty.csv": ("", "empty.csv is empty", ""),
    "nothing.csv": ("a,b\nx.wav,a\n", "nothing.csv has no column path", ""),
    "words.csv": (
        "path,words\nx.wav,a\n",
        r"no column text, so nothing is scored \(it has path, w",
        "x",
    ),
    "short.csv": (
        "path,text\nx.wav,a\ny.wav\n",
        "1 row left out: short.csv line 3 is incomplete",
        "x",
    ),
    "comma.csv": ("path,text\nx.wav,well, yes\n", "comma.csv line 2 has 3 columns", ""),
    "commas.csv": (
        "path,text\na.wav,b\nx.wav,well, yes\ny.wav,c,d\n",
        "2 rows left out: commas.csv line 3 has 3 columns .*, and 1 more",
        "a",
    ),
    "quote.csv": (
        'path,text\na.wav,"b\nx.wav,"no"\ny.wav,yes\n',
        "quote.csv line 2 has a quote that is not closed",
        "x y",
    ),
    "nopath.tsv": ("path\ttext\n\ta\n", "nopath.tsv line 2 is incomplete", ""),
    "silent.csv": (
        "path,text\nx.wav,\ny.wav,b\nz.wav, \n",
        "2 rows without a text, not scored: silent.csv line 2",
        "x y z",
    ),
    "length.csv": (
        "path,text,seconds\nx,a,1\ny,b,long\n",
        "1 length not used: length.csv line 3: .*long",
        "x y",
    ),
    "marks.csv": ("\ufeffpath,text\na.wav,x\n\n\ufeffb.wav,y\n", None, "a b"),
    "twice.csv": (
        "path,text\na/1.wav,x\nb/1.wav,y\n",
        "1 name met again and numbered: 1 is 1-2",
        "1 1-2",
    ),
    "column.csv": (
        "path,text,transcript,channel\na.wav,x,y,0\n",
        "the column transcript of column.csv is not",
        "a",
    ),
    "channel.csv": (
        "path,text,channel\na.wav,x,B\n",
        "the column channel of channel.csv is not used",
        "a",
    ),
    "samples.csv": (
        "path,text,start_sample,end_sample\na,x,0,8\n",
        "give offset and duration in seconds",
        "",
    ),
    "when.csv": (
        "path,text,start,end\na,x,2,1\nb,y,0,1\nc,z,now,2\n",
        "2 rows left out: when.csv line 2 ends before it starts .*, and 1 more",
        "b-0",
    ),
    "early.csv": (
        "path,text,offset,duration\na.wav,x,-0.02,1\n",
        "1 part said to begin before the recording",
        "a-0",
    ),
    "negative.json": (
        '{"audio_filepath": "x", "text": "", "duration": -1}',
        "1 length not used: negative.json line 1: .*not a number of at least 0",
        "x",
    ),
    "nan.json": ('{"audio_filepath": "x", "text": "", "duration": NaN}', "nan.json line 1", "x"),
    "part.json": (
        '{"audio_filepath": "x", "text": "", "offset": 1, "duration": "?"}',
        "part.json line 1",
        "",
    ),
    "notext.json": (
        '{"audio_filepath": "x"}\n{"audio_filepath": "y", "text": null}\n'
        '{"audio_filepath": "z", "text": ["a"]}',
        "3 rows without a text, not scored",
        "x y z",
    ),
    "nofile.json": ('{"text": "x"}', "nofile.json line 1 has no audio_filepath", ""),
    "cut.json": (
        '{"audio_filepath": "x", "text": "a"}\n{"audio',
        "cut.json line 2 is not JSON",
        "x",
    ),
    "list.json": ('[{"audio_filepath": "x"}]', "one object a line", ""),
    "number.json": ('{"audio_filepath": "x", "text": "a"}\n7\n', "number.json line 2", "x"),
}


def read_all(path: Path) -> tuple[list[Utterance], list[str]]:
    """All rows of a data set, and what is said of it."""
    remarks = Remarks()
    try:
        rows = read_manifest(path, remarks=remarks)
    except ManifestError as error:
        return [], [str(error)]
    again = read_manifest(path, remarks=remarks)
    assert again == rows
    return rows, remarks.sentences()  # of two readings as of one


@pytest.mark.parametrize("name", FILES)
def test_one_odd_row_is_named_and_the_others_are_read(tmp_path, name):
    content, message, read = FILES[name]
    write(tmp_path, {name: content})
    rows, said = read_all(tmp_path / name)
    assert " ".join(row.id for row in rows) == read
    assert bool(said) == (message is not None)
    assert message is None or re.search(message, said[0]), said
    assert not any("\n" in sentence for sentence in said)


PARTS = {  # columns, a row, where the part begins and ends
    "offset,duration": ("1.5,2", 1.5, 3.5),
    "duration,offset": ("2,1.5", 1.5, 3.5),
    "start,end": ("1.5,3.5", 1.5, 3.5),
    "Begin,END": ("1.5,3.5", 1.5, 3.5),
    "start_time,end_time": ("1.5,3.5", 1.5, 3.5),
    "start (s),stop (s)": ("1.5,3.5", 1.5, 3.5),
    "start_ms,end_ms": ("1500,3500", 1.5, 3.5),
    "offset,duration_ms": ("1.5,2000", 1.5, 3.5),
    "start,end,duration": ("1.5,3.5,60", 1.5, 3.5),
    "begin_time,stop": ("00:00:01.500,0:03.5", 1.5, 3.5),
    "offset": ("1.5", 1.5, None),
    "end": ("3.5", 0.0, 3.5),
    "offset,duration,": (",2,", 0.0, None),
    "duration": ("2", 0.0, None),
}


@pytest.mark.parametrize("columns", PARTS)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_parts_of_files_are_named_in_many_ways(tmp_path, columns, kind):
    values, start, end = PARTS[columns]
    separator = "\t" if kind == "tsv" else ","
    names, cells = f"path,{columns},text".split(","), f"a.wav,{values},x".split(",")
    lines = [separator.join(names), separator.join(cells)]
    if kind == "jsonl":
        filled = {n: float(c) if c.isdigit() else c for n, c in zip(names, cells, strict=True) if c}
        lines = [json.dumps(filled)]
    path = tmp_path / f"m.{kind}"
    path.write_text("\n".join(lines))
    rows, said = read_all(path)
    assert [(row.start, row.end, row.text) for row in rows] == [(start, end, "x")]
    assert said == []
    if end is not None:
        assert rows[0].seconds == pytest.approx(end - start)


NAMES = {  # what some programs call recording and text
    "common voice": "client_id\tpath\tsentence\nme\ta.wav\thi\n",
    "audiofolder": "file_name,transcription,speaker_id\na.wav,hi,me\n",
    "DeepSpeech": "wav_filename,wav_filesize,transcript,spk\na.wav,1,hi,me\n",
    "Coqui": "audio_file|text|speaker_name\na.wav|hi|me\n",
    "VoxPopuli": "audio\traw_text\tnormalized_text\tspeaker_id\na.wav\tHi!\thi\tme\n",
    "SpeechBrain": "ID,duration,wav,wrd,spk_id\na,2.5,a.wav,hi,me\n",
    "WeNet": '{"key": "a", "wav": "a.wav", "txt": "hi", "speaker": "me"}\n',
    "Hugging Face": '{"audio": {"path": "a.wav"}, "sentence": "hi", "speaker_id": "me"}\n',
}


@pytest.mark.parametrize("name", NAMES)
def test_other_names_of_the_columns_are_known(tmp_path, name):
    write(tmp_path, {"m": NAMES[name]})
    ((row,), said) = read_all(tmp_path / "m")
    assert (row.id, row.path, row.text, row.speaker) == ("a", tmp_path / "a.wav", "hi", "me")
    twice = ["the column raw_text of m is not used"] if "raw_text" in NAMES[name] else []
    assert said == twice


def test_paths_of_windows_are_found(tmp_path):
    write(tmp_path, {"m.csv": "path,text\nclips\\a.wav,hi\n", "clips/a.wav": ""})
    assert read_manifest(tmp_path / "m.csv")[0].path == tmp_path / "clips" / "a.wav"


GOOD = {"wav.scp": "u x.wav\n", "text": "u hi\n"}
FOLDERS = {  # name: (files beside GOOD, what is said, names of the rows that are read)
    "command": ({"wav.scp": "u sph2pipe -f wav x.sph |\n"}, "wav.scp line 1 is a command", ""),
    "input": (
        {"wav.scp": "v y.wav\nu -\n", "text": "v a\nu b\n"},
        "1 row left out: wav.scp line 2 is a command",
        "v",
    ),
    "archive": ({"wav.scp": "u feats.ark:123\n"}, "Kaldi archive", ""),
    "nothing": ({"wav.scp": "u\n"}, "wav.scp line 1 names no recording", ""),
    "untold": ({"text": "v hi\n"}, r"1 row without a text, not scored: wav.scp line 1 \(u\)", "u"),
    "unheard": ({"text": "u hi\nv hi\n"}, "1 line of text without a recording, not used: v", "u"),
    "twice": ({"text": "u hi\nu ho\n"}, "text line 2 says of u another thing", "u"),
    "lost": ({"segments": "u y 0 1\n"}, "segments line 1: the recording y is not in wav.scp", ""),
    "few": ({"segments": "\nu u 0\n"}, "segments line 2 needs", ""),
    "backwards": ({"segments": "u u 2 1\nv u 0 1\n"}, "ends before it starts", "v"),
    "when": ({"segments": "u u zero 1\n"}, "segments line 1: the start is 'zero'", ""),
    "early": ({"segments": "u u -0.01 1\n"}, "1 part said to begin before the recording", "u"),
    "channel": ({"segments": "u u 0 1 B\n"}, "1 channel of segments not used", "u"),
    "channels": (
        {"reco2file_and_channel": "u u B\n"},
        "1 channel of reco2file_and_channel not used",
        "u",
    ),
    "who": ({"utt2spk": "u\n"}, "1 line not used: utt2spk line 1 is incomplete", "u"),
    "long": ({"utt2dur": "u 1s\n"}, "1 length not used: utt2dur: the length of u", "u"),
    "latin": ({}, "text is not UTF-8", ""),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_one_odd_kaldi_line_is_named_and_the_others_are_read(tmp_path, name):
    files, message, read = FOLDERS[name]
    write(tmp_path, GOOD | files)
    if name == "latin":
        (tmp_path / "text").write_bytes("u für\n".encode("latin-1"))
    rows, said = read_all(tmp_path)
    assert " ".join(row.id for row in rows) == read
    assert re.search(message, said[0]), said


def test_a_command_in_wav_scp_is_not_run(tmp_path):
    write(tmp_path, GOOD | {"wav.scp": f"u touch {tmp_path}/ran |\n"})
    with pytest.raises(ManifestError):
        read_manifest(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_what_is_no_data_set_is_said(tmp_path):
    with pytest.raises(ManifestError, match=r"neither wav\.scp \(Kaldi\)"):
        read_manifest(tmp_path)
    with pytest.raises(ManifestError, match="there is no file or folder"):
        read_manifest(tmp_path / "nowhere")
    write(tmp_path / "libri" / "1" / "2", {"1-2.trans.txt": "1-2-0 HI\n"})
    with pytest.raises(ManifestError, match=r"1-2.trans.txt line 1: there is no 1-2-0.flac"):
        read_manifest(tmp_path / "libri")


def test_a_folder_without_transcripts_is_read_without_references(tmp_path):
    write(tmp_path, {"wav.scp": "u x.wav\nv y.wav\n"})
    rows, said = read_all(tmp_path)
    assert [(row.id, row.text) for row in rows] == [("u", None), ("v", None)]
    assert said == [f"{tmp_path.name}/ has no file text, so nothing is scored"]
    write(tmp_path, {"text": "u\nv a\n"})  # an empty text is a text: nothing was said
    assert [row.text for row in read_manifest(tmp_path)] == ["", "a"]
    write(tmp_path, {"m.json": '{"audio_filepath": "x", "text": ""}'})
    assert [row.text for row in read_manifest(tmp_path / "m.json")] == [""]


def test_missing_recordings_are_left_out_before_they_are_needed(tmp_path):
    write(tmp_path, {"m.csv": "path,text\na.wav,x\nb.wav,y\nc.wav,z\n", "a.wav": ""})
    rows, said = read_manifest(tmp_path / "m.csv"), []
    assert with_audio(rows, "m.csv", said.append) == rows[:1]
    assert re.fullmatch(r"m.csv names .*b.wav and 1 more; they are left out", said[0])
    with pytest.raises(ManifestError, match=r"m.csv names .*b.wav and 1 more$"):
        with_audio(rows[1:], "m.csv")


def test_learning_takes_the_rows_that_have_a_text(tmp_path):
    write(tmp_path, {"m.csv": "path,text\na.wav,x\nb.wav,\nbroken\n"})
    said = []
    assert [row.id for row in read_transcribed(tmp_path / "m.csv", say=said.append)] == ["a"]
    assert said == [
        "m.csv: 1 row without a text, not scored: m.csv line 3",
        "m.csv: 1 row left out: m.csv line 4 is incomplete: 1 of 2 columns",
    ]
    write(tmp_path, {"m.csv": "path\na.wav\n"})
    with pytest.raises(ManifestError, match=r"no row of m\.csv has a text"):
        read_transcribed(tmp_path / "m.csv")


def test_rows_come_one_by_one(tmp_path):
    """The file is still being read while the first row is already at work."""
    write(tmp_path, {"m.csv": "path,text\na.wav,x\nbroken\n"})
    remarks = Remarks()
    rows = iterate_manifest(tmp_path / "m.csv", remarks=remarks)
    assert next(rows).id == "a"
    assert remarks.sentences() == []
    assert next(rows, None) is None
    assert remarks.first_left_out == "m.csv line 3 is incomplete: 1 of 2 columns"


def test_what_systems_leave_in_folders_is_no_part_of_a_data_set(tmp_path):
    """macOS, its archives, hidden folders of editors."""
    mac = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(range(256))
    chapter = tmp_path / "libri" / "84" / "121"
    write(chapter, {"84-121.trans.txt": "84-121-0 HI\n84-121-1 HO\n", "84-121-0.flac": ""})
    for name in ("._84-121.trans.txt", "._84-121-0.flac", ".DS_Store", "Thumbs.db"):
        (chapter / name).write_bytes(mac)
    write(tmp_path / "libri" / "__MACOSX" / "121", {"1.trans.txt": "1-0 NO\n"})
    rows, said = read_all(tmp_path / "libri")
    assert [row.id for row in rows] == ["84-121-0"]
    assert said == ["1 row left out: 84-121.trans.txt line 2: there is no 84-121-1.flac beside it"]
    write(tmp_path / "folder", {"a.wav": "", "b/c.WAV": "", "desktop.ini": ""})
    for name in ("._a.wav", "b/._c.WAV", "__MACOSX/a.wav", ".cache/a.wav", ".DS_Store"):
        (tmp_path / "folder" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(mac)
    assert [item.id for item in read_items(tmp_path / "folder")] == ["a.wav", "b/c.WAV"]


def test_a_file_that_is_longer_than_its_data_set_says_is_warned_of(tmp_path):
    soundfile.write(tmp_path / "a.wav", hum(3.0), 16_000)
    row = Utterance("a", tmp_path / "a.wav", "", seconds=1.0)
    warned = load_utterance(row).warnings
    assert warned == ("the data set says 1 s, but the file lasts 3.0 s; all of it was used",)
    assert load_utterance(replace(row, seconds=2.8)).warnings == ()


def test_reading_needs_neither_torch_nor_streamlit():
    code = "import sys, models.corpora.corpus; print({'torch', 'streamlit'} & set(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"


CELL = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=20)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_json_lines_give_back_what_was_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("nemo") / "m.jsonl"
    lines = [json.dumps({"audio_filepath": name, "text": text}) for name, text in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    found = read_manifest(path)
    assert [row.text for row in found] == [text for _, text in rows]
    assert [row.path for row in found] == [path.parent / name for name, _ in rows]
    assert len({row.id for row in found}) == len(rows)


def archive() -> bytes:
    """A LibriSpeech subset of one utterance, packed as OpenSLR packs it."""
    file, audio = io.BytesIO(), io.BytesIO()
    soundfile.write(audio, np.zeros(1600), 16_000, format="FLAC")
    chapter = "LibriSpeech/dev-clean/84/121123/84-121123"
    files = {".trans.txt": b"84-121123-0000 GO DO YOU HEAR\n", "-0000.flac": audio.getvalue()}
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for ending, content in files.items():
            info = tarfile.TarInfo(chapter + ending)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def test_a_downloaded_subset_is_read_as_a_librispeech_folder(tmp_path, monkeypatch):
    asked = []

    def fetch(url, path, **_):
        asked.append(url)
        Path(path).write_bytes(archive())

    monkeypatch.setattr(torchaudio.datasets.librispeech, "download_url_to_file", fetch)
    (row,) = read_manifest(download("dev-clean", tmp_path))
    assert (row.id, row.text, row.speaker) == ("84-121123-0000", "GO DO YOU HEAR", "84")
    assert load_utterance(row).seconds == pytest.approx(0.1)
    assert download("dev-clean", tmp_path) == tmp_path / "LibriSpeech" / "dev-clean"
    assert len(asked) == 1  # the second call finds the first one's folder
    assert asked[0].endswith("dev-clean.tar.gz")


def test_an_interrupted_unpacking_is_not_taken_for_the_whole(tmp_path, monkeypatch):
    half = tmp_path / "downloads" / "LibriSpeech" / "dev-clean" / "84"
    half.mkdir(parents=True)
    monkeypatch.setattr(
        torchaudio.datasets.librispeech,
        "download_url_to_file",
        lambda url, path, **_: Path(path).write_bytes(archive()),
    )
    assert len(read_manifest(download("dev-clean", tmp_path))) == 1


def test_being_offline_is_said(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torchaudio.datasets.librispeech, "download_url_to_file", fail)
    with pytest.raises(ManifestError, match=r"could not be downloaded .*check the connection"):
        download("train-clean-100", tmp_path)
    with pytest.raises(ManifestError, match="no LibriSpeech subset 'mini'"):
        download("mini", tmp_path)
