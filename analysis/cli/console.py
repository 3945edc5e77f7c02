"""Standard output, standard error and output files of commands."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class CommandError(Exception):
    """The command cannot go on; the message is one sentence for the user."""


def printable(name: str) -> str:
    """`name` without line breaks, terminal escapes or undecodable bytes, at most 120 characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)[:120]


def note(line: str) -> None:
    """Print progress or a remark on standard error."""
    print(line, file=sys.stderr, flush=True)


def check_output(out: str | None) -> None:
    """Refuse an output file now rather than after minutes of decoding.

    A file that is there and is not JSON is never replaced: in ``--json a.wav b.wav`` the first name
    is the output, which is hardly what was meant.

    Raises
    ------
    CommandError
        Where the file cannot be written, or is there and is not JSON.
    """
    if out in (None, "-"):
        return
    path = Path(out)
    if path.is_dir() or not path.parent.is_dir():
        raise CommandError(
            f"{printable(out)} cannot be written: it is a folder, or has none to be in"
        )
    if path.exists() and path.open("rb").read(1) not in (b"", b"{"):
        raise CommandError(
            f"{printable(out)} is there and is not JSON; choose another name for --json"
        )


def write_json(values: dict[str, Any], out: str) -> None:
    """Write JSON to a file, whole or not at all, or with ``-`` to standard output."""
    from ..io.files import write

    text = json.dumps(values, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    if out == "-":
        sys.stdout.write(text)
    else:
        write(Path(out), text.encode())
        note(f"wrote {printable(out)}")


def encodable(path: str) -> str:
    """A path as JSON can hold it: undecodable bytes become question marks."""
    return path.encode(errors="replace").decode()


def aligned(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Rows as columns two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(indent + line.rstrip() for line in lines)
