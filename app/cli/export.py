"""``export``: write a run in the formats of other programs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from analysis.cli.arguments import add_command
from analysis.cli.console import note, printable


def add(commands) -> None:
    """Add the subcommand."""
    command = add_command(
        commands,
        "export",
        "write a run in the formats of other programs, without decoding again",
        "  python -m app export runs/dev --out exported\n"
        "  python -m app export runs/dev --out exported --formats ctm,text --variants location\n",
        run,
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


def run(options: Namespace) -> bool:
    """Write the files of a run, finished or not."""
    from app.evaluation import load_settings
    from app.export.run import ExportJob, write

    settings = load_settings(options.source)
    kept, normalizer = settings["keep_alignments"], settings["normalizer"]
    formats, variants = _formats(options, kept), _variants(options, settings["variants"])
    options.out.mkdir(parents=True, exist_ok=True)
    job = ExportJob(
        options.source,
        options.out,
        formats,
        variants,
        kept,
        normalizer,
        say=lambda sentence: note(f"attnscope: {sentence}"),
    )
    note(f"wrote {write(job)} files to {printable(str(job.out))}")
    return True


def _formats(options: Namespace, kept: bool) -> tuple[str, ...]:
    from app.evaluation import RunError
    from app.export.clips import ExportError, parse_formats
    from app.export.run import FORMATS, TIMED, UNTIMED, USUAL

    if options.formats is None:
        return USUAL if kept else UNTIMED
    try:
        formats = parse_formats(options.formats, FORMATS)
    except ExportError as error:
        options.command.error(str(error))
    if timed := [name for name in formats if name in TIMED and not kept]:
        raise RunError(
            f"{printable(str(options.source))} has no attention maps, which {', '.join(timed)} "
            f"need: evaluate with --keep-alignments, or ask for --formats {','.join(UNTIMED)}"
        )
    return formats


def _variants(options: Namespace, in_run: Sequence[str]) -> tuple[str, ...]:
    if options.variants == "all":
        return tuple(in_run)
    names = [name.strip() for name in options.variants.split(",") if name.strip()]
    unknown = [name for name in names if name not in in_run]
    if unknown or not names:
        wrong = f"has no variant {unknown[0]!r}" if unknown else "was asked for no variant"
        options.command.error(f"the run {wrong}; it has: {', '.join(in_run)}")
    return tuple(name for name in in_run if name in names)
