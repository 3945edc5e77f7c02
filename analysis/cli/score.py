"""``score``: error rates of transcripts."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from ..scoring.normalisers import NORMALISERS
from .arguments import add_command, add_json
from .console import CommandError, aligned, check_output, printable, write_json

SCHEMA = 1  # of the JSON


def add(commands: Any) -> None:
    """Add the subcommand."""
    command = add_command(
        commands,
        "score",
        "count word and character errors of transcripts, pooled over all lines",
        "  %(prog)s reference.txt hypothesis.txt\n"
        "  %(prog)s reference.txt one.txt two.txt --normalizer none --json -\n",
        run,
    )
    command.add_argument("reference", type=Path, metavar="REF", help="what was said, a text a line")
    command.add_argument(
        "hypotheses", nargs="+", type=Path, metavar="HYP", help="what was decoded, line by line"
    )
    command.add_argument(
        "--normalizer",
        choices=sorted(NORMALISERS),
        default="basic",
        help="what is made equal before errors are counted (default basic)",
    )
    add_json(command)


def run(options: Namespace) -> bool:
    """Pooled error rates of every file of hypotheses."""
    from ..scoring.errors import pool, score

    check_output(options.json)
    references = _lines(options.reference)
    heads = ("file", f"WER ({options.normalizer})", "CER", "words", "sub", "del", "ins")
    rows: list[tuple[str, ...]] = [heads]
    systems = []
    for path in options.hypotheses:
        texts = _lines(path)
        if len(texts) != len(references):
            raise CommandError(
                f"{printable(str(path))} has {len(texts)} lines, the reference "
                f"{len(references)}; both need one text a line, in the same order"
            )
        pairs = zip(references, texts, strict=True)
        total = pool(score(said, decoded, options.normalizer) for said, decoded in pairs)
        counts = {
            "words": total.words.reference,
            "substitutions": total.words.substitutions,
            "deletions": total.words.deletions,
            "insertions": total.words.insertions,
        }
        systems.append({"file": str(path), "wer": total.wer, "cer": total.cer, **counts})
        rates = ("-" if rate is None else f"{100 * rate:.1f} %" for rate in (total.wer, total.cer))
        rows.append((printable(str(path)), *rates, *map(str, counts.values())))
    if options.json:
        facts = {"normalizer": options.normalizer, "utterances": len(references)}
        write_json({"schema": SCHEMA, **facts, "systems": systems}, options.json)
    else:
        print(aligned(rows))
    return True


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise CommandError(f"{printable(str(path))} is not text in UTF-8") from None
