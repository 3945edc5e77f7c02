"""Training: data, batches, exact resume, many processes."""

import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.corpora.corpus import ManifestError, read_manifest, read_transcribed
from models.corpora.utterance import TrainingError
from models.encoders import LSTMEncoder, LSTMOptions
from models.recogniser import load_variant
from models.text import Alphabet
from models.training import encode, extract, train
from models.training.augment import (
    FeatureAugmentation,
    SampleAugmentation,
    augment_features,
    augment_samples,
)
from models.training.batches import Sampler, in_order, make_batch
from models.training.encode import plan
from models.training.lexicon import read_lexicon
from models.training.loop import LoopOptions, Trainer, learning_rate
from models.training.objectives import CTCObjective
from models.training.store import open_store
from models.training.synthesise import phrases, transcript
from tests.support.training_data import toy_manifest, toy_store

ALPHABET = Alphabet()
LEXICON = {"a": ["x"], "b": ["y", "z"]}


@pytest.fixture
def store(tmp_path):
    return toy_store(tmp_path / "store")


def test_store_returns_what_was_written(store):
    rng = np.random.default_rng(0)
    for number in range(12):
        expected = rng.normal(size=(20 + number, 80))
        np.testing.assert_allclose(store.row(number), expected, atol=2e-3)
    assert store.texts[2] == "a b"
    assert store.names[3] == "u3"


def test_every_row_is_read_its_share_of_times(store):
    sampler = Sampler([(store, 2.0), (store, 0.5)], batch_frames=100, seed=1, longest=1000)
    rows = [row for batch in sampler.epoch(3) for row in batch]
    for number in range(12):
        assert rows.count((0, number)) == 2
    assert sum(source == 1 for source, _ in rows) == 6


def test_batches_respect_size_and_longest(store):
    sampler = Sampler([(store, 1.0)], batch_frames=100, seed=1, longest=25)
    for batch in sampler.epoch(1):
        lengths = [store.lengths[row] for _, row in batch]
        assert max(lengths) <= 25
        assert len(batch) * max(lengths) <= 100


def test_first_epoch_runs_from_short_to_long(store):
    sampler = Sampler([(store, 1.0)], batch_frames=60, seed=1, longest=1000)
    means = [np.mean([store.lengths[row] for _, row in batch]) for batch in sampler.epoch(0)]
    assert means == sorted(means)
    assert sampler.epoch(1) == sampler.epoch(1)
    assert sampler.epoch(1) != sampler.epoch(2)


def test_scoring_reads_every_row_once(store):
    texts = [text for batch in in_order(store, 100, ALPHABET) for text in batch.texts]
    assert sorted(texts) == sorted(store.texts)


def test_batches_are_padded_and_numbered(store):
    sampler = Sampler([(store, 1.0)], 1000, 1, 1000)
    batch = make_batch(sampler, [(0, 0), (0, 4)], ALPHABET, np.random.default_rng(0), None)
    assert batch.features.shape == (2, 24, 80)
    assert batch.lengths.tolist() == [20, 24]
    assert batch.target_lengths.tolist() == [1, 5]
    assert ALPHABET.decode(batch.targets[1].tolist()) == "a b a"


def trainer(store, folder, updates) -> Trainer:
    torch.manual_seed(0)
    sizes = LSTMOptions(channels=2, projection=8, units=4, layers=3, phones=4, conditioned=True)
    encoder = LSTMEncoder(sizes)
    objective = CTCObjective(encoder, ALPHABET, LEXICON)
    sampler = Sampler([(store, 1.0)], 100, 1, 1000)
    options = LoopOptions(updates, warmup=2, bf16=False, augmentation=FeatureAugmentation())
    return Trainer(objective, sampler, ALPHABET, folder, options, lambda: {"loss": 0.0})


def test_every_ctc_of_the_encoder_learns(store, tmp_path):
    learning = trainer(store, tmp_path / "run", 2)
    names = ("ctc.bias", "phone_ctc.bias", "conditions.0.ctc.bias", "conditions.0.told")
    before = {n: learning.objective.encoder.get_parameter(n).detach().clone() for n in names}
    learning.run()
    after = {n: learning.objective.encoder.get_parameter(n) for n in names}
    assert [n for n in names if torch.equal(before[n], after[n])] == []


def test_a_resumed_run_equals_an_uninterrupted_one(store, tmp_path, monkeypatch):
    whole = trainer(store, tmp_path / "whole", 9)
    whole.run()
    monkeypatch.setattr("models.training.loop.learning_rate", lambda u, o: learning_rate(u, full))
    full = replace(whole.options, updates=9)
    trainer(store, tmp_path / "parts", 4).run()
    resumed = trainer(store, tmp_path / "parts", 9)
    assert resumed.update == 4
    resumed.run()
    pairs = zip(whole.objective.parameters(), resumed.objective.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_training_lowers_the_loss(store, tmp_path):
    run = trainer(store, tmp_path, 60)
    run.options = replace(run.options, rate=1e-2, augmentation=None)
    rows = [(0, n) for n in range(12)]
    losses = [run._step(rows) for _ in range(60)]
    assert losses[-1] < 0.7 * losses[0]


def test_learning_rate_rises_then_falls():
    options = LoopOptions(updates=100, rate=1.0, warmup=10)
    rates = [learning_rate(update, options) for update in range(100)]
    assert rates[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.02


def test_random_generators_decide_all_augmentation():
    samples = np.random.default_rng(1).normal(size=8000).astype(np.float32)
    first, second = (
        augment_samples(samples, SampleAugmentation(), np.random.default_rng(5)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()


def test_noise_comes_at_the_asked_ratio():
    rng = np.random.default_rng(0)
    samples = np.sin(np.arange(16_000) / 5).astype(np.float32)
    options = SampleAugmentation((1.0,), reverb=0, noise=1, snr=(10, 10), band_limit=0, silence=0)
    noise = augment_samples(samples, options, rng) - samples
    assert 10 * np.log10(np.mean(samples**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.01)


def test_masks_hide_bins_and_frames_and_leave_the_rest():
    features = np.tile(np.float32([2, 4]), (200, 40))  # (200, 80), of which the mean is 3
    changed = augment_features(features, FeatureAugmentation(warp=0), np.random.default_rng(3))
    assert set(np.unique(changed)) == {2.0, 3.0, 4.0}
    assert not (features == 3).any()


def test_encoding_plan_uses_every_row_once_and_respects_the_limit(store):
    runs = plan(store, 1.0, 0.8, 70, np.random.default_rng(0))
    assert sorted(row for run in runs for row in run) == list(range(12))
    assert all(store.lengths[run].sum() <= 70 for run in runs)
    assert any(len(run) > 1 for run in runs)


def test_manifest_columns_and_mistakes(tmp_path):
    good = tmp_path / "good.tsv"
    good.write_text('path\ttext\tsplit\ta\nx.wav\tit\'s "so"\tdev\t1\ny.wav\tb\ttrain\t2\n')
    assert [row.text for row in read_manifest(good)] == ['it\'s "so"', "b"]
    assert [row.id for row in read_manifest(good, "dev")] == ["x"]
    bad = tmp_path / "bad.csv"
    bad.write_text("path,words\nx.wav,a\n")
    with pytest.raises(ManifestError, match=r"no row of bad\.csv has a text"):
        read_transcribed(bad)
    bad.write_text("path,text\nx.wav\n")
    with pytest.raises(ManifestError, match="line 2"):
        read_manifest(bad)


def test_lexicon_file(tmp_path):
    (tmp_path / "lexicon.tsv").write_text("cat\tk æ t\nit's\tɪ t s\n", encoding="utf-8")
    assert read_lexicon(tmp_path / "lexicon.tsv") == {
        "cat": ["k", "æ", "t"],
        "it's": ["ɪ", "t", "s"],
    }


def test_a_lexicon_of_another_form_is_said(tmp_path):
    (tmp_path / "lexicon.txt").write_text("cat\tk\ndog d o g\n")
    with pytest.raises(TrainingError, match="line 2 is not a word, a tab"):
        read_lexicon(tmp_path / "lexicon.txt")
    with pytest.raises(TrainingError, match="cannot be read"):
        read_lexicon(tmp_path / "none.txt")


def test_features_and_encoder_outputs_from_the_command_line(
    checkpoints, manifest, tmp_path, capsys
):
    features, encoded = tmp_path / "features", tmp_path / "encoded"
    assert extract.main([str(manifest), "--out", str(features)]) == 0
    assert len(open_store(features)) == 6
    command = [str(features), "--checkpoints", str(checkpoints), "--out", str(encoded)]
    assert encode.main([*command, "--joined", "1", "--longest", "5"]) == 0
    store = open_store(encoded)
    assert len(store) < 6
    assert " ".join(store.texts) == " ".join(["ab"] * 6)
    assert encode.main([str(tmp_path / "none"), *command[1:]]) == 1
    assert "encoding: " in capsys.readouterr().err
    (tmp_path / "0.wav").unlink()
    assert extract.main([str(manifest), "--out", str(features)]) == 0
    assert len(open_store(features)) == 5
    assert "0.wav" in capsys.readouterr().err
    for recording in tmp_path.glob("*.wav"):
        recording.unlink()
    assert extract.main([str(manifest), "--out", str(features)]) == 1
    assert "features: manifest.tsv" in capsys.readouterr().err


def test_a_stopped_training_says_how_it_continues(
    checkpoints, manifest, tmp_path, monkeypatch, capsys
):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run", stop)
    arguments = ["--variant", "ctc", "--data", str(manifest), "--out", str(tmp_path / "run")]
    assert train.main([*arguments, "--copies", "1", "--checkpoints", str(tmp_path / "c")]) == 130
    assert "the same command continues" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_sentences_that_are_not_spelt_as_spoken_are_left_out():
    rng = random.Random(0)
    rng.choice = lambda options: options[-1]  # three clauses at a time, up to 16 words
    found = phrases(
        ["Mr. Hill came.", "It cost $5.", "He saw the FBI.", "Then, slowly, it rained."], rng
    )
    assert " ".join(found) == "Then, slowly, it rained."
    assert transcript("‘Don’t,’ he said -- no!") == "don't he said no"


def test_no_usable_data_is_said_and_not_waited_for(store, tmp_path):
    with pytest.raises(ValueError, match="no utterance is left"):
        Sampler([(store, 1.0)], 100, 1, longest=5).epoch(0)
    run = trainer(store, tmp_path, 3)
    run.processes = 50
    with pytest.raises(ValueError, match="too few for 50 processes"):
        run.run()


@pytest.fixture
def manifest(tmp_path):
    return toy_manifest(tmp_path)


@pytest.mark.parametrize("name", ["location", "transformer"])
def test_a_decoder_is_trained_on_the_frozen_encoder_and_loads(
    checkpoints, manifest, tmp_path, name
):
    folder = shutil.copytree(checkpoints, tmp_path / "checkpoints")
    encoder = (folder / "encoder.safetensors").read_bytes()
    before = load_file(folder / f"{name}.safetensors")
    arguments = ["--variant", name, "--data", str(manifest), "--dev", str(manifest),
                 "--out", str(tmp_path / "run"), "--checkpoints", str(folder), "--copies", "1",
                 "--updates", "2", "--batch-seconds", "2"]  # fmt: skip
    assert train.main(arguments) == 0
    assert (folder / "encoder.safetensors").read_bytes() == encoder
    variant = load_variant(name, folder)
    assert variant.info.card.training["updates"] == 2
    assert set(variant.info.card.scores) == {"manifest_wer", "manifest_cer"}
    after = load_file(folder / f"{name}.safetensors")
    assert after["output.weight"].shape != before["output.weight"].shape


@pytest.mark.parametrize("data", ["missing.tsv", "broken.tsv"])
def test_data_that_cannot_be_read_ends_in_one_sentence(checkpoints, tmp_path, capsys, data):
    (tmp_path / "broken.tsv").write_text("file\twords\nx.wav\ta\n")
    arguments = ["--variant", "dot", "--data", str(tmp_path / data), "--out", str(tmp_path / "run")]
    assert train.main([*arguments, "--checkpoints", str(checkpoints)]) == 1
    message = capsys.readouterr().err
    assert data.split(".")[0] in message
    assert len(message.splitlines()) == 1


def test_an_unknown_variant_is_wrong_usage(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        train.main(["--variant", "nosuch", "--data", "x.tsv", "--out", str(tmp_path)])
    assert stop.value.code == 2
    assert "location2d" in capsys.readouterr().err


def test_two_processes_train_one_model(manifest, tmp_path):
    """As ``torchrun -m models.training.train``, and both processes end with the same weights."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone",
        "-m", "tests.support.two_processes", "--variant", "ctc", "--data", str(manifest),
        "--dev", str(manifest), "--out", str(tmp_path / "run"), "--updates", "3", "--copies", "1",
        "--batch-seconds", "1", "--checkpoints", str(tmp_path / "checkpoints"), "--average",
        "--consistency",
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=environment, check=False,
        cwd=Path(__file__).resolve().parent.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    history = load_variant("ctc", tmp_path / "checkpoints").info.card.training
    assert (history["updates"], history["average"], history["consistency"]) == (3, 0.999, 0.2)
    scores = (tmp_path / "run" / "scores.tsv").read_text().splitlines()
    assert scores[0].split("\t")[:3] == ["update", "epoch", "manifest_wer"]
    first, second = (torch.load(tmp_path / "run" / f"weights{rank}.pt") for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    torch.manual_seed(1)
    start = LSTMEncoder(LSTMOptions())
    moved = [not torch.equal(first[f"encoder.{n}"], p) for n, p in start.named_parameters()]
    assert all(moved)
