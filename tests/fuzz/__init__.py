"""Wrong files against the readers: ``python -m tests.fuzz --inputs 10000 --seed 1``.

Files are damaged byte by byte (cut, overwritten, repeated, shuffled), and where they have a form,
changed so that they keep it and say something else (`structure`). A reader may read what is left or
refuse it with its own error; anything else, and anything that takes too long or too much memory, is
reported with the bytes that caused it.
"""

import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from tests.fuzz.readers import READERS, Reader, seeds

__all__ = [
    "READERS", "Reader", "Trouble", "attempt", "changed_inputs", "damaged", "inputs", "on_alarm",
    "seeds",
]  # fmt: skip

SECONDS = 20  # a reader that needs longer for a few kilobytes hangs


@dataclass(frozen=True)
class Trouble:
    """An input that broke its reader."""

    kind: str
    content: bytes
    error: str


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
    """Kind and bytes of `count` files, damaged or changed in turn."""
    rng, whole = random.Random(seed), seeds()
    for number in range(count):
        kind, content = whole[number % len(whole)]
        change = READERS[kind].change
        keep_form = change is not None and number // len(whole) % 2
        yield kind, (change if keep_form else damaged)(content, rng)


def changed_inputs(kind: str, count: int, seed: int) -> Iterator[bytes]:
    """`count` files of one kind that keep their form."""
    rng = random.Random(seed)
    whole = [content for name, content in seeds() if name == kind]
    for number in range(count):
        yield READERS[kind].change(whole[number % len(whole)], rng)


def attempt(kind: str, content: bytes) -> str | Trouble:
    """The outcome of reading a file: "read", "refused", or what broke."""
    reader = READERS[kind]
    signal.alarm(SECONDS)
    try:
        reader.read(content)
    except reader.refusal as refusal:
        sentence = str(refusal)
        said = sentence and "\n" not in sentence and "Traceback" not in sentence
        said = said and len(sentence) < 600
        return "refused" if said else Trouble(kind, content, f"said {sentence!r}")
    except Exception as error:  # everything else is what is looked for
        return Trouble(kind, content, repr(error))
    finally:
        signal.alarm(0)
    return "read"


def on_alarm(*_: object) -> None:
    """End an attempt that takes too long."""
    raise TimeoutError(f"still reading after {SECONDS} s")
