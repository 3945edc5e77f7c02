"""``diagnose``: find failures in alignment files of any toolkit."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from .arguments import add_command, add_json, between
from .console import aligned, check_output, encodable, note, printable, write_json

if TYPE_CHECKING:
    from ..diagnosis import Diagnosis

SCHEMA = 1  # of the JSON


def add(commands: Any) -> None:
    """Add the subcommand."""
    command = add_command(
        commands,
        "diagnose",
        "find failures in alignment files of any toolkit",
        "  %(prog)s maps/*.npz\n"
        "  %(prog)s espnet.npz --renormalise --json -\n"
        "  %(prog)s att_ws/*.npy whisper.json --frame-seconds 0.03\n",
        run,
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


def run(options: Namespace) -> bool:
    """Diagnose alignment files; one that cannot be read is reported among the others."""
    from ..alignment import AlignmentError
    from ..diagnosis import diagnose
    from ..io import toolkits

    check_output(options.json)
    read_options = toolkits.ReadOptions(options.frame_seconds, options.renormalise)
    reports = []
    for path in options.files:
        try:
            alignment = toolkits.read(path, options=read_options)
        except AlignmentError as error:
            reports.append({"file": encodable(path), "error": str(error)})
            note(f"attnscope: {printable(path)}: {error}")
            continue
        for remark in alignment.remarks:
            note(f"attnscope: {printable(path)}: {remark}")
        diagnosis = diagnose(alignment)
        reports.append({"file": encodable(path), **diagnosis.to_json()})
        if not options.json:
            print(_table(printable(path), diagnosis), flush=True)
    if options.json:
        write_json({"schema": SCHEMA, "files": reports}, options.json)
    return not any("error" in report for report in reports)


def _table(file: str, diagnosis: Diagnosis) -> str:
    """A verdict, its evidence, and every metric."""
    lines = [f"{file}: {diagnosis.verdict}"]
    for failure in diagnosis.failures:
        lines.append(f"  {failure.kind}: {failure.explanation}")
    lines += [f"  note: {note.kind}: {note.explanation}" for note in diagnosis.notes]
    metrics = [
        (name, "-" if value is None else f"{value:.2f}")
        for name, value in diagnosis.metrics.items()
    ]
    return "\n".join([*lines, aligned(metrics, indent="  "), ""])
