"""How well verdicts on attention agree with what the two texts say, on failures that really happen.

    python -m benchmarks.real_failures corpus.tsv --out real.json
    python -m docs.tables real real.json    # into docs/diagnostics.md

Every trained mechanism decodes stressed versions (`benchmarks.stressed`) of some dev clips, on one
thread. The texts alone label every transcript (`benchmarks.text_labels`); the attention alone gives
the verdict. Rules and limits were made on one half of the utterances (``--half tune``); numbers are
reported on the other.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from analysis.failures.rules import find_failures
from analysis.heads.cross_attention import listening
from analysis.scoring.errors import normalise, score
from benchmarks.stressed import Clip, Stressed, stresses, word_times
from benchmarks.text_labels import KINDS, TextLabels, text_labels
from models import recogniser
from models.audio import Recording, load
from models.corpora.corpus import Utterance, read_transcribed
from models.decoding.search import SearchOptions
from models.encoders import Encoder
from models.variant import CTC, Decoded, Variant

BATCH = 16  # recordings decoded together
HALVES_SEED = 7  # of the order that decides which utterances are for tuning
RIGHT, WRONG = 0.1, 0.6  # character error rates of transcripts that are right, or clearly wrong


@dataclass(frozen=True)
class Judged:
    """One transcript, labelled by its text and by its attention."""

    clip: str
    stress: str
    mechanism: str
    reference: str
    hypothesis: str
    cer: float
    labels: TextLabels
    kinds: tuple[str, ...]  # failures that the attention shows
    placed: bool  # the attention has places at all: the map is not diffuse

    def answers(self, kind: str) -> tuple[bool | None, bool]:
        """What the text says of a kind, and what the attention does."""
        shown = {"unheard": {"skip", "early_stop"}}.get(kind, {kind})
        return getattr(self.labels, kind), bool(shown & set(self.kinds))


def half_of(utterances: Sequence[Utterance], half: str) -> list[Utterance]:
    """One half of the utterances, in an order drawn once: ``tune`` or ``report``."""
    order = np.random.default_rng(HALVES_SEED).permutation(len(utterances))
    middle = len(order) // 2
    return [utterances[i] for i in (order[:middle] if half == "tune" else order[middle:])]


def prepared(
    utterances: Sequence[Utterance], encoder: Encoder, variant: Variant
) -> list[tuple[str, Stressed]]:
    """Stressed versions of all clips with the clips' ids, shortest first."""
    clips = []
    for utterance in utterances:
        recording = load(utterance.path)
        encoded = recogniser.encode(encoder, [recording])
        text = normalise(utterance.text, "basic")
        log_probs = encoded.ctc_log_probs[0].numpy()
        times = word_times(text, log_probs, variant.alphabet.encode, encoded.frame_seconds)
        clips.append(Clip(utterance.id, recording.samples, text, times))
    rng = np.random.default_rng(0)
    made = [
        (clip.id, version)
        for number, clip in enumerate(clips)
        for version in stresses(clip, (clips[number - 1], clips[number - 2]), rng)
    ]
    return sorted(made, key=lambda pair: len(pair[1].samples))


def judged(
    versions: Sequence[tuple[str, Stressed]], encoder: Encoder, variants: Sequence[Variant]
) -> Iterator[Judged]:
    """Every version decoded by every variant, greedily."""
    started = time.monotonic()
    for first in range(0, len(versions), BATCH):
        part = versions[first : first + BATCH]
        recordings = [Recording(version.samples, 16_000) for _, version in part]
        encoded = recogniser.encode(encoder, recordings)
        for variant in variants:
            decoded = variant.decode(encoded, SearchOptions())
            for (clip, version), each in zip(part, decoded, strict=True):
                yield _judge(clip, version, variant.name, each)
        done = first + len(part)
        left = (time.monotonic() - started) / done * (len(versions) - done)
        print(f"\rdecoded {done}/{len(versions)}, {left:.0f} s left ", end="", file=sys.stderr)
    print(file=sys.stderr)


def _judge(clip: str, version: Stressed, mechanism: str, decoded: Decoded) -> Judged:
    alignment = decoded.alignment
    kinds = {failure.kind: failure for failure in find_failures(listening(alignment)).failures}
    spoken = float(alignment.speech_mask.sum() * alignment.frame_seconds)
    text = normalise(decoded.text, "basic")
    return Judged(
        clip,
        version.name,
        mechanism,
        version.text,
        text,
        score(version.text, text).cer or 0.0,
        text_labels(version.text, text, alignment.ended, spoken),
        tuple(kinds),
        "diffuse" not in kinds,
    )


@dataclass(frozen=True)
class Agreement:
    """How often text and attention say the same of one kind."""

    both: int = 0
    only_text: int = 0
    only_attention: int = 0
    neither: int = 0
    unclear_shown: int = 0  # the text does not tell, the attention shows it
    unclear: int = 0  # the text does not tell, the attention does not show it

    @classmethod
    def of(cls, kind: str, rows: Sequence[Judged]) -> "Agreement":
        answers = [row.answers(kind) for row in rows]
        cells = ((True, True), (True, False), (False, True), (False, False), (None, True))
        return cls(*(answers.count(cell) for cell in (*cells, (None, False))))

    @property
    def recall(self) -> float | None:
        return _share(self.both, self.both + self.only_text)

    @property
    def precision(self) -> float | None:
        return _share(self.both, self.both + self.only_attention)

    @property
    def agreement(self) -> float | None:
        told = self.both + self.only_text + self.only_attention + self.neither
        return _share(self.both + self.neither, told)

    def to_json(self) -> dict:
        rates = {name: getattr(self, name) for name in ("recall", "precision", "agreement")}
        return asdict(self) | rates


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def table(rows: Sequence[Judged]) -> str:
    """Agreement of every kind, and of every mechanism, as Markdown."""
    placed = [row for row in rows if row.placed]
    lines = [
        f"{len(rows)} transcripts of {len({row.clip for row in rows})} clips not used for tuning; "
        f"{len(rows) - len(placed)} maps are diffuse, at least in part, and left out.",
        "",
        "| kind | both | only text | only attention | neither | text unclear | recall | precision "
        "| agreement |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        a = Agreement.of(kind, placed)
        rates = " | ".join(_rate(rate) for rate in (a.recall, a.precision, a.agreement))
        lines.append(
            f"| {kind} | {a.both} | {a.only_text} | {a.only_attention} | {a.neither} "
            f"| {a.unclear_shown + a.unclear} | {rates} |"
        )
    lines += [
        "",
        "| mechanism | maps with places | loop agreement | unheard agreement "
        "| right transcripts without alarm | wrong transcripts with one |",
        "|---|---|---|---|---|---|",
    ]
    for name in sorted({row.mechanism for row in rows}):
        lines.append(_mechanism(name, [row for row in rows if row.mechanism == name]))
    lines.append(_mechanism("all", rows))
    return "\n".join(lines)


def _mechanism(name: str, rows: Sequence[Judged]) -> str:
    placed = [row for row in rows if row.placed]
    rates = [Agreement.of(kind, placed).agreement for kind in ("loop", "unheard")]
    right = [not row.kinds for row in rows if row.cer <= RIGHT]
    wrong = [bool(row.kinds) for row in rows if row.cer >= WRONG]
    return (
        f"| {name} | {len(placed)} of {len(rows)} | {_rate(rates[0])} | {_rate(rates[1])} "
        f"| {sum(right)} of {len(right)} | {sum(wrong)} of {len(wrong)} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real_failures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("manifest", type=Path, help="data set with transcripts")
    parser.add_argument("--split", default="dev", help="rows of the manifest to use (default dev)")
    parser.add_argument("--clips", type=int, default=40, help="utterances (default 40)")
    parser.add_argument("--half", choices=["report", "tune"], default="report", help="which half")
    parser.add_argument("--checkpoints", type=Path, help="folder of checkpoints")
    parser.add_argument("--variants", help="comma-separated; all that have a checkpoint by default")
    parser.add_argument("--out", type=Path, required=True, help="JSON of every transcript")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    folder = recogniser.checkpoint_folder(options.checkpoints)
    names = [i.name for i in recogniser.variants(folder) if i.checkpoint and i.name != CTC]
    if options.variants:
        names = [name for name in names if name in options.variants.split(",")]
    if not names:
        parser.error("none of these variants has a checkpoint")
    variants = [recogniser.load_variant(name, folder) for name in names]
    encoder = recogniser.load_encoder(folder)
    utterances = half_of(read_transcribed(options.manifest, options.split), options.half)
    versions = prepared(utterances[: options.clips], encoder, variants[0])
    rows = list(judged(versions, encoder, variants))
    placed = [row for row in rows if row.placed]
    found = {
        "schema": 1,
        "half": options.half,
        "agreement": {kind: Agreement.of(kind, placed).to_json() for kind in KINDS},
        "table": table(rows),
        "transcripts": [asdict(row) for row in rows],
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
