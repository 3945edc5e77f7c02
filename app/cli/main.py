"""The command line: ``python -m app`` and its subcommands.

Results go to standard output, everything else to standard error. Exit status: 0 done, 1 failed (in
part: the rest is still reported), 2 wrong usage. Modules of subcommands import torch, pandas and
Plotly within the functions that need them, so that help and wrong usage are quick.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from analysis.cli import diagnose
from analysis.cli.arguments import between
from analysis.cli.run import run_command
from app.cli import compare, dashboard, evaluate, export, report, variants


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status and never lets an exception out."""
    return run_command(parser(), arguments)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m app",
        description="See how attention-based speech recognisers listen. Without a command: starts "
        "the dashboard and prints its address.",
        epilog="python -m app COMMAND --help explains a command.",
    )
    top.add_argument(
        "--port",
        type=between(int, 1, 65_535),
        help="port of the dashboard (default: the first free one from 8501)",
    )
    top.add_argument(
        "--host",
        default="127.0.0.1",
        help="address the dashboard listens at (default 127.0.0.1: this machine only)",
    )
    top.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        help="folder whose runs (of `evaluate`) the dashboard offers (default: runs)",
    )
    top.set_defaults(run=dashboard.run)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    compare.add(commands)
    diagnose.add(commands)
    evaluate.add_evaluate(commands)
    evaluate.add_stress(commands)
    report.add(commands)
    export.add(commands)
    variants.add(commands)
    return top
