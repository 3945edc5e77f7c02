"""Batches of similar lengths, the same for every run with the same seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.corpora.utterance import TrainingError
from models.text import Alphabet
from models.training.augment import FeatureAugmentation, augment_features
from models.training.store import Store


@dataclass(frozen=True)
class Batch:
    """Padded rows, ready for a model."""

    features: Tensor  # (batch, frames, dim)
    lengths: Tensor  # (batch,) valid frames
    targets: Tensor  # (batch, tokens), padded with blank
    target_lengths: Tensor  # (batch,)
    texts: tuple[str, ...]


class Sampler:
    """Which rows make up each batch of each epoch.

    Stores may be oversampled (share 2: every row twice an epoch) or thinned (0.5). The first epoch
    runs from short to long, which lets CTC find its first alignments; later ones are shuffled. Rows
    of a batch have similar lengths, so that little of it is padding. Everything follows from the
    seed and the epoch: nothing needs saving for an exact resume but the number of updates.
    """

    def __init__(
        self,
        stores: list[tuple[Store, float]],
        batch_frames: int,
        seed: int,
        longest: int,
        curriculum: bool = True,
    ):
        self.stores, self.batch_frames, self.seed = stores, batch_frames, seed
        self.longest, self.curriculum = longest, curriculum

    def epoch(self, number: int) -> list[list[tuple[int, int]]]:
        """The batches of an epoch, each a list of (store, row).

        Raises
        ------
        TrainingError
            If no utterance is short enough.
        """
        rng = np.random.default_rng([self.seed, number])
        rows, lengths = self._draw(rng)
        if not rows:
            raise TrainingError(f"no utterance is left that is at most {self.longest} frames long")
        jitter = rng.uniform(0.93, 1.07, len(rows))  # other neighbours every epoch
        order = np.argsort(lengths * jitter)
        batches, batch, widest = [], [], 0
        for place in order:
            length = int(lengths[place])
            if batch and max(widest, length) * (len(batch) + 1) > self.batch_frames:
                batches.append(batch)
                batch, widest = [], 0
            batch.append(rows[place])
            widest = max(widest, length)
        batches.append(batch)
        if number or not self.curriculum:
            rng.shuffle(batches)
        return batches

    def _draw(self, rng: np.random.Generator) -> tuple[list[tuple[int, int]], np.ndarray]:
        rows, lengths = [], []
        for index, (store, share) in enumerate(self.stores):
            usable = np.flatnonzero(store.lengths <= self.longest)
            whole, part = divmod(share, 1)
            chosen = [usable] * int(whole) + [rng.permutation(usable)[: int(part * len(usable))]]
            for row in np.concatenate(chosen):
                rows.append((index, int(row)))
                lengths.append(store.lengths[row])
        return rows, np.array(lengths)


def make_batch(
    sampler: Sampler,
    rows: list[tuple[int, int]],
    alphabet: Alphabet,
    rng: np.random.Generator,
    augmentation: FeatureAugmentation | None,
) -> Batch:
    """Read, augment and pad the rows of one batch."""
    features = [sampler.stores[store][0].row(row) for store, row in rows]
    if augmentation:
        features = [augment_features(f, augmentation, rng) for f in features]
    texts = tuple(sampler.stores[store][0].texts[row] for store, row in rows)
    return pad([torch.from_numpy(f) for f in features], texts, alphabet)


def pad(features: list[Tensor], texts: tuple[str, ...], alphabet: Alphabet) -> Batch:
    """A batch of features, each (frames, dim), with their texts as token numbers."""
    targets = [torch.tensor(alphabet.encode(text), dtype=torch.long) for text in texts]
    join = torch.nn.utils.rnn.pad_sequence
    return Batch(
        features=join(features, batch_first=True),
        lengths=torch.tensor([len(f) for f in features]),
        targets=join(targets, batch_first=True, padding_value=alphabet.blank),
        target_lengths=torch.tensor([len(t) for t in targets]),
        texts=texts,
    )


def in_order(store: Store, batch_frames: int, alphabet: Alphabet) -> Iterator[Batch]:
    """Every row of a store once, unchanged, by length: for scoring."""
    sampler = Sampler([(store, 1.0)], batch_frames, 0, int(store.lengths.max()))
    rng = np.random.default_rng(0)
    for rows in sampler.epoch(0):
        yield make_batch(sampler, rows, alphabet, rng, None)
