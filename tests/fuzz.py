"""Damaged files against the readers: ``python -m tests.fuzz --inputs 10000 --seed 1``.

Recordings and alignment files are cut, overwritten, repeated and shuffled. A reader may read what
is left or refuse it with its own error; anything else, and anything that takes too long, is
reported with the bytes that caused it.
"""

import argparse
import io
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from analysis.alignment import Alignment, AlignmentError
from models.audio import AudioError, load

SECONDS = 20  # a reader that needs longer for a few kilobytes hangs
FORMATS = (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"),
           ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_24"))  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """How a kind of file is read, and how it may be refused."""

    read: Callable[[bytes], object]
    refusal: type[Exception]


@dataclass(frozen=True)
class Trouble:
    """An input that broke its reader."""

    kind: str
    content: bytes
    error: str


READERS = {
    "audio": Reader(lambda content: load(content, name="fuzzed"), AudioError),
    "alignment": Reader(lambda content: Alignment.load(io.BytesIO(content)), AlignmentError),
}


def seeds() -> list[tuple[str, bytes]]:
    """Small valid files of every kind."""
    time = np.arange(8_000) / 16_000
    wave = (0.3 * np.sin(2 * np.pi * 300 * time)).astype(np.float32)
    found = []
    for name, subtype in FORMATS:
        file = io.BytesIO()
        soundfile.write(file, wave, 16_000, format=name, subtype=subtype)
        found.append(("audio", file.getvalue()))
    for heads, optional in ((1, {}), (3, {"speech": np.ones(9, bool), "ended": True, "text": "a"})):
        weights = np.full((heads, 4, 9), 1 / 9, np.float32)
        alignment = Alignment.from_arrays(weights, list("abcd"), 0.04, **optional)
        file = io.BytesIO()
        alignment.save(file)
        found.append(("alignment", file.getvalue()))
    return found


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The file with one to four things wrong with it, most of them near its beginning."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        size = max(1, len(data))
        place = (
            min(int(rng.expovariate(1 / 60)), size - 1)
            if rng.random() < 0.7
            else rng.randrange(size)
        )
        kind = rng.randrange(6)
        if kind == 0:
            del data[place:]
        elif kind == 1:
            data[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == 2:
            data[place : place + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
        elif kind == 3:
            del data[place : place + rng.randint(1, 50)]
        elif kind == 4:
            data[place:place] = data[place : place + rng.randint(1, 200)]
        else:
            data[place : place + 16] = rng.randbytes(16)
    return bytes(data)


def inputs(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Kind and bytes of `count` damaged files."""
    rng, whole = random.Random(seed), seeds()
    for number in range(count):
        kind, content = whole[number % len(whole)]
        yield kind, damaged(content, rng)


def attempt(kind: str, content: bytes) -> str | Trouble:
    """What came of reading a file: "read", "refused", or what broke."""
    reader = READERS[kind]
    signal.alarm(SECONDS)
    try:
        reader.read(content)
    except reader.refusal as refusal:
        sentence = str(refusal)
        told = sentence and "\n" not in sentence and "Traceback" not in sentence
        return "refused" if told else Trouble(kind, content, f"said {sentence!r}")
    except Exception as error:  # everything else is what is looked for
        return Trouble(kind, content, repr(error))
    finally:
        signal.alarm(0)
    return "read"


def _hang(*_: object) -> None:
    raise TimeoutError(f"still reading after {SECONDS} s")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000, help="damaged files (default 10000)")
    parser.add_argument("--seed", type=int, default=1, help="of the damage")
    parser.add_argument("--keep", type=Path, help="folder for inputs that broke a reader")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGALRM, _hang)
    counts, troubles = Counter(), 0
    for number, (kind, content) in enumerate(inputs(options.inputs, options.seed), 1):
        found = attempt(kind, content)
        if isinstance(found, Trouble):
            troubles += 1
            print(f"\ninput {number} ({kind}, {len(content)} bytes): {found.error}")
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{kind}-{number}").write_bytes(content)
            continue
        counts[kind, found] += 1
        if number % 500 == 0:
            print(f"\r{number}/{options.inputs}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for (kind, what), count in sorted(counts.items()):
        print(f"{kind:10} {what:8} {count:6}")
    print(f"broken     {troubles}")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
