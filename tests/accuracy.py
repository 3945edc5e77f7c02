"""How often failures are found, and found where there are none, on generated maps.

`python -m tests.accuracy --seed 1 --maps 300` prints the table.
"""

import argparse
from collections import Counter
from dataclasses import dataclass, field

from analysis.failures import Findings, find_failures
from analysis.heads import listening
from analysis.thresholds import SEVERITY
from tests.failing_maps import EDITS, make

QUIET = ("healthy", "genuine")  # maps in which no failure may be found


@dataclass
class Tally:
    """Counts over labelled maps."""

    found: Counter[str] = field(default_factory=Counter)  # by kind: there, and found
    missed: Counter[str] = field(default_factory=Counter)  # there, not found
    false: Counter[str] = field(default_factory=Counter)  # found, not there
    alarms: int = 0  # quiet maps with any failure
    quiet: int = 0  # quiet maps
    notes: int = 0  # genuine repetitions noted
    repetitions: int = 0  # genuine repetitions there

    def recall(self, kind: str) -> float:
        return self.found[kind] / max(1, self.found[kind] + self.missed[kind])

    def precision(self, kind: str) -> float:
        return self.found[kind] / max(1, self.found[kind] + self.false[kind])

    @property
    def alarm_rate(self) -> float:
        return self.alarms / max(1, self.quiet)

    @property
    def note_recall(self) -> float:
        return self.notes / max(1, self.repetitions)


def measure(seed: int, maps: int) -> Tally:
    """Tally over `maps` random maps of every kind in `tests.failing_maps`."""
    tally = Tally()
    for name in EDITS:
        for number in range(maps):
            labelled = make((seed, number), name)
            findings = find_failures(listening(labelled.alignment))
            _count(tally, name, labelled.script, findings)
    return tally


def _count(tally: Tally, name: str, script, findings: Findings) -> None:
    kinds = {failure.kind for failure in findings.failures}
    tally.found.update(script.kinds & kinds)
    tally.missed.update(script.kinds - kinds)
    tally.false.update(kinds - script.kinds - script.also)
    if name in QUIET:
        tally.quiet += 1
        tally.alarms += bool(kinds)
    if script.notes:
        tally.repetitions += 1
        tally.notes += script.notes <= {note.kind for note in findings.notes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the maps")
    parser.add_argument("--maps", type=int, default=100, help="maps of every kind")
    options = parser.parse_args()
    tally = measure(options.seed, options.maps)
    print("| kind | maps | recall | precision |\n|---|---|---|---|")
    for kind in SEVERITY:
        there = tally.found[kind] + tally.missed[kind]
        print(f"| {kind} | {there} | {tally.recall(kind):.3f} | {tally.precision(kind):.3f} |")
    print(f"\nfalse alarms on {tally.quiet} healthy maps and genuine repetitions: "
          f"{tally.alarm_rate:.3f}; repetitions noted: {tally.note_recall:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
