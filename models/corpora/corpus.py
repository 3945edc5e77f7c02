"""Speech data sets in the forms people already have, found out by looking.

========================= =======================================================================
form                      looks like
========================= =======================================================================
CSV, TSV                  a file whose first line names the columns ``path`` and ``text``; optional
                          ``offset`` with ``duration`` or ``end``, ``id``, ``corpus``, ``split``,
                          ``speaker``, any others (other names of these: `columns`)
NeMo manifest             a file with a JSON object a line: ``audio_filepath``, ``text``,
                          ``duration``; optional ``offset`` and any others
Kaldi, ESPnet             a folder with ``wav.scp``; optional ``text``, ``segments``, ``utt2spk``,
                          ``utt2dur``
LibriSpeech               a folder with SPEAKER/CHAPTER/*.trans.txt, or a folder of such subsets
========================= =======================================================================

One odd row is left out or read without what is wrong with it, and counted (`Remarks`); where no
row is left, the data set is refused. Needs neither torch nor Streamlit. Audio is read by
`models.corpora.recordings.load_utterance`, which also cuts out the parts that ``segments`` and
``offset`` name.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from models.corpora.kaldi import is_kaldi, read_kaldi
from models.corpora.librispeech import is_librispeech, read_librispeech
from models.corpora.remarks import Remarks
from models.corpora.tables import read_json_lines, read_table
from models.corpora.utterance import ManifestError, Utterance, text_lines

__all__ = [
    "ManifestError",
    "Remarks",
    "Utterance",
    "iterate_manifest",
    "read_manifest",
    "read_transcribed",
    "with_audio",
]


def read_manifest(
    path: Path, split: str | None = None, remarks: Remarks | None = None
) -> list[Utterance]:
    """All utterances of a data set; see `iterate_manifest`."""
    return list(iterate_manifest(path, split, remarks))


def read_transcribed(
    path: Path, split: str | None = None, say: Callable[[str], None] | None = None
) -> list[Utterance]:
    """The utterances of a data set whose text is known, which learning and scoring need.

    Parameters
    ----------
    say
        Is told of what was left out or put right; by default it is written to standard error.

    Raises
    ------
    ManifestError
        As `iterate_manifest`.
    """
    remarks = Remarks()
    rows = read_manifest(path, split, remarks)
    transcribed = [row for row in rows if row.text is not None]
    if rows and not transcribed:
        raise ManifestError(f"no row of {path.name} has a text")
    for sentence in remarks.sentences():
        (say or _say)(f"{path.name}: {sentence}")
    return transcribed


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def iterate_manifest(
    path: Path, split: str | None = None, remarks: Remarks | None = None
) -> Iterator[Utterance]:
    """Utterances of a data set one by one, in the order of the data set.

    Parameters
    ----------
    path
        A file or folder of one of the forms above; paths in it are relative to it.
    split
        Only utterances of this split. Data sets that make no difference belong to every split.
    remarks
        Gets what was left out or put right.

    Raises
    ------
    ManifestError
        Where the form is not known, or no row can be used.
    """
    remarks, empty = remarks or Remarks(), True
    for utterance in _with_unique_ids(_reader(Path(path), remarks), remarks):
        empty = False
        if split is None or utterance.split in (split, ""):
            yield utterance
    if empty and remarks.first_left_out:
        raise ManifestError(remarks.first_left_out)


def _reader(path: Path, remarks: Remarks) -> Iterator[Utterance]:
    if path.name == "wav.scp":
        path = path.parent
    if path.is_dir():
        if is_kaldi(path):
            return read_kaldi(path, remarks)
        if is_librispeech(path):
            return read_librispeech(path, remarks)
        raise ManifestError(
            f"{path} is a folder with neither wav.scp (Kaldi) nor "
            "SPEAKER/CHAPTER/*.trans.txt (LibriSpeech)"
        )
    if not path.is_file():
        raise ManifestError(f"there is no file or folder {path}")
    return _file(path, remarks)


def _file(path: Path, remarks: Remarks) -> Iterator[Utterance]:
    first = next((line.strip() for _, line in text_lines(path) if line.strip()), None)
    if first is None:
        raise ManifestError(f"{path.name} is empty")
    if first.startswith("["):
        raise ManifestError(f"{path.name} is one JSON list; one object a line is needed (NeMo)")
    return (read_json_lines if first.startswith("{") else read_table)(path, remarks)


def _with_unique_ids(utterances: Iterable[Utterance], remarks: Remarks) -> Iterator[Utterance]:
    """Names made from file names may meet again (a/1.wav, b/1.wav): the second becomes 1-2."""
    seen: dict[str, int] = {}  # last number that was given to a name
    for utterance in utterances:
        name, count = utterance.id, 1
        while name in seen:
            count = max(count, seen[utterance.id]) + 1
            name = f"{utterance.id}-{count}"
        seen[name], seen[utterance.id] = 1, count
        if count > 1:
            remarks.add("{n} name{s} met again and numbered: {first}", f"{utterance.id} is {name}")
        yield utterance if count == 1 else replace(utterance, id=name)


def with_audio(
    utterances: Iterable[Utterance], name: str, say: Callable[[str], None] | None = None
) -> list[Utterance]:
    """The utterances whose recordings are there, before hours are spent on the first of them.

    Parameters
    ----------
    name
        Of the data set.
    say
        Is told which recordings are missing; by default it is written to standard error.

    Raises
    ------
    ManifestError
        Where none is there.
    """
    present, missing = [], []
    for utterance in utterances:
        (present if utterance.path.is_file() else missing).append(utterance)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        sentence = f"{name} names recordings that do not exist: {missing[0].path}{more}"
        if not present:
            raise ManifestError(sentence)
        (say or _say)(f"{sentence}; they are left out")
    return present
