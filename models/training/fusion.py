"""Choose the weight of the language model and the word bonus, and see what they are worth.

    python -m models.training.fusion corpus.tsv --variants ctc,location --beam 10 --ctc-weight 0.3

The chosen recordings are cut in two halves by their text, so that no text is in both. Weights and
bonuses are tried on one half; the best pair, by the mean of the corpora's WER, is then measured on
the other half, beside decoding without a language model. Each recording is encoded once. The result
goes to standard output as JSON.
"""

import argparse
import json
import random
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

from analysis.cli.arguments import between
from analysis.scoring.errors import pool, score
from models import recogniser
from models.audio import AudioError
from models.checkpoint import CheckpointError
from models.corpora.corpus import Utterance, read_transcribed
from models.corpora.utterance import TrainingError
from models.decoding.language_model import LanguageModel
from models.decoding.search import SearchOptions
from models.training.score import batches
from models.variant import Encoded, Variant

WEIGHTS = "0.2,0.35,0.5,0.7,0.9"
BONUSES = "0,1,2"


@dataclass(frozen=True, eq=False)
class EncodedUtterances:
    """Some recordings as the encoder heard them."""

    utterances: tuple[Utterance, ...]
    encoded: Encoded


@dataclass(frozen=True)
class FusionTrial:
    """One way of decoding and what it reached."""

    lm_weight: float
    word_bonus: float
    wer: dict[str, float]  # of each corpus that has words, pooled, a fraction

    @property
    def mean(self) -> float:
        """Mean over the corpora, each counting as much as the other."""
        return sum(self.wer.values()) / len(self.wer)


def choose(utterances: Sequence[Utterance], limit: int, seed: int = 0) -> list[Utterance]:
    """At most `limit` utterances of each corpus, drawn at random."""
    corpora: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        corpora.setdefault(utterance.corpus, []).append(utterance)
    drawn = random.Random(seed)
    return [
        utterance
        for _, rows in sorted(corpora.items())
        for utterance in drawn.sample(rows, min(limit, len(rows)))
    ]


def halves(utterances: Sequence[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    """Two parts, about equally large, that have no text in common."""
    sides = [(zlib.crc32(row.text.encode()) & 1, row) for row in utterances]
    return [row for side, row in sides if side == 0], [row for side, row in sides if side == 1]


def hear(utterances: Sequence[Utterance], folder: Path) -> list[EncodedUtterances]:
    """Encode recordings, in batches of similar length."""
    encoder, encoded_parts = recogniser.load_encoder(folder), []
    for some, recordings in batches(list(utterances)):
        encoded_parts.append(EncodedUtterances(tuple(some), recogniser.encode(encoder, recordings)))
        done = sum(len(part.utterances) for part in encoded_parts)
        print(f"\rencoded {done}/{len(utterances)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return encoded_parts


def attempt(
    variant: Variant,
    heard: Sequence[EncodedUtterances],
    options: SearchOptions,
    model: LanguageModel,
) -> FusionTrial:
    """Decode everything in one way."""
    scores: dict[str, list] = {}
    for part in heard:
        decoded = variant.decode(part.encoded, options, model)
        for row, decoding in zip(part.utterances, decoded, strict=True):
            scores.setdefault(row.corpus or "all", []).append(score(row.text, decoding.text))
    rates = {corpus: pool(some).wer for corpus, some in sorted(scores.items())}
    wer = {corpus: round(rate, 4) for corpus, rate in rates.items() if rate is not None}
    return FusionTrial(options.lm_weight, options.word_bonus, wer)


def tune(
    variant: Variant,
    halves_heard: tuple[Sequence[EncodedUtterances], Sequence[EncodedUtterances]],
    options: SearchOptions,
    model: LanguageModel,
    grid: Sequence[tuple[float, float]],
) -> dict:
    """The best pair of weight and bonus on the first half, and its worth on the second."""
    first, second = halves_heard
    tried = []
    for weight, bonus in grid:
        fused = replace(options, lm_weight=weight, word_bonus=bonus)
        tried.append(attempt(variant, first, fused, model))
        print(f"{variant.name} {_line(tried[-1])}", file=sys.stderr, flush=True)
    best = min(tried, key=lambda trial: trial.mean)
    fused = replace(options, lm_weight=best.lm_weight, word_bonus=best.word_bonus)
    without, with_model = (attempt(variant, second, search, model) for search in (options, fused))
    print(f"{variant.name} other half: {_line(without)} -> {_line(with_model)}", file=sys.stderr)
    return {
        "variant": variant.name,
        "lm_weight": best.lm_weight,
        "word_bonus": best.word_bonus,
        "tuned_on": {"recordings": _size(first), "wer": best.wer},
        "other_half": {
            "recordings": _size(second), "wer": with_model.wer, "wer_without": without.wer,
        },
    }  # fmt: skip


def _line(trial: FusionTrial) -> str:
    rates = ", ".join(f"{corpus} {100 * wer:.1f} %" for corpus, wer in trial.wer.items())
    return f"weight {trial.lm_weight:g} bonus {trial.word_bonus:g}: {rates}"


def _size(heard: Sequence[EncodedUtterances]) -> int:
    return sum(len(part.utterances) for part in heard)


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        result = run(_parser().parse_args(arguments))
    except (CheckpointError, TrainingError, AudioError) as error:
        print(f"fusion: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result, indent=2))
    return 0


def run(options: argparse.Namespace) -> list[dict]:
    """Tune every variant."""
    folder = recogniser.checkpoint_folder(options.checkpoints)
    model = recogniser.load_language_model(folder)
    variants = [recogniser.load_variant(n, folder) for n in options.variants.split(",")]
    rows = choose(read_transcribed(options.manifest, options.split), options.limit)
    parts = halves(rows)
    if not all(any(score(row.text, "").words.reference for row in part) for part in parts):
        raise TrainingError(f"{options.manifest} has too few texts to tune on half of them")
    heard = tuple(hear(part, folder) for part in parts)
    grid = list(product(options.lm_weights, options.word_bonuses))
    search = SearchOptions(beam=options.beam, ctc_weight=options.ctc_weight)
    return [tune(variant, heard, search, model, grid) for variant in variants]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("manifest", type=Path, help="data set: CSV, TSV, NeMo, Kaldi or LibriSpeech")
    add("--split", default="dev", help="rows of the manifest to use (default dev)")
    add("--variants", default="ctc", help="comma-separated names (default ctc)")
    add("--beam", type=between(int, 1, 1000), default=10, help="hypotheses kept (default 10)")
    add("--ctc-weight", type=between(float, 0, 1), default=0.3, help="CTC's share (default 0.3)")
    add(
        "--lm-weights",
        type=partial(_numbers, 0, 10),
        default=WEIGHTS,
        help=f"to try (default {WEIGHTS})",
    )
    add(
        "--word-bonuses",
        type=partial(_numbers, -100, 100),
        default=BONUSES,
        help=f"to try (default {BONUSES})",
    )
    add("--limit", type=between(int, 2, 10**9), default=60, help="of each corpus (default 60)")
    add("--checkpoints", type=Path, help="folder of checkpoints")
    return parser


def _numbers(low: float, high: float, text: str) -> list[float]:
    return [between(float, low, high)(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
