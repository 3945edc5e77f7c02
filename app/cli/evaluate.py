"""``evaluate`` and ``stress``: decode whole corpora, as they are or under stress."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.cli.arguments import add_command, add_json, between
from analysis.cli.console import check_output, note, write_json
from app.cli.arguments import add_decoding, levels
from app.cli.common import chosen_variants, note_without_effect, search_options
from models.stress import STRESSES

if TYPE_CHECKING:
    from app.evaluation import Item, RunOutcome, Settings
    from models.corpora.remarks import Remarks


def add_evaluate(commands) -> None:
    """Add `evaluate`."""
    command = add_command(
        commands,
        "evaluate",
        "decode a whole corpus by every mechanism; run again, it goes on where it stopped",
        "  python -m app evaluate dev.tsv --out runs/dev\n"
        "  python -m app evaluate LibriSpeech/dev-clean --out runs/clean --variants dot,location\n"
        "  python -m app evaluate nemo.jsonl --out runs/big --scheduler tcp://head-node:8786\n",
        evaluate,
    )
    command.add_argument(
        "source",
        metavar="MANIFEST",
        help="NeMo JSON lines, CSV or TSV with path and text, a Kaldi or LibriSpeech folder (told "
        "apart by looking), a folder of recordings, or one recording",
    )
    _add_run(command)


def add_stress(commands) -> None:
    """Add `stress`."""
    command = add_command(
        commands,
        "stress",
        "evaluate on recordings made longer, noisier, faster, ... step by step",
        "  python -m app stress dev.tsv --out runs/length --concatenate 1,2,4,8 --repeat 1,2,4,8\n"
        "  python -m app stress talk.wav --text 'what was said' --out runs/noise --snr 20,10,0\n",
        stress,
    )
    command.add_argument(
        "source", metavar="MANIFEST|CLIP", help="as for `evaluate`: a corpus, or one recording"
    )
    command.add_argument("--text", metavar="REF", help="what was said, if it is one recording")
    _add_run(command)
    group = command.add_argument_group("stresses", "each with one or more levels: 1,2,4,8")
    for kind in STRESSES.values():
        group.add_argument(
            f"--{kind.name}",
            type=levels(kind),
            metavar="LEVELS",
            help=f"{kind.title} ({kind.unit})",
        )
    group.add_argument(
        "--gap",
        type=between(float, 0, 60),
        default=0.0,
        metavar="S",
        help="seconds of background between recordings that are repeated or joined (default 0)",
    )


def _add_run(command: ArgumentParser) -> None:
    """Add the flags that `evaluate` and `stress` share."""
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


def evaluate(options: Namespace) -> bool:
    """Decode a corpus; recordings that cannot be read do not stop it."""
    from app.evaluation import read_items
    from models.corpora.remarks import Remarks

    remarks = Remarks()
    items = partial(
        read_items, options.source, split=options.split, limit=options.limit, remarks=remarks
    )
    return _run(options, items, _settings(options), remarks)


def stress(options: Namespace) -> bool:
    """Decode a corpus as it is and under every stress asked for."""
    from app.evaluation import read_items
    from app.evaluation.items import is_recording
    from app.evaluation.stresses import stressed_items
    from models.corpora.remarks import Remarks

    levels_of = {name: getattr(options, name) for name in STRESSES if getattr(options, name)}
    if not levels_of:
        flags = ", ".join(f"--{name}" for name in STRESSES)
        options.command.error(f"name at least one stress: {flags}")
    source = Path(options.source)
    if options.text is not None and source.exists() and not is_recording(source):
        options.command.error("--text belongs to one recording; a corpus brings its own texts")
    remarks = Remarks()
    unstressed = partial(
        read_items,
        options.source,
        split=options.split,
        limit=options.limit,
        text=options.text,
        remarks=remarks,
    )
    items = partial(stressed_items, unstressed, levels_of)
    return _run(options, items, _settings(options, options.gap), remarks)


def _settings(options: Namespace, gap: float = 0.0) -> Settings:
    from app.comparison import Models
    from app.evaluation import Settings
    from app.evaluation.settings import fingerprints
    from models.interop import external

    models, search = Models(), search_options(options)
    infos = chosen_variants(options, models)
    fused = models.language_model(search) is not None
    note_without_effect(search, infos)
    return Settings(
        variants=tuple(info.name for info in infos),
        search=search,
        normalizer=options.normalizer,
        max_seconds=options.max_seconds,
        keep_alignments=options.keep_alignments,
        gap=gap,
        folder=os.environ.get("ATTNSCOPE_CHECKPOINTS"),  # workers may not have the variable
        checkpoints=fingerprints(infos, models.folder, language_model=fused),
        external=os.environ.get(external.VARIABLE, ""),
    )


def _run(
    options: Namespace,
    items: Callable[[], Iterator[Item]],
    settings: Settings,
    remarks: Remarks,
) -> bool:
    from app import evaluation

    check_output(options.json)
    plan = evaluation.Plan(
        items,
        settings,
        options.out,
        options.source,
        options.workers,
        options.scheduler,
        remarks=remarks,
        say=lambda sentence: note(f"attnscope: {sentence}"),
    )
    try:
        outcome = evaluation.evaluate(plan)
    except KeyboardInterrupt:
        note("\nattnscope: stopped; the same command goes on from here")
        return False
    _report(outcome, options.json)
    return outcome.decoded > 0


def _report(outcome: RunOutcome, json: str | None) -> None:
    from analysis.scoring.normalisers import described
    from app.cli import text_tables

    if json:
        write_json(outcome.summary, json)
    else:
        print(text_tables.summary(outcome.summary), flush=True)
    if any(variant["scored"] for variant in outcome.summary["variants"]):
        note(f"word errors after the normaliser {described(outcome.summary['normalizer'])}")
    note(f"wrote {outcome.out / 'results.parquet'} and summary.json")
    if outcome.bad:
        rest = "; nothing else was left" if not outcome.decoded else ""
        note(
            f"attnscope: {outcome.bad} of {outcome.bad + outcome.decoded} recordings could not be "
            f"decoded: {outcome.out / 'errors.csv'} says why{rest}"
        )
