"""Estimate the character language model for shallow fusion from text.

    python -m models.training.language_model sentences.txt more.txt:0.5 --manifest corpus.tsv:3 \\
        --checkpoints checkpoints

Text files hold a sentence a line, or prose with empty lines between paragraphs; of manifests the
rows of the split `train` are read. A number after a colon is how often each sentence counts (1).
Sentences are put into the spelling of the recogniser; those with other characters, such as digits,
are left out, and so is every sentence that a row of another split of a manifest has: what
recognition is measured on is never learnt.

The estimate is interpolated, modified Kneser-Ney; then n-grams whose loss costs least are dropped
until `--nodes` are left.

References
----------
Chen & Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling", 1999: modified
Kneser-Ney smoothing. Seymore & Rosenfeld, "Scalable Backoff Language Models", ICSLP 1996: pruning
by weighted difference.
"""

import argparse
import re
import sys
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.scoring.normalisers import normalise
from models import recogniser
from models.checkpoint import Card, CheckpointError, read_card
from models.corpora.corpus import read_transcribed
from models.corpora.utterance import TrainingError, text_lines
from models.decoding.language_model import STEP, LanguageModel, Trie, save
from models.text import Alphabet

HELD_OUT = 10  # one sentence in so many of each manifest measures the estimate


@dataclass(frozen=True)
class Source:
    """Sentences of one origin."""

    name: str
    sentences: tuple[str, ...]  # spelled as the recogniser writes
    weight: float = 1.0  # how often each counts


@dataclass(frozen=True)
class Gathered:
    """What to learn from and what to measure on."""

    sources: tuple[Source, ...]
    measured: dict[str, list[str]]  # sentences of each corpus; none of them is in a source
    dropped: int  # sentences left out of the sources for that


@dataclass(frozen=True, eq=False)
class Grams:
    """All n-grams of one length: a number each, whose lowest bits are the last character."""

    codes: np.ndarray  # (n-grams,) int64, ascending
    counts: np.ndarray  # (n-grams,) how often each was seen, weighted


@dataclass(frozen=True)
class Packing:
    """How n-grams become numbers: so many bits a character."""

    alphabet: Alphabet

    @property
    def bits(self) -> int:
        return (len(self.alphabet) - 1).bit_length()

    @property
    def longest(self) -> int:
        """Characters that fit into 63 bits."""
        return 63 // self.bits

    def before(self, codes: np.ndarray) -> np.ndarray:
        """The n-grams without their last characters."""
        return codes >> self.bits

    def last(self, codes: np.ndarray) -> np.ndarray:
        """Their last characters."""
        return codes & ((1 << self.bits) - 1)

    def shorter(self, codes: np.ndarray, length: int) -> np.ndarray:
        """N-grams of that length without their first characters."""
        return codes & ((1 << self.bits * (length - 1)) - 1)

    def first(self, codes: np.ndarray, length: int) -> np.ndarray:
        """First characters of n-grams of that length."""
        return codes >> (self.bits * (length - 1))


def spell(lines: Iterable[str], alphabet: Alphabet) -> list[str]:
    """Lines as the recogniser would write them; those that it cannot write are left out."""
    known = set(alphabet.tokens)
    spelled = (normalise(line, "basic") for line in lines)
    return [line for line in spelled if line and set(line) <= known]


def estimate(sources: Sequence[Source], alphabet: Alphabet, order: int, nodes: int) -> Trie:
    """The trie of a language model of n-grams up to `order`, of about `nodes` n-grams at most.

    Raises
    ------
    TrainingError
        If n-grams of that order do not fit into a machine number, not one n-gram is to be kept, or
        there is no text.
    """
    packing = Packing(alphabet)
    if not 1 <= order <= packing.longest:
        raise TrainingError(f"the order must be 1 to {packing.longest} with this alphabet")
    if nodes < 1:
        raise TrainingError(f"at least 1 n-gram must be kept, not {nodes}")
    if not any(source.sentences for source in sources):
        raise TrainingError("there is no sentence that this alphabet can write")
    levels = [count(sources, packing, length) for length in range(1, order + 1)]
    probs = _probabilities(levels, packing)
    return _trie(levels, probs, _kept(levels, probs, packing, nodes), packing)


def count(sources: Sequence[Source], packing: Packing, length: int) -> Grams:
    """All n-grams of that length; the end of sentence is in none but as first or last character."""
    eos, grams, weights = packing.alphabet.eos, [], []
    for source in sources:
        text = [eos]
        for sentence in source.sentences:
            text += [*packing.alphabet.encode(sentence), eos]
        text = np.array(text, np.int64)
        if length == 1:
            text = text[1:]  # the start of the first sentence was not written by anyone
        size = max(0, len(text) - length + 1)
        codes, inside = np.zeros(size, np.int64), np.ones(size, bool)
        for place in range(length):
            character = text[place : place + size]
            codes = codes << packing.bits | character
            if 0 < place < length - 1:
                inside &= character != eos
        codes, times = np.unique(codes[inside], return_counts=True)
        grams.append(codes)
        weights.append(times * source.weight)
    if length == 1:  # characters that never occurred can still be written
        grams.append(np.arange(1, len(packing.alphabet)))
        weights.append(np.zeros(len(grams[-1])))
    codes, places = np.unique(np.concatenate(grams), return_inverse=True)
    return Grams(codes, np.bincount(places, np.concatenate(weights)))


def _probabilities(levels: list[Grams], packing: Packing) -> list[np.ndarray]:
    """Interpolated probability of the last character of every n-gram after the others."""
    probabilities: list[np.ndarray] = []
    for length, grams in enumerate(levels, 1):
        counts = _counts(levels, length, packing)
        _, context = np.unique(packing.before(grams.codes), return_inverse=True)
        taken = _discounts(counts)
        total, freed = np.bincount(context, counts), np.bincount(context, taken)
        if length == 1:
            lower = np.full(len(grams.codes), 1 / len(grams.codes))
            freed = np.maximum(freed, 1.0)  # one more count, shared by all characters
            total = total - np.bincount(context, taken) + freed
        else:
            shorter = packing.shorter(grams.codes, length)
            lower = probabilities[-1][np.searchsorted(levels[length - 2].codes, shorter)]
        probabilities.append((counts - taken + freed[context] * lower) / total[context])
    return probabilities


def _counts(levels: list[Grams], length: int, packing: Packing) -> np.ndarray:
    """Kneser-Ney counts: of the longest n-grams how often, of others after how many characters.

    Nothing comes before the start of a sentence: n-grams that begin there are counted.
    """
    grams = levels[length - 1]
    if length == len(levels):
        return grams.counts
    longer = packing.shorter(levels[length].codes, length + 1)
    different = np.bincount(np.searchsorted(grams.codes, longer), minlength=len(grams.codes))
    starts = packing.first(grams.codes, length) == packing.alphabet.eos
    return np.where(starts & (length > 1), grams.counts, different.astype(float))


def _discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from each count: more from 2 and from 3 on than from 1."""
    whole = np.ceil(counts).astype(np.int64)
    n1, n2, n3, n4 = (int((whole == number).sum()) for number in range(1, 5))
    if min(n1, n2, n3, n4) == 0:  # too little text to tell
        amounts = np.array([0.0, 0.5, 1.0, 1.5])
    else:
        share = n1 / (n1 + 2 * n2)
        amounts = np.array(
            [0.0, 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3]
        )
        amounts = np.clip(amounts, [0, 0.1, 0.1, 0.1], [0, 0.95, 1.9, 2.85])
    return np.minimum(amounts[np.minimum(whole, 3)], 0.95 * counts)


def _kept(
    levels: list[Grams], probs: list[np.ndarray], packing: Packing, nodes: int
) -> list[np.ndarray]:
    """Which n-grams stay: about `nodes` at most, all characters among them."""
    losses = [np.full(len(levels[0].codes), np.inf)]
    parents = [np.zeros(len(levels[0].codes), np.int64)]
    for length in range(2, len(levels) + 1):
        grams, below = levels[length - 1], levels[length - 2].codes
        shorter = packing.shorter(grams.codes, length)
        lower = probs[length - 2][np.searchsorted(below, shorter)]
        parents.append(np.searchsorted(below, packing.before(grams.codes)))
        seen = np.bincount(parents[-1], probs[length - 1], len(below))
        unseen = np.bincount(parents[-1], lower, len(below))
        rest = np.maximum(1 - seen, 1e-6) / np.maximum(1 - unseen, 1e-6)
        gain = np.log(probs[length - 1]) - np.log(lower * rest[parents[-1]])
        losses.append(grams.counts * np.abs(gain))
    for length in range(len(levels) - 1, 0, -1):  # an n-gram stays as long as what continues it
        np.maximum.at(losses[length - 1], parents[length], losses[length])
    every = np.concatenate(losses)
    least = 0.0 if len(every) <= nodes else np.partition(every, len(every) - nodes)[-nodes]
    return [loss >= least for loss in losses]


def _trie(
    levels: list[Grams], probs: list[np.ndarray], kept: list[np.ndarray], packing: Packing
) -> Trie:
    known, characters, costs, children = np.array([0]), [], [], []
    for grams, prob, stays in zip(levels, probs, kept, strict=True):
        codes = grams.codes[stays]
        before = packing.before(codes)
        children.append(np.bincount(np.searchsorted(known, before), minlength=len(known)))
        characters.append(packing.last(codes))
        costs.append(np.clip(np.rint(-np.log(prob[stays]) / STEP), 0, 255))
        known = codes
    numbers = np.uint8 if len(packing.alphabet) <= 256 else np.uint32
    children = np.trim_zeros(np.concatenate(children), "b")
    return Trie(
        characters=np.concatenate(characters).astype(numbers),
        costs=np.concatenate(costs).astype(np.uint8),
        children=children.astype(numbers),
    )


def bits_per_character(model: LanguageModel, sentences: Sequence[str]) -> float:
    """Cross-entropy of sentences in bits, the end of sentence counted as a character."""
    texts = [[*model.alphabet.encode(text), model.alphabet.eos] for text in sentences]
    texts.sort(key=len, reverse=True)
    states, total = np.full(len(texts), model.start), 0.0
    for place in range(len(texts[0])):
        tokens = np.array([text[place] for text in texts if len(text) > place])
        states = states[: len(tokens)]
        total -= model.log_probs(states)[np.arange(len(tokens)), tokens].sum()
        states = model.advance(states, tokens)
    return total / np.log(2) / sum(map(len, texts))


def read_sentences(path: Path) -> list[str]:
    """Lines of a text file; of one with empty lines between, the sentences of its paragraphs.

    Raises
    ------
    ManifestError
        Where the file cannot be opened or is not UTF-8.
    """
    text = "\n".join(line for _, line in text_lines(path)).strip()
    paragraphs = re.split(r"\n\s*\n", text)
    if len(paragraphs) == 1:
        return text.split("\n")
    joined = (" ".join(paragraph.split()) for paragraph in paragraphs)
    return [sentence for block in joined for sentence in re.split(r'(?<=[.!?;"])\s+', block)]


def gather_sources(
    texts: Sequence[tuple[Path, float]],
    manifests: Sequence[tuple[Path, float]],
    alphabet: Alphabet,
    hold_out: bool = False,
) -> Gathered:
    """Read everything there is to learn from, and what to measure on.

    Parameters
    ----------
    texts, manifests
        Files and how often each of their sentences counts.
    hold_out
        Keep every `HELD_OUT`-th sentence of the manifests to measure on, and not the dev rows.
    """
    rows = [(row, path, weight) for path, weight in manifests for row in read_transcribed(path)]
    spelled = [
        (row, path, weight, " ".join(spell([row.text], alphabet))) for row, path, weight in rows
    ]
    measured: dict[str, set[str]] = {}
    learnt: dict[tuple[Path, float], set[str]] = {
        (path, weight): set() for path, weight in manifests
    }
    for row, path, weight, text in spelled:
        held = hold_out and row.split == "train" and zlib.crc32(text.encode()) % HELD_OUT == 0
        if text and (held or (row.split != "train" and not hold_out)):
            measured.setdefault(row.corpus or path.stem, set()).add(text)
        elif text and row.split == "train":
            learnt[path, weight].add(text)
    secret = {text for row, _, _, text in spelled if row.split != "train"}
    secret = secret.union(*measured.values())
    dropped, sources = 0, []
    gathered = [(path, weight, spell(read_sentences(path), alphabet)) for path, weight in texts]
    gathered += [(path, weight, sorted(sentences)) for (path, weight), sentences in learnt.items()]
    for path, weight, sentences in gathered:
        kept = tuple(sentence for sentence in sentences if sentence not in secret)
        dropped += len(sentences) - len(kept)
        sources.append(Source(path.name, kept, weight))
    return Gathered(tuple(sources), {name: sorted(t) for name, t in measured.items()}, dropped)


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        run(_parser().parse_args(arguments))
    except (CheckpointError, TrainingError, OSError) as error:
        print(f"language model: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Estimate, measure and write the language model."""
    folder = recogniser.checkpoint_folder(options.checkpoints)
    card = folder / "encoder.safetensors"
    alphabet = Alphabet(read_card(card).alphabet) if card.exists() else Alphabet()
    gathered = gather_sources(options.texts, options.manifest, alphabet, options.hold_out)
    for source in gathered.sources:
        characters = sum(map(len, source.sentences))
        _note(f"{source.name}: {len(source.sentences):,} sentences, {characters:,} characters")
    _note(f"left out, since they are measured on: {gathered.dropped} sentences")
    started = time.perf_counter()
    trie = estimate(gathered.sources, alphabet, options.order, options.nodes)
    model = LanguageModel(alphabet, trie)
    scores = {
        f"{name}_bits": round(bits_per_character(model, sentences), 4)
        for name, sentences in sorted(gathered.measured.items())
    }
    _note(f"{len(trie.characters):,} n-grams in {time.perf_counter() - started:.0f} s; bits per")
    _note("character: " + (", ".join(f"{k[:-5]} {v:.3f}" for k, v in scores.items()) or "-"))
    if not options.hold_out:
        config = {"order": options.order, "nodes": len(trie.characters)}
        training = {"left_out": gathered.dropped, "sources": [
            {"name": s.name, "sentences": len(s.sentences), "weight": s.weight}
            for s in gathered.sources
        ]}  # fmt: skip
        path = folder / recogniser.LANGUAGE_MODEL
        save(model, path, Card("lm", config, alphabet.tokens, training=training, scores=scores))
        _note(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    weighted = "{} and, after a colon, how often each sentence counts"
    parser.add_argument(
        "texts", type=_weighted, nargs="*", metavar="TEXT[:N]", help=weighted.format("text files")
    )
    parser.add_argument(
        "--manifest",
        type=_weighted,
        action="append",
        default=[],
        metavar="PATH[:N]",
        help=weighted.format("a data set; its split `train` is learnt, others are measured on"),
    )
    parser.add_argument("--order", type=int, default=9, help="characters an n-gram has (default 9)")
    parser.add_argument(
        "--nodes", type=int, default=900_000, help="n-grams kept, 2.7 bytes each (default 900000)"
    )
    parser.add_argument("--checkpoints", type=Path, help="folder to write to, with an encoder")
    parser.add_argument(
        "--hold-out",
        action="store_true",
        help="for choosing settings: measure on a tenth of the training sentences, write nothing",
    )
    return parser


def _weighted(text: str) -> tuple[Path, float]:
    path, colon, weight = text.rpartition(":")
    try:
        return (Path(path), float(weight)) if colon else (Path(text), 1.0)
    except ValueError:
        return Path(text), 1.0


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
