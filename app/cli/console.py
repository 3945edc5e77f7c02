"""Standard output, standard error and output files of commands."""

import json
import sys
from pathlib import Path
from typing import Any


class CommandError(Exception):
    """The command cannot go on; the message is one sentence for the user."""


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
    from models.audio import plain

    if out in (None, "-"):
        return
    path = Path(out)
    if path.is_dir() or not path.parent.is_dir():
        raise CommandError(f"{plain(out)} cannot be written: it is a folder, or has none to be in")
    if path.exists() and path.open("rb").read(1) not in (b"", b"{"):
        raise CommandError(f"{plain(out)} is there and is not JSON; choose another name for --json")


def write_json(values: dict[str, Any], out: str) -> None:
    """Write JSON to a file, whole or not at all, or with ``-`` to standard output."""
    from analysis.io.files import write
    from models.audio import plain

    text = json.dumps(values, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    if out == "-":
        sys.stdout.write(text)
    else:
        write(Path(out), text.encode())
        note(f"wrote {plain(out)}")


def encodable(path: str) -> str:
    """A path as JSON can hold it: undecodable bytes become question marks."""
    return path.encode(errors="replace").decode()
