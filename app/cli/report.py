"""``report``, and what ``compare --html`` writes: HTML files that open offline."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.cli.arguments import add_command, between

if TYPE_CHECKING:
    from app.comparison import ClipResult
    from app.report import Report


def add(commands) -> None:
    """Add the subcommand."""
    command = add_command(
        commands,
        "report",
        "write a run or a comparison as one HTML file that opens offline",
        "  python -m app report runs/dev --out dev.html\n"
        "  python -m app report compare.json --out clips.html\n",
        run,
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


def run(options: Namespace) -> bool:
    """Write a run or a comparison as HTML."""
    from analysis.cli.console import printable
    from app import report as reports
    from app.report.content import ReportError

    check_output(options.out)
    if options.source.is_dir():
        report = reports.from_run(options.source, options.cases)
    elif options.source.is_file():
        report = reports.from_json(options.source)
    else:
        raise ReportError(f"{printable(str(options.source))} does not exist; check the path")
    _save(report, options.out)
    return True


def save_clips(clips: Sequence[ClipResult], out: Path) -> None:
    """Write compared recordings as HTML."""
    from app import report as reports

    _save(reports.from_clips(clips), out)


def _save(report: Report, out: Path) -> None:
    """Write a report, the whole file or none."""
    from analysis.io.files import write
    from app import report as reports

    write(out, reports.render(report).encode("utf-8", errors="replace"))


def check_output(out: Path | None) -> None:
    """Refuse an output file before the work; a file that is not HTML is never replaced.

    Raises
    ------
    ReportError
        Where it cannot be written or is something else than HTML.
    """
    from analysis.cli.console import printable
    from app.report.content import ReportError

    if out is None:
        return
    if out.is_dir() or not out.parent.is_dir():
        raise ReportError(
            f"{printable(str(out))} cannot be written: it is a folder, or has none to be in"
        )
    if out.exists() and not out.read_bytes()[:15].lower().startswith(b"<!doctype html"):
        raise ReportError(f"{printable(str(out))} is there and is not HTML; choose another name")
