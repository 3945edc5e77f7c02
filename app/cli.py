"""The command line: ``python -m app`` and its subcommands.

Results go to standard output, everything else to standard error. Exit status: 0 done, 1 failed (in
part: the rest is still reported), 2 wrong usage. Commands import torch as they run: help is quick.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.normalisers import NORMALISERS
from models.stress import STRESSES, Stress

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
        type=_between(int, 1, 65_535),
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
    _add_evaluate(commands)
    _add_stress(commands)
    _add_report(commands)
    _add_variants(commands)
    return top


def _add(commands, name: str, help_: str, examples: str, run) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run, command=command)
    return command


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="OUT",
        help="write JSON to this file, or to standard output with -, instead of a table",
    )


def _add_decoding(command: argparse.ArgumentParser) -> None:
    """What to decode with, and how errors are counted."""
    command.add_argument(
        "--variants",
        default="all",
        metavar="NAMES",
        help="comma-separated names (see `variants`), espnet:CONFIG,WEIGHTS or "
        "whisper:PATH_OR_NAME, or all that are trained (default all)",
    )
    command.add_argument(
        "--beam",
        type=_between(int, 1, 1_000),
        default=1,
        metavar="N",
        help="beam size (default 1: greedy)",
    )
    command.add_argument(
        "--ctc-weight",
        type=_between(float, 0, 1),
        default=0.0,
        metavar="W",
        help="share of CTC in the score of a beam, 0 to 1 (default 0)",
    )
    command.add_argument(
        "--lm",
        type=_between(float, 0, 10),
        default=0.0,
        metavar="WEIGHT",
        dest="lm_weight",
        help="weight of the character language model in the score, best with a beam; 0.5 to "
        "0.7 is usual (default 0: without)",
    )
    command.add_argument(
        "--word-bonus",
        type=_between(float, -100, 100),
        default=0.0,
        metavar="B",
        help="with --lm: added to the score for every word, in nats (default 0)",
    )
    command.add_argument(
        "--max-seconds",
        type=_between(float, 0.04, 86_400),
        default=600.0,
        metavar="S",
        help="refuse longer recordings (default 600)",
    )
    command.add_argument(
        "--normalizer",
        choices=sorted(NORMALISERS),
        default="basic",
        help="what is evened out in both texts before errors are counted (default basic)",
    )


def _add_compare(commands) -> None:
    command = _add(
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
    _add_decoding(command)
    _add_json(command)
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


def _add_evaluate(commands) -> None:
    command = _add(
        commands,
        "evaluate",
        "decode a whole corpus by every mechanism; run again, it goes on where it stopped",
        "  python -m app evaluate dev.tsv --out runs/dev\n"
        "  python -m app evaluate LibriSpeech/dev-clean --out runs/clean --variants dot,location\n"
        "  python -m app evaluate nemo.jsonl --out runs/big --scheduler tcp://head-node:8786\n",
        _evaluate,
    )
    command.add_argument(
        "source",
        metavar="MANIFEST",
        help="NeMo JSON lines, CSV or TSV with path and text, a Kaldi or LibriSpeech folder (told "
        "apart by looking), a folder of recordings, or one recording",
    )
    _add_run(command)


def _add_stress(commands) -> None:
    command = _add(
        commands,
        "stress",
        "evaluate on recordings made longer, noisier, faster, ... step by step",
        "  python -m app stress dev.tsv --out runs/length --concatenate 1,2,4,8 --repeat 1,2,4,8\n"
        "  python -m app stress talk.wav --text 'what was said' --out runs/noise --snr 20,10,0\n",
        _stress,
    )
    command.add_argument(
        "source", metavar="MANIFEST|CLIP", help="as for `evaluate`: a corpus, or one recording"
    )
    command.add_argument("--text", metavar="REF", help="what was said, if it is one recording")
    _add_run(command)
    levels = command.add_argument_group("stresses", "each with one or more levels: 1,2,4,8")
    for stress in STRESSES.values():
        levels.add_argument(
            f"--{stress.name}",
            type=_levels(stress),
            metavar="LEVELS",
            help=f"{stress.title} ({stress.unit})",
        )
    levels.add_argument(
        "--gap",
        type=_between(float, 0, 60),
        default=0.0,
        metavar="S",
        help="seconds of background between recordings that are repeated or joined (default 0)",
    )


def _add_report(commands) -> None:
    command = _add(
        commands,
        "report",
        "write a run or a comparison as one HTML file that opens offline",
        "  python -m app report runs/dev --out dev.html\n"
        "  python -m app report compare.json --out clips.html\n",
        _report,
    )
    command.add_argument(
        "source",
        type=Path,
        metavar="RUN|COMPARE.json",
        help="folder of `evaluate` or `stress`, or a file of `compare --json`",
    )
    command.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="to write")
    command.add_argument(
        "--cases",
        type=_between(int, 0, 1_000),
        default=10,
        metavar="N",
        help="recordings of a run that are shown with maps and sound (default 10)",
    )


def _add_run(command: argparse.ArgumentParser) -> None:
    """What `evaluate` and `stress` have in common."""
    command.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="RUN",
        help="folder of the run: results.parquet, summary.json, errors.csv",
    )
    _add_decoding(command)
    command.add_argument("--split", help="only this split of the manifest, such as dev")
    command.add_argument(
        "--limit",
        type=_between(int, 1, 10**9),
        metavar="N",
        help="only the first N recordings",
    )
    command.add_argument(
        "--keep-alignments",
        action="store_true",
        help="keep every attention map too, a byte a cell, so that pages and reports can show them",
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=_between(int, 1, 1_000),
        metavar="N",
        help="processes of this machine (default: one a processor)",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="decode on the workers of this Dask scheduler (tcp://host:8786, or its file)",
    )
    _add_json(command)


def _add_diagnose(commands) -> None:
    command = _add(
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
        type=_between(float, 0.0001, 10),
        default=0.04,
        metavar="S",
        help="seconds per frame of .npy files, which do not say it (default 0.04)",
    )
    command.add_argument(
        "--renormalise",
        action="store_true",
        help="divide rows by their sums instead of refusing rows that do not sum to 1",
    )
    _add_json(command)


def _add_variants(commands) -> None:
    command = _add(
        commands,
        "variants",
        "list the attention mechanisms, their sizes and their checkpoints",
        "  python -m app variants\n  python -m app variants --json -\n",
        _variants,
    )
    _add_json(command)


def _dashboard(options: argparse.Namespace) -> int:
    from app import server

    runs = options.runs or Path(os.environ.get("ATTNSCOPE_RUNS") or "runs")
    if options.runs and not runs.is_dir():
        return _failed(f"{options.runs} is not a folder; --runs names one that has runs in it")
    os.environ["ATTNSCOPE_RUNS"] = str(runs.absolute())  # the server has another working folder
    return server.start(options.host, options.port)


def _compare(options: argparse.Namespace) -> int:
    from app import commands

    if options.text is not None and len(options.clips) > 1:
        options.command.error("--text belongs to one clip; compare the clips one by one")
    return DONE if commands.compare(options) else FAILED


def _diagnose(options: argparse.Namespace) -> int:
    from app import commands

    return DONE if commands.diagnose(options) else FAILED


def _evaluate(options: argparse.Namespace) -> int:
    from app import run_commands

    return DONE if run_commands.evaluate(options) else FAILED


def _stress(options: argparse.Namespace) -> int:
    from app import run_commands

    if not any(getattr(options, name) for name in STRESSES):
        flags = ", ".join(f"--{name}" for name in STRESSES)
        options.command.error(f"name at least one stress: {flags}")
    return DONE if run_commands.stress(options) else FAILED


def _report(options: argparse.Namespace) -> int:
    from app import report_command

    return DONE if report_command.report(options) else FAILED


def _variants(options: argparse.Namespace) -> int:
    from app import commands

    return DONE if commands.variants(options) else FAILED


def _between(kind: type, low: float, high: float) -> Callable[[str], float]:
    """A converter for argparse that accepts numbers of a range."""

    def convert(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            whole = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {whole} between {low} and {high}")
        return number

    return convert


def _levels(stress: Stress) -> Callable[[str], tuple[float, ...]]:
    """A converter for argparse that accepts levels of a stress, separated by commas."""
    one = _between(int if stress.whole else float, stress.low, stress.high)

    def convert(text: str) -> tuple[float, ...]:
        return tuple(dict.fromkeys(one(part.strip()) for part in text.split(",")))

    return convert
