"""A benchmark's numbers for machines: ``--json OUT``, where ``-`` is standard output."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, TextIO

SCHEMA = 1


def add_option(parser: ArgumentParser) -> None:
    """The option ``--json``."""
    parser.add_argument("--json", metavar="OUT", help="write the numbers there, - for stdout")


def words_to(out: str | None) -> TextIO:
    """Where what people read goes: not among the numbers."""
    return sys.stderr if out == "-" else sys.stdout


def write(numbers: dict[str, Any], out: str | None) -> None:
    """Write the numbers where they are wanted."""
    if out is None:
        return
    text = json.dumps({"schema": SCHEMA, **numbers}, indent=1) + "\n"
    if out == "-":
        print(text, end="")
    else:
        Path(out).write_text(text, encoding="utf-8")
