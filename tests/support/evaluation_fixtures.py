"""A small corpus and a finished run over it: fixtures of the tests of evaluation."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from app.comparison import Models
from app.evaluation import Plan, Settings, evaluate, items
from app.evaluation.settings import fingerprints
from models.decoding.search import SearchOptions
from tests.support.small_runs import write_corpus

ROOT = Path(__file__).resolve().parents[2]
SECONDS = [0.9, 0.4, 1.3, 0.6, 1.0, 0.5, 0.8, 0.7]
VARIANTS = ("location", "multi_head_dot", "ctc")
TIMES = ["decode_seconds", "encode_seconds"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), SECONDS)


@pytest.fixture
def one_by_one(monkeypatch) -> None:
    """Every recording a shard of its own, so that small corpora have many."""
    monkeypatch.setattr(items, "SHARD_ITEMS", 1)


@pytest.fixture(scope="module")
def settings(checkpoints) -> Settings:
    infos = Models(checkpoints).choose(VARIANTS)
    found = fingerprints(infos, checkpoints)
    # tiny decoders never end by themselves: a short limit keeps them quick
    search = SearchOptions(max_length_ratio=0.5)
    return Settings(VARIANTS, search, folder=str(checkpoints), checkpoints=found)


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Equal in everything but the times."""
    pd.testing.assert_frame_equal(found.drop(columns=TIMES), expected.drop(columns=TIMES))


def plan_of(manifest: Path, settings: Settings, out: Path, **more) -> Plan:
    return Plan(lambda: items.read_items(manifest), settings, out, "test", **more)


@pytest.fixture(scope="module")
def finished(manifest, settings, tmp_path_factory) -> Path:
    """A run with its maps, in this process, every recording a shard of its own."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items, "SHARD_ITEMS", 1)
        evaluate(plan_of(manifest, replace(settings, keep_alignments=True), out, workers=1))
    return out
