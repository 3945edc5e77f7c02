"""Consistency-regularised CTC: two views of the same speech, drawn together."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.encoders import LSTMEncoder, LSTMOptions
from models.text import Alphabet
from models.training import train
from models.training.augment import FeatureAugmentation
from models.training.batches import Sampler, make_batch
from models.training.loop import LoopOptions, Trainer
from models.training.objectives import CTCObjective, disagreement
from tests.support.training_data import toy_store

ALPHABET = Alphabet()
SIZES = LSTMOptions(channels=2, projection=8, units=4, layers=3, dropout=0.0, conditioned=True)


def objective(consistency: float) -> CTCObjective:
    torch.manual_seed(0)
    return CTCObjective(LSTMEncoder(SIZES), ALPHABET, {}, consistency)


def logits(*frames: tuple[float, float]) -> torch.Tensor:
    """(1, frames, 2) of the given probabilities."""
    return torch.tensor([frames]).log()


def test_disagreement_is_both_divergences_over_valid_frames():
    one, other = logits((0.5, 0.5), (0.9, 0.1)), logits((0.25, 0.75), (0.1, 0.9))
    there = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    back = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    both, short = torch.tensor([2, 2]), torch.tensor([1, 1])
    views = torch.cat([one, other])
    assert disagreement(views, short).tolist() == pytest.approx([(there + back) / 2])
    assert disagreement(views, both).item() > disagreement(views, short).item()
    assert disagreement(torch.cat([one, one]), both).tolist() == pytest.approx([0.0])


def test_each_view_is_drawn_to_the_other_as_it_stands():
    views = torch.randn(2, 1, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    disagreement(views, torch.tensor([1, 1])).sum().backward()
    spelt = views.detach().softmax(-1)
    # Cross entropy's gradient: what is predicted less what is wanted.
    wanted = torch.cat([spelt[:1] - spelt[1:], spelt[1:] - spelt[:1]]) / 2
    torch.testing.assert_close(views.grad, wanted)


def loss(weight: float, masked: bool, store) -> float:
    sampler = Sampler([(store, 1.0)], 100, 1, 1000)
    augmentation = FeatureAugmentation() if masked else None
    rng = np.random.default_rng(0)
    batch = make_batch(sampler, [(0, 1), (0, 2)] * 2, ALPHABET, rng, augmentation)
    return objective(weight).eval()(batch, rng).item()


def test_equal_views_cost_nothing_and_different_ones_do(tmp_path):
    store = toy_store(tmp_path / "store")
    assert loss(1.0, False, store) == pytest.approx(loss(0.0, False, store), rel=1e-5)
    plain, one, two = (loss(weight, True, store) for weight in (0.0, 1.0, 2.0))
    assert one > plain
    assert two - one == pytest.approx(one - plain, rel=1e-3)


def test_training_draws_the_views_together(tmp_path):
    store = toy_store(tmp_path / "store")
    rows, apart = [(0, n) for n in range(6)], {}
    for weight in (0.0, 10.0):
        sampler = Sampler([(store, 1.0)], 100, 1, 1000)
        options = LoopOptions(
            60, rate=1e-2, warmup=2, bf16=False, augmentation=FeatureAugmentation(), views=2
        )
        run = Trainer(objective(weight), sampler, ALPHABET, tmp_path / str(weight), options)
        for _ in range(60):
            run._step(rows)
        batch = make_batch(
            sampler, rows * 2, ALPHABET, np.random.default_rng(0), options.augmentation
        )
        heard = run.objective.encoder.eval().all_layers(batch.features, batch.lengths)
        spelt = run.objective.encoder.ctc(heard.encoded)
        apart[weight] = disagreement(spelt, heard.lengths).mean().item()
    assert apart[10.0] < 0.5 * apart[0.0]


def test_it_belongs_to_the_encoder(capsys):
    with pytest.raises(SystemExit):
        train.parse(["--variant", "dot", "--data", "x.tsv", "--out", "runs/x", "--consistency"])
    assert "--consistency belongs to the encoder" in capsys.readouterr().err
    options = train.parse(
        ["--variant", "ctc", "--data", "x.tsv", "--out", "runs/x", "--consistency"]
    )
    assert options.consistency == 0.2


@pytest.mark.parametrize(("flags", "views"), [([], 1), (["--consistency"], 2)])
def test_the_command_gives_every_utterance_its_views_in_batches_of_the_same_size(
    tmp_path, monkeypatch, flags, views
):
    store = toy_store(tmp_path / "store")
    arguments = ["--variant", "ctc", "--data", "x", "--out", str(tmp_path), "--batch-seconds", "1"]
    options = train.parse([*arguments, *flags])
    data = SimpleNamespace(frame_rate=100, train=[(store, 1.0)], dev={}, encoder=None)
    run = train.make_trainer(options, data, objective(options.consistency), ALPHABET)
    seen = []
    monkeypatch.setattr(run, "objective", lambda batch, rng: seen.append(batch) or 1 / 0)
    run.objective.train = lambda: None
    with pytest.raises(ZeroDivisionError):
        run._step(run.sampler.epoch(1)[0])
    (batch,) = seen
    assert batch.features.shape[0] * batch.features.shape[1] <= 100
    assert batch.texts == batch.texts[: len(batch.texts) // views] * views
    assert (len(set(batch.lengths.tolist())) < len(batch.lengths)) == (views == 2)
