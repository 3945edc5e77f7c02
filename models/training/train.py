"""Train the shared encoder (``--variant ctc``) or one mechanism's decoder on it.

    python -m models.training.train --variant ctc --data corpus.tsv@2 --data more.tsv --out runs/ctc
    python -m models.training.train --variant location --data corpus.tsv --out runs/location

``--data`` is a manifest (TSV or CSV with ``path`` and ``text``) or a store made from one by
``models.training.extract`` (and, for a decoder, ``models.training.encode``); ``@2`` reads it twice
an epoch, ``@0.5`` half of it. A decoder is trained on the encoder in ``--checkpoints``, which stays
as it is. Interrupt at any moment: the same command continues. At the end (``--export``: at once)
the weights are written to ``--checkpoints`` as fp16 safetensors with a card. For several processes:
``torchrun --nproc_per_node=2 -m models.training.train ...``.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import distributed

from models import checkpoint, recogniser
from models.attention.base import Sizes, mechanisms
from models.checkpoint import Card, CheckpointError
from models.decoder import DecoderOptions, build_decoder
from models.encoder import Encoder, EncoderOptions
from models.features import MEL_BINS
from models.text import Alphabet
from models.training.augment import FeatureAugmentation
from models.training.batches import Sampler, in_order
from models.training.corpus import ManifestError, read_manifest
from models.training.encode import encoded_rows
from models.training.lexicon import read_lexicon
from models.training.loop import LoopOptions, Trainer
from models.training.objectives import CTCObjective, DecoderObjective, error_rates
from models.training.store import Store, open_store, write_store

DECODER = DecoderOptions(
    embedding_dim=64,
    units=256,
    dropout=0.1,
    context_residual=True,
    attention=Sizes(attention_dim=128, heads=4, channels=10, kernel=31, window=5),
)
ENCODER_RECIPE = {"updates": 15_000, "rate": 1.2e-3, "warmup": 250, "batch_seconds": 128.0}
DECODER_RECIPE = {"updates": 3_000, "rate": 2e-3, "warmup": 100, "batch_seconds": 100.0}


class Data:
    """The stores a run reads, made from manifests where they are not stores already."""

    def __init__(self, options: argparse.Namespace, encoder: Encoder | None) -> None:
        self.options, self.encoder = options, encoder
        self.frame_rate = 100 if encoder is None else 25  # rows of a store in one second
        rank = distributed.get_rank() if distributed.is_initialized() else 0
        if rank:
            distributed.barrier()  # the first process makes the stores, the others read them
        self.train = [self._open(argument, clean=False) for argument in options.data]
        self.dev = {Path(a).stem: self._open(a, clean=True)[0] for a in options.dev}
        if distributed.is_initialized() and not rank:
            distributed.barrier()

    def _open(self, argument: str, clean: bool) -> tuple[Store, float]:
        name, _, share = argument.partition("@")
        path = Path(name)
        if path.is_file():
            path = self._features(path, clean)
        return open_store(path), float(share or 1)

    def _features(self, manifest: Path, clean: bool) -> Path:
        copies = 1 if clean else self.options.copies
        folder = self.options.out / "features" / f"{manifest.stem}-{'dev' if clean else copies}"
        if not (folder / "rows.json").exists():
            from models.training.extract import extract  # audio is read only where a store is made

            rows = read_manifest(manifest, "dev" if clean else "train")
            write_store(folder, MEL_BINS, extract(rows, copies, workers=2, seed=1, clean=clean))
        if self.encoder is None:
            return folder
        encoded = folder.with_name(folder.name + "-encoded")
        if not (encoded / "rows.json").exists():
            store = open_store(folder)
            rows = encoded_rows(self.encoder, store, [[row] for row in range(len(store))])
            write_store(encoded, self.encoder.dim, rows)
        return encoded


def make_objective(options: argparse.Namespace, alphabet: Alphabet, encoder: Encoder | None):
    """A freshly initialised model with its loss, the same for the same seed."""
    torch.manual_seed(options.seed)
    if encoder is None:
        lexicon = read_lexicon(options.lexicon) if options.lexicon else {}
        phones = len({phone for word in lexicon.values() for phone in word})
        sizes = EncoderOptions(
            len(alphabet), phones=phones + 1 if phones else 0, dropout=options.dropout
        )
        return CTCObjective(Encoder(sizes), alphabet, lexicon)
    return DecoderObjective(
        build_decoder(options.variant, len(alphabet), encoder.dim, DECODER), alphabet
    )


def masking(strength: float) -> FeatureAugmentation:
    """SpecAugment with narrower frequency and fewer time masks where `strength` is below 1."""
    plain = FeatureAugmentation()
    return replace(
        plain,
        frequency_width=round(plain.frequency_width * strength),
        time_masks_per_second=plain.time_masks_per_second * strength,
    )


def export(options: argparse.Namespace, objective, alphabet: Alphabet, trainer: Trainer) -> Path:
    """Write the weights and their card to the checkpoint folder."""
    folder = recogniser.checkpoint_folder(options.checkpoints)
    is_encoder = options.variant == recogniser.CTC
    model = objective.encoder if is_encoder else objective.decoder
    config = asdict(model.options if is_encoder else DECODER)
    if is_encoder:
        config["phones"] = 0  # the phone head is not needed after training
    encoder = "" if is_encoder else checkpoint.fingerprint(folder / "encoder.safetensors")
    names = {name for name, _ in model.named_parameters() if not name.startswith("phone_ctc")}
    training = {
        "parameters": sum(model.get_parameter(name).numel() for name in names),
        "data": [Path(argument).name for argument in options.data],
        "seed": options.seed,
        "updates": trainer.update,
        "batch_seconds": options.batch_seconds,
        "hours": round(trainer.seconds / 3600, 3),
        "commit": _commit(),
    }
    name = "encoder" if is_encoder else options.variant
    scores = trainer.last_scores
    card = Card(name, config, alphabet.tokens, encoder, training, scores)
    path = folder / f"{name}.safetensors"
    checkpoint.save(model, path, card, leave_out=("phone_ctc",))
    return path


def _commit() -> str:
    """The commit of the training code, empty outside a git checkout."""
    call = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(call, capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def train(options: argparse.Namespace) -> None:
    """Run or continue a training, then export its checkpoint."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        distributed.init_process_group("gloo")
    is_encoder = options.variant == recogniser.CTC
    encoder = None if is_encoder else recogniser.load_encoder(options.checkpoints)
    alphabet = Alphabet()
    objective = make_objective(options, alphabet, encoder)
    if options.init:
        model = objective.encoder if is_encoder else objective.decoder
        checkpoint.load(model, options.init, leave_out=("phone_ctc",))
    data = Data(options, encoder)
    batch = int(options.batch_seconds * data.frame_rate)
    longest = int(options.longest * data.frame_rate)
    sampler = Sampler(data.train, batch, options.seed, longest)

    def score() -> dict[str, float]:
        scores = {}
        for name, store in data.dev.items():
            rates = error_rates(objective, in_order(store, batch, alphabet))
            scores |= {f"{name}_{key}": value for key, value in rates.items()}
        return scores

    loop = LoopOptions(
        updates=options.updates, rate=options.rate, warmup=options.warmup, seed=options.seed,
        bf16=not options.fp32, augmentation=masking(options.masking) if is_encoder else None,
    )  # fmt: skip
    trainer = Trainer(objective, sampler, alphabet, options.out, loop, score)
    if not options.export:
        trainer.run()
    if trainer.rank == 0:
        print(f"\nwrote {export(options, objective, alphabet, trainer)}")
    if distributed.is_initialized():
        distributed.destroy_process_group()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Command line; what is not given comes from the recipe of encoder or decoder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--variant", required=True, help="ctc (the encoder), or the name of an attention mechanism")
    add("--data", action="append", required=True, help="training data, may be given repeatedly")
    add("--dev", action="append", default=[], help="scored after each epoch")
    add("--out", type=Path, required=True, help="folder of the run: state, curve, scores")
    add("--checkpoints", type=Path, help="folder of checkpoints (default: checkpoints/)")
    add("--init", type=Path, help="start from this checkpoint's weights (fine-tuning)")
    add("--lexicon", type=Path, help="word-phones file for the encoder's auxiliary phone CTC")
    add("--updates", type=int, help="optimiser steps in all")
    add("--rate", type=float, help="peak learning rate")
    add("--warmup", type=int, help="updates until the peak")
    add("--batch-seconds", type=float, help="audio in one batch")
    add("--longest", type=float, default=20.5, help="longest utterance used, seconds")
    add("--copies", type=int, default=4, help="augmented copies of each utterance of a manifest")
    add(
        "--masking",
        type=float,
        default=1.0,
        help="strength of SpecAugment (encoder; 0 turns it off)",
    )
    add("--dropout", type=float, default=0.1, help="between the encoder's layers")
    add("--seed", type=int, default=1, help="of initial weights, data order and augmentation")
    add("--threads", type=int, help="processor threads (default: torch's choice)")
    add("--fp32", action="store_true", help="no bf16 autocast")
    add("--export", action="store_true", help="only write the checkpoint of a run as it stands")
    options = parser.parse_args(arguments)
    known = [*mechanisms(), recogniser.CTC]
    if options.variant not in known:
        parser.error(f"there is no variant {options.variant!r}; there are {', '.join(known)}")
    recipe = ENCODER_RECIPE if options.variant == recogniser.CTC else DECODER_RECIPE
    for name, value in recipe.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        train(options)
    except (CheckpointError, ManifestError, FileNotFoundError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
