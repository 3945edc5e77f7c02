"""Subcommands, flags that they share, and converters that explain what they refuse."""

import argparse
from collections.abc import Callable
from typing import Any


def add_command(
    commands: Any, name: str, summary: str, examples: str, run: Callable[[argparse.Namespace], bool]
) -> argparse.ArgumentParser:
    """Add a subcommand.

    Parameters
    ----------
    run
        Gets the parsed options and returns whether all went well.
    """
    command = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run, command=command)
    return command


def add_json(command: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    command.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="OUT",
        help="write JSON to this file, or to standard output with -, instead of a table",
    )


def between(kind: type, low: float, high: float) -> Callable[[str], float]:
    """A converter for argparse that accepts numbers of a range, its ends included."""

    def convert(text: str) -> float:
        try:
            number: float | None = kind(text)
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            whole = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {whole} between {low} and {high}")
        return number

    return convert
