"""Log-mel features of a manifest, every utterance in several augmented copies.

Decoding, augmenting and transforming audio is done once, by several processes; training then reads
the rows of a store.

    python -m models.training.extract manifest.tsv --out store/real --copies 4 --workers 2
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from analysis.cli.arguments import between
from models.audio import AudioError
from models.corpora.corpus import ManifestError, Utterance, read_transcribed, with_audio
from models.corpora.recordings import load_utterance
from models.corpora.utterance import TrainingError
from models.encoders import KINDS, Encoder, LSTMEncoder
from models.features import MEL_BINS
from models.training.augment import SampleAugmentation, augment_samples
from models.training.store import write_store

PIECE = 200  # utterances in one piece of work


def _piece(
    utterances: list[Utterance], copy: int, seed: int, clean: bool, encoder: type[Encoder]
) -> list[np.ndarray]:
    """Features of some utterances; the draws depend on seed, copy and the first utterance only."""
    rng = np.random.default_rng([seed, copy, *utterances[0].id.encode()])
    babble, made = np.zeros(0, np.float32), []
    for utterance in utterances:
        samples = load_utterance(utterance).samples
        if not clean:
            changed = augment_samples(samples, SampleAugmentation(), rng, babble)
            babble, samples = samples, changed
        made.append(encoder.features(torch.from_numpy(samples)).numpy().astype(np.float16))
    return made


def extract(
    utterances: list[Utterance],
    copies: int,
    workers: int,
    seed: int,
    clean: bool = False,
    encoder: type[Encoder] = LSTMEncoder,
) -> Iterator[tuple[Utterance, np.ndarray]]:
    """Features of `copies` augmented copies of every utterance, with progress on stderr.

    They are those that the kind of `encoder` hears.
    """
    pieces = [utterances[at : at + PIECE] for at in range(0, len(utterances), PIECE)]
    work = [(piece, copy) for copy in range(copies) for piece in pieces]
    if len(work) == 1:  # not worth another process
        yield from zip(utterances, _piece(utterances, 0, seed, clean, encoder), strict=True)
        return
    fresh = get_context("spawn")  # a fork would inherit the locks of torch's threads
    with ProcessPoolExecutor(workers, fresh, torch.set_num_threads, (1,)) as pool:
        jobs = [pool.submit(_piece, piece, copy, seed, clean, encoder) for piece, copy in work]
        for done, ((piece, _), job) in enumerate(zip(work, jobs, strict=True), 1):
            yield from zip(piece, job.result(), strict=True)
            jobs[done - 1] = None  # let the features go once they are written
            print(f"\rfeatures: piece {done}/{len(jobs)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "manifest",
        type=Path,
        help="data set: CSV, TSV, NeMo JSON lines, Kaldi or LibriSpeech folder",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the store")
    parser.add_argument("--split", default="train", help="rows of the manifest to use")
    parser.add_argument("--corpus", help="only rows of this corpus")
    parser.add_argument(
        "--copies",
        type=between(int, 1, 1_000),
        default=1,
        help="augmented copies of every utterance (default 1)",
    )
    parser.add_argument("--clean", action="store_true", help="no augmentation (dev sets)")
    parser.add_argument(
        "--encoder",
        choices=tuple(KINDS),
        default=LSTMEncoder.kind,
        help="kind of encoder that the features are for (default %(default)s)",
    )
    parser.add_argument("--workers", type=between(int, 1, 1_000), default=2)
    parser.add_argument("--seed", type=between(int, 0, 2**32 - 1), default=1)
    options = parser.parse_args(arguments)
    try:
        rows = read_transcribed(options.manifest, options.split)
        rows = [row for row in rows if options.corpus in (None, row.corpus)]
        if not rows:
            raise ManifestError(f"{options.manifest} has no utterances of what was asked for")
        rows = with_audio(rows, options.manifest.name)
        encoder = KINDS[options.encoder]
        copies, workers, seed = options.copies, options.workers, options.seed
        features = extract(rows, copies, workers, seed, options.clean, encoder)
        write_store(options.out, MEL_BINS, features, encoder.kind)
    except (TrainingError, AudioError) as error:
        print(f"features: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
