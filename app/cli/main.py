"""The command line: ``python -m app`` and its subcommands.

Results go to standard output, everything else to standard error. Exit status: 0 done, 1 failed (in
part: the rest is still reported), 2 wrong usage. Commands import torch as they run: help is quick.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.cli import evaluate
from app.cli.arguments import add, add_decoding, add_json
from models.arguments import between

DONE, FAILED = 0, 1  # wrong usage is argparse's 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status and never lets an exception out."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        options = parser().parse_args(arguments)
        return options.run(options)
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
        return f"{error.filename or 'a file'}: {error.strerror or error}"
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
    top.set_defaults(run=_dashboard)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    _add_compare(commands)
    _add_diagnose(commands)
    evaluate.add_evaluate(commands)
    evaluate.add_stress(commands)
    evaluate.add_report(commands)
    evaluate.add_export(commands)
    _add_variants(commands)
    return top


def _add_compare(commands) -> None:
    command = add(
        commands,
        "compare",
        "decode recordings by every attention mechanism, with verdicts and errors",
        "  python -m app compare samples/spoken_repetition.ogg\n"
        "  python -m app compare talk.wav --text 'what was said' --variants dot,location\n"
        "  python -m app compare *.flac --json out.json --save-alignments maps/\n",
        _compare,
    )
    command.add_argument("clips", nargs="+", metavar="CLIP", help="recordings")
    command.add_argument(
        "--text", metavar="REF", help="what was said in the (only) clip: gives WER"
    )
    add_decoding(command)
    add_json(command)
    command.add_argument(
        "--save-alignments",
        type=Path,
        metavar="DIR",
        help="write every attention map to DIR/CLIP.VARIANT.npz",
    )
    command.add_argument(
        "--html",
        type=Path,
        metavar="OUT",
        help="write one HTML file with maps, texts and sound, which opens offline",
    )
    command.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="write transcripts with times, tables or figures to this folder",
    )
    command.add_argument(
        "--formats",
        default="ctm,textgrid,srt,vtt,json,csv",
        metavar="LIST",
        help="what --export writes: npz, textgrid, srt, vtt, json, ctm, kaldi, sclite, csv, "
        "parquet, svg, pdf, png, or all (default %(default)s)",
    )


def _add_diagnose(commands) -> None:
    command = add(
        commands,
        "diagnose",
        "find failures in alignment files of any toolkit",
        "  python -m app diagnose maps/*.npz\n"
        "  python -m app diagnose espnet.npz --renormalise --json -\n"
        "  python -m app diagnose att_ws/*.npy whisper.json --frame-seconds 0.03\n",
        _diagnose,
    )
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE.npz",
        help="alignment files; also attention that ESPnet saved (.npy) and words with times from "
        "Whisper and its relatives (.json)",
    )
    command.add_argument(
        "--frame-seconds",
        type=between(float, 0.0001, 10),
        default=0.04,
        metavar="S",
        help="seconds per frame of .npy files, which do not say it (default 0.04)",
    )
    command.add_argument(
        "--renormalise",
        action="store_true",
        help="divide rows by their sums instead of refusing rows that do not sum to 1",
    )
    add_json(command)


def _add_variants(commands) -> None:
    command = add(
        commands,
        "variants",
        "list the attention mechanisms, their sizes and their checkpoints",
        "  python -m app variants\n  python -m app variants --json -\n",
        _variants,
    )
    add_json(command)


def _dashboard(options: argparse.Namespace) -> int:
    from app.cli import dashboard

    runs = options.runs or Path(os.environ.get("ATTNSCOPE_RUNS") or "runs")
    if options.runs and not runs.is_dir():
        return _failed(f"{options.runs} is not a folder; --runs names one that has runs in it")
    os.environ["ATTNSCOPE_RUNS"] = str(runs.absolute())  # the server has another working folder
    return dashboard.start(options.host, options.port)


def _compare(options: argparse.Namespace) -> int:
    from app.cli import compare

    if options.text is not None and len(options.clips) > 1:
        options.command.error("--text belongs to one clip; compare the clips one by one")
    return DONE if compare.compare(options) else FAILED


def _diagnose(options: argparse.Namespace) -> int:
    from app.cli import compare

    return DONE if compare.diagnose(options) else FAILED


def _variants(options: argparse.Namespace) -> int:
    from app.cli import compare

    return DONE if compare.variants(options) else FAILED
