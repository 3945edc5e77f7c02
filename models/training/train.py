"""Train the shared encoder (``--variant ctc``), one mechanism's decoder on it, or both together.

    python -m models.training.train --variant ctc --data corpus.tsv@2 --data more.tsv --out runs/ctc
    python -m models.training.train --variant location --data corpus.tsv --out runs/location
    python -m models.training.train --variant dot --joint --data corpus.tsv --out runs/dot_joint \\
        --checkpoints runs/dot_joint/checkpoints

``--data`` is a data set (CSV or TSV with ``path`` and ``text``, NeMo JSON lines, a Kaldi or a
LibriSpeech folder), or a store made from one by ``models.training.extract`` (and, for a decoder,
``models.training.encode``); ``@2`` reads it twice an epoch, ``@0.5`` half of it. A decoder is
trained on the encoder in ``--checkpoints``, which stays as it is. Interrupt at any moment: the same
command continues. At the end (``--export``: at once) the weights are written to ``--checkpoints``
as fp16 safetensors with a card. For several processes:
``torchrun --nproc_per_node=2 -m models.training.train ...``. More: docs/training.md.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from analysis.cli.arguments import between
from analysis.io.files import failure_of
from analysis.scoring.normalisers import NORMALISERS
from models import checkpoint, recogniser
from models.audio import AudioError
from models.checkpoint import Card, CheckpointError
from models.corpora.librispeech import SUBSETS
from models.corpora.utterance import TrainingError
from models.decoders.registry import decoders
from models.encoders import Encoder, LSTMEncoder, to_config
from models.encoders.pretrained import PREFIX, read_whisper
from models.text import Alphabet
from models.training import recipes
from models.training.batches import Sampler, in_order
from models.training.data import Data, DataOptions, is_first_process, say
from models.training.finetune import TRAINING_ONLY, read_start, split_starts, start_from
from models.training.loop import LoopOptions, Trainer
from models.training.objectives import VIEWS, error_rates
from models.training.recipes import ENCODER, Objective
from models.training.record import RunRecord, begin, read_record
from models.variant import CTC

PATIENCE = timedelta(days=2)  # processes wait while the first one makes features or scores
Starts = Mapping[str, tuple[Path, Card]]  # checkpoints to start from, by the part they hold


def train(options: argparse.Namespace) -> Trainer:
    """Run or continue a training, then export its checkpoints."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        distributed.init_process_group("gloo", timeout=PATIENCE)
    starts = read_starts(options)
    pretrained = read_whisper(options.whisper) if options.whisper else None
    kind = recipes.encoder_kind({name: card for name, (_, card) in starts.items()}, pretrained)
    if options.joint:
        _check_folder(recogniser.checkpoint_folder(options.checkpoints), options.variant)
    data = open_data(options, starts, kind)
    alphabet = data.known or data.alphabet_of_data(options.rare)
    cards = {name: card for name, (_, card) in starts.items()}
    encoder_dim = data.encoder.dim if data.encoder else None
    objective = recipes.make_objective(options, alphabet, encoder_dim, cards, pretrained)
    models = recipes.parts(objective, options)
    if pretrained:
        say(f"starting from the encoder of {pretrained.name}")
    for name, (path, card) in starts.items():
        say(str(start_from(models[name], path, card, alphabet)))
    if is_first_process():
        record = RunRecord(options.variant, options.joint, options.seed, alphabet.tokens)
        begin(options.out, record)
    trainer = make_trainer(options, data, objective, alphabet)
    if not options.export:
        trainer.run()
    if is_first_process():
        with trainer.best_weights():
            for path in export(options, models, cards, alphabet, trainer):
                print(f"\nwrote {path}")
    return trainer


def open_data(
    options: argparse.Namespace, starts: Starts, kind: type[Encoder] = LSTMEncoder
) -> Data:
    """What a run reads; features and encoder outputs that are not there yet are made."""
    folder = recogniser.checkpoint_folder(options.checkpoints)
    frozen = options.variant != CTC and not options.joint
    encoder = recogniser.load_encoder(folder) if frozen else None
    fingerprint = checkpoint.fingerprint(folder / "encoder.safetensors") if frozen else ""
    alphabet = _alphabet(options, starts, folder if frozen else None)
    return Data(_data_options(options), alphabet, encoder, fingerprint, kind)


def read_starts(options: argparse.Namespace) -> Starts:
    """The checkpoints to start from, by the part they hold."""
    starts = {}
    for path in options.init:
        card = read_start(path, recipes.part_names(options))
        starts[card.name] = (path, card)
    return starts


def _check_folder(folder: Path, variant: str) -> None:
    """A joint run must not put its encoder below decoders that were trained on another."""
    path = folder / "encoder.safetensors"
    if path.exists() and checkpoint.read_card(path).training.get("joint") != variant:
        raise TrainingError(
            f"{folder} already holds an encoder of another run; name a folder of its own with "
            "--checkpoints"
        )


def _data_options(options: argparse.Namespace) -> DataOptions:
    return DataOptions(
        train=tuple(options.data), dev=tuple(options.dev), download=tuple(options.download),
        downloads=options.download_to, folder=options.features or options.out / "features",
        copies=options.copies, normalizer=options.normalizer,
    )  # fmt: skip


def _alphabet(options: argparse.Namespace, starts: Starts, below: Path | None) -> Alphabet | None:
    """What is written: as the encoder below does, as asked for, or as the checkpoint started from.

    `below` is the folder of the frozen encoder, if there is one. None: to be found in the data.
    """
    if below is not None:
        return Alphabet(checkpoint.read_card(below / "encoder.safetensors").alphabet)
    if options.alphabet == "data":
        before = read_record(options.out)
        return Alphabet(before.alphabet) if before else None
    if options.alphabet is None and ENCODER in starts:
        return Alphabet(starts[ENCODER][1].alphabet)
    return Alphabet()


def make_trainer(
    options: argparse.Namespace, data: Data, objective: Objective, alphabet: Alphabet
) -> Trainer:
    """The loop over the data with everything the command line says."""
    batch = int(options.batch_seconds * data.frame_rate)
    longest = int(options.longest * data.frame_rate)
    views = VIEWS if options.consistency else 1
    sampler = Sampler(data.train, batch // views, options.seed, longest)

    def score() -> dict[str, float]:
        scores = {}
        for name, store in data.dev.items():
            batches = in_order(store, batch, alphabet)
            rates = error_rates(objective, batches, options.normalizer)
            scores |= {f"{name}_{key}": value for key, value in rates.items()}
        return scores

    loop = LoopOptions(
        updates=options.updates, rate=options.rate, pretrained_rate=options.pretrained_rate,
        warmup=options.warmup, seed=options.seed, bf16=not options.fp32, average=options.average,
        views=views, augmentation=None if data.encoder else recipes.masking(options.masking),
    )  # fmt: skip
    return Trainer(objective, sampler, alphabet, options.out, loop, score)


def export(
    options: argparse.Namespace,
    models: Mapping[str, nn.Module],
    starts: Mapping[str, Card],
    alphabet: Alphabet,
    trainer: Trainer,
) -> list[Path]:
    """Write the weights and their cards to the checkpoint folder, an encoder first."""
    folder = recogniser.checkpoint_folder(options.checkpoints)
    written = []
    for name, model in models.items():
        is_encoder = name == ENCODER
        sizes = model.options if is_encoder else recipes.sizes_of(name, options, starts)
        config = to_config(sizes) if is_encoder else asdict(sizes)
        if config.get("phones"):
            config["phones"] = 0  # the phone head is not needed after training
        encoder = "" if is_encoder else checkpoint.fingerprint(folder / "encoder.safetensors")
        # What was scored is the decoder where there is one.
        scores = {} if is_encoder and options.joint else trainer.last_scores
        history = _history(options, model, trainer, starts.get(name))
        card = Card(name, config, alphabet.tokens, encoder, history, scores)
        written.append(folder / f"{name}.safetensors")
        checkpoint.save(model, written[-1], card, leave_out=TRAINING_ONLY)
    return written


def _history(
    options: argparse.Namespace, model: nn.Module, trainer: Trainer, start: Card | None
) -> dict[str, Any]:
    """How a checkpoint came about, for its card."""
    kept = [p for name, p in model.named_parameters() if not name.startswith(TRAINING_ONLY)]
    history = {
        "parameters": sum(parameter.numel() for parameter in kept),
        "data": [Path(argument).name for argument in (*options.data, *options.download)],
        "seed": options.seed,
        "updates": trainer.update,
        "batch_seconds": options.batch_seconds,
        "hours": round(trainer.seconds / 3600, 3),
        "commit": _commit(),
    }
    if options.joint:
        history |= {"joint": options.variant, "ctc_weight": options.joint}
    optional = ("average", "consistency")
    history |= {name: getattr(options, name) for name in optional if getattr(options, name)}
    if options.init:
        history["init"] = [path.name for path in options.init]
    if options.whisper:
        folder = Path(options.whisper)
        history["whisper"] = folder.name if folder.is_dir() else options.whisper
    if start is not None:  # however often it has been continued, all its updates are known
        earlier = (start.training.get(name, 0) for name in ("updates", "updates_before"))
        history["updates_before"] = sum(earlier)
    return history


def _commit() -> str:
    """The commit of the training code, empty outside a git checkout."""
    call = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(call, capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Command line; what is not given comes from the recipe of encoder, decoder or both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    _add_what(parser.add_argument_group("what is trained").add_argument)
    _add_data(parser.add_argument_group("data").add_argument)
    _add_how(parser.add_argument_group("how").add_argument)
    options = parser.parse_args(arguments)
    known = [*decoders(), CTC]
    if options.variant not in known:
        parser.error(f"there is no variant {options.variant!r}; there are {', '.join(known)}")
    options.init, options.whisper = split_starts(parser, options.init)
    _check_combinations(parser, options)
    for name, value in recipes.recipe(options).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def _add_what(add: Callable) -> None:
    add("--variant", required=True, help="ctc (the encoder), or a name of `python -m app variants`")
    add(
        "--joint", nargs="?", type=float, const=0.3, default=0.0, metavar="WEIGHT",
        help="train an encoder together with the decoder, CTC's share of the loss (default 0.3)",
    )  # fmt: skip
    add("--out", type=Path, required=True, help="folder of the run: state, curve, scores")
    add("--checkpoints", type=Path, help="folder of checkpoints (default: checkpoints/)")
    add(
        "--init", action="append", default=[], metavar="FILE",
        help="start from this checkpoint's weights (fine-tuning); may be given for each part; "
        f"{PREFIX}PATH_OR_NAME: an encoder that starts from that of a Whisper model, such as "
        f"{PREFIX}openai/whisper-tiny.en",
    )  # fmt: skip
    add("--export", action="store_true", help="only write the checkpoint of a run as it stands")


def _add_data(add: Callable) -> None:
    add("--data", action="append", default=[], help="training data, may be given repeatedly")
    add("--dev", action="append", default=[], help="scored after each epoch")
    add(
        "--download", action="append", default=[], choices=SUBSETS, metavar="SUBSET",
        help=f"of LibriSpeech, train-... is learned from, others are scored: {', '.join(SUBSETS)}",
    )  # fmt: skip
    add("--download-to", type=Path, default=Path("data"), help="folder for it (default data/)")
    add(
        "--alphabet", choices=("english", "data"),
        help="a to z (default, unless --init has another), or the characters of the training data",
    )  # fmt: skip
    add(
        "--rare", type=between(int, 1, 10**9), default=2, metavar="N",
        help="with --alphabet data: least count of a character (default %(default)s)",
    )  # fmt: skip
    add(
        "--normalizer", choices=tuple(NORMALISERS), default="basic",
        help="how transcripts are spelt: basic is lower case and no punctuation, in any script",
    )  # fmt: skip
    add("--lexicon", type=Path, help="word-phones file for the encoder's auxiliary phone CTC")
    add(
        "--longest", type=between(float, 0.1, 86_400), default=20.5, metavar="S",
        help="longest utterance used, seconds (default %(default)s)",
    )  # fmt: skip
    add(
        "--features", type=Path, metavar="DIR",
        help="where features made of data sets are kept; runs may share it (default: OUT/features)",
    )  # fmt: skip
    add(
        "--copies", type=between(int, 1, 1_000), default=4, metavar="N",
        help="augmented copies of each utterance of a data set (default %(default)s)",
    )  # fmt: skip


def _add_how(add: Callable) -> None:
    for name, (kind, low, high), what in (
        ("updates", (int, 1, 10**9), "optimiser steps in all"),
        ("rate", (float, 1e-9, 10), "peak learning rate"),
        ("warmup", (int, 0, 10**9), "updates until the peak"),
        ("batch_seconds", (float, 0.1, 86_400), "audio in one batch, seconds"),
    ):
        help_ = f"{what} (default {recipes.usual(name)})"
        flag = "--" + name.replace("_", "-")
        add(flag, type=between(kind, low, high), metavar="N", help=help_)
    add(
        "--pretrained-rate", type=between(float, 0, 10), default=2.5e-4, metavar="N",
        help="peak learning rate of the layers that come from Whisper (default %(default)s)",
    )  # fmt: skip
    add(
        "--masking", type=between(float, 0, 5), default=1.0, metavar="F",
        help="strength of SpecAugment (encoder; 0: none; default %(default)s)",
    )  # fmt: skip
    add(
        "--dropout", type=between(float, 0, 0.99), default=0.1, metavar="P",
        help="between the encoder's layers (default %(default)s)",
    )  # fmt: skip
    add(
        "--slow-layers", type=between(int, 0, 100), default=0, metavar="N",
        help="residual layers at half the frame rate in the encoder; with --init they are added to "
        "a trained one (default: as there, else none)",
    )  # fmt: skip
    add(
        "--conditioned", action="store_true",
        help="inner layers of the encoder have a CTC each and tell the layers above what they "
        "spelt; may be added to a trained encoder (default: as with --init, else not)",
    )  # fmt: skip
    add(
        "--consistency", nargs="?", type=between(float, 0, 10), const=0.2, default=0.0, metavar="W",
        help="every batch of the encoder's holds its utterances twice, masked differently, and the "
        "spellings of both are drawn together with this weight (default 0.2; without: 0)",
    )  # fmt: skip
    add(
        "--average", nargs="?", type=float, const=0.999, default=0.0, metavar="DECAY",
        help="score and export a running average of the weights (default decay 0.999)",
    )  # fmt: skip
    add(
        "--seed", type=between(int, 0, 2**32 - 1), default=1, metavar="N",
        help="of initial weights, data order and augmentation (default %(default)s)",
    )  # fmt: skip
    add(
        "--threads", type=between(int, 1, 1_024), metavar="N",
        help="processor threads (default: torch's choice)",
    )  # fmt: skip
    add("--fp32", action="store_true", help="no bf16 autocast")


def _check_combinations(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    is_decoder = options.variant != CTC
    if not (options.data or any(name.startswith("train") for name in options.download)):
        parser.error("there is nothing to learn from: give --data, or --download train-...")
    if options.joint and not is_decoder:
        parser.error("--joint trains a decoder with its encoder: name a mechanism with --variant")
    if options.joint and options.checkpoints is None:
        parser.error("--joint makes an encoder of its own: name a folder for it with --checkpoints")
    for flag, given in (("slow-layers", options.slow_layers), ("conditioned", options.conditioned)):
        if is_decoder and not options.joint and given:
            parser.error(f"--{flag} belongs to the encoder: train it with --variant ctc")
    if is_decoder and not options.joint and options.whisper:
        parser.error(f"--init {PREFIX}... starts an encoder: train it with --variant ctc")
    if is_decoder and options.consistency:
        parser.error("--consistency belongs to the encoder: train it with --variant ctc")
    if is_decoder and not options.joint and options.alphabet:
        parser.error("a decoder writes with its encoder's alphabet: leave --alphabet out")
    if not 0 <= options.joint < 1:
        parser.error("the weight of --joint lies between 0 and 1")
    if not 0 <= options.average < 1:
        parser.error("the decay of --average lies between 0 and 1")


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        train(options)
    except (CheckpointError, TrainingError, AudioError, OSError) as error:
        print(f"training: {failure_of(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command continues", file=sys.stderr)
        return 130
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
