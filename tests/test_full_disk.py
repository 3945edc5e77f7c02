"""A disk that is full, and folders that nobody may write to: nothing is lost, one sentence is said.

A full disk is a process that may write no file beyond some size: the system refuses it in mid-file.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.io.files import failure_of, write
from app.evaluation import load_results, load_summary
from tests.support.dashboard import ROOT
from tests.support.small_runs import write_corpus

SAMPLE = ROOT / "samples" / "spoken_repetition.ogg"


def run(*arguments: object, largest: int | None = None) -> subprocess.CompletedProcess:
    """A command that may write files up to so many bytes."""

    def limit() -> None:
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, preexec_fn=limit, check=False,
    )  # fmt: skip


def refused(result: subprocess.CompletedProcess, name: str) -> None:
    """It failed with one sentence that names the file and says what to do."""
    assert result.returncode == 1, result.stderr
    last = result.stderr.splitlines()[-1]
    assert name in last
    assert "make room" in last
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("use_checkpoints")
def test_results_on_a_full_disk_leave_what_was_there(tmp_path):
    out, page = tmp_path / "out.json", tmp_path / "report.html"
    compare = ("app", "compare", SAMPLE, "--variants", "ctc", "--json", out, "--html", page)
    assert run(*compare).returncode == 0
    before = {path: path.read_bytes() for path in (out, page)}
    refused(run(*compare, largest=200), "out.json")
    refused(run("app", "report", out, "--out", page, largest=2_000), "report.html")
    assert {path: path.read_bytes() for path in (out, page)} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "report.html"]


@pytest.mark.usefixtures("use_checkpoints")
def test_a_run_on_a_full_disk_goes_on_when_there_is_room(tmp_path):
    manifest = write_corpus(tmp_path / "corpus", [0.5, 0.6, 0.7])
    command = ("app", "evaluate", manifest, "--variants", "ctc", "--workers", 1)
    whole, full = tmp_path / "whole", tmp_path / "full"
    assert run(*command, "--out", whole).returncode == 0
    refused(run(*command, "--out", full, largest=5_000), ".parquet")
    assert load_summary(full) is None
    assert not list(full.rglob(".*.[0-9]*"))  # no half of a file
    assert run(*command, "--out", full).returncode == 0
    assert load_results(full)["text"].tolist() == load_results(whole)["text"].tolist()


def test_a_checkpoint_on_a_full_disk_leaves_the_old_one(checkpoints, tmp_path):
    code = (
        "import sys; from pathlib import Path; import torch\n"
        "from analysis.io.files import failure_of\n"
        "from models.checkpoint import Card, save\n"
        "from models.text import ENGLISH\n"
        "try:\n"
        "    save(torch.nn.Linear(99, 99), Path(sys.argv[1]), Card('x', {}, ENGLISH))\n"
        "except OSError as error:\n"
        "    sys.exit(failure_of(error))\n"
    )
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"the old one")
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000)), check=False,
    )  # fmt: skip
    refused(result, "x.safetensors")
    assert path.read_bytes() == b"the old one"
    assert [each.name for each in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_file_that_cannot_be_written_keeps_its_content_and_is_named(tmp_path, monkeypatch):
    path = tmp_path / "kept.txt"
    path.write_bytes(b"old")
    path.chmod(0o640)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")  # Arrow names no file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", refuse)
        with pytest.raises(PermissionError) as error:
            write(path, b"new")
    said = failure_of(error.value)
    assert said == f"{path}: Permission denied; choose another place or change its permissions"
    assert path.read_bytes() == b"old"
    write(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)


def test_links_and_devices_are_written_through(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    write(Path(os.devnull), b"gone")
    assert not Path(os.devnull).is_file()
    with pytest.raises(OSError, match="No space left") as error:
        write(Path("/dev/full"), b"too much")
    assert "make room" in failure_of(error.value)
