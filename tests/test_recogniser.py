"""Checkpoints and the recogniser: what is saved comes back, what is wrong is refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models import checkpoint, recogniser
from models.audio import Recording
from models.checkpoint import CheckpointError
from models.decoders.registry import decoders
from models.decoding.search import SearchOptions
from models.encoders import LSTMEncoder
from models.recogniser import encode, load_encoder, load_variant, variants
from models.threads import one_thread
from models.training import report, score
from models.variant import FRAME_SECONDS
from tests.support.checkpoints import TINY_ENCODER
from tests.support.limited_process import run_limited
from tests.support.recordings import hum


def recording(seconds: float) -> Recording:
    return Recording(samples=hum(seconds), sample_rate=16_000, warnings=(), name="hum")


@pytest.fixture
def folder(checkpoints, tmp_path):
    """A copy of the tiny checkpoints that a test may damage."""
    return shutil.copytree(checkpoints, tmp_path / "checkpoints")


def test_every_mechanism_and_ctc_is_a_variant(checkpoints):
    infos = variants(checkpoints)
    assert [info.name for info in infos] == [*decoders(), "ctc"]
    assert all(info.card and info.checkpoint and info.parameters for info in infos)


def test_without_checkpoints_variants_are_listed_as_untrained(tmp_path):
    assert all(info.checkpoint is None and info.card is None for info in variants(tmp_path))


def test_a_card_is_read_once_and_again_where_it_was_written_anew(folder, monkeypatch):
    read = []
    real = checkpoint.read_card
    monkeypatch.setattr(checkpoint, "read_card", lambda path: read.append(path.stem) or real(path))
    first = variants(folder)
    assert sorted(read) == sorted(
        "encoder" if info.name == "ctc" else info.name for info in first if info.checkpoint
    )
    load_variant("location", folder)
    assert variants(folder) == first
    assert len(read) == len(set(read))
    path = folder / "location.safetensors"
    checkpoint.write_card(replace(real(path), scores={"dev_wer": 0.125}), path)
    (info,) = (info for info in variants(folder) if info.name == "location")
    assert info.card.scores == {"dev_wer": 0.125}


def test_weights_come_back_within_half_precision(checkpoints):
    decoder = load_variant("location", checkpoints).decoder
    stored = load_file(checkpoints / "location.safetensors")
    for name, tensor in decoder.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, stored[name].float())


@pytest.mark.parametrize("name", ["dot", "multi_head_loc", "forward_ta", "ctc"])
def test_a_batch_decodes_as_its_members_do(checkpoints, name):
    encoder, variant = load_encoder(checkpoints), load_variant(name, checkpoints)
    recordings = [recording(seconds) for seconds in (0.5, 1.3, 0.9)]
    options = SearchOptions(max_length_ratio=0.5)
    together = variant.decode(encode(encoder, recordings), options)
    for one, decoded in zip(recordings, together, strict=True):
        alone = variant.decode(encode(encoder, [one]), options)[0]
        assert decoded.text == alone.text
        assert decoded.alignment.frames == alone.alignment.frames
        np.testing.assert_allclose(decoded.alignment.weights, alone.alignment.weights, atol=1e-5)


@pytest.mark.parametrize("name", ["location", "ctc"])
def test_steps_of_a_decoding_are_computed_by_one_thread(checkpoints, name, monkeypatch):
    """And the caller's number of threads is as it was, also after an error."""
    variant = load_variant(name, checkpoints)
    encoded = encode(load_encoder(checkpoints), [Recording(hum(0.5), 16_000)])
    seen = []
    decoded = variant._decoded
    monkeypatch.setattr(
        variant, "_decoded", lambda *given: seen.append(torch.get_num_threads()) or decoded(*given)
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        variant.decode(encoded)
        assert (seen, torch.get_num_threads()) == ([1], 2)
        with pytest.raises(ValueError, match="broken"), one_thread():
            raise ValueError("broken")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_encoded_frames_last_40_ms_and_know_speech(checkpoints):
    silent = Recording(
        np.concatenate([hum(1.0), np.zeros(16_000, np.float32)]), 16_000, (), "half silent"
    )
    encoded = encode(load_encoder(checkpoints), [silent])
    frames = int(encoded.lengths[0])
    assert frames * FRAME_SECONDS == pytest.approx(silent.seconds, abs=FRAME_SECONDS)
    speech = encoded.speech[0]
    assert len(speech) == frames
    assert speech[: frames // 2].mean() > 0.5
    assert not speech[frames // 2 + 10 :].any()


def refused(folder, name="dot") -> str:
    with pytest.raises(CheckpointError) as error:
        load_variant(name, folder)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_unknown_and_missing_variants_are_refused(folder):
    assert "location2d" in refused(folder, "no_such")
    (folder / "dot.safetensors").unlink()
    assert "dot.safetensors" in refused(folder)


def test_wrong_shape_missing_and_surplus_tensors_are_refused(folder):
    path = folder / "dot.safetensors"
    tensors = load_file(path)
    wrong = dict(tensors)
    wrong["output.weight"] = wrong["output.weight"][:-1].contiguous()
    save_file(wrong, path)
    assert "output.weight" in refused(folder)
    save_file({k: v for k, v in tensors.items() if k != "output.bias"}, path)
    assert "lacks the tensor output.bias" in refused(folder)
    save_file({**tensors, "extra": torch.zeros(1)}, path)
    assert "extra" in refused(folder)
    save_file({**tensors, "output.bias": torch.full_like(tensors["output.bias"], torch.nan)}, path)
    assert "NaN" in refused(folder)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickled", b"0" * 5000])
def test_files_that_are_not_safetensors_are_refused(folder, content):
    (folder / "dot.safetensors").write_bytes(content)
    assert "not a safetensors file" in refused(folder)


def test_cards_that_cannot_be_read_are_refused(folder):
    card = folder / "dot.json"
    values = json.loads(card.read_text())
    card.write_text("{")
    assert "dot.json" in refused(folder)
    card.write_text(json.dumps({**values, "config": {"wheels": 4}}))
    assert "does not fit" in refused(folder)
    card.unlink()
    assert "no card" in refused(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"training": []}, {"scores": 3}, {"config": None}, {"config": [["units", 3]]},
        {"alphabet": []}, {"alphabet": ["a", "b"]}, {"alphabet": ["<blank>", 1, "<eos>"]},
        {"alphabet": [["<blank>"], "<eos>"]}, {"alphabet": None},
        {"format": None}, {"format": "1"}, {"format": 0}, {"wheels": 4},
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["dot", "encoder"])
def test_a_card_whose_values_are_damaged_is_refused(folder, name, change):
    card = folder / f"{name}.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    assert f"{name}.json is not a checkpoint card AttnScope can read (" in refused(folder)
    listed = {info.name: info for info in variants(folder)}
    assert listed["ctc" if name == "encoder" else name].card is None


SIZES = """
from pathlib import Path
from models.checkpoint import CheckpointError
from models.recogniser import load_encoder, load_variant
import json
folder, changes = Path(values[0]), values[1]
for name, field, size in changes:
    path = folder / f"{name}.json"
    before = path.read_text()
    card = json.loads(before)
    inside = card["config"] if field in card["config"] else card["config"]["attention"]
    inside[field] = size
    path.write_text(json.dumps(card))
    try:
        load_encoder(folder) if name == "encoder" else load_variant(name, folder)
    except CheckpointError as error:
        print(name, field, size, error)
    else:
        print("loaded", name, field, size)
    path.write_text(before)
"""


def test_absurd_sizes_in_a_card_are_refused_before_memory_is_asked_for(folder):
    shaped = {
        "encoder": ("vocabulary", "channels", "projection", "units", "layers", "slow_layers"),
        "transformer": ("dim", "inner", "encoder_layers", "decoder_layers"),
        "multi_head_loc": ("embedding_dim", "units", "layers", "attention_dim", "kernel"),
    }
    changes = [(name, field, 60_000) for name in shaped for field in shaped[name]]
    changes += [(name, shaped[name][0], 10**400) for name in shaped]
    lines = run_limited(SIZES, str(folder), changes, memory=6_000_000_000).splitlines()
    assert [line for line in lines if line.startswith("loaded")] == []
    assert len(lines) == len(changes)


@pytest.mark.parametrize("content", ["[]", "5", "[" * 100_000])
def test_what_is_no_card_at_all_is_refused(folder, content):
    (folder / "dot.json").write_text(content)
    assert "dot.json is not a checkpoint card" in refused(folder)


def test_a_newer_format_asks_for_a_newer_version(folder):
    card = folder / "dot.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "format": 99, "wheels": 4}))
    message = refused(folder)
    assert "dot.json is of format 99" in message
    assert "newer AttnScope is needed" in message


@pytest.mark.parametrize("units", ["missing", None, "many", -4, 10**30])
def test_an_encoder_of_unusable_size_is_refused(folder, units):
    card = folder / "encoder.json"
    values = json.loads(card.read_text())
    values["config"]["units"] = units
    if units == "missing":
        del values["config"]["units"]
    card.write_text(json.dumps(values))
    assert ".safetensors" in refused(folder)
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors"):
        load_encoder(folder)


def test_a_decoder_of_another_encoder_is_refused(folder):
    tensors = load_file(folder / "encoder.safetensors")
    save_file(
        {name: tensor + 1 for name, tensor in tensors.items()}, folder / "encoder.safetensors"
    )
    assert "another encoder" in refused(folder)
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors"):
        load_encoder(folder / "nowhere")


def test_the_folder_comes_from_argument_then_environment(monkeypatch, tmp_path):
    assert recogniser.checkpoint_folder().name == "checkpoints"
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(tmp_path))
    assert recogniser.checkpoint_folder() == tmp_path
    assert recogniser.checkpoint_folder(tmp_path / "other") == tmp_path / "other"


def test_scores_are_measured_written_to_cards_and_tabled(folder, clip, tmp_path):
    manifest = tmp_path / "manifest.tsv"
    manifest.write_text(f"path\ttext\tcorpus\tsplit\n{clip}\thum hum\ttoy\tdev\n")
    arguments = [str(manifest), "--checkpoints", str(folder), "--variants", "location,ctc"]
    assert score.main(arguments) == 0
    scores = load_variant("location", folder).info.card.scores
    assert scores["utterances"] == 1
    assert scores["toy_wer"] > 0.5  # random weights do not hear "hum hum"
    row = next(
        line for line in (folder / "README.md").read_text().splitlines() if "`location`" in line
    )
    assert f"{100 * scores['toy_wer']:.1f} %" in row
    (folder / "README.md").write_text("kept\n" + (folder / "README.md").read_text() + "kept too")
    report.write_tables(folder)
    text = (folder / "README.md").read_text()
    assert text.startswith("kept\n")
    assert text.endswith("kept too")
    assert text.count("`location`") == 1


def test_fine_tuning_starts_from_a_checkpoint_and_its_own_phone_head(checkpoints):
    options = replace(TINY_ENCODER, phones=7)
    encoder = LSTMEncoder(options)
    phones = encoder.phone_ctc.weight.clone()
    path = checkpoints / "encoder.safetensors"
    with pytest.raises(CheckpointError, match="phone_ctc"):
        checkpoint.load(encoder, path)
    checkpoint.load(encoder, path, leave_out=("phone_ctc",))
    torch.testing.assert_close(encoder.ctc.weight, load_file(path)["ctc.weight"].float())
    assert torch.equal(encoder.phone_ctc.weight, phones)
