"""Measure checkpoints on a dev set, write the scores into their cards, and table the cards.

    python -m models.training.score corpus.tsv --split dev     # measures and tables
    python -m models.training.score                            # tables the cards as they are
    python -m models.training.score --seed-runs seeds/2 seeds/3 --controls joint/dot

Other decoding than greedy (``--beam 10 --ctc-weight 0.3``) is kept beside the greedy scores. Seeds
and controls are scored in their own folders first, then merged; see `models.training.cards`.

The tables go into ``README.md`` of the checkpoint folder, between two marks; none of them is typed.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analysis.cli.arguments import between
from analysis.diagnosis import diagnose
from analysis.scoring.errors import Score, pool, score
from analysis.timing.forced_alignment import viterbi
from models import recogniser
from models.audio import AudioError, Recording
from models.checkpoint import CheckpointError
from models.corpora.corpus import Utterance, read_transcribed
from models.corpora.recordings import load_utterance
from models.corpora.utterance import TrainingError
from models.decoding.search import SearchOptions
from models.training.cards import merge_control, merge_seeds, put_scores
from models.training.report import write_tables
from models.variant import Decoded, Encoded, Variant

BATCH = 16  # recordings decoded together
NEAR_SECONDS = 0.08  # a character this close to its CTC time counts as aligned


@dataclass
class Tally:
    """What one variant did on the utterances seen so far."""

    scores: dict[str, list[Score]] = field(default_factory=dict)  # of each corpus
    metrics: dict[str, list[float]] = field(default_factory=dict)  # of each utterance
    failures: list[bool] = field(default_factory=list)  # one an utterance
    near: dict[str, list[bool]] = field(default_factory=dict)  # of each corpus, one a character
    audio_seconds: float = 0.0
    decode_seconds: float = 0.0

    def add(self, utterance: Utterance, encoded: Encoded, row: int, decoded: Decoded, ids) -> None:
        """Count one utterance; `ids` are the decoded tokens' numbers."""
        scored, corpus = score(utterance.text, decoded.text), utterance.corpus or "all"
        self.scores.setdefault(corpus, []).append(scored)
        log_probs = encoded.ctc_log_probs[row, : int(encoded.lengths[row])].numpy()
        diagnosis = diagnose(decoded.alignment, ctc_log_probs=log_probs, token_ids=ids)
        self.failures.append(diagnosis.verdict != "healthy")
        for name in ("monotonicity", "diagonality", "focus", "coverage", "alignment_error_ms"):
            if (value := diagnosis.metrics[name]) is not None:
                self.metrics.setdefault(name, []).append(value)
        self.near.setdefault(corpus, []).extend(_near(decoded, log_probs, ids))
        self.audio_seconds += encoded.seconds[row]
        self.decode_seconds += decoded.decode_seconds

    def summary(self) -> dict[str, float]:
        """Pooled scores and means, rounded to what they are worth."""
        result = {}
        for corpus, scores in sorted(self.scores.items()):
            pooled = pool(scores)
            result |= {f"{corpus}_wer": pooled.wer, f"{corpus}_cer": pooled.cer}
        result |= {name: float(np.mean(values)) for name, values in self.metrics.items()}
        result["failure_rate"] = float(np.mean(self.failures))
        near = {corpus: shares for corpus, shares in sorted(self.near.items()) if shares}
        for corpus, shares in near.items():
            result[f"{corpus}_characters_within_80_ms"] = float(np.mean(shares))
        if near:
            result["characters_within_80_ms"] = float(np.mean(np.concatenate([*near.values()])))
        result["rtfx"] = self.audio_seconds / self.decode_seconds
        result["utterances"] = len(self.failures)
        return {name: round(value, 4) for name, value in result.items() if value is not None}


def _near(decoded: Decoded, log_probs: np.ndarray, ids: Sequence[int]) -> list[bool]:
    """For each letter: is its row's peak within 80 ms of its place in the CTC alignment?"""
    tokens = decoded.alignment.tokens
    written = [place for place, token in enumerate(tokens) if len(token) == 1]
    times = viterbi(log_probs, [ids[place] for place in written])
    if times is None or not written:
        return []
    peaks = decoded.alignment.map.argmax(-1)[written]
    distance = np.abs(peaks - times.peak) * decoded.alignment.frame_seconds
    letters = np.array([tokens[place] != " " for place in written])
    return (distance <= NEAR_SECONDS + 1e-9)[letters].tolist()


def batches(utterances: list[Utterance]) -> Iterator[tuple[list[Utterance], list[Recording]]]:
    """Utterances of similar length with their recordings."""
    loaded = sorted(((load_utterance(u), u) for u in utterances), key=lambda pair: pair[0].seconds)
    for start in range(0, len(loaded), BATCH):
        part = loaded[start : start + BATCH]
        yield [utterance for _, utterance in part], [recording for recording, _ in part]


def measure(
    utterances: list[Utterance], variants: list[Variant], options: SearchOptions, folder: Path
) -> dict[str, dict[str, float]]:
    """Scores of every variant; each batch is encoded once."""
    encoder = recogniser.load_encoder(folder)
    model = recogniser.load_language_model(folder) if options.lm_weight else None
    tallies = {variant.name: Tally() for variant in variants}
    encoding, seconds, done = 0.0, 0.0, 0
    for some, recordings in batches(utterances):
        started = time.perf_counter()
        encoded = recogniser.encode(encoder, recordings)
        encoding += time.perf_counter() - started
        seconds += sum(encoded.seconds)
        for variant in variants:
            numbers = {token: number for number, token in enumerate(variant.alphabet.tokens)}
            for row, decoded in enumerate(variant.decode(encoded, options, model)):
                ids = [numbers[token] for token in decoded.alignment.tokens]
                tallies[variant.name].add(some[row], encoded, row, decoded, ids)
        done += len(some)
        print(f"\rscored {done}/{len(utterances)}", end="", file=sys.stderr, flush=True)
    print(f"\nencoder alone: RTFx {seconds / encoding:.0f}", file=sys.stderr)
    return {name: tally.summary() for name, tally in tallies.items()}


def label(options: SearchOptions) -> str:
    """What cards call a search; empty for greedy decoding, whose scores are a card's own."""
    if options == SearchOptions():
        return ""
    parts = [f"beam {options.beam}"]
    if options.ctc_weight:
        parts.append(f"CTC {options.ctc_weight:g}")
    if options.lm_weight:
        parts.append(f"LM {options.lm_weight:g}")
    if options.word_bonus:
        parts.append(f"word bonus {options.word_bonus:g}")
    return ", ".join(parts)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("manifest", type=Path, nargs="?", help="data set: CSV, TSV, NeMo, Kaldi or LibriSpeech")
    add("--split", default="dev", help="rows of the manifest to use (default dev)")
    add("--checkpoints", type=Path, help="folder of checkpoints")
    add("--variants", help="comma-separated; all that have a checkpoint by default")
    add("--beam", type=between(int, 1, 1000), default=1, help="hypotheses kept (default 1: greedy)")
    add("--ctc-weight", type=between(float, 0, 1), default=0.0, help="CTC's share (default 0)")
    add("--lm-weight", type=between(float, 0, 10), default=0.0, help="language model's (default 0)")
    add("--word-bonus", type=between(float, -100, 100), default=0.0, help="with a language model")
    add("--limit", type=between(int, 1, 10**9), help="only so many utterances")
    add(
        "--seed-runs", type=Path, nargs="+", default=[], metavar="DIR",
        help="checkpoint folders of other seeds, scored before: mean and spread into the cards",
    )  # fmt: skip
    add(
        "--controls", type=Path, nargs="+", default=[], metavar="DIR",
        help="checkpoint folders of --joint runs, scored before: their scores into the cards",
    )  # fmt: skip
    add("--keep-cards", action="store_true", help="print, but write nothing")
    options = parser.parse_args(arguments)
    if options.keep_cards and (options.seed_runs or options.controls):
        parser.error("--seed-runs and --controls write cards: leave --keep-cards out")
    return options


def run(options: argparse.Namespace) -> None:
    """Measure, merge and table, as far as asked for."""
    folder = recogniser.checkpoint_folder(options.checkpoints)
    if options.manifest:
        search = SearchOptions(
            beam=options.beam,
            ctc_weight=options.ctc_weight,
            lm_weight=options.lm_weight,
            word_bonus=options.word_bonus,
        )
        rows = read_transcribed(options.manifest, options.split)[: options.limit]
        if not rows:
            raise TrainingError(f"{options.manifest} has no utterances of split {options.split}")
        scores = measure(rows, _variants(options, folder), search, folder)
        print(json.dumps(scores, indent=2))
        if not options.keep_cards:
            put_scores(scores, folder, label(search))
    if options.seed_runs:
        merge_seeds(folder, options.seed_runs)
    for control in options.controls:
        merge_control(folder, control)
    if not options.keep_cards:
        write_tables(folder)


def _variants(options: argparse.Namespace, folder: Path) -> list[Variant]:
    # other toolkits' recognisers have no card to write into, and tokens that no CTC of ours knows
    trained = [info for info in recogniser.variants(folder) if info.card and info.checkpoint]
    names = [info.name for info in trained]
    if options.variants:
        wanted = options.variants.split(",")
        if missing := [name for name in wanted if name not in names]:
            raise TrainingError(f"there is no checkpoint of {missing[0]} in {folder}")
        names = [name for name in names if name in wanted]
    return [recogniser.load_variant(name, folder) for name in names]


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        run(options)
    except (CheckpointError, TrainingError, AudioError) as error:
        print(f"scoring: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
