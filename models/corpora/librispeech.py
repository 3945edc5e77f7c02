"""LibriSpeech folders (Panayotov et al. 2015), and their download for those who are online.

A subset is SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt with a FLAC file for every line; a folder of
subsets (``LibriSpeech/``) is read as one data set, its subsets' names telling train, dev and test.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from models.corpora.remarks import Remarks
from models.corpora.utterance import ManifestError, Utterance, is_litter, text_lines

SUBSETS = (
    "dev-clean", "dev-other", "test-clean", "test-other",
    "train-clean-100", "train-clean-360", "train-other-500",
)  # fmt: skip
TRANSCRIPTS = "*.trans.txt"
SPLITS = ("train", "dev", "test")


def is_librispeech(folder: Path) -> bool:
    """Whether a folder is a subset of LibriSpeech, or holds subsets: transcripts tell."""
    return any(next(_transcripts(folder, depth), None) for depth in ("*/*", "*/*/*"))


def read_librispeech(folder: Path, remarks: Remarks) -> Iterator[Utterance]:
    """Utterances of a subset, or of a folder of subsets."""
    for path in sorted(_transcripts(folder, "*/*")):
        yield from _chapter(path, folder.resolve().name, "", remarks)
    for path in sorted(_transcripts(folder, "*/*/*")):
        subset = path.relative_to(folder).parts[0]
        split = next((split for split in SPLITS if subset.startswith(split)), "")
        yield from _chapter(path, subset, split, remarks)


def _transcripts(folder: Path, depth: str) -> Iterator[Path]:
    paths = folder.glob(f"{depth}/{TRANSCRIPTS}")
    return (path for path in paths if not is_litter(path.relative_to(folder)))


def _chapter(path: Path, subset: str, split: str, remarks: Remarks) -> Iterator[Utterance]:
    try:
        lines = list(text_lines(path))
    except ManifestError as error:
        remarks.left_out(error)
        return
    for line, row in lines:
        if not row.strip():
            continue
        name, _, text = row.strip().partition(" ")
        audio = path.parent / f"{name}.flac"
        if not audio.is_file():
            remarks.left_out(f"{path.name} line {line}: there is no {audio.name} beside it")
            continue
        speaker = path.parent.parent.name
        yield Utterance(name, audio, text.strip(), corpus=subset, split=split, speaker=speaker)


def download(subset: str, folder: Path) -> Path:
    """The folder of a subset, downloaded with torchaudio where it is not there yet.

    Half a download is never taken for a whole one: the subset appears in its place when it is
    complete. An archive that was fetched before is used again.

    Raises
    ------
    ManifestError
        Where the name is unknown, or there is no way to download it.
    """
    if subset not in SUBSETS:
        raise ManifestError(
            f"there is no LibriSpeech subset {subset!r}; there are {', '.join(SUBSETS)}"
        )
    place = folder / "LibriSpeech" / subset
    if place.is_dir():
        return place
    from models.torchaudio_cpu import torchaudio  # reading folders needs no torch

    waiting = folder / "downloads"
    waiting.mkdir(parents=True, exist_ok=True)
    unpacked = waiting / "LibriSpeech" / subset
    shutil.rmtree(unpacked, ignore_errors=True)  # of a run that was stopped while unpacking
    try:
        torchaudio.datasets.LIBRISPEECH(waiting, url=subset, download=True)
    except (OSError, RuntimeError, EOFError) as error:  # no network, wrong checksum, broken archive
        raise ManifestError(
            f"LibriSpeech {subset} could not be downloaded ({error}); check the connection, or "
            f"unpack {subset}.tar.gz (OpenSLR 12) in {folder}/ by hand"
        ) from None
    place.parent.mkdir(parents=True, exist_ok=True)
    unpacked.rename(place)
    return place
