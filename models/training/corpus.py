"""Speech data sets in the forms people already have, found out by looking.

========================= =======================================================================
form                      looks like
========================= =======================================================================
CSV, TSV                  a file whose first line names the columns ``path`` and ``text``; optional
                          ``id``, ``corpus``, ``split``, ``speaker``, ``seconds``, any others
NeMo manifest             a file with a JSON object a line: ``audio_filepath``, ``text``,
                          ``duration``; optional ``offset`` and any others
Kaldi, ESPnet             a folder with ``wav.scp`` and ``text``; optional ``segments``,
                          ``utt2spk``, ``utt2dur``
LibriSpeech               a folder with SPEAKER/CHAPTER/*.trans.txt, or a folder of such subsets
========================= =======================================================================

Needs neither torch nor Streamlit. Audio is read by `models.training.recordings.load_utterance`,
which also cuts out the parts that ``segments`` and ``offset`` name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from models.training.kaldi import is_kaldi, read_kaldi
from models.training.librispeech import is_librispeech, read_librispeech
from models.training.tables import read_json_lines, read_table
from models.training.utterance import ManifestError, Utterance, text_lines

__all__ = ["ManifestError", "Utterance", "iterate_manifest", "read_manifest", "require_audio"]


def read_manifest(path: Path, split: str | None = None) -> list[Utterance]:
    """All utterances of a data set; see `iterate_manifest`."""
    return list(iterate_manifest(path, split))


def iterate_manifest(path: Path, split: str | None = None) -> Iterator[Utterance]:
    """Utterances of a data set one by one, in the order of the data set.

    Parameters
    ----------
    path
        A file or folder of one of the forms above; paths in it are relative to it.
    split
        Only utterances of this split. Data sets that make no difference belong to every split.

    Raises
    ------
    ManifestError
        Where the form is not known, or a row cannot be used; earlier rows have been given by then.
    """
    for utterance in _with_unique_ids(_reader(Path(path))):
        if split is None or utterance.split in (split, ""):
            yield utterance


def _reader(path: Path) -> Iterator[Utterance]:
    if path.name == "wav.scp":
        path = path.parent
    if path.is_dir():
        if is_kaldi(path):
            return read_kaldi(path)
        if is_librispeech(path):
            return read_librispeech(path)
        raise ManifestError(
            f"{path} is a folder with neither wav.scp and text (Kaldi) nor "
            "SPEAKER/CHAPTER/*.trans.txt (LibriSpeech)"
        )
    if not path.is_file():
        raise ManifestError(f"there is no file or folder {path}")
    return _file(path)


def _file(path: Path) -> Iterator[Utterance]:
    first = next((line.strip() for _, line in text_lines(path) if line.strip()), None)
    if first is None:
        raise ManifestError(f"{path.name} is empty")
    if first.startswith("["):
        raise ManifestError(f"{path.name} is one JSON list; one object a line is needed (NeMo)")
    return read_json_lines(path) if first.startswith("{") else read_table(path)


def _with_unique_ids(utterances: Iterable[Utterance]) -> Iterator[Utterance]:
    """Names made from file names may meet again (a/1.wav, b/1.wav): the second becomes 1-2."""
    seen: dict[str, int] = {}  # last number that was given to a name
    for utterance in utterances:
        name, count = utterance.id, 1
        while name in seen:
            count = max(count, seen[utterance.id]) + 1
            name = f"{utterance.id}-{count}"
        seen[name], seen[utterance.id] = 1, count
        yield utterance if count == 1 else replace(utterance, id=name)


def require_audio(utterances: Iterable[Utterance], name: str) -> None:
    """See that all recordings are there before hours are spent on the first of them.

    Raises
    ------
    ManifestError
        Naming the first recording that is missing from the data set `name`.
    """
    missing = [u.path for u in utterances if not u.path.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ManifestError(f"{name} names recordings that do not exist: {missing[0]}{more}")
