"""What there is to decode: utterances of a manifest, a folder of recordings, or one recording.

Everything here is a stream: a manifest of a hundred thousand lines is never held in memory.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from analysis.cli.console import printable
from models.audio import SUFFIXES
from models.corpora.corpus import Remarks, Utterance, iterate_manifest
from models.corpora.kaldi import is_kaldi
from models.corpora.librispeech import is_librispeech
from models.corpora.utterance import is_litter
from models.stress import lasts

TEXT_BYTES = 4096  # looked at to tell a manifest from a recording
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # marks at the beginning of text that has zero bytes
CONTROL_CHARACTERS = re.compile(rb"[\0-\x08\x0e-\x1f]")
SHARD_SECONDS = 240.0  # audio of a shard: seconds of work, which is what a killed run may lose
SHARD_ITEMS = 64  # recordings of a shard at most
UNKNOWN_SECONDS = 5.0  # taken for a recording whose length the manifest does not tell
PLAIN = "none"  # the name of no stress


class SourceError(ValueError):
    """There is nothing to decode; the message is one sentence for the user."""


@dataclass(frozen=True)
class Item:
    """One recording to decode: an utterance, or what a stress makes of one or several."""

    id: str  # unique in its run
    utterances: tuple[Utterance, ...]  # in order; several where they are joined
    reference: str | None  # what is said in it; None: not known
    stress: str = PLAIN  # name of the stress
    level: float | None = None  # and how much of it

    @property
    def seconds(self) -> float:
        """Length after the stress (without gaps), as far as the manifest tells."""
        seconds = sum(utterance.seconds or UNKNOWN_SECONDS for utterance in self.utterances)
        return seconds if self.level is None else lasts(seconds, self.stress, self.level)


@dataclass(frozen=True)
class Shard:
    """Items that are decoded together: the unit of work, of loss, and of storage."""

    number: int  # from 0, in the order of the source
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Digest:
    """What a stream of items holds, to tell whether a run belongs to it."""

    sha256: str
    items: int


def read_items(
    source: Path | str,
    *,
    split: str | None = None,
    limit: int | None = None,
    text: str | None = None,
    remarks: Remarks | None = None,
) -> Iterator[Item]:
    """The items of a manifest of any form, of a folder of recordings, or of one recording.

    Parameters
    ----------
    source
        A manifest that `iterate_manifest` reads, a folder with recordings in it (at any depth), or
        a recording.
    split
        Only this split of a manifest.
    limit
        Only the first so many.
    text
        What is said in the one recording; recordings of a folder have no reference.
    remarks
        Gets what was left out of a manifest or put right.

    Raises
    ------
    SourceError
        Where nothing is found.
    ManifestError
        Where the manifest cannot be read.
    """
    source = Path(source).absolute()  # workers have other working folders
    if not source.exists():
        raise SourceError(f"{printable(str(source))} does not exist; check the path.")
    if source.is_dir() and not is_kaldi(source) and not is_librispeech(source):
        items = _recordings(source)
    elif is_recording(source):
        items = iter([Item(source.stem, (Utterance(source.stem, source, text or ""),), text)])
    else:
        rows = iterate_manifest(source, split, remarks)
        items = (Item(utterance.id, (utterance,), utterance.text) for utterance in rows)
    first = next(items, None)
    if first is None:
        of_split = f" of the split {split!r}" if split else ""
        raise SourceError(f"{printable(str(source))} has no recordings{of_split}.")
    yield from islice(chain([first], items), limit)


def is_recording(path: Path) -> bool:
    """Whether this is one recording, whatever its name: manifests are text, recordings are not."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(TEXT_BYTES)
    return not head.startswith(UTF_16) and bool(CONTROL_CHARACTERS.search(head))


def _recordings(folder: Path) -> Iterator[Item]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix.lower() in SUFFIXES and not is_litter(inside) and path.is_file():
            name = inside.as_posix()
            yield Item(name, (Utterance(name, path, ""),), None)


def shards(items: Iterable[Item], most: int | None = None) -> Iterator[Shard]:
    """Items in order, cut into shards of about `SHARD_SECONDS` of audio and `most` items.

    The cut depends on the items alone, never on who works: results are the same on one process and
    on a cluster, and a run that resumes finds its shards again.
    """
    most = SHARD_ITEMS if most is None else most
    number, held, seconds = 0, [], 0.0
    for item in items:
        if held and (len(held) == most or seconds + item.seconds > SHARD_SECONDS):
            yield Shard(number, tuple(held))
            number, held, seconds = number + 1, [], 0.0
        held.append(item)
        seconds += item.seconds
    if held:
        yield Shard(number, tuple(held))


def digest(items: Iterable[Item]) -> Digest:
    """A fingerprint of names, texts, stresses and file names; folders may be moved."""
    checksum, count = hashlib.sha256(), 0
    for item in items:
        count += 1
        files = [
            (utterance.path.name, utterance.start, utterance.end) for utterance in item.utterances
        ]
        fields = (item.id, item.reference, item.stress, item.level, item.seconds, files)
        checksum.update(repr(fields).encode(errors="surrogatepass"))
    return Digest(checksum.hexdigest()[:16], count)
