"""Other toolkits' recognisers as variants: how they are named, and every command with them."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from app.cli.main import main
from app.comparison import Models, compare
from app.evaluation.settings import RunError, Settings, fingerprints, same_checkpoints
from models import checkpoint, recogniser
from models.audio import Recording
from models.checkpoint import CheckpointError, identity
from models.decoding.search import SearchOptions
from models.interop import external
from models.variant import Encoded
from tests.support import espnet_models, whisper_models
from tests.support.recordings import hum

OPTIONS = SearchOptions(max_length_ratio=0.3)


@pytest.fixture(scope="module")
def toolkits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an ESPnet experiment and a Whisper."""
    folder = tmp_path_factory.mktemp("toolkits")
    espnet_models.second(folder / "asr_train_rnn", seed=5)
    whisper_models.save(folder / "whisper-mini", seed=2)
    return folder


@pytest.fixture
def pointers(checkpoints, toolkits, tmp_path, monkeypatch) -> Path:
    """Our tiny checkpoints, and beside them two files that name other toolkits' recognisers."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for path in checkpoints.iterdir():
        (folder / path.name).symlink_to(path)
    named = {
        "their-rnn": {
            "toolkit": "espnet",
            "config": str(toolkits / "asr_train_rnn" / "config.yaml"),
            "weights": str(toolkits / "asr_train_rnn" / "valid.acc.ave.pth"),
            "title": "Their RNN",
        },
        "their-whisper": {"toolkit": "whisper", "model": "../../mini"},
    }
    (tmp_path / "mini").symlink_to(toolkits / "whisper-mini")
    (folder / "external").mkdir()
    for name, values in named.items():
        (folder / "external" / f"{name}.json").write_text(json.dumps(values))
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(folder))
    monkeypatch.delenv(external.VARIABLE, raising=False)
    return folder


def espnet(toolkits: Path) -> str:
    folder = toolkits / "asr_train_rnn"
    return f"espnet:{folder / 'config.yaml'},{folder / 'valid.acc.ave.pth'}"


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("dot", ["dot"]),
        ("dot, ,location", ["dot", "location"]),
        ("espnet:a/c.yaml,a/w.pth", ["espnet:a/c.yaml,a/w.pth"]),
        ("dot,espnet:c,w,whisper:openai/whisper-tiny,ctc",
         ["dot", "espnet:c,w", "whisper:openai/whisper-tiny", "ctc"]),
        ("espnet:c", ["espnet:c"]),
    ],
)  # fmt: skip
def test_only_espnets_comma_belongs_to_the_name(given, names):
    assert external.split(given) == names


@pytest.mark.parametrize(
    ("specification", "name", "title"),
    [
        ("whisper:openai/whisper-tiny", "whisper-tiny", "Whisper: tiny"),
        ("whisper:/data/My Model (v2)", "whisper-my-model-v2", "Whisper: My Model (v2)"),
        ("whisper:../whisper-large-v3", "whisper-large-v3", "Whisper: large-v3"),
    ],
)
def test_a_specification_makes_a_harmless_name(specification, name, title):
    found = external.parse(specification)
    assert (found.name, found.title) == (name, title)


def test_espnet_models_are_called_after_their_experiment(toolkits):
    found = external.parse(espnet(toolkits))
    assert (found.name, found.toolkit) == ("espnet-asr-train-rnn", "espnet")
    assert found.weights.name == "valid.acc.ave.pth"


@pytest.mark.parametrize(
    "wrong", ["espnet:only-one", "whisper:", "nemo:a", "whisper:a,b", "espnet:/no/c.yaml,/no/w.pth"]
)
def test_other_specifications_are_refused(wrong, tmp_path, monkeypatch):
    with pytest.raises(CheckpointError):
        external.parse(wrong)
    monkeypatch.setenv(external.VARIABLE, f"{wrong};whisper:fine")
    assert [each.name for each in external.listed(tmp_path)] == ["whisper-fine"]
    assert len(external.problems(tmp_path)) == 1


def test_two_recognisers_of_one_name_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv(external.VARIABLE, "")
    with pytest.raises(CheckpointError, match="two recognisers would be called whisper-tiny"):
        external.adopt(["whisper:a/whisper-tiny", "whisper:b/whisper-tiny"], tmp_path)
    twice = ["dot", "whisper:a/whisper-tiny", "whisper:a/whisper-tiny"]
    assert external.adopt(twice, tmp_path) == ["dot", "whisper-tiny"]
    assert os.environ[external.VARIABLE] == "whisper:a/whisper-tiny"


def test_a_specification_does_not_hide_behind_a_file_of_its_name(monkeypatch, tmp_path):
    monkeypatch.setenv(external.VARIABLE, "")
    (tmp_path / "external").mkdir()
    file = tmp_path / "external" / "whisper-tiny.json"
    file.write_text('{"toolkit": "whisper", "model": "a/whisper-tiny", "title": "A"}')
    assert external.adopt(["whisper:a/whisper-tiny"], tmp_path) == ["whisper-tiny"]
    assert external.problems(tmp_path) == []  # the same one twice
    with pytest.raises(CheckpointError, match="two recognisers would be called whisper-tiny"):
        external.adopt(["whisper:b/whisper-tiny"], tmp_path)


def test_names_given_twice_are_reported_once(monkeypatch, tmp_path):
    two = "two recognisers are called whisper-{}; rename one"
    given = "whisper:a/tiny;whisper:b/tiny;whisper:c/tiny;whisper:a/base;whisper:mine"
    monkeypatch.setenv(external.VARIABLE, given)
    assert [each.sources[0] for each in external.listed(tmp_path)] == ["a/tiny", "a/base", "mine"]
    assert external.problems(tmp_path) == [two.format("tiny")]
    assert external.problems(tmp_path, ("dot", "whisper-mine")) == [
        two.format("tiny"), two.format("mine"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"toolkit": "nemo"}', '{"toolkit": "whisper"}',
     '{"toolkit": "whisper", "model": 5}', '{"toolkit": "espnet", "config": "x"}',
     '{"toolkit": "espnet", "config": "no", "weights": "no"}', " " * 20_000],
)  # fmt: skip
def test_files_that_name_nothing_are_reported_and_stop_nobody(content, pointers):
    (pointers / "external" / "bad.json").write_text(content)
    assert [each.name for each in external.listed(pointers)] == ["their-rnn", "their-whisper"]
    (problem,) = external.problems(pointers)
    assert "\n" not in problem


def test_nobody_takes_the_name_of_our_own_variants(pointers):
    text = (pointers / "external" / "their-whisper.json").read_text()
    (pointers / "external" / "dot.json").write_text(text)
    infos = recogniser.variants(pointers)
    assert [info.family for info in infos if info.name == "dot"] == ["content"]
    assert recogniser.load_variant("dot", pointers).family == "content"


def test_weights_have_an_identity_wherever_they_are(toolkits, tmp_path):
    whisper, other = toolkits / "whisper-mini", tmp_path / "other"
    other.mkdir()
    found = {identity(path) for path in (whisper, other, Path("openai/whisper-tiny"))}
    assert len(found) == 3
    assert identity(whisper) == identity(whisper)


def test_weights_of_the_same_size_are_others_and_files_nobody_reads_do_not_count(
    toolkits, tmp_path, monkeypatch
):
    model = shutil.copytree(toolkits / "whisper-mini", tmp_path / "model")
    before = identity(model)
    (model / "notes.md").write_text("good")
    assert identity(model) == before
    content = bytearray((model / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (model / "model.safetensors").write_bytes(content)
    changed = identity(model)
    assert changed != before
    generation = model / "generation_config.json"
    generation.write_text(generation.read_text().replace("40", "41"))
    assert len({before, changed, identity(model)}) == 3
    monkeypatch.setattr(checkpoint, "fingerprint", lambda path: pytest.fail("read twice"))
    identity(model)


def test_a_run_knows_all_that_its_recognisers_are_made_of(pointers, toolkits, tmp_path):
    model = shutil.copytree(toolkits / "asr_train_rnn", tmp_path / "rnn")
    pointer = pointers / "external" / "their-rnn.json"
    pointer.write_text(pointer.read_text().replace(str(toolkits / "asr_train_rnn"), str(model)))
    names = ["their-rnn", "their-whisper"]
    infos = Models().choose(names)
    before = fingerprints(infos, None)
    assert [name for name, _ in before] == names  # of our encoder they know nothing
    (pointers / "encoder.safetensors").unlink()
    same_checkpoints(Settings(tuple(names), checkpoints=before), infos)
    with (model / "config.yaml").open("a") as config:
        config.write("\n# changed\n")
    with pytest.raises(RunError, match="other checkpoints than the run for their-rnn:"):
        same_checkpoints(Settings(tuple(names), checkpoints=before), infos)


def test_our_own_checkpoints_are_known_as_they_always_were(pointers):
    infos = Models().choose(["dot", "their-whisper"])
    found = dict(fingerprints(infos, None))
    for name in ("encoder", "dot"):
        content = (pointers / f"{name}.safetensors").read_bytes()
        assert found[name] == hashlib.sha256(content).hexdigest()[:16]


# --- decoding -------------------------------------------------------------------------------------


def test_they_are_listed_after_ours_and_decode_beside_them(pointers):
    names = [info.name for info in Models().infos()]
    assert names[-3:] == ["ctc", "their-rnn", "their-whisper"]
    chosen = ["dot", "their-rnn", "their-whisper"]
    models = Models()
    infos = models.choose(chosen)
    results = list(compare(Recording(hum(0.7), 16_000), infos, OPTIONS, "no no", models=models))
    assert [result.info.name for result in results] == chosen
    assert [result.decoded.alignment.frame_seconds for result in results] == [
        0.04, pytest.approx(0.04), 0.02,
    ]  # fmt: skip
    for result in results:
        assert result.decoded.alignment.variant == result.info.name
        assert result.score.wer is not None
        assert result.diagnosis.verdict
    assert results[1].said is not None  # it has a CTC of its own
    assert results[2].said is None


def test_one_encoding_serves_decoding_and_diagnosis(pointers, monkeypatch):
    models = Models()
    variant = models.variant("their-rnn")
    heard = []
    monkeypatch.setattr(
        variant, "listen", lambda given, real=variant.listen: heard.append(given) or real(given)
    )
    infos = models.choose(["their-rnn"])
    list(compare(Recording(hum(0.5), 16_000), infos, OPTIONS, models=models))
    assert len(heard) == 1


def test_they_need_no_encoder_of_ours(pointers):
    (pointers / "encoder.safetensors").unlink()
    recording = Recording(hum(0.5), 16_000)
    models = Models()
    results = list(compare(recording, models.choose(["their-whisper"]), OPTIONS, models=models))
    assert results[0].decoded.alignment.layers == 2
    infos = models.choose(["dot", "their-whisper"])
    with pytest.raises(CheckpointError):
        list(compare(recording, infos, OPTIONS, models=models))


def test_an_encoding_without_recordings_says_what_is_missing(pointers):
    models = Models()
    encoded = models.encode(Recording(hum(0.5), 16_000))
    bare = Encoded(encoded.frames, encoded.lengths, None, 0.04, encoded.speech, encoded.seconds)
    with pytest.raises(CheckpointError, match="their-rnn hears with its own encoder"):
        models.variant("their-rnn").decode(bare)


def test_a_step_of_an_espnet_model_can_be_taken_apart(pointers):
    models = Models()
    encoded, variant = models.encode(Recording(hum(0.5), 16_000)), models.variant("their-rnn")
    (decoded,) = variant.decode(encoded, OPTIONS)
    last = len(decoded.alignment.tokens) - 1
    step = variant.dissect(encoded, 0, decoded, last)
    assert step.weights == pytest.approx(decoded.alignment.weights[0, :, last], abs=1e-5)
    with pytest.raises(ValueError, match=f"no step {last + 1} "):
        variant.dissect(encoded, 0, decoded, last + 1)
    with pytest.raises(TypeError, match="no single step"):
        models.variant("their-whisper").dissect(encoded, 0, decoded, 0)


# --- on every command -----------------------------------------------------------------------------


def test_compare_takes_specifications(toolkits, pointers, clip, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(external.VARIABLE, "")  # put back afterwards
    for path in (pointers / "external").iterdir():
        path.unlink()
    names = f"dot,{espnet(toolkits)},whisper:{toolkits / 'whisper-mini'}"
    arguments = ["compare", str(clip), "--variants", names, "--json", "-"]
    arguments += ["--export", str(tmp_path / "out"), "--formats", "ctm,npz"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    (found,) = json.loads(printed.out)["clips"]
    chosen = ["dot", "espnet-asr-train-rnn", "whisper-mini"]
    assert [each["name"] for each in found["variants"]] == chosen
    assert [each["family"] for each in found["variants"]] == ["content", "espnet", "whisper"]
    assert len(found["variants"][2]["heads"]) == 8
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"hum.{name}.{ending}" for name in chosen for ending in ("ctm", "npz")
    }


@pytest.mark.parametrize("wrong", ["espnet:x", "whisper:", "nemo:x"])
def test_a_wrong_specification_is_wrong_usage(wrong, pointers, clip, capsys):
    assert main(["compare", str(clip), "--variants", wrong]) == 2
    assert "is neither espnet:CONFIG,WEIGHTS nor whisper:PATH_OR_NAME" in capsys.readouterr().err


def test_a_model_that_cannot_be_loaded_fails_in_one_sentence(pointers, clip, capsys):
    (pointers / "external" / "empty.json").write_text('{"toolkit": "whisper", "model": "."}')
    assert main(["compare", str(clip), "--variants", "empty"]) == 1
    errors = capsys.readouterr().err
    assert "is not a Whisper model" in errors
    assert "Traceback" not in errors


def test_variants_lists_them_and_what_is_wrong(pointers, capsys):
    (pointers / "external" / "bad.json").write_text("{}")
    (pointers / "external" / "dot.json").write_text('{"toolkit": "whisper", "model": "any"}')
    assert main(["variants", "--json", "-"]) == 0
    printed = capsys.readouterr()
    found = {each["name"]: each for each in json.loads(printed.out)["variants"]}
    assert found["their-rnn"]["title"] == "Their RNN"
    assert found["their-rnn"]["family"] == "espnet"
    assert found["their-whisper"]["card"] is None
    assert "bad.json does not name a recogniser" in printed.err
    assert "two recognisers are called dot; rename one" in printed.err
    assert main(["variants"]) == 0
    assert "Their RNN" in capsys.readouterr().out


def test_evaluate_takes_them(pointers, tmp_path, capsys):
    rows = []
    for number, seconds in enumerate((0.5, 0.7)):
        soundfile.write(tmp_path / f"{number}.wav", hum(seconds), 16_000)
        rows.append(f"{number}.wav\tno no\n")
    (tmp_path / "set.tsv").write_text("path\ttext\n" + "".join(rows))
    arguments = ["evaluate", str(tmp_path / "set.tsv"), "--out", str(tmp_path / "run")]
    assert main([*arguments, "--variants", "dot,their-rnn,their-whisper"]) == 0
    found = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert sorted(found["variant"].astype(str)) == sorted(["dot", "their-rnn", "their-whisper"] * 2)
    assert main([*arguments, "--variants", "dot,their-rnn,their-whisper"]) == 0  # nothing to do
    capsys.readouterr()
