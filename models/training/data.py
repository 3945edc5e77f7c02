"""The stores a run reads, made from data sets where they are not stores already."""

import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import distributed

from analysis.scoring.normalisers import normalise
from models.corpora.corpus import Utterance, read_transcribed, with_audio
from models.corpora.librispeech import download
from models.corpora.utterance import ManifestError, TrainingError
from models.encoders import Encoder, LSTMEncoder
from models.features import MEL_BINS
from models.names import told_apart
from models.text import Alphabet, alphabet_of, count_characters
from models.training.encode import encoded_rows
from models.training.store import Store, open_store, require_kind, write_store

FEATURE_RATE, ENCODED_RATE = 100, 25  # rows of a store in one second
SHOWN = 12  # characters named in a message


@dataclass(frozen=True)
class DataOptions:
    """What a run reads, and how."""

    train: tuple[str, ...]  # stores or data sets, each with @SHARE if it is not read once an epoch
    dev: tuple[str, ...] = ()  # scored after each epoch
    download: tuple[str, ...] = ()  # LibriSpeech subsets; train-... are learned from, others scored
    downloads: Path = Path("data")  # where they go
    folder: Path = field(default=Path("features"))  # where features are kept
    copies: int = 4  # augmented copies of each training utterance
    workers: int = 2  # processes that make features
    normalizer: str = "basic"  # how transcripts are spelt; see analysis.scoring.normalisers


class Data:
    """Training and dev stores, with transcripts as they are to be learned.

    Parameters
    ----------
    alphabet
        What is to be written; None where it is to be found out with `alphabet_of_data`.
    encoder
        Where given, rows are its outputs instead of features; `fingerprint` names its weights.
    kind
        The kind of encoder that is trained, where rows are features.

    Raises
    ------
    TrainingError
        Where a data set cannot be read or holds nothing.
    """

    def __init__(
        self,
        options: DataOptions,
        alphabet: Alphabet | None = None,
        encoder: Encoder | None = None,
        fingerprint: str = "",
        kind: type[Encoder] = LSTMEncoder,
    ) -> None:
        self.options, self.known = options, alphabet
        self.encoder, self.fingerprint = encoder, fingerprint
        self.kind = kind if encoder is None else type(encoder)
        self.frame_rate = FEATURE_RATE if encoder is None else ENCODED_RATE
        subsets = {name: options.downloads / "LibriSpeech" / name for name in options.download}
        train = [*options.train, *(str(p) for n, p in subsets.items() if n.startswith("train"))]
        dev = [*options.dev, *(str(p) for n, p in subsets.items() if not n.startswith("train"))]
        with _first_process_first():
            for name in subsets:
                download(name, options.downloads)
            self.train = [self._open(argument, clean=False) for argument in train]
            self.dev = {name: self._open(a, clean=True)[0] for name, a in _names(dev).items()}

    def alphabet_of_data(self, least: int) -> Alphabet:
        """The characters of the training transcripts; says which ones are too rare."""
        counts = count_characters(text for store, _ in self.train for text in store.texts)
        alphabet = alphabet_of(counts, least)
        rare = sorted(set(counts) - set(alphabet.tokens))
        say(f"alphabet of the data: {len(alphabet) - 2} characters")
        if rare:
            say(f"left out, seen less than {least} times: {_some(rare)}")
        return alphabet

    def _check(self, texts: Iterable[str], name: str) -> None:
        """Say which characters of the transcripts the alphabet cannot write.

        Raises
        ------
        TrainingError
            Where it cannot write most of them: then it is the wrong alphabet.
        """
        if self.known is None:
            return
        counts = count_characters(normalise(text, self.options.normalizer) for text in texts)
        del counts[" "]
        strangers = Counter({c: n for c, n in counts.items() if c not in self.known.tokens})
        if not counts:
            raise TrainingError(f"{name} has no transcripts to learn from")
        listed = _some(c for c, _ in strangers.most_common())
        if 2 * strangers.total() > counts.total():
            raise TrainingError(
                f"the alphabet lacks most characters of {name} ({listed}); train an encoder with "
                "--alphabet data"
            )
        if strangers:
            share = 100 * strangers.total() / counts.total()
            say(f"{name}: not in the alphabet, left out ({share:.2g} %): {listed}")

    def _open(self, argument: str, clean: bool) -> tuple[Store, float]:
        name, share = _with_share(argument)
        path = Path(name)
        if (path / "rows.json").exists():
            store = open_store(path)
            self._check_kind(store, path)
            if not clean:
                self._check(store.texts, path.name)
        else:
            store = open_store(self._features(path, clean))
        spelt = tuple(normalise(text, self.options.normalizer) for text in store.texts)
        return replace(store, texts=spelt), share

    def _check_kind(self, store: Store, path: Path) -> None:
        """See that a store holds what is to be read: features, or outputs of an encoder."""
        width, wanted = store.features.shape[1], self.encoder.dim if self.encoder else MEL_BINS
        if width == wanted:
            require_kind(store, path, self.kind.kind)
            return
        if width == MEL_BINS:
            raise TrainingError(
                f"{path} holds features; for a decoder, make encoder outputs of it with "
                "models.training.encode"
            )
        raise TrainingError(f"{path} holds rows of {width} numbers where {wanted} are needed")

    def _features(self, manifest: Path, clean: bool) -> Path:
        """The store of a data set's features or encoder outputs, made if it is not there yet."""
        split = "dev" if clean else "train"
        rows = read_transcribed(manifest, split, say)
        if not rows:
            raise ManifestError(f"{manifest.name} has no utterances of the split {split}")
        if not clean:
            self._check((row.text for row in rows), manifest.name)
        learned = {_with_share(argument)[0] for argument in self.options.train}
        if clean and str(manifest) in learned and not all(row.split for row in rows):
            say(f"{manifest.name} has no splits: what is scored is also learned from")
        kind = "dev" if clean else str(self.options.copies)
        if self.kind is not LSTMEncoder:
            kind = f"{kind}-{self.kind.kind}"
        folder = self.options.folder / f"{manifest.stem}-{kind}-{_checksum(rows)}"
        if not (folder / "rows.json").exists():
            from models.training.extract import extract  # audio is read only where a store is made

            rows = with_audio(rows, manifest.name, say)
            copies = 1 if clean else self.options.copies
            workers = self.options.workers
            made = extract(rows, copies, workers, seed=1, clean=clean, encoder=self.kind)
            write_store(folder, MEL_BINS, made, self.kind.kind)
        return folder if self.encoder is None else self._encoded(folder)

    def _encoded(self, folder: Path) -> Path:
        encoded = folder.with_name(f"{folder.name}-encoded-{self.fingerprint[:8]}")
        if not (encoded / "rows.json").exists():
            store = open_store(folder)
            rows = encoded_rows(self.encoder, store, [[row] for row in range(len(store))])
            write_store(encoded, self.encoder.dim, rows, self.kind.kind)
        return encoded


def _with_share(argument: str) -> tuple[str, float]:
    """Path and share of PATH@SHARE; a path may hold an @ of its own."""
    name, mark, share = argument.rpartition("@")
    try:
        return (name, float(share)) if mark else (argument, 1.0)
    except ValueError:
        return argument, 1.0


def _names(arguments: list[str]) -> dict[str, str]:
    """A short name for each dev set; those that share one are called after their folders, too."""
    names: list[str] = []
    for path in map(Path, arguments):
        names.append(f"{path.parent.name}_{path.stem}" if path.stem in names else path.stem)
    return dict(zip(told_apart(names), arguments, strict=True))


def _checksum(rows: list[Utterance]) -> str:
    """Changes with the utterances: features of other data are never taken for these."""
    checksum = 0
    for u in rows:
        checksum = zlib.crc32(
            f"{u.id}\t{u.path}\t{u.text}\t{u.start}\t{u.end}\n".encode(), checksum
        )
    return f"{checksum:08x}"


def _some(characters: Iterable[str]) -> str:
    """A few characters, quoted."""
    listed = list(characters)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return " ".join(listed[:SHOWN]) + more


def is_first_process() -> bool:
    """True in one of many processes, and where there is only one."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def say(text: str) -> None:
    """A line on standard error, once however many processes there are."""
    if is_first_process():
        print(text, file=sys.stderr)


@contextmanager
def _first_process_first() -> Iterator[None]:
    """The first process makes the stores, the others then find them made."""
    if not is_first_process():
        distributed.barrier()
    yield
    if distributed.is_initialized() and is_first_process():
        distributed.barrier()
