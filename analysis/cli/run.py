"""Running a command: exit status and error messages."""

import argparse
import os
import sys
from collections.abc import Sequence

DONE, FAILED = 0, 1  # wrong usage is argparse's 2
OURS = ("analysis", "app", "attnscope", "models")  # packages whose errors are made for users


def run_command(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    remedy: str = "`make run` installs it",
) -> int:
    """Run the subcommand that the arguments name.

    Parameters
    ----------
    remedy
        What to do where a package is missing.

    Returns
    -------
    int
        0 done, 1 failed (said in one sentence on standard error), 2 wrong usage. No exception
        comes out, unless ``ATTNSCOPE_DEBUG`` is set.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        options = parser.parse_args(arguments)
        return DONE if options.run(options) else FAILED
    except SystemExit as stop:  # argparse: --help or wrong usage, already explained
        return int(stop.code or DONE)
    except KeyboardInterrupt:
        return _failed("stopped")
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ModuleNotFoundError as error:
        return _failed(f"{error.name} is not installed for {sys.executable}; {remedy}")
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
        from ..io.files import failure_of

        return failure_of(error)
    if type(error).__module__.partition(".")[0] in OURS:
        return str(error)
    kind = type(error).__name__
    return f"internal error ({kind}: {error}); ATTNSCOPE_DEBUG=1 shows where, please report it"
