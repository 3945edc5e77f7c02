"""Averaged weights, and runs that are stopped and continued: nothing lost, nothing twice."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.decoder import build_decoder
from models.encoder import Encoder, EncoderOptions
from models.text import Alphabet
from models.training.average import Average
from models.training.batches import Sampler
from models.training.history import cut_back, read_rows
from models.training.loop import LoopOptions, Trainer, learning_rate
from models.training.objectives import CTCObjective, DecoderObjective, JointObjective
from models.training.utterance import TrainingError
from tests.conftest import TINY_DECODER, TINY_ENCODER
from tests.toys import toy_store


@pytest.fixture
def store(tmp_path):
    return toy_store(tmp_path / "store")


def test_an_average_of_weights_that_stand_still_is_these_weights():
    model = torch.nn.Linear(2, 2)
    average = Average(model, 0.9)
    for _ in range(5):
        average.follow(model)
    assert torch.allclose(average.weights["weight"], model.weight)


def test_an_average_looks_back_as_far_as_its_decay_says():
    """From 0 to 1 in one step: after many updates, n more leave 0.9 ** n of the way to go."""
    model = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(model.weight)
    average = Average(model, 0.9)
    average.updates = 1000
    torch.nn.init.ones_(model.weight)
    for updates in range(1, 6):
        average.follow(model)
        assert 1 - average.weights["weight"].item() == pytest.approx(0.9**updates, rel=1e-5)
    with average.inside(model):
        assert model.weight.item() == pytest.approx(1 - 0.9**5, rel=1e-5)
    assert model.weight.item() == 1


def joint_trainer(store, folder: Path, updates: int, average: float = 0.5) -> Trainer:
    torch.manual_seed(0)
    alphabet = Alphabet()
    encoder = Encoder(EncoderOptions(channels=2, projection=8, units=4, layers=2))
    decoder = build_decoder(
        "location", len(alphabet), encoder.dim, replace(TINY_DECODER, dropout=0.1)
    )
    objective = JointObjective(
        CTCObjective(encoder, alphabet, {}), DecoderObjective(decoder, alphabet), 0.3
    )
    options = LoopOptions(updates, warmup=2, bf16=False, average=average)
    sampler = Sampler([(store, 1.0)], 100, 1, 1000)
    return Trainer(objective, sampler, alphabet, folder, options, lambda: {"loss": 0.0})


def test_a_resumed_joint_run_with_average_equals_an_uninterrupted_one(store, tmp_path, monkeypatch):
    whole = joint_trainer(store, tmp_path / "whole", 8)
    first = [p.detach().clone() for p in whole.objective.parameters()]
    full = whole.options
    monkeypatch.setattr("models.training.loop.learning_rate", lambda u, o: learning_rate(u, full))
    whole.run()
    joint_trainer(store, tmp_path / "parts", 3).run()
    resumed = joint_trainer(store, tmp_path / "parts", 8)
    resumed.run()
    pairs = list(zip(whole.objective.parameters(), resumed.objective.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert resumed.average.updates == 8
    averages = whole.average.weights, resumed.average.weights
    assert all(torch.equal(averages[0][name], averages[1][name]) for name in averages[0])
    named = dict(whole.objective.named_parameters())
    assert any(not torch.equal(averages[0][name], p) for name, p in named.items())
    moved = [
        not torch.equal(a, b) for a, b in zip(first, whole.objective.parameters(), strict=True)
    ]
    assert all(moved)  # the encoder as well as the decoder


CURVE = "update\tepoch\tloss\n10\t0\t3\n20\t0\t2\n30\t0\t1\n"


def test_rows_that_a_restart_took_back_are_passed_over(tmp_path):
    path = tmp_path / "curve.tsv"
    path.write_text(CURVE + "20\t0\t2.5\n30\t1\t1.5\n40\t1\t1\n5")
    rows = read_rows(path)
    assert [(row["update"], row["loss"]) for row in rows] == [
        (10, 3),
        (20, 2.5),
        (30, 1.5),
        (40, 1),
    ]


@pytest.mark.parametrize(
    ("update", "left"), [(0, []), (20, [10, 20]), (25, [10, 20]), (99, [10, 20, 30])]
)
def test_rows_after_the_saved_state_are_cut_off(tmp_path, update, left):
    path = tmp_path / "curve.tsv"
    path.write_text(CURVE + "40\t0")
    cut_back(path, update)
    assert [row["update"] for row in read_rows(path)] == left
    assert path.read_text().splitlines()[0] == CURVE.splitlines()[0]


def test_a_killed_run_leaves_no_repeated_rows(store, tmp_path):
    """Killed after update 40 with a state of update 20: the rows of 30 and 40 come again, once."""
    joint_trainer(store, tmp_path, 20, average=0).run()
    state = (tmp_path / "state.pt").read_bytes()
    joint_trainer(store, tmp_path, 40, average=0).run()
    (tmp_path / "state.pt").write_bytes(state)
    joint_trainer(store, tmp_path, 50, average=0).run()
    for name in ("curve.tsv", "scores.tsv"):
        lines = (tmp_path / name).read_text().splitlines()[1:]
        updates = [int(line.split("\t")[0]) for line in lines]
        assert updates == sorted(set(updates))
    assert [row["update"] for row in read_rows(tmp_path / "curve.tsv")] == [10, 20, 30, 40, 50]


def test_a_state_of_another_model_is_said(store, tmp_path):
    joint_trainer(store, tmp_path, 1).run()
    objective = CTCObjective(Encoder(TINY_ENCODER), Alphabet(), {})
    with pytest.raises(TrainingError, match="holds a run of another model"):
        Trainer(
            objective, Sampler([(store, 1.0)], 100, 1, 99), Alphabet(), tmp_path, LoopOptions(1)
        )
