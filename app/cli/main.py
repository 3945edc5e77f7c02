"""The command line: ``python -m app`` and its subcommands.

Results go to standard output, everything else to standard error. Exit status: 0 done, 1 failed (in
part: the rest is still reported), 2 wrong usage. Modules of subcommands import torch, pandas and
Plotly within the functions that need them, so that help and wrong usage are quick.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.cli import compare, dashboard, diagnose, evaluate, export, report, variants
from models.arguments import between

DONE, FAILED = 0, 1  # wrong usage is argparse's 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status and never lets an exception out."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        options = parser().parse_args(arguments)
        return DONE if options.run(options) else FAILED
    except SystemExit as stop:  # argparse: --help or wrong usage, already explained
        return int(stop.code or DONE)
    except KeyboardInterrupt:
        return _failed("stopped")
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ModuleNotFoundError as error:
        return _failed(
            f"{error.name} is not installed for {sys.executable}; `make run` installs it"
        )
    except Exception as error:
        if os.environ.get("ATTNSCOPE_DEBUG"):
            raise
        return _failed(_sentence(error))


def _failed(sentence: str) -> int:
    print(f"attnscope: {sentence}", file=sys.stderr)
    return FAILED


def _sentence(error: Exception) -> str:
    """The message of an expected error; of any other, that it is one, and how to see more."""
    if isinstance(error, OSError):
        from analysis.io.files import failure_of

        return failure_of(error)
    if type(error).__module__.partition(".")[0] in ("analysis", "app", "models"):
        return str(error)
    kind = type(error).__name__
    return f"internal error ({kind}: {error}); ATTNSCOPE_DEBUG=1 shows where, please report it"


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
