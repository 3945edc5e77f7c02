"""Kaldi and ESPnet data directories: ``wav.scp``, ``text``, optional ``segments``, ``utt2spk``.

A line of ``wav.scp`` may hold a shell command instead of a file. Such a line is refused: a data set
is read, never executed.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from models.training.utterance import ManifestError, Utterance, number, text_lines


def is_kaldi(folder: Path) -> bool:
    """Whether a folder is a data directory: it has a ``wav.scp``."""
    return (folder / "wav.scp").is_file()


def read_kaldi(folder: Path) -> Iterator[Utterance]:
    """Utterances of a data directory; paths are relative to it."""
    if not (folder / "text").is_file():
        raise ManifestError(f"{folder.name}/ has wav.scp but no file text with the transcripts")
    texts = _pairs(folder / "text", may_be_empty=True)
    speakers, lengths = _pairs(folder / "utt2spk"), _pairs(folder / "utt2dur")
    for where, utterance in _recordings(folder):
        name = utterance.id
        if name not in texts:
            raise ManifestError(f"{where}: {name} has no line in text")
        seconds = utterance.seconds
        if seconds is None:
            seconds = number(lengths.get(name), f"the length of {name}", "utt2dur")
        yield replace(utterance, text=texts[name], speaker=speakers.get(name, ""), seconds=seconds)


def _recordings(folder: Path) -> Iterator[tuple[str, Utterance]]:
    """Every utterance, still without its text, and the line it is from."""
    if not (folder / "segments").is_file():
        for where, name, path in _audio(folder):
            yield where, Utterance(name, path, "")
        return
    files = {name: path for _, name, path in _audio(folder)}
    for line, text in text_lines(folder / "segments"):
        if text.strip():
            where = f"segments line {line}"
            yield where, _segment(text.split(), files, where)


def _segment(parts: list[str], files: dict[str, Path], where: str) -> Utterance:
    if len(parts) != 4:
        raise ManifestError(
            f"{where} needs an utterance, a recording, its start and its end in seconds"
        )
    name, recording, start, end = parts
    if recording not in files:
        raise ManifestError(f"{where}: the recording {recording} is not in wav.scp")
    start = number(start, "the start", where)
    if end == "-1":  # Kaldi's word for: up to the end of the recording
        return Utterance(name, files[recording], "", start=start)
    end = number(end, "the end", where)
    if end <= start:
        raise ManifestError(f"{where}: {name} ends before it starts")
    return Utterance(name, files[recording], "", seconds=end - start, start=start, end=end)


def _audio(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Line, name and file of every recording in ``wav.scp``."""
    for line, text in text_lines(folder / "wav.scp"):
        if not text.strip():
            continue
        name, source = [*text.split(maxsplit=1), ""][:2]
        source, where = source.strip(), f"wav.scp line {line}"
        if not source:
            raise ManifestError(f"{where} names no recording for {name}")
        if source.startswith("|") or source.endswith("|") or source == "-":
            raise ManifestError(
                f"{where} is a command, which AttnScope does not run: write its output to audio "
                "files and name those in wav.scp"
            )
        if re.search(r"\.ark(:\d+)?$", source):
            raise ManifestError(
                f"{where} points into a Kaldi archive; name audio files in wav.scp instead"
            )
        yield where, name, folder / source


def _pairs(path: Path, may_be_empty: bool = False) -> dict[str, str]:
    """Key and rest of every line of a Kaldi file; nothing where there is no such file."""
    pairs: dict[str, str] = {}
    for line, text in text_lines(path) if path.is_file() else ():
        key, rest = [*text.split(maxsplit=1), "", ""][:2]
        if key and not rest and not may_be_empty:
            raise ManifestError(f"{path.name} line {line} is incomplete")
        if key:
            pairs[key] = rest.strip()
    return pairs
