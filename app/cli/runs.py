"""What `evaluate` and `stress` do: each takes the options and tells whether all went well."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from app.cli import compare, text_tables
from app.comparison import Models
from app.evaluation import Item, Outcome, Plan, Settings, read_items
from app.evaluation import evaluate as run
from app.evaluation.items import is_recording
from app.evaluation.settings import fingerprints
from app.evaluation.stresses import stressed_items
from models.corpora.remarks import Remarks
from models.interop import external
from models.stress import STRESSES

Source = Callable[[], Iterator[Item]]


def evaluate(options: Namespace) -> bool:
    """Decode a corpus; recordings that cannot be read do not stop it."""
    remarks = Remarks()
    items = partial(
        read_items, options.source, split=options.split, limit=options.limit, remarks=remarks
    )
    return _run(options, items, _settings(options), remarks)


def stress(options: Namespace) -> bool:
    """Decode a corpus as it is and under every stress asked for."""
    source = Path(options.source)
    if options.text is not None and source.exists() and not is_recording(source):
        options.command.error("--text belongs to one recording; a corpus brings its own texts")
    levels = {name: getattr(options, name) for name in STRESSES if getattr(options, name)}
    remarks = Remarks()
    plain = partial(
        read_items,
        options.source,
        split=options.split,
        limit=options.limit,
        text=options.text,
        remarks=remarks,
    )
    items = partial(stressed_items, plain, levels)
    return _run(options, items, _settings(options, options.gap), remarks)


def _settings(options: Namespace, gap: float = 0.0) -> Settings:
    models = Models()
    infos = models.choose(compare.variant_names(options, models))
    search = compare.search_options(options)
    fused = models.language_model(search) is not None
    compare.note_idle(search)
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


def _run(options: Namespace, items: Source, settings: Settings, remarks: Remarks) -> bool:
    compare.check_output(options.json)
    plan = Plan(
        items,
        settings,
        options.out,
        options.source,
        options.workers,
        options.scheduler,
        remarks=remarks,
        say=lambda sentence: compare.note(f"attnscope: {sentence}"),
    )
    try:
        outcome = run(plan)
    except KeyboardInterrupt:
        print("\nattnscope: stopped; the same command goes on from here", file=sys.stderr)
        return False
    _report(outcome, options.json)
    return outcome.decoded > 0


def _report(outcome: Outcome, json: str | None) -> None:
    if json:
        compare.write_json(outcome.summary, json)
    else:
        print(text_tables.summary(outcome.summary), flush=True)
    compare.note(f"wrote {outcome.out / 'results.parquet'} and summary.json")
    if outcome.bad:
        all_of_them = "; nothing else was left" if not outcome.decoded else ""
        compare.note(
            f"attnscope: {outcome.bad} of {outcome.bad + outcome.decoded} recordings could not be "
            f"decoded: {outcome.out / 'errors.csv'} says why{all_of_them}"
        )
