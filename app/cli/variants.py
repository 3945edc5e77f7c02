"""``variants``: list the attention mechanisms and their checkpoints."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from analysis.cli.arguments import add_command, add_json
from analysis.cli.console import check_output, note, write_json

if TYPE_CHECKING:
    from models.variant import VariantInfo


def add(commands) -> None:
    """Add the subcommand."""
    command = add_command(
        commands,
        "variants",
        "list the attention mechanisms, their sizes and their checkpoints",
        "  python -m app variants\n  python -m app variants --json -\n",
        run,
    )
    add_json(command)


def run(options: Namespace) -> bool:
    """List every variant there is, trained or not."""
    from app.cli import text_tables
    from app.comparison import SCHEMA
    from models import recogniser
    from models.interop import external

    check_output(options.json)
    infos = recogniser.variants()
    ours = [info.name for info in infos if not info.own_encoder]
    for problem in external.problems(recogniser.checkpoint_folder(), ours):
        note(f"attnscope: {problem}")
    if options.json:
        write_json({"schema": SCHEMA, "variants": list(map(_to_json, infos))}, options.json)
    else:
        print(text_tables.variants(infos))
    return True


def _to_json(info: VariantInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "family": info.family,
        "title": info.title,
        "paper": info.paper,
        "parameters": info.parameters,
        "checkpoint": str(info.checkpoint) if info.checkpoint else None,
        "card": asdict(info.card) if info.card else None,
    }
