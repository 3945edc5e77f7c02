"""Texts for training: what a synthesiser is given to read, and the phones of words."""

import sys
from types import ModuleType

import pytest

from models.training import fusion, lexicon, score, synthesise


def test_sentences_that_cannot_be_read_as_they_are_end_in_a_sentence(tmp_path, capsys):
    with pytest.raises(ValueError, match="no sentence is spelled"):
        synthesise.plan(["In 1999 Mr. X left."], [""], 0.1, 1)
    lines = synthesise.plan(["In 1999 Mr. X left."], ["so it is"], 0.001, 1)
    assert {line.text for line in lines} == {"so it is"}
    (tmp_path / "text.txt").write_text("In 1999 Mr. X left.\n")
    for name, message in (("text.txt", "no sentence"), ("none.txt", "none.txt cannot be read")):
        arguments = ["--sentences", str(tmp_path / name), "--out", str(tmp_path / "out")]
        assert synthesise.main(arguments) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("voice", "how"), [("heart", "hibari-tts"), ("joe", "piper-tts"), ("slt", "apt install flite")]
)
def test_a_voice_that_is_not_installed_is_named(voice, how, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(synthesise, "find_spec", lambda _: None)
    monkeypatch.setattr(synthesise.shutil, "which", lambda _: None)
    (tmp_path / "text.txt").write_text("so it is\n")
    arguments = ["--sentences", str(tmp_path / "text.txt"), "--out", str(tmp_path / "out")]
    assert synthesise.main([*arguments, "--voices", f"{voice}=1"]) == 1
    said = capsys.readouterr().err
    assert f"the voice {voice} is not installed" in said
    assert how in said


@pytest.mark.parametrize("command", [score, fusion])
@pytest.mark.parametrize("wrong", [("--beam", "0"), ("--ctc-weight", "1.5"), ("--limit", "none")])
def test_numbers_that_make_no_sense_are_wrong_usage(command, wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["corpus.tsv", *wrong])
    assert ended.value.code == 2
    assert repr(wrong[1]) in capsys.readouterr().err


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "m.csv").write_text('path,text\na.wav,"A cat, a hat"\n')
    return tmp_path / "m.csv"


def test_a_lexicon_has_every_word_once(manifest, tmp_path, monkeypatch):
    g2p = ModuleType("hibari.g2p")
    g2p.G2P = lambda: lambda word: ["ˈ", *word.upper()]
    monkeypatch.setitem(sys.modules, "hibari", ModuleType("hibari"))
    monkeypatch.setitem(sys.modules, "hibari.g2p", g2p)
    out = tmp_path / "lexicon.tsv"
    assert lexicon.main([str(manifest), "--out", str(out)]) == 0
    assert lexicon.read_lexicon(out) == {"a": ["A"], "cat": [*"CAT"], "hat": [*"HAT"]}


def test_a_lexicon_that_cannot_be_made_ends_in_a_sentence(manifest, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "hibari", None)
    monkeypatch.setitem(sys.modules, "hibari.g2p", None)
    assert lexicon.main([str(manifest), "--out", str(tmp_path / "lexicon.tsv")]) == 1
    assert "lexicon: hibari-tts is not installed" in capsys.readouterr().err
    g2p = ModuleType("hibari.g2p")
    g2p.G2P = lambda: list
    monkeypatch.setitem(sys.modules, "hibari", ModuleType("hibari"))
    monkeypatch.setitem(sys.modules, "hibari.g2p", g2p)
    assert lexicon.main([str(tmp_path / "none.csv"), "--out", str(tmp_path / "lexicon.tsv")]) == 1
    assert "lexicon: there is no file or folder" in capsys.readouterr().err
