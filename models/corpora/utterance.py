"""One row of a data set, whatever form the data set has."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAX_SECONDS = 1e6  # of a recording: eleven days


class TrainingError(ValueError):
    """Training cannot go on; the message is one sentence for the user."""


class ManifestError(TrainingError):
    """A data set that cannot be read: the message names the file and the line, if there is one."""


@dataclass(frozen=True)
class Utterance:
    """One recording, or a part of one, and what was said in it."""

    id: str  # unique in its data set
    path: Path  # audio file
    text: str | None  # transcript as the data set spells it; None: not known
    corpus: str = ""  # data set it comes from
    split: str = ""  # train, dev, ...; empty where the data set makes no difference
    speaker: str = ""
    seconds: float | None = None  # as the data set says; None where it does not
    start: float = 0.0  # where in the file it begins, seconds
    end: float | None = None  # where it ends; None: with the file
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)  # further columns


def is_litter(path: Path) -> bool:
    """Whether a file is none of a data set, but what a system leaves in every folder.

    macOS puts a ``._NAME`` beside each file on other systems' disks and ``__MACOSX`` into archives,
    versions and editors keep hidden folders.
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a UTF-8 file, from 1, without their ends.

    Raises
    ------
    ManifestError
        Where the file cannot be opened or is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                # files that were joined have the mark within
                yield number, line.rstrip("\r\n").removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise ManifestError(f"{path.name} is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ManifestError(f"{path.name} cannot be read: {error.strerror}") from None


def number(value: object, name: str, where: str) -> float | None:
    """A number of seconds from zero to `MAX_SECONDS`; None for nothing.

    Raises
    ------
    ManifestError
        For anything else; `name` and `where` tell the user which value of which line.
    """
    if value is None or value == "":
        return None
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not 0 <= result <= MAX_SECONDS:
        wanted = "a number of at least 0" + (" and at most a million" if result > 0 else "")
        raise ManifestError(f"{where}: {name} is {repr(value)[:40]}, which is not {wanted}")
    return result
