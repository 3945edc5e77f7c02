"""Choosing the language model's weight, and what is said of data it cannot be chosen on."""

import json
from pathlib import Path

import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from models.checkpoint import Card
from models.corpora.utterance import Utterance
from models.decoding.language_model import save
from models.text import Alphabet
from models.training import fusion
from tests.support.recordings import hum
from tests.test_language_model import learnt, letters, write_manifest

TEXTS = ("a", "b", "c", "d", "hum")


def spoken(folder: Path, checkpoints: Path, rows: list[tuple[str, str]]) -> list[str]:
    """A manifest of hums with these texts and corpora, and all models: the command's arguments."""
    for path in checkpoints.iterdir():
        (folder / path.name).symlink_to(path)
    model = learnt("low hum", "a hum", order=3, alphabet=Alphabet())
    save(model, folder / "lm.safetensors", Card("lm", {}, Alphabet().tokens))
    named = [(f"{number}.wav", text, "dev", corpus) for number, (text, corpus) in enumerate(rows)]
    for name, *_ in named:
        soundfile.write(folder / name, hum(0.4), 16_000)
    write_manifest(folder / "data.tsv", named)
    return [str(folder / "data.tsv"), "--checkpoints", str(folder)]


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("xyz"), letters), max_size=40), st.integers(1, 9))
def test_halves_share_no_text_and_no_recording_is_lost(rows, limit):
    utterances = [
        Utterance(str(number), path=f"{number}.wav", text=text, corpus=corpus)
        for number, (corpus, text) in enumerate(rows)
    ]
    chosen = fusion.choose(utterances, limit)
    for corpus in "xyz":
        size = sum(row.corpus == corpus for row in utterances)
        assert sum(row.corpus == corpus for row in chosen) == min(size, limit)
    first, second = fusion.halves(chosen)
    assert sorted(row.id for row in first + second) == sorted(row.id for row in chosen)
    assert not {row.text for row in first} & {row.text for row in second}


def test_fusion_is_tuned_on_one_half_and_measured_on_the_other(tmp_path, checkpoints, capsys):
    arguments = spoken(tmp_path, checkpoints, [(text, "x") for text in TEXTS])
    sizes = [len(half) for half in fusion.halves(fusion.read_transcribed(tmp_path / "data.tsv"))]
    arguments += ["--beam", "2"]
    arguments += ["--lm-weights", "0.1,2", "--word-bonuses", "0,-5", "--variants", "ctc,dot"]
    assert fusion.main(arguments) == 0
    printed = capsys.readouterr()
    results = json.loads(printed.out)
    assert [each["variant"] for each in results] == ["ctc", "dot"]
    for each in results:
        assert [each["tuned_on"]["recordings"], each["other_half"]["recordings"]] == sizes
        tried = [line for line in printed.err.splitlines() if line.startswith(each["variant"])]
        rates = [float(line.split(" x ")[1].split(" %")[0]) for line in tried[:4]]
        assert 100 * each["tuned_on"]["wer"]["x"] == pytest.approx(min(rates), abs=0.06)
    assert fusion.main([*arguments[:1], "--checkpoints", str(tmp_path / "none")]) == 1
    assert "fusion: there is no language model" in capsys.readouterr().err


def test_a_corpus_without_words_has_no_rate(tmp_path, checkpoints, capsys):
    rows = [(text, "x") for text in TEXTS] + [(text, "y") for text in ("?", "!", "...", "-", ".")]
    arguments = spoken(tmp_path, checkpoints, rows)
    assert fusion.main([*arguments, "--lm-weights", "0.5", "--word-bonuses", "0"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert list(found["tuned_on"]["wer"]) == list(found["other_half"]["wer"]) == ["x"]


def test_nothing_is_heard_where_a_half_has_no_words(tmp_path, checkpoints, capsys, monkeypatch):
    monkeypatch.setattr(fusion, "hear", lambda *_: pytest.fail("heard"))
    rows = [("a", "x"), *((text, "x") for text in ("?", "!", "...", "-", "."))]
    assert fusion.main(spoken(tmp_path, checkpoints, rows)) == 1
    assert "too few texts" in capsys.readouterr().err


def test_a_recording_that_cannot_be_read_is_one_sentence(tmp_path, checkpoints, capsys):
    arguments = spoken(tmp_path, checkpoints, [(text, "x") for text in TEXTS])
    (tmp_path / "0.wav").write_bytes(b"")
    assert fusion.main(arguments) == 1
    assert "fusion: 0.wav is not an audio file" in capsys.readouterr().err


def test_a_weight_below_nothing_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        fusion.main(["corpus.tsv", "--lm-weights", "0.3,-1"])
    assert ended.value.code == 2
    assert "'-1' is not a number between 0 and 10" in capsys.readouterr().err
