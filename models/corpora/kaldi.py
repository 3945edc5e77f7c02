"""Kaldi and ESPnet data directories: ``wav.scp``, ``text``, optional ``segments``, ``utt2spk``.

A line of ``wav.scp`` may hold a shell command instead of a file. Such a line is left out: a data
set is read, never executed.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from models.corpora.remarks import Remarks
from models.corpora.tables import CLAMPED, WITHOUT_TEXT
from models.corpora.utterance import ManifestError, Utterance, number, text_lines

_MONO = frozenset({"A", "a", "0", "1"})  # names of the only channel, or the first


def is_kaldi(folder: Path) -> bool:
    """Whether a folder is a data directory: it has a ``wav.scp``."""
    return (folder / "wav.scp").is_file()


def read_kaldi(folder: Path, remarks: Remarks) -> Iterator[Utterance]:
    """Utterances of a data directory; paths are relative to it."""
    texts = _pairs(folder / "text", remarks, may_be_empty=True)
    if not (folder / "text").is_file():
        remarks.say(f"{folder.name}/ has no file text, so nothing is scored")
    speakers = _pairs(folder / "utt2spk", remarks)
    lengths = _pairs(folder / "utt2dur", remarks)
    _remark_channels(folder, remarks)
    unheard = dict.fromkeys(texts)
    for where, utterance in _recordings(folder, remarks):
        name = utterance.id
        unheard.pop(name, None)
        if name not in texts and texts:
            remarks.add(WITHOUT_TEXT, f"{where} ({name})")
        seconds = utterance.seconds
        if seconds is None:
            seconds = _length(lengths.get(name), name, remarks)
        yield replace(
            utterance, text=texts.get(name), speaker=speakers.get(name, ""), seconds=seconds
        )
    for name in unheard:
        remarks.add("{n} line{s} of text without a recording, not used: {first}", name)


def _length(value: str | None, name: str, remarks: Remarks) -> float | None:
    try:
        return number(value, f"the length of {name}", "utt2dur")
    except ManifestError as error:  # the file itself tells
        remarks.add("{n} length{s} not used: {first}", str(error))
        return None


def _remark_channels(folder: Path, remarks: Remarks) -> None:
    """Say so where recordings are told to be a channel of their files."""
    for line, text in _lines(folder / "reco2file_and_channel"):
        if text.split()[-1] not in _MONO:
            remarks.add("{n} channel{s} of reco2file_and_channel not used, as channels are mixed: "
                        "{first}", f"line {line}")  # fmt: skip


def _recordings(folder: Path, remarks: Remarks) -> Iterator[tuple[str, Utterance]]:
    """Every utterance, still without its text, and the line it is from."""
    if not (folder / "segments").is_file():
        for where, name, path in _audio(folder, remarks):
            yield where, Utterance(name, path, None)
        return
    files = {name: path for _, name, path in _audio(folder, remarks)}
    for line, text in _lines(folder / "segments"):
        where = f"segments line {line}"
        try:
            yield where, _segment(text.split(), files, where, remarks)
        except ManifestError as error:
            remarks.left_out(error)


def _segment(parts: list[str], files: dict[str, Path], where: str, remarks: Remarks) -> Utterance:
    if len(parts) == 5:  # Kaldi allows a channel
        *parts, channel = parts
        if channel not in _MONO:
            kind = "{n} channel{s} of segments not used, as channels are mixed: {first}"
            remarks.add(kind, where)
    if len(parts) != 4:
        raise ManifestError(
            f"{where} needs an utterance, a recording, its start and its end in seconds"
        )
    name, recording, start, end = parts
    if recording not in files:
        raise ManifestError(f"{where}: the recording {recording} is not in wav.scp")
    start = _start(start, where, remarks)
    if end == "-1":  # Kaldi's word for: up to the end of the recording
        return Utterance(name, files[recording], None, start=start)
    end = number(end, "the end", where)
    if end <= start:
        raise ManifestError(f"{where}: {name} ends before it starts")
    return Utterance(name, files[recording], None, seconds=end - start, start=start, end=end)


def _start(text: str, where: str, remarks: Remarks) -> float:
    try:
        return number(text, "the start", where)
    except ManifestError:
        if re.fullmatch(r"-[0-9.]+(e-?\d+)?", text) and float(text) >= -CLAMPED:
            remarks.add("{n} part{s} said to begin before the recording, taken from 0: {first}",
                        where)  # fmt: skip
            return 0.0
        raise


def _audio(folder: Path, remarks: Remarks) -> Iterator[tuple[str, str, Path]]:
    """Line, name and file of every recording in ``wav.scp``."""
    for line, text in _lines(folder / "wav.scp"):
        name, source = [*text.split(maxsplit=1), ""][:2]
        source, where = source.strip(), f"wav.scp line {line}"
        if not source:
            remarks.left_out(f"{where} names no recording for {name}")
        elif source.startswith("|") or source.endswith("|") or source == "-":
            remarks.left_out(
                f"{where} is a command, which AttnScope does not run: write its output to audio "
                "files and name those in wav.scp"
            )
        elif re.search(r"\.ark(:\d+)?$", source):
            remarks.left_out(
                f"{where} points into a Kaldi archive; name audio files in wav.scp instead"
            )
        else:
            yield where, name, folder / source


def _pairs(path: Path, remarks: Remarks, may_be_empty: bool = False) -> dict[str, str]:
    """Key and rest of every line of a Kaldi file; nothing where there is no such file."""
    pairs: dict[str, str] = {}
    for line, text in _lines(path):
        key, rest = [*text.split(maxsplit=1), ""][:2]
        where = f"{path.name} line {line}"
        if not rest and not may_be_empty:
            remarks.add("{n} line{s} not used: {first}", f"{where} is incomplete")
        elif pairs.get(key, rest) != rest:
            remarks.add("{n} line{s} not used: {first}", f"{where} says of {key} another thing "
                        "than a line before")  # fmt: skip
        else:
            pairs[key] = rest.strip()
    return pairs


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a file that hold something; none where there is no such file."""
    for line, text in text_lines(path) if path.is_file() else ():
        if text.strip():
            yield line, text
