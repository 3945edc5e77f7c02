"""The command ``attnscope``.

In a checkout, ``python -m app`` has the same subcommands and those that need a recogniser.
"""

import argparse
import sys
from collections.abc import Sequence

from . import diagnose, score
from .run import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status and never lets an exception out."""
    return run_command(parser(), arguments, "pip installs it")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="attnscope",
        description="Diagnose the attention of speech recognisers, count errors of transcripts.",
        epilog="attnscope COMMAND --help explains a command.",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    diagnose.add(commands)
    score.add(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
