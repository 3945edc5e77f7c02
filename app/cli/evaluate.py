"""The subcommands for whole corpora: ``evaluate``, ``stress``, ``report`` and ``export``."""

import argparse
from pathlib import Path

from app.cli.arguments import add, add_decoding, add_json, levels
from models.arguments import between
from models.stress import STRESSES


def add_evaluate(commands) -> None:
    command = add(
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


def add_stress(commands) -> None:
    command = add(
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
    group = command.add_argument_group("stresses", "each with one or more levels: 1,2,4,8")
    for stress in STRESSES.values():
        group.add_argument(
            f"--{stress.name}",
            type=levels(stress),
            metavar="LEVELS",
            help=f"{stress.title} ({stress.unit})",
        )
    group.add_argument(
        "--gap",
        type=between(float, 0, 60),
        default=0.0,
        metavar="S",
        help="seconds of background between recordings that are repeated or joined (default 0)",
    )


def add_report(commands) -> None:
    command = add(
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
        type=between(int, 0, 1_000),
        default=10,
        metavar="N",
        help="recordings of a run that are shown with maps and sound (default 10)",
    )


def add_export(commands) -> None:
    command = add(
        commands,
        "export",
        "write a run in the formats of other programs, without decoding again",
        "  python -m app export runs/dev --out exported\n"
        "  python -m app export runs/dev --out exported --formats ctm,text --variants location\n",
        _export,
    )
    command.add_argument(
        "source", type=Path, metavar="RUN", help="folder of `evaluate` or `stress`, finished or not"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    command.add_argument(
        "--formats",
        metavar="LIST",
        help="ctm, text (Kaldi's) and sclite: a file per variant; textgrid, srt, vtt, json and "
        "npz: a file per recording; csv; or all; text, sclite and csv need no attention maps "
        "(default: everything but npz that the run has the maps for)",
    )
    command.add_argument(
        "--variants",
        default="all",
        metavar="NAMES",
        help="comma-separated names of the run's variants (default all)",
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
    add_decoding(command)
    command.add_argument("--split", help="only this split of the manifest, such as dev")
    command.add_argument(
        "--limit",
        type=between(int, 1, 10**9),
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
        type=between(int, 1, 1_000),
        metavar="N",
        help="processes of this machine (default: one a processor)",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="decode on the workers of this Dask scheduler (tcp://host:8786, or its file)",
    )
    add_json(command)


def _evaluate(options: argparse.Namespace) -> int:
    from app.cli import runs

    return 0 if runs.evaluate(options) else 1


def _stress(options: argparse.Namespace) -> int:
    from app.cli import runs

    if not any(getattr(options, name) for name in STRESSES):
        flags = ", ".join(f"--{name}" for name in STRESSES)
        options.command.error(f"name at least one stress: {flags}")
    return 0 if runs.stress(options) else 1


def _export(options: argparse.Namespace) -> int:
    from app.export import run

    return 0 if run.run(options) else 1


def _report(options: argparse.Namespace) -> int:
    from app.cli import report as report_command

    return 0 if report_command.report(options) else 1
