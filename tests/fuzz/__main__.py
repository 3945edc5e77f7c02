"""The command line of `tests.fuzz`."""

import argparse
import resource
import signal
import sys
from collections import Counter
from pathlib import Path

from tests.fuzz import Trouble, attempt, inputs, on_alarm

MEMORY = 8_000_000_000  # bytes of address space


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Wrong files against the readers.")
    parser.add_argument("--inputs", type=int, default=10_000, help="files (default 10000)")
    parser.add_argument("--seed", type=int, default=1, help="of the damage")
    parser.add_argument("--keep", type=Path, help="folder for inputs that broke a reader")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGALRM, on_alarm)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    counts, troubles = Counter(), 0
    for number, (kind, content) in enumerate(inputs(options.inputs, options.seed), 1):
        outcome = attempt(kind, content)
        if isinstance(outcome, Trouble):
            troubles += 1
            print(f"\ninput {number} ({kind}, {len(content)} bytes): {outcome.error[:300]}")
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{kind}-{number}").write_bytes(content)
            continue
        counts[kind, outcome] += 1
        if number % 500 == 0:
            print(f"\r{number}/{options.inputs}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for (kind, what), count in sorted(counts.items()):
        print(f"{kind:12} {what:8} {count:6}")
    print(f"broken       {troubles}")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
