"""The frozen encoder's outputs for a feature store, computed once and read by every decoder.

Some rows are made of several utterances in a row, so that decoders also meet recordings longer than
any single utterance: content-based attention is known to fail beyond its training lengths.

    python -m models.training.encode store/real --checkpoints checkpoints --out cache/real
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from analysis.cli.arguments import between
from models import recogniser
from models.checkpoint import CheckpointError
from models.corpora.corpus import Utterance
from models.corpora.utterance import TrainingError
from models.encoders import Encoder
from models.training.store import Store, open_store, require_kind, write_store

BATCH_FRAMES = 20_000  # feature frames in one pass


def plan(
    store: Store, share: float, joined: float, longest: int, rng: np.random.Generator
) -> list[list[int]]:
    """Rows to encode together as one recording.

    `share` of the store's rows are taken; `joined` of those are put together in runs of two to
    four, while the run stays under `longest` feature frames.
    """
    lengths = store.lengths
    rows = rng.permutation(np.flatnonzero(lengths <= longest))[: int(share * len(store))].tolist()
    plans = []
    while rows:
        run = [rows.pop()]
        if rng.random() < joined:
            for _ in range(rng.integers(1, 4)):
                if rows and lengths[run].sum() + lengths[rows[-1]] <= longest:
                    run.append(rows.pop())
        plans.append(run)
    return plans


@torch.inference_mode()
def encoded_rows(
    encoder: Encoder, store: Store, plans: list[list[int]]
) -> Iterator[tuple[Utterance, np.ndarray]]:
    """Encode the planned rows, sorted by length, with progress on stderr."""
    plans = sorted(plans, key=lambda run: store.lengths[run].sum())
    at = 0
    while at < len(plans):
        longest = store.lengths[plans[at]].sum()
        take = max(1, BATCH_FRAMES // (longest + 50))
        batch = plans[at : at + take]
        features = [torch.from_numpy(np.concatenate([store.row(r) for r in run])) for run in batch]
        padded = torch.nn.utils.rnn.pad_sequence(features, batch_first=True)
        encoded, lengths = encoder(padded, torch.tensor([len(f) for f in features]))
        for run, rows, size in zip(batch, encoded.numpy(), lengths.tolist(), strict=True):
            text = " ".join(store.texts[row] for row in run)
            name = "+".join(store.names[row] for row in run)
            corpus = store.corpora[run[0]]
            yield Utterance(id=name, path=Path(), text=text, corpus=corpus), rows[:size]
        at += take
        print(f"\rencoded {min(at, len(plans))}/{len(plans)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("store", type=Path, help="feature store")
    parser.add_argument("--checkpoints", type=Path, help="folder with encoder.safetensors")
    parser.add_argument("--out", type=Path, required=True, help="store of encoder outputs")
    add, share = parser.add_argument, between(float, 0, 1)
    add("--share", type=share, default=1.0, help="part of the rows to encode (default 1)")
    add("--joined", type=share, default=0.0, help="part to join into longer ones (default 0)")
    add(
        "--longest", type=between(float, 0.1, 86_400), default=20.0,
        help="seconds, joined ones included (default 20)",
    )  # fmt: skip
    add("--seed", type=between(int, 0, 2**32 - 1), default=1)
    options = parser.parse_args(arguments)
    try:
        encoder = recogniser.load_encoder(options.checkpoints)
        store = open_store(options.store)
        require_kind(store, options.store, encoder.kind)
    except (CheckpointError, FileNotFoundError, TrainingError) as error:
        print(f"encoding: {error}", file=sys.stderr)
        return 1
    rng = np.random.default_rng(options.seed)
    plans = plan(store, options.share, options.joined, int(100 * options.longest), rng)
    write_store(options.out, encoder.dim, encoded_rows(encoder, store, plans), encoder.kind)
    return 0


if __name__ == "__main__":
    sys.exit(main())
