"""How often failures are found, and found where there are none, on generated maps.

    python -m tests.accuracy --seed 1 --maps 300
    python -m tests.accuracy --seed 2027 --maps 100 --json generated.json
    python -m docs.tables generated generated.json    # into docs/diagnostics.md

prints the tables. Seeds below 1000 were used while the rules were made.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from analysis.failures.rules import Findings, find_failures
from analysis.failures.thresholds import SEVERITY
from analysis.heads.cross_attention import listening
from tests.support.failing_maps import EDITS, make
from tests.support.maps import Labelled, Look

UNHEARD = {"skip", "early_stop"}  # failures that speech without a listener makes
QUIET = ("healthy", "genuine")  # maps in which no failure may be found
SLICES = {
    "characters": lambda look: not look.words,
    "words": lambda look: look.words,
    "frames of 20 to 30 ms": lambda look: look.frame_seconds <= 0.03,
    "frames of 40 ms": lambda look: look.frame_seconds == 0.04,
    "frames of 60 to 80 ms": lambda look: look.frame_seconds >= 0.06,
    "sharp rows": lambda look: look.width <= 0.02,
    "soft rows": lambda look: look.width > 0.08,
    "noisy rows": lambda look: look.strays > 0,
    "many heads": lambda look: len(look.heads) > 1,
    "long pauses": lambda look: look.pauses > 0 and look.longest_pause > 1,
    "without speech activity": lambda look: not look.mask,
}


@dataclass
class Tally:
    """Counts over labelled maps."""

    found: Counter[str] = field(default_factory=Counter)  # by kind: there, and found
    missed: Counter[str] = field(default_factory=Counter)  # there, not found
    false: Counter[str] = field(default_factory=Counter)  # found, not there
    alarms: Counter[str] = field(default_factory=Counter)  # by kind of map: quiet, with a failure
    quiet: Counter[str] = field(default_factory=Counter)  # by kind of map: quiet
    notes: int = 0  # genuine repetitions noted
    repetitions: int = 0  # genuine repetitions there

    def recall(self, kind: str) -> float:
        return self.found[kind] / max(1, self.found[kind] + self.missed[kind])

    def precision(self, kind: str) -> float:
        return self.found[kind] / max(1, self.found[kind] + self.false[kind])

    @property
    def alarm_rate(self) -> float:
        return self.alarms.total() / max(1, self.quiet.total())

    @property
    def note_recall(self) -> float:
        return self.notes / max(1, self.repetitions)

    def add(self, name: str, labelled: Labelled, findings: Findings) -> None:
        """Count one map."""
        script, kinds = labelled.script, {failure.kind for failure in findings.failures}
        # whether somebody spoke where nothing listened, only speech activity tells
        there = script.kinds if labelled.look.mask else script.kinds - UNHEARD
        self.found.update(there & kinds)
        self.missed.update(there - kinds)
        self.false.update(kinds - script.kinds - script.also)
        if name in QUIET:
            self.quiet[name] += 1
            self.alarms[name] += bool(kinds)
        if script.notes:
            self.repetitions += 1
            self.notes += script.notes <= {note.kind for note in findings.notes}


def measure(seed: int, maps: int, slices: dict[str, Tally] | None = None) -> Tally:
    """Tally over `maps` random maps of every kind in `tests.support.failing_maps`.

    `slices`, if given, gets a tally for each part of the maps that is named in `SLICES`.
    """
    tally = Tally()
    for name in EDITS:
        for number in range(maps):
            labelled = make((seed, number), name)
            findings = find_failures(listening(labelled.alignment))
            tally.add(name, labelled, findings)
            for part in () if slices is None else _parts(labelled.look):
                slices.setdefault(part, Tally()).add(name, labelled, findings)
        if slices is not None:
            print(f"\r{name:20}", end="", file=sys.stderr, flush=True)
    return tally


def _parts(look: Look) -> list[str]:
    return [part for part, chosen in SLICES.items() if chosen(look)]


def tables(seed: int, tally: Tally, slices: dict[str, Tally]) -> str:
    """Precision and recall of every kind, and of every part of the maps, as Markdown."""
    lines = [f"Seed {seed}, {sum(tally.quiet.values()) // 2} maps of each of {len(EDITS)} kinds."]
    lines += ["", "| kind | there | recall | precision |", "|---|---|---|---|"]
    for kind in SEVERITY:
        there = tally.found[kind] + tally.missed[kind]
        lines.append(
            f"| {kind} | {there} | {tally.recall(kind):.3f} | {tally.precision(kind):.3f} |"
        )
    alarms = ", ".join(f"{tally.alarms[name]} of {tally.quiet[name]} {name}" for name in QUIET)
    lines += [
        "",
        f"False alarms: {tally.alarm_rate:.1%} of the maps without a failure ({alarms} maps). "
        f"Genuine repetitions noted: {tally.note_recall:.1%}.",
        "",
        "| maps | failures there | recall | precision | false alarms |",
        "|---|---|---|---|---|",
    ]
    for part in SLICES:
        own = slices[part]
        found, missed, false = own.found.total(), own.missed.total(), own.false.total()
        lines.append(
            f"| {part} | {found + missed} | {found / max(1, found + missed):.3f} "
            f"| {found / max(1, found + false):.3f} | {own.alarm_rate:.1%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the maps (default 1)")
    parser.add_argument("--maps", type=int, default=100, help="maps of every kind (default 100)")
    parser.add_argument("--json", type=Path, help="file for the tables and the numbers in them")
    options = parser.parse_args()
    slices: dict[str, Tally] = {}
    tally = measure(options.seed, options.maps, slices)
    found = tables(options.seed, tally, slices)
    print(f"\r{found}")
    if options.json:
        rates = {
            kind: {"recall": tally.recall(kind), "precision": tally.precision(kind)}
            for kind in SEVERITY
        }
        numbers = {"schema": 1, "seed": options.seed, "maps": options.maps, "kinds": rates}
        numbers |= {"false_alarms": tally.alarm_rate, "notes": tally.note_recall, "table": found}
        options.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
