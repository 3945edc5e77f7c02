"""``diagnose``: find failures in alignment files of any toolkit."""

from argparse import Namespace

from app.cli.arguments import add_command, add_json
from app.cli.console import check_output, encodable, note, write_json
from models.arguments import between


def add(commands) -> None:
    """Add the subcommand."""
    command = add_command(
        commands,
        "diagnose",
        "find failures in alignment files of any toolkit",
        "  python -m app diagnose maps/*.npz\n"
        "  python -m app diagnose espnet.npz --renormalise --json -\n"
        "  python -m app diagnose att_ws/*.npy whisper.json --frame-seconds 0.03\n",
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
    from analysis.alignment import AlignmentError
    from analysis.diagnosis import diagnose
    from analysis.io import toolkits
    from app.cli import text_tables
    from app.comparison import SCHEMA
    from models.audio import plain

    check_output(options.json)
    read_options = toolkits.ReadOptions(options.frame_seconds, options.renormalise)
    reports = []
    for path in options.files:
        try:
            alignment = toolkits.read(path, options=read_options)
        except AlignmentError as error:
            reports.append({"file": encodable(path), "error": str(error)})
            note(f"attnscope: {plain(path)}: {error}")
            continue
        for remark in alignment.remarks:
            note(f"attnscope: {plain(path)}: {remark}")
        diagnosis = diagnose(alignment)
        reports.append({"file": encodable(path), **diagnosis.to_json()})
        if not options.json:
            print(text_tables.diagnosis(plain(path), diagnosis), flush=True)
    if options.json:
        write_json({"schema": SCHEMA, "files": reports}, options.json)
    return not any("error" in report for report in reports)
