"""Averaged weights, and runs that are stopped and continued: nothing lost, nothing twice."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.corpora.utterance import TrainingError
from models.decoders.lstm import build_decoder
from models.encoders import LSTMEncoder, LSTMOptions
from models.text import Alphabet
from models.training.average import Average
from models.training.batches import Sampler
from models.training.history import append, cut_back, read_rows
from models.training.loop import LoopOptions, Trainer, learning_rate
from models.training.objectives import CTCObjective, DecoderObjective, JointObjective
from tests.support.checkpoints import TINY_DECODER, TINY_ENCODER
from tests.support.training_data import toy_store


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
    encoder = LSTMEncoder(LSTMOptions(channels=2, projection=8, units=4, layers=2))
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


def test_a_table_gets_the_columns_of_other_dev_sets(tmp_path):
    path = tmp_path / "scores.tsv"
    append(path, {"update": 5, "epoch": 0})
    append(path, {"update": 10, "epoch": 1, "a_wer": "0.5", "a_cer": "0.25"})
    append(path, {"update": 20, "epoch": 2, "b_wer": "0.4", "a_wer": "0.3"})
    append(path, {"epoch": 3, "update": 30, "a_wer": "0.2"})
    cut_back(path, 25)
    assert path.read_bytes() == (
        b"update\tepoch\ta_wer\ta_cer\tb_wer\n5\t0\t\t\t\n10\t1\t0.5\t0.25\t\n20\t2\t0.3\t\t0.4\n"
    )
    assert read_rows(path) == [
        {"update": 5, "epoch": 0},
        {"update": 10, "epoch": 1, "a_wer": 0.5, "a_cer": 0.25},
        {"update": 20, "epoch": 2, "a_wer": 0.3, "b_wer": 0.4},
    ]


def test_tables_with_other_line_ends_are_read_and_go_on_with_plain_ones(tmp_path):
    path = tmp_path / "curve.tsv"
    path.write_bytes(CURVE.replace("\n", "\r\n").encode() + b"40\t1\t1\r\n5")
    assert [row["loss"] for row in read_rows(path)] == [3, 2, 1, 1]
    cut_back(path, 30)
    append(path, {"update": 40, "epoch": 1, "loss": 0})
    assert path.read_bytes() == CURVE.encode() + b"40\t1\t0\n"


def test_a_table_that_a_kill_left_without_a_header_is_begun_again(tmp_path):
    path = tmp_path / "curve.tsv"
    path.write_text("upd")
    cut_back(path, 10)
    append(path, {"update": 20, "epoch": 0})
    assert read_rows(path) == [{"update": 20, "epoch": 0}]


def test_dev_sets_may_come_and_go(store, tmp_path):
    """Nothing is scored, then one set, then another: every score is kept under its name."""
    for updates, scores in ((4, {}), (8, {"a_wer": 0.5}), (12, {"b_wer": 0.25}), (16, {})):
        run = joint_trainer(store, tmp_path, updates, average=0)
        run.score = lambda scores=scores: scores
        run.run()
        assert run.last_scores == scores
    rows = read_rows(tmp_path / "scores.tsv")
    assert {row["update"] for row in rows if "a_wer" in row} <= set(range(5, 9))
    assert {row["update"] for row in rows if "b_wer" in row} <= set(range(9, 13))
    assert [len(row) for row in rows] == [3] * len(rows)
    assert {name for row in rows for name in row} == {"update", "epoch", "a_wer", "b_wer"}
    assert b"\r" not in (tmp_path / "scores.tsv").read_bytes()


def test_a_short_run_shows_its_last_update_and_no_scores_where_there_are_none(
    store, tmp_path, capsys
):
    run = joint_trainer(store, tmp_path, 3, average=0)
    run.score = dict
    run.run()
    assert [row["update"] for row in read_rows(tmp_path / "curve.tsv")] == [3]
    said = capsys.readouterr().err
    assert "update 3/3" in said
    assert "after epoch" not in said
    assert not (tmp_path / "scores.tsv").exists()


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
    objective = CTCObjective(LSTMEncoder(TINY_ENCODER), Alphabet(), {})
    with pytest.raises(TrainingError, match="holds a run of another model"):
        Trainer(
            objective, Sampler([(store, 1.0)], 100, 1, 99), Alphabet(), tmp_path, LoopOptions(1)
        )
