"""The samples as an evaluated set, so that pages about sets have something to show at once."""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from app.comparison import Models
from app.data import samples
from app.evaluation import Plan, Settings, evaluate, read_items
from app.evaluation.settings import fingerprints, versions
from models.decoding.search import SearchOptions

NAME = "shipped-samples"

Show = Callable[[int, int], None]  # is told how many of how many are done; may end it by raising


class Reporter:
    """Progress for a page: the same calls as `app.evaluation.progress.Progress`."""

    def __init__(self, show: Show, total: int, before: int = 0) -> None:
        self.show, self.total, self.done = show, total, before
        show(before, total)

    def add(self, decoded: int, bad: int) -> None:
        """So many more are done."""
        self.done += decoded + bad
        self.show(self.done, self.total)

    def say(self, line: str) -> None:
        """Nothing: a page shows how far it is, not how it got there."""


@st.cache_resource(show_spinner=False)
def _temporary() -> tempfile.TemporaryDirectory:
    """Goes with the server; one for everybody, since everybody has the same samples."""
    return tempfile.TemporaryDirectory(prefix="attnscope-")


def place() -> Path:
    """Where the run is, or will be: another one for other checkpoints or samples."""
    models = Models()
    trained = [info for info in models.infos() if info.checkpoint]
    version = hash((versions(trained, models.folder), str(samples.FOLDER)))
    return Path(_temporary().name) / f"{abs(version):x}" / NAME


def possible() -> bool:
    """Whether there are samples, and mechanisms to hear them."""
    return bool(samples.samples()) and any(info.checkpoint for info in Models().infos())


def run(show: Show) -> None:
    """Decode the samples by every trained mechanism; called again, it goes on where it stopped.

    Raises
    ------
    RunError
        Where another page is doing the same right now.
    CheckpointError
        Where a checkpoint cannot be used.
    """
    models = Models()
    infos = models.choose()
    settings = Settings(
        variants=tuple(info.name for info in infos),
        search=SearchOptions(),
        keep_alignments=True,
        folder=os.environ.get("ATTNSCOPE_CHECKPOINTS"),
        checkpoints=fingerprints(infos, models.folder),
    )
    items = partial(read_items, samples.FOLDER / "manifest.tsv")
    plan = Plan(items, settings, place(), "the samples", workers=1, together=1)
    plan.out.parent.mkdir(parents=True, exist_ok=True)
    evaluate(plan, partial(Reporter, show))
