"""Measure checkpoints on a dev set, write the scores into their cards, and table the cards.

    python -m models.training.score corpus.tsv --split dev     # measures and tables
    python -m models.training.score                            # tables the cards as they are

The table goes into ``README.md`` of the checkpoint folder, between two marks; none of it is typed.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from analysis.diagnosis import diagnose
from analysis.errors import Score, pool, score
from analysis.forced_alignment import viterbi
from models import recogniser
from models.audio import Recording
from models.recogniser import Decoded, Encoded, Variant
from models.search import SearchOptions
from models.training.corpus import Utterance, read_manifest
from models.training.recordings import load_utterance

BATCH = 16  # recordings decoded together
NEAR_SECONDS = 0.08  # a character this close to its CTC time counts as aligned
MARKS = ("<!-- table of the cards: begin -->", "<!-- table of the cards: end -->")


@dataclass
class Tally:
    """What one variant did on the utterances seen so far."""

    scores: dict[str, list[Score]] = field(default_factory=dict)  # of each corpus
    metrics: dict[str, list[float]] = field(default_factory=dict)  # of each utterance
    failures: list[bool] = field(default_factory=list)  # one an utterance
    near: list[bool] = field(default_factory=list)  # one a character
    audio_seconds: float = 0.0
    decode_seconds: float = 0.0

    def add(self, utterance: Utterance, encoded: Encoded, row: int, decoded: Decoded, ids) -> None:
        """Count one utterance; `ids` are the decoded tokens' numbers."""
        scored = score(utterance.text, decoded.text)
        self.scores.setdefault(utterance.corpus or "all", []).append(scored)
        log_probs = encoded.ctc_log_probs[row, : int(encoded.lengths[row])].numpy()
        diagnosis = diagnose(decoded.alignment, ctc_log_probs=log_probs, token_ids=ids)
        self.failures.append(diagnosis.verdict != "healthy")
        for name in ("monotonicity", "diagonality", "focus", "coverage", "alignment_error_ms"):
            if (value := diagnosis.metrics[name]) is not None:
                self.metrics.setdefault(name, []).append(value)
        self.near += _near(decoded, log_probs, ids)
        self.audio_seconds += encoded.seconds[row]
        self.decode_seconds += decoded.decode_seconds

    def summary(self) -> dict[str, float]:
        """Pooled scores and means, rounded to what they are worth."""
        found = {}
        for corpus, scores in sorted(self.scores.items()):
            pooled = pool(scores)
            found |= {f"{corpus}_wer": pooled.wer, f"{corpus}_cer": pooled.cer}
        found |= {name: float(np.mean(values)) for name, values in self.metrics.items()}
        found["failure_rate"] = float(np.mean(self.failures))
        if self.near:
            found["characters_within_80_ms"] = float(np.mean(self.near))
        found["rtfx"] = self.audio_seconds / self.decode_seconds
        found["utterances"] = len(self.failures)
        return {name: round(value, 4) for name, value in found.items()}


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
    tallies = {variant.name: Tally() for variant in variants}
    encoding, seconds, done = 0.0, 0.0, 0
    for some, recordings in batches(utterances):
        started = time.perf_counter()
        encoded = recogniser.encode(encoder, recordings)
        encoding += time.perf_counter() - started
        seconds += sum(encoded.seconds)
        for variant in variants:
            numbers = {token: number for number, token in enumerate(variant.alphabet.tokens)}
            for row, decoded in enumerate(variant.decode(encoded, options)):
                ids = [numbers[token] for token in decoded.alignment.tokens]
                tallies[variant.name].add(some[row], encoded, row, decoded, ids)
        done += len(some)
        print(f"\rscored {done}/{len(utterances)}", end="", file=sys.stderr, flush=True)
    print(f"\nencoder alone: RTFx {seconds / encoding:.0f}", file=sys.stderr)
    return {name: tally.summary() for name, tally in tallies.items()}


def write_cards(scores: dict[str, dict[str, float]], folder: Path) -> None:
    """Put measured scores into the cards."""
    for info in recogniser.variants(folder):
        if info.name in scores and info.card and info.checkpoint:
            card = replace(info.card, scores=scores[info.name])
            text = json.dumps(asdict(card), indent=2, ensure_ascii=False)
            info.checkpoint.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


def table(folder: Path) -> str:
    """All cards as a Markdown table."""
    infos = [info for info in recogniser.variants(folder) if info.card]
    corpora = sorted({k[:-4] for i in infos for k in i.card.scores if k.endswith("_wer")})
    columns = [*(f"{corpus} WER / CER" for corpus in corpora), "within 80 ms", "monotonicity"]
    columns += ["diagonality", "failures", "RTFx", "parameters", "fp16 MB", "updates", "hours"]
    columns += ["seed", "commit"]
    lines = ["| mechanism | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for info in infos:
        scores, training = info.card.scores, info.card.training
        rates = [
            f"{_percent(scores.get(f'{c}_wer'))} / {_percent(scores.get(f'{c}_cer'))}"
            for c in corpora
        ]
        size = f"{info.checkpoint.stat().st_size / 1e6:.1f}"
        cells = [
            *rates, _percent(scores.get("characters_within_80_ms")), _plain(scores, "monotonicity"),
            _plain(scores, "diagonality"), _percent(scores.get("failure_rate")),
            f"{scores.get('rtfx', 0):.0f}", f"{info.parameters:,}", size,
            f"{training.get('updates', 0):,}", f"{training.get('hours', 0):.2f}",
            str(training.get("seed", "")), training.get("commit", ""),
        ]  # fmt: skip
        lines.append(f"| `{info.name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _plain(scores: dict[str, float], name: str) -> str:
    return f"{scores[name]:.2f}" if name in scores else "-"


def write_table(folder: Path) -> None:
    """Replace the table in the folder's ``README.md``."""
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else "\n".join(MARKS)
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    middle = f"{MARKS[0]}\n{table(folder)}\n{MARKS[1]}"
    readme.write_text(before + middle + after, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "manifest",
        type=Path,
        nargs="?",
        help="data set: CSV, TSV, NeMo JSON lines, Kaldi or LibriSpeech folder",
    )
    parser.add_argument("--split", default="dev", help="rows of the manifest to use (default dev)")
    parser.add_argument("--checkpoints", type=Path, help="folder of checkpoints")
    parser.add_argument("--variants", help="comma-separated; all that have a checkpoint by default")
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--ctc-weight", type=float, default=0.0)
    parser.add_argument("--limit", type=int, help="only so many utterances")
    parser.add_argument("--keep-cards", action="store_true", help="print, but write nothing")
    options = parser.parse_args(arguments)
    folder = recogniser.checkpoint_folder(options.checkpoints)
    if options.manifest:
        wanted = options.variants.split(",") if options.variants else None
        names = [i.name for i in recogniser.variants(folder) if i.checkpoint]
        names = [name for name in names if wanted is None or name in wanted]
        variants = [recogniser.load_variant(name, folder) for name in names]
        rows = read_manifest(options.manifest, options.split)[: options.limit]
        search = SearchOptions(beam=options.beam, ctc_weight=options.ctc_weight)
        scores = measure(rows, variants, search, folder)
        print(json.dumps(scores, indent=2))
        if not options.keep_cards:
            write_cards(scores, folder)
    if not options.keep_cards:
        write_table(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
