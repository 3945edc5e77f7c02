"""One's own data: alphabets, fine-tuning, encoder and decoder together, run folders."""

import json
import shutil
import unicodedata
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from analysis.scoring.normalisers import normalise
from models import checkpoint, recogniser
from models.audio import load
from models.checkpoint import Card, CheckpointError
from models.corpora.utterance import TrainingError
from models.decoders.lstm import build_decoder
from models.encoders import LSTMEncoder
from models.features import MEL_BINS
from models.text import ENGLISH, Alphabet, alphabet_of, count_characters
from models.training import encode, extract, train
from models.training.data import Data, DataOptions
from models.training.finetune import read_start, start_from
from tests.support.checkpoints import TINY_DECODER, TINY_ENCODER

SCRIPTS = {  # what a transcript looks like, and what is learned of it
    "Greek": ("Καλημέρα, κόσμε!", "καλημέρα κόσμε"),
    "Russian": ("Съешь ещё этих мягких булок.", "съешь ещё этих мягких булок"),
    "German": ("Zwölf Boxkämpfer – „große Straße“", "zwölf boxkämpfer große straße"),
    "Chinese": ("你好，世界。", "你好 世界"),
    "Hindi": ("नमस्ते दुनिया!", "नमस्ते दुनिया"),
    "Persian": ("می\u200cخواهم", "میخواهم"),
    "decomposed": ("cafe\u0301", "café"),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_foreign_letters_survive_spelling_and_numbering(script):
    written, spelt = SCRIPTS[script]
    assert normalise(written, "basic") == spelt
    alphabet = alphabet_of(count_characters([spelt]))
    assert alphabet.decode(alphabet.encode(unicodedata.normalize("NFD", spelt))) == spelt
    assert Alphabet().encode("cafe\u0301") == Alphabet().encode("caf")


def test_english_text_gives_the_shipped_alphabet():
    text = "the quick brown fox doesn't jump over the lazy dog"
    assert alphabet_of(count_characters([text])).tokens == ENGLISH
    assert alphabet_of(count_characters(["b a a"]), least=2).tokens == (
        "<blank>", " ", "a", "<eos>"
    )  # fmt: skip


@given(st.lists(st.text(max_size=12), max_size=5))
def test_an_alphabet_writes_all_it_was_made_of(texts):
    alphabet = alphabet_of(count_characters(texts))
    for text in texts:
        spelt = unicodedata.normalize("NFC", " ".join(text.split()))
        assert alphabet.decode(alphabet.encode(spelt)) == spelt


def save(folder: Path, name: str, model, config, alphabet: Alphabet, encoder: str = "") -> Path:
    path = folder / f"{name}.safetensors"
    config = asdict(replace(config, vocabulary=len(alphabet)) if name == "encoder" else config)
    checkpoint.save(model, path, Card(name, config, alphabet.tokens, encoder))
    return path


OLD, NEW = (
    Alphabet(("<blank>", " ", "a", "b", "<eos>")),
    Alphabet(("<blank>", " ", "b", "ü", "<eos>")),
)


def test_characters_known_to_both_alphabets_keep_their_rows(tmp_path):
    old = build_decoder("location", len(OLD), 16, TINY_DECODER)
    path = save(tmp_path, "location", old, TINY_DECODER, OLD)
    new = build_decoder("location", len(NEW), 16, TINY_DECODER)
    fresh = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    start = start_from(new, path, read_start(path, ("location",)), NEW)
    assert (start.new, start.dropped) == (("ü",), ("a",))
    assert start.layers == ("embedding", "output")
    assert "newly initialised in embedding, output: ü; left behind: a" in str(start)
    old, new = old.state_dict(), new.state_dict()
    for name in ("embedding.weight", "output.weight", "output.bias"):
        same = torch.allclose(new[name][[0, 1, 2, 4]], old[name][[0, 1, 3, 4]], atol=1e-3)
        assert same, name
        assert torch.equal(new[name][3], fresh[name][3])
    assert all(torch.allclose(new[name], old[name], atol=1e-3)
               for name in old if name.split(".")[0] not in start.layers)  # fmt: skip


def test_the_same_alphabet_takes_over_everything(tmp_path):
    old, new = (LSTMEncoder(replace(TINY_ENCODER, vocabulary=len(OLD), phones=p)) for p in (0, 3))
    path = save(tmp_path, "encoder", old, TINY_ENCODER, OLD)
    start = start_from(new, path, read_start(path, ("encoder",)), OLD)
    assert str(start) == "starting from encoder.safetensors"
    assert torch.allclose(new.ctc.weight, old.ctc.weight, atol=1e-3)


@pytest.mark.parametrize("alphabet", [OLD, NEW], ids=["same letters", "other letters"])
@pytest.mark.parametrize("conditioned", [False, True])
def test_an_encoder_with_more_layers_starts_where_the_checkpoint_stood(
    tmp_path, alphabet, conditioned
):
    """Slow layers and conditions are added; those that were there already stay as they were."""
    sizes = replace(TINY_ENCODER, vocabulary=len(OLD), layers=2, slow_layers=1)
    sizes = replace(sizes, conditioned=conditioned)
    old = LSTMEncoder(sizes)
    for condition in old.conditions:
        condition.told.data.normal_()
        condition.ctc.bias.data[len(OLD) - 1] = 20.0  # spelt everywhere, in either alphabet
    path = save(tmp_path, "encoder", old, sizes, OLD)
    grown = LSTMEncoder(replace(sizes, vocabulary=len(alphabet), slow_layers=3, conditioned=True))
    start_from(grown, path, read_start(path, ("encoder",)), alphabet)
    features, lengths = torch.randn(2, 50, MEL_BINS), torch.tensor([50, 23])
    (before, _), (now, _) = (e.eval()(features, lengths) for e in (old, grown))
    torch.testing.assert_close(now, before, atol=2e-2, rtol=0)  # the checkpoint holds fp16


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path):
    path = save(
        tmp_path, "encoder", LSTMEncoder(replace(TINY_ENCODER, vocabulary=5)), TINY_ENCODER, OLD
    )
    card = read_start(path, ("encoder",))
    for alphabet in (OLD, NEW):
        wide = LSTMEncoder(replace(TINY_ENCODER, units=9, vocabulary=5))
        with pytest.raises(CheckpointError, match="wrong shape"):
            start_from(wide, path, card, alphabet)
    with pytest.raises(CheckpointError, match=r"encoder.safetensors holds encoder;.* is dot"):
        read_start(path, ("dot",))
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        read_start(tmp_path / "none.safetensors", ("dot",))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """Eight recordings of half a second and a manifest of them in four scripts."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    texts = [SCRIPTS[name][0] for name in ("Greek", "Russian", "German", "Chinese")]
    lines = []
    for number in range(8):
        soundfile.write(folder / f"{number}.wav", rng.normal(size=8000) * 0.1, 16_000)
        row = {"audio_filepath": f"{number}.wav", "text": texts[number % 4], "duration": 0.5}
        lines.append(json.dumps(row | {"split": "dev" if number > 5 else "train"}))
    (folder / "own.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def command(variant: str, data: Path, out: Path, folder: Path, *more: str) -> list[str]:
    """A training of two updates, small and exact."""
    return ["--variant", variant, "--data", str(data), "--dev", str(data), "--out", str(out),
            "--checkpoints", str(folder), "--copies", "1", "--updates", "2", "--fp32",
            "--batch-seconds", "2", *more]  # fmt: skip


def continued(checkpoints: Path, path: Path) -> str:
    """The tiny location decoder as if it had been trained twice."""
    for end in (".safetensors", ".json"):
        shutil.copy((checkpoints / path.name).with_suffix(end), path.with_suffix(end))
    card = replace(checkpoint.read_card(path), training={"updates": 30, "updates_before": 10})
    checkpoint.write_card(card, path)
    return str(path)


@pytest.fixture(scope="module")
def foreign(checkpoints, recordings, tmp_path_factory) -> Path:
    """A folder with an encoder and a decoder for four scripts, fine-tuned from English ones."""
    folder = tmp_path_factory.mktemp("foreign")
    start, out, data = str(checkpoints / "encoder.safetensors"), folder / "runs", recordings
    encoder = command("ctc", data / "own.jsonl", out / "ctc", folder / "mine", "--init", start)
    assert train.main([*encoder, "--alphabet", "data", "--rare", "1"]) == 0
    start = continued(checkpoints, folder / "location.safetensors")
    decoder = command("location", data / "own.jsonl", out / "loc", folder / "mine", "--init", start)
    assert train.main(decoder) == 0
    return folder


def test_text_in_any_script_is_trained_and_decoded(foreign, recordings):
    """What comes out of two updates is no words, but it is written in the data's letters."""
    variant = recogniser.load_variant("location", foreign / "mine")
    learned = {c for name in ("Greek", "Russian", "German", "Chinese") for c in SCRIPTS[name][1]}
    # the last two recordings, one of them the Chinese one, are for dev; others repeat it
    assert set(variant.alphabet.tokens[1:-1]) == learned
    assert variant.info.card.training["init"] == ["location.safetensors"]
    assert variant.info.card.training["updates_before"] == 40  # of weights that began elsewhere
    assert variant.info.card.config == asdict(TINY_DECODER)
    assert set(variant.info.card.scores) == {"own_wer", "own_cer"}
    assert recogniser.load_variant("ctc", foreign / "mine").alphabet == variant.alphabet
    encoder = recogniser.load_encoder(foreign / "mine")
    encoded = recogniser.encode(encoder, [load(recordings / "0.wav")])
    (decoded,) = variant.decode(encoded)
    assert set(decoded.text) <= learned
    assert set(decoded.alignment.tokens) <= set(variant.alphabet.tokens)


def test_what_was_newly_initialised_is_said(checkpoints, recordings, tmp_path, capsys):
    start = str(checkpoints / "encoder.safetensors")
    arguments = command("ctc", recordings / "own.jsonl", tmp_path / "run", tmp_path / "mine")
    arguments += ["--init", start, "--alphabet", "data", "--rare", "2", "--export"]
    assert train.main(arguments) == 0
    said = capsys.readouterr().err
    assert "alphabet of the data: " in said
    assert "left out, seen less than 2 times: " in said
    assert "newly initialised in ctc: " in said


def test_the_wrong_alphabet_is_said(checkpoints, recordings, tmp_path, capsys):
    arguments = command("dot", recordings / "own.jsonl", tmp_path / "run", checkpoints)
    assert train.main(arguments) == 1
    message = capsys.readouterr().err
    assert "the alphabet lacks most characters of own.jsonl" in message
    assert "--alphabet data" in message
    assert len(message.splitlines()) == 1


@pytest.fixture
def english(recordings, tmp_path) -> Path:
    """The recordings as a Kaldi folder with English transcripts, and no splits."""
    scp = "".join(f"u{n} {recordings}/{n}.wav\n" for n in range(8))
    (tmp_path / "kaldi").mkdir()
    (tmp_path / "kaldi" / "wav.scp").write_text(scp)
    (tmp_path / "kaldi" / "text").write_text("".join(f"u{n} Ab, ca\n" for n in range(8)))
    return tmp_path / "kaldi"


def test_encoder_and_decoder_trained_together_make_a_folder_of_their_own(
    checkpoints, english, tmp_path, capsys
):
    init = [f"--init={checkpoints / name}.safetensors" for name in ("encoder", "dot")]
    folder = tmp_path / "joint"
    arguments = command("dot", english, tmp_path / "run", folder, "--joint", "0.4", *init)
    assert train.main([*arguments, "--average", "0.9"]) == 0
    assert "kaldi has no splits: what is scored is also learned from" in capsys.readouterr().err
    variant = recogniser.load_variant("dot", folder)
    assert variant.info.card.training["joint"] == "dot"
    assert variant.info.card.training["ctc_weight"] == 0.4
    encoder = recogniser.load_encoder(folder)
    encoded = recogniser.encode(encoder, [load(Path(english.parent / "kaldi/wav.scp").read_text()
                                               .split()[1])])  # fmt: skip
    assert len(variant.decode(encoded)) == 1
    before = load_file(checkpoints / "encoder.safetensors")
    after = load_file(folder / "encoder.safetensors")
    assert not torch.equal(before["projection.weight"], after["projection.weight"])
    # again: the same run may write there, another mechanism's may not
    assert train.main([*arguments, "--export"]) == 0
    other = [a.replace("dot", "location") for a in arguments]
    assert train.main(other) == 1
    assert "already holds an encoder of another run" in capsys.readouterr().err


WRONG = {
    "no data": (["--variant", "ctc"], "nothing to learn from"),
    "only dev": (["--variant", "ctc", "--download", "dev-clean"], "nothing to learn from"),
    "joint ctc": (["--variant", "ctc", "--joint", "--data", "x"], "name a mechanism"),
    "joint at home": (["--variant", "dot", "--joint", "--data", "x"], "--checkpoints"),
    "decoder's letters": (["--variant", "dot", "--alphabet", "data", "--data", "x"], "encoder's"),
    "weight": (
        ["--variant", "dot", "--joint", "2", "--data", "x", "--checkpoints", "c"],
        "weight of --joint",
    ),
    "decay": (["--variant", "ctc", "--data", "x", "--average", "1"], "decay of --average"),
    "subset": (["--variant", "ctc", "--download", "train-tiny"], "train-tiny"),
}


NUMBERS = {  # what is no number of its kind, by flag
    "--copies": ("0", "1.5"), "--updates": ("0", "-3"), "--batch-seconds": ("0", "nan"),
    "--rate": ("0", "inf"), "--warmup": ("-1",), "--longest": ("0",), "--threads": ("0",),
    "--rare": ("0",), "--masking": ("-1", "6"), "--dropout": ("1", "-0.1"), "--seed": ("-1",),
    "--slow-layers": ("-1",), "--average": ("1", "nan"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("flag", "value"), [(flag, value) for flag, values in NUMBERS.items() for value in values]
)
def test_numbers_that_make_no_training_are_wrong_usage(tmp_path, capsys, flag, value):
    arguments = ["--variant", "ctc", "--data", "x.tsv", "--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as stop:
        train.main([*arguments, f"{flag}={value}"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert flag in said.splitlines()[-1]
    assert "between 0 and 1" in said or f"'{value}' is not a" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", [extract, encode])
def test_stores_of_nothing_are_wrong_usage(tmp_path, capsys, command):
    flag = "--copies" if command is extract else "--longest"
    with pytest.raises(SystemExit) as stop:
        command.main(["x", "--out", str(tmp_path / "store"), flag, "0"])
    assert stop.value.code == 2
    assert f"{flag}: '0' is not a" in capsys.readouterr().err


def test_help_says_what_is_usual(capsys):
    with pytest.raises(SystemExit):
        train.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    for usual in (
        "15000 for ctc and --joint, 6000 for --init whisper:, 3000 for RNN decoders and Transform",
        "0.0012 for ctc and --joint, 0.002 for --init whisper: and RNN decoders, 0.0015 for Transf",
        "128 for ctc, 96 for --joint, 72 for --init whisper:, 100 for RNN decoders and Transf",
    ):
        assert usual in said
    for what in (
        "of a data set (default 4)",
        "0: none; default 1.0",
        "layers (default 0.1)",
        "augmentation (default 1)",
        "seconds (default 20.5)",
        "character (default 2)",
    ):
        assert what in said


@pytest.mark.parametrize("name", WRONG)
def test_combinations_that_cannot_be_meant_are_wrong_usage(tmp_path, capsys, name):
    arguments, message = WRONG[name]
    with pytest.raises(SystemExit) as stop:
        train.main([*arguments, "--out", str(tmp_path / "run")])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_run_folder_is_not_continued_as_another_run(checkpoints, english, tmp_path, capsys):
    arguments = command("dot", english, tmp_path / "run", checkpoints, "--export")
    folder = shutil.copytree(checkpoints, tmp_path / "copy")
    arguments[arguments.index(str(checkpoints))] = str(folder)
    assert train.main(arguments) == 0
    assert train.main([*arguments, "--seed", "2"]) == 1
    assert "holds a run of seed 1, not 2" in capsys.readouterr().err
    assert train.main([a.replace("dot", "location") for a in arguments]) == 1
    assert "holds a run of variant dot, not location" in capsys.readouterr().err


def test_downloaded_subsets_are_learned_from_or_scored(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("models.training.data.download", lambda name, to: asked.append((name, to)))
    for subset, speaker in (("train-clean-100", "1"), ("test-other", "2")):
        chapter = tmp_path / "LibriSpeech" / subset / speaker / "3"
        chapter.mkdir(parents=True)
        (chapter / f"{speaker}-3.trans.txt").write_text(f"{speaker}-3-0 IT'S {subset[:4]}\n")
        soundfile.write(chapter / f"{speaker}-3-0.flac", np.zeros(8000), 16_000)
    data = Data(
        DataOptions((), download=("train-clean-100", "test-other"), downloads=tmp_path,
                    folder=tmp_path / "features", copies=1)
    )  # fmt: skip
    assert asked == [("train-clean-100", tmp_path), ("test-other", tmp_path)]
    assert [store.texts for store, _ in data.train] == [("it's trai",)]
    assert data.dev["test-other"].texts == ("it's test",)


def test_dev_sets_of_one_name_are_all_scored(english, tmp_path):
    (features := tmp_path / "features").mkdir()
    Data(DataOptions((str(english),), folder=features, copies=1))
    (store,) = features.iterdir()
    folders = [tmp_path / "x" / "dev", tmp_path / "1" / "y" / "dev", tmp_path / "2" / "y" / "dev"]
    for folder in folders:
        shutil.copytree(store, folder)
    data = Data(DataOptions((), dev=tuple(map(str, folders))))
    assert list(data.dev) == ["dev", "y_dev", "y_dev-2"]


def test_features_of_other_data_are_not_taken_for_these(english, tmp_path):
    options = DataOptions((f"{english}@0.5",), folder=tmp_path / "features", copies=1)
    ((store, share),) = Data(options).train
    assert share == 0.5
    assert store.texts[0] == "ab ca"
    (english / "text").write_text("".join(f"u{n} changed\n" for n in range(8)))
    ((store, _),) = Data(options).train
    assert store.texts[0] == "changed"


def test_features_where_encoder_outputs_are_needed(english, tmp_path):
    folder = tmp_path / "features"
    Data(DataOptions((str(english),), folder=folder, copies=1))
    (features,) = folder.iterdir()
    with pytest.raises(TrainingError, match="for a decoder, make encoder outputs"):
        Data(DataOptions((str(features),)), encoder=LSTMEncoder(TINY_ENCODER))


def test_what_an_alphabet_cannot_write_is_said_before_it_is_left_out(english, tmp_path, capsys):
    text = (english / "text").read_text().replace("Ab, ca", "Ab, cé", 1)
    (english / "text").write_text(text)
    Data(DataOptions((str(english),), folder=tmp_path / "features", copies=1), Alphabet())
    assert "kaldi: not in the alphabet, left out (3.1 %): é" in capsys.readouterr().err
