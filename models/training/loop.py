"""The training loop: schedule, checkpoints, exact resume, curves, many processes."""

import io
import json
import math
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, nn

from analysis.io.files import write
from models.corpora.utterance import TrainingError
from models.text import Alphabet
from models.training.augment import FeatureAugmentation
from models.training.average import Average
from models.training.batches import Sampler, make_batch
from models.training.history import append, cut_back


@dataclass(frozen=True)
class LoopOptions:
    """Everything that shapes a training run besides model and data."""

    updates: int  # optimiser steps in all
    rate: float = 1.2e-3  # peak learning rate
    pretrained_rate: float = 1.2e-3  # the same for weights that were learned elsewhere
    warmup: int = 250  # updates to reach it
    weight_decay: float = 0.01
    clip: float = 2.0  # largest gradient norm
    seed: int = 1
    minutes: float = 3.0  # between checkpoints
    bf16: bool = True  # autocast; parameters and optimiser stay float32
    augmentation: FeatureAugmentation | None = None
    views: int = 1  # times each utterance of a batch stands in it, augmented anew
    average: float = 0.0  # decay of the running average of the weights; 0: none is kept


def learning_rate(update: int, options: LoopOptions) -> float:
    """Linear warm-up, then half a cosine down to 1 % of the peak."""
    if update < options.warmup:
        return options.rate * (update + 1) / options.warmup
    progress = (update - options.warmup) / max(1, options.updates - options.warmup)
    return options.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def _groups(objective: nn.Module, options: LoopOptions) -> list[dict[str, Any]]:
    """What is trained, by weight decay and learning rate."""
    encoder = getattr(objective, "encoder", None)
    elsewhere = {
        id(parameter)
        for name, parameter in (encoder.named_parameters() if encoder else ())
        if name.startswith(encoder.pretrained)
    }
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in objective.parameters():
        if parameter.requires_grad:
            key = id(parameter) in elsewhere, parameter.ndim <= 1
            groups.setdefault(key, []).append(parameter)
    return [
        {"params": groups[learned, plain]}
        | ({"weight_decay": 0.0} if plain else {})
        | ({"share": options.pretrained_rate / options.rate} if learned else {})
        for learned, plain in sorted(groups)
    ]


class Trainer:
    """One training run in one folder.

    The folder receives ``state.pt`` (model, optimiser, update count: enough to continue exactly),
    ``curve.tsv`` (loss and learning rate as they went) and ``scores.tsv`` (dev scores by epoch).
    With ``options.average`` the first process keeps an average of the weights, and scores that.
    Under ``torchrun`` every process takes its part of the batches and gradients are averaged.
    """

    def __init__(
        self,
        objective: nn.Module,
        sampler: Sampler,
        alphabet: Alphabet,
        folder: Path,
        options: LoopOptions,
        score: Callable[[], dict[str, float]] | None = None,
    ) -> None:
        self.objective, self.sampler, self.alphabet = objective, sampler, alphabet
        self.folder, self.options, self.score = folder, options, score
        many = distributed.is_initialized()
        self.processes = distributed.get_world_size() if many else 1
        self.rank = distributed.get_rank() if many else 0
        self.update, self.seconds = 0, 0.0
        self.last_scores: dict[str, float] = {}
        folder.mkdir(parents=True, exist_ok=True)
        groups = _groups(objective, options)
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.optimizer = torch.optim.AdamW(
            groups, lr=options.rate, betas=(0.9, 0.98), weight_decay=options.weight_decay
        )
        keep = options.average and not self.rank
        self.average = Average(objective, options.average) if keep else None
        self._resume()

    def run(self) -> None:
        """Train to the last update; safe to interrupt at any moment and run again."""
        if self.rank == 0:
            for name in ("curve.tsv", "scores.tsv"):
                cut_back(self.folder / name, self.update)
        epoch, first = self._position()
        started, saved = time.monotonic(), time.monotonic()
        before = self.seconds
        while self.update < self.options.updates:
            batches = self._share(self.sampler.epoch(epoch))
            for rows in batches[first:]:
                loss = self._step(rows)
                self.seconds = before + time.monotonic() - started
                self._report(epoch, loss)
                if time.monotonic() - saved > 60 * self.options.minutes:
                    self._save()
                    saved = time.monotonic()
                if self.update >= self.options.updates:
                    break
            self._finish_epoch(epoch)
            epoch, first = epoch + 1, 0
        self._save()

    def _position(self) -> tuple[int, int]:
        """Epoch and batch at which the next update stands."""
        epoch, left = 0, self.update
        while left and left >= (size := len(self._share(self.sampler.epoch(epoch)))):
            epoch, left = epoch + 1, left - size
        return epoch, left

    def _share(self, batches: list) -> list:
        """This process's batches; every process gets equally many."""
        usable = len(batches) - len(batches) % self.processes
        if not usable:
            raise TrainingError(
                f"{len(batches)} batches are too few for {self.processes} processes"
            )
        return batches[self.rank : usable : self.processes]

    def _step(self, rows: list[tuple[int, int]]) -> float:
        # All draws follow from seed, update and rank, so that a resumed run repeats them exactly.
        rng = np.random.default_rng([self.options.seed, self.update, self.rank])
        torch.manual_seed(int(rng.integers(2**31)))
        self.objective.train()
        views = rows * self.options.views
        batch = make_batch(self.sampler, views, self.alphabet, rng, self.options.augmentation)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.update, self.options) * group.get("share", 1.0)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.options.bf16):
            loss = self.objective(batch, rng)
        self.optimizer.zero_grad()
        loss.backward()
        self._average_gradients()
        norm = nn.utils.clip_grad_norm_(self.parameters, self.options.clip)
        if torch.isfinite(norm):  # one broken batch must not destroy the model
            self.optimizer.step()
        self.update += 1
        if self.average:
            self.average.follow(self.objective)
        return loss.item()

    def _average_gradients(self) -> None:
        if self.processes == 1:
            return
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.flatten() for p in self.parameters])
        distributed.all_reduce(flat)
        flat /= self.processes
        sizes = [p.numel() for p in self.parameters]
        for parameter, part in zip(self.parameters, flat.split(sizes), strict=True):
            parameter.grad.copy_(part.view_as(parameter))

    def _report(self, epoch: int, loss: float) -> None:
        if self.rank or (self.update % 10 and self.update < self.options.updates):
            return
        rate = learning_rate(self.update, self.options)
        row = {
            "update": self.update, "epoch": epoch, "loss": f"{loss:.4f}", "rate": f"{rate:.2e}",
            "seconds": f"{self.seconds:.1f}",
        }  # fmt: skip
        append(self.folder / "curve.tsv", row)
        left = self.seconds / self.update * (self.options.updates - self.update) / 60
        text = f"\rupdate {self.update}/{self.options.updates}  epoch {epoch}  loss {loss:.3f}  "
        print(f"{text}{left:.0f} min left ", end="", file=sys.stderr, flush=True)

    def _finish_epoch(self, epoch: int) -> None:
        if self.rank == 0 and self.score is not None:
            self.objective.eval()
            with self.best_weights():
                self.last_scores = scores = self.score()
            if not scores:  # no dev sets, or none with a reference
                return
            row = {name: f"{value:.4f}" for name, value in scores.items()}
            append(self.folder / "scores.tsv", {"update": self.update, "epoch": epoch} | row)
            shown = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
            print(f"\nafter epoch {epoch}: {shown}", file=sys.stderr, flush=True)

    def best_weights(self) -> AbstractContextManager[None]:
        """The objective with the weights to be used: the average where one is kept."""
        return self.average.inside(self.objective) if self.average else nullcontext()

    def _save(self) -> None:
        if self.rank:
            return
        state = {
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "update": self.update,
            "seconds": self.seconds,
            "scores": self.last_scores,
        }
        if self.average:
            state["average"] = self.average.state()
        content = io.BytesIO()  # torch's own writing hides what a full disk says
        torch.save(state, content)
        write(self.folder / "state.pt", content.getbuffer())
        progress = {"update": self.update, "updates": self.options.updates, "seconds": self.seconds}
        write(self.folder / "progress.json", json.dumps(progress).encode())

    def _resume(self) -> None:
        path = self.folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        try:
            self.objective.load_state_dict(state["objective"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError):
            raise TrainingError(
                f"{self.folder} holds a run of another model; name another folder with --out"
            ) from None
        self.update, self.seconds = state["update"], state["seconds"]
        self.last_scores = state.get("scores", {})
        if self.average:
            self._resume_average(state.get("average"))

    def _resume_average(self, state: dict | None) -> None:
        """Continue the average, or begin one where the run had none."""
        if state is None:
            self.average = Average(self.objective, self.options.average)
        else:
            self.average.restore(state)
