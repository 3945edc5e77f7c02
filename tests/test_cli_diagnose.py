"""`diagnose` and `variants` on the command line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from analysis.alignment import Alignment
from models.decoders.registry import decoders
from tests.support.command import run

pytestmark = pytest.mark.usefixtures("use_checkpoints")


# --- diagnose -------------------------------------------------------------------------------------


@pytest.fixture
def diagonal(tmp_path) -> Path:
    path = tmp_path / "diagonal.npz"
    tokens = [*"abcdefghijkl", "<eos>"]
    Alignment.from_arrays(np.eye(13), tokens, 0.04, ended=True).save(path)
    return path


def test_diagnose_prints_verdict_and_metrics(capsys, diagonal):
    status, out, _ = run(capsys, "diagnose", diagonal)
    assert status == 0
    assert f"{diagonal}: healthy" in out
    assert "monotonicity" in out


def test_diagnose_reports_a_broken_file_among_the_others(capsys, diagonal, tmp_path):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 no archive")
    missing = tmp_path / "missing.npz"
    status, out, err = run(capsys, "diagnose", broken, diagonal, missing, "--json")
    assert status == 1
    values = json.loads(out)
    assert list(values) == ["schema", "files"]
    first, second, third = values["files"]
    assert list(first) == ["file", "error"]
    assert first["file"] == str(broken)
    assert first["error"] in err
    assert list(second) == ["file", "verdict", "failures", "notes", "metrics", "heads"]
    assert (second["file"], second["verdict"]) == (str(diagonal), "healthy")
    assert second["metrics"]["monotonicity"] == pytest.approx(1)
    assert list(third) == ["file", "error"]
    assert third["file"] == str(missing)


def test_rows_that_do_not_sum_to_one_are_refused_unless_renormalised(capsys, tmp_path):
    path = tmp_path / "raw.npz"
    np.savez(path, weights=3 * np.eye(12), tokens=list("abcdefghijkl"), frame_seconds=0.04)
    status, out, err = run(capsys, "diagnose", path)
    assert (status, out) == (1, "")
    assert "weights" in err
    assert run(capsys, "diagnose", path, "--renormalise")[0] == 0


def test_pickles_are_refused_and_never_opened(capsys, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    path = tmp_path / "trap.npz"
    weights = np.array([[Trap()]], dtype=object)
    np.savez(path, weights=weights, tokens=["a"], frame_seconds=0.04)
    status, _, err = run(capsys, "diagnose", path)
    assert status == 1
    assert "weights" in err
    assert not (tmp_path / "executed").exists()


# --- variants -------------------------------------------------------------------------------------


def test_variants_lists_names_families_sizes_and_cards(capsys, checkpoints):
    status, out, _ = run(capsys, "variants", "--json", "-")
    assert status == 0
    values = json.loads(out)
    assert list(values) == ["schema", "variants"]
    listed = {variant["name"]: variant for variant in values["variants"]}
    assert list(listed) == [*decoders(), "ctc"]
    for name, info in decoders().items():
        assert listed[name]["family"] == info.family
        assert listed[name]["parameters"] > 0
        assert listed[name]["card"]["name"] == name
    status, out, _ = run(capsys, "variants")
    assert status == 0
    assert len(out.splitlines()) == 1 + len(listed)


def test_variants_without_checkpoints_says_not_trained(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(tmp_path))
    status, out, _ = run(capsys, "variants")
    assert status == 0
    assert out.count("not trained") == len(decoders()) + 1
    values = json.loads(run(capsys, "variants", "--json")[1])["variants"]
    assert {variant["card"] for variant in values} == {None}
