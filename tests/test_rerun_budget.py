"""How many tests in a browser may be tried again before the whole run fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.dashboard import ROOT
from tests.support.rerun_budget import BUDGET

TESTS = """
import pytest
tries = {{}}

@pytest.fixture
def browser():
    pass

@pytest.mark.parametrize("number", range({count}))
def test_that_fails_once(browser, number):
    tries[number] = tries.get(number, 0) + 1
    assert tries[number] > 1

def test_that_passes():
    pass
"""


def run(folder: Path, count: int, *options: str) -> subprocess.CompletedProcess:
    """A run in which `count` tests pass when they are tried again."""
    (folder / "test_lately.py").write_text(TESTS.format(count=count))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.rerun_budget", *options]
    alone = ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, *alone], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(("count", "status"), [(0, 0), (BUDGET, 0), (BUDGET + 1, 1)])
@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_a_run_fails_when_more_tests_than_the_budget_were_tried_again(
    tmp_path, count, status, options
):
    done = run(tmp_path, count, *options)
    assert done.returncode == status, done.stdout
    assert ("tried again" in done.stdout) == (count > 0)
    assert f"{count + 1} passed" in done.stdout
