"""Runs for tests: a small corpus, and a decoder that takes no time."""

import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from app.evaluation.items import Item, Shard
from app.evaluation.parquet import SCHEMA
from app.evaluation.settings import Settings
from app.evaluation.store import BadItem, Part
from models.corpora.corpus import Utterance
from tests.support.recordings import hum

WORDS = ["who", "will", "hum", "along", "with", "us", "this", "long", "evening", "oh", "my"]


def write_corpus(folder: Path, seconds: list[float]) -> Path:
    """A manifest with a hum of each length; transcripts are the first words of a sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.tsv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["id", "path", "text", "corpus", "speaker", "split", "seconds"])
        for number, length in enumerate(seconds):
            soundfile.write(folder / f"hum{number}.wav", hum(length), 16_000)
            said = " ".join(WORDS[: 1 + number % len(WORDS)])
            row = [f"u{number:02d}", f"hum{number}.wav", said, "hums", "s1", "dev", length]
            writer.writerow(row)
    return manifest


def plain_items(count: int, corpus: str = "a") -> list[Item]:
    """Items without recordings: a00000 says "word0", and so on."""
    utterances = (
        Utterance(f"{corpus}{n:05d}", Path(f"{n}.wav"), f"word{n} word", corpus)
        for n in range(count)
    )
    return [Item(each.id, (each,), each.text) for each in utterances]


def fake_part(shard: Shard, settings: Settings) -> Part:
    """What `decode_shard` gives, without decoding: every second word wrong, names with x bad."""
    good = [item for item in shard.items if "x" not in item.id]
    rows = [_row(item, name, shard.number) for item in good for name in settings.variants]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), file)
    bad = tuple(
        BadItem(item.id, "x.wav", item.stress, item.level, "cannot, be\nread")
        for item in shard.items
        if "x" in item.id
    )
    maps = b"maps" if settings.keep_alignments else None
    return Part(shard.number, file.getvalue(), maps, bad, len(good))


def _row(item: Item, variant: str, part: int) -> dict:
    counts = {"hits": 1, "substitutions": 1, "deletions": 0, "insertions": 0}
    return {
        "id": item.id,
        "variant": variant,
        "stress": item.stress,
        "level": item.level,
        "reference": item.reference,
        "text": f"{item.reference.split()[0]} {variant}",
        **counts,
        **{f"character_{name}": value for name, value in counts.items()},
        "verdict": "healthy",
        "failures": "[]",
        "seconds": 2.0,
        "decode_seconds": 0.5,
        "encode_seconds": 0.5,
        "part": part,
    }
