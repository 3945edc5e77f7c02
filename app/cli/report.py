"""What `report` and `compare --html` do."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from app import report as reports
from app.comparison import ClipResult
from app.evaluation.run import write
from app.report.content import Report, ReportError
from models.audio import plain


def report(options: Namespace) -> bool:
    """Write a run or a comparison as HTML."""
    check(options.out)
    if options.source.is_dir():
        found = reports.from_run(options.source, options.cases)
    elif options.source.is_file():
        found = reports.from_json(options.source)
    else:
        raise ReportError(f"{plain(str(options.source))} does not exist; check the path")
    save(found, options.out)
    return True


def save_clips(clips: Sequence[ClipResult], out: Path) -> None:
    """Write what `compare` found as HTML."""
    save(reports.from_clips(clips), out)


def save(found: Report, out: Path) -> None:
    """Write a report, the whole file or none."""
    write(out, reports.render(found).encode("utf-8", errors="replace"))


def check(out: Path | None) -> None:
    """Complain about a name for the file before the work, never replacing another kind of file.

    Raises
    ------
    ReportError
        Where it cannot be written or is something else than HTML.
    """
    if out is None:
        return
    if out.is_dir() or not out.parent.is_dir():
        raise ReportError(
            f"{plain(str(out))} cannot be written: it is a folder, or has none to be in"
        )
    if out.exists() and not out.read_bytes()[:15].lower().startswith(b"<!doctype html"):
        raise ReportError(f"{plain(str(out))} is there and is not HTML; choose another name")
