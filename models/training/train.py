"""Train the shared encoder (``--variant ctc``) or one mechanism's decoder on it.

    python -m models.training.train --variant ctc --data corpus.tsv@2 --data more.tsv --out runs/ctc
    python -m models.training.train --variant location --encoder runs/ctc --data ... --out runs/location

``--data`` is a manifest (TSV or CSV with ``path`` and ``text``) or a feature store made by
``models.training.store``; ``@2`` reads it twice an epoch, ``@0.5`` half of it. Interrupt at any
moment: the same command continues. For several processes:
``torchrun --nproc_per_node=2 -m models.training.train ...``.
"""

import argparse
import sys
from pathlib import Path

import torch

from models.encoder import Encoder, EncoderOptions
from models.features import MEL_BINS
from models.text import Alphabet
from models.training.augment import FeatureAugmentation
from models.training.batches import Sampler, in_order
from models.training.corpus import read_manifest
from models.training.lexicon import read_lexicon
from models.training.loop import LoopOptions, Trainer
from models.training.objectives import CTCObjective, error_rates
from models.training.store import Store, open_store, write_store

FRAMES_PER_SECOND = 100


def open_data(argument: str, out: Path, copies: int = 1, clean: bool = False) -> tuple[Store, float]:
    """The store and share that a ``--data`` or ``--dev`` argument names; made first if need be."""
    name, _, share = argument.partition("@")
    path = Path(name)
    if path.is_file():
        folder = out / "features" / f"{path.stem}-{'clean' if clean else copies}"
        if not (folder / "rows.json").exists():
            from models.training.extract import extract  # audio is read only where a store is made

            rows = read_manifest(path, "dev" if clean else "train")
            write_store(folder, MEL_BINS, extract(rows, copies, 2, seed=1, clean=clean))
        path = folder
    return open_store(path), float(share or 1)


def train_encoder(options: argparse.Namespace) -> None:
    """CTC training of the encoder that all variants share."""
    alphabet = Alphabet()
    lexicon = read_lexicon(options.lexicon) if options.lexicon else {}
    phones = len({phone for word in lexicon.values() for phone in word})
    torch.manual_seed(options.seed)
    encoder = Encoder(EncoderOptions(len(alphabet), phones=phones + 1 if phones else 0))
    objective = CTCObjective(encoder, alphabet, lexicon)
    stores = [open_data(argument, options.out, options.copies) for argument in options.data]
    dev = {Path(a).stem: open_data(a, options.out, clean=True)[0] for a in options.dev}
    batch = int(options.batch_seconds * FRAMES_PER_SECOND)
    longest = int(options.longest * FRAMES_PER_SECOND)
    sampler = Sampler(stores, batch, options.seed, longest)

    def score() -> dict[str, float]:
        scores = {}
        for name, store in dev.items():
            rates = error_rates(objective, in_order(store, batch, alphabet))
            scores |= {f"{name}_{key}": value for key, value in rates.items()}
        return scores

    loop = LoopOptions(
        updates=options.updates, rate=options.rate, seed=options.seed, bf16=not options.fp32,
        augmentation=FeatureAugmentation(),
    )  # fmt: skip
    Trainer(objective, sampler, alphabet, options.out, loop, score).run()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variant", required=True, help="ctc, or the name of an attention mechanism")
    parser.add_argument("--data", action="append", required=True, help="training data, repeatable")
    parser.add_argument("--dev", action="append", default=[], help="scored after each epoch")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--lexicon", type=Path, help="word-phones file for the auxiliary phone CTC")
    parser.add_argument("--updates", type=int, default=16_000, help="optimiser steps in all")
    parser.add_argument("--rate", type=float, default=1.2e-3, help="peak learning rate")
    parser.add_argument("--batch-seconds", type=float, default=128, help="audio in one batch")
    parser.add_argument("--longest", type=float, default=17, help="longest utterance used, seconds")
    parser.add_argument("--copies", type=int, default=4, help="augmented copies of each utterance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, help="processor threads (default: torch's choice)")
    parser.add_argument("--fp32", action="store_true", help="no bf16 autocast")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    train_encoder(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
