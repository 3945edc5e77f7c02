"""Running code in a process of its own that may take so much memory and time and no more."""

import json
import resource
import subprocess
import sys

from tests.support.dashboard import ROOT

MEMORY = 2_000_000_000  # bytes of address space: libraries take one of them
PROCESSOR_SECONDS = 60


def run_limited(
    code: str, *values: object, memory: int = MEMORY, seconds: int = PROCESSOR_SECONDS
) -> str:
    """Standard output of `code`, which finds `values` (JSON) in ``values``.

    Raises
    ------
    AssertionError
        Where it failed or went beyond the limits.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    result = subprocess.run(
        [sys.executable, "-c", f"import json, sys\nvalues = json.load(sys.stdin)\n{code}"],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=limit,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2_000:]
    return result.stdout
