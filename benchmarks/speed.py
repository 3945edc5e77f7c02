"""How fast it is, all of it: one command, one file, from which docs/speed.md is made.

    python -m benchmarks.speed --out docs/speed.json         # everything, on an idle machine
    python -m benchmarks.speed --out docs/speed.json --only search lengths   # the rest stays
    python -m docs.make_speed docs/speed.json                # the tables of docs/speed.md

Sections

search     our beam search beside ESPnet's `Decoder.recognize_beam`: same random weights, the same
           recording, `--characters` tokens a second; alone and several recordings at once
mechanisms every trained mechanism on one recording, beside ESPnet's beam search of one
batch      recordings decoded together as evaluation does: seconds of speech a second, the encoder's
           share, memory
lengths    recordings from ten seconds to ten minutes: seconds and memory
browser    from an upload, and from the first visit, to all maps in chromium
corpus     memory of `evaluate` over `--corpus` recordings, and of one of its workers

What is compared is measured in turn, so that other work on the machine hits both alike; seconds are
wall time, medians over `--repeats`. `espnet` must be installed for the first two sections.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import listening, peer, upload
from benchmarks.clocks import machine

SCHEMA = 1
LENGTHS = (10, 30, 60, 120, 300, 600)


def search(options: Namespace) -> list[dict[str, Any]]:
    """Rows as they come, so that a long run can be watched."""
    found = []
    for row in peer.rows(options.peers or peer.known(), options):
        ratio = row["espnet_seconds"] / row["single_seconds"]
        said = f"{row['mechanism']} with CTC {row['ctc_weight']}: {ratio:.1f} times ESPnet's pace"
        print(said, file=sys.stderr, flush=True)
        found.append(row)
    return found


def corpus(options: Namespace) -> dict[str, Any]:
    """What ``benchmarks.evaluation`` finds, in a process of its own: memory is what it measures."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        call = ["--recordings", str(options.corpus), "--json", str(found)]
        subprocess.run([sys.executable, "-m", "benchmarks.evaluation", *call], check=True)
        return json.loads(found.read_text(encoding="utf-8"))


SECTIONS: dict[str, Callable[[Namespace], Any]] = {
    "search": search,
    "mechanisms": listening.one_recording,
    "batch": listening.batch,
    "lengths": listening.lengths,
    "browser": upload.waiting,
    "corpus": corpus,
}


def measure(options: Namespace) -> dict[str, Any]:
    """What was measured before and is not asked for again, and what is measured now.

    Raises
    ------
    ValueError
        If the file to be written holds something else.
    """
    report: dict[str, Any] = {"schema": SCHEMA}
    if options.out.exists():
        report = json.loads(options.out.read_text(encoding="utf-8"))
        if not isinstance(report, dict) or report.get("schema") != SCHEMA:
            raise ValueError(f"{options.out} is not a report of this benchmark; choose another")
    for name in options.only or SECTIONS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = machine()
        report[name] = {"machine": began, "found": SECTIONS[name](options)}
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--out", type=Path, required=True, help="JSON file, sections are added to it")
    made.add_argument("--only", nargs="+", choices=SECTIONS, help="sections (default: all)")
    made.add_argument("--seconds", type=float, default=10.0, help="of the recording (default 10)")
    made.add_argument("--characters", type=float, default=12.0, help="a second (default 12)")
    made.add_argument("--beam", type=int, default=10, help="hypotheses (default 10)")
    made.add_argument("--recordings", type=int, default=16, help="at once (default 16)")
    made.add_argument("--corpus", type=int, default=100_000, help="recordings of `corpus`")
    made.add_argument("--repeats", type=int, default=3, help="runs of which the median counts")
    made.add_argument("--lengths", type=float, nargs="+", default=LENGTHS, help="seconds")
    made.add_argument("--length-mechanisms", nargs="+", default=["location", "dot", "ctc"])
    made.add_argument("--mechanisms", nargs="+", help="ours (default: all with a checkpoint)")
    made.add_argument("--peers", nargs="+", help="for search (default: all that ESPnet has)")
    made.add_argument("--peer", default="location", help="ESPnet's mechanism beside all of ours")
    made.add_argument("--checkpoints", type=Path, help="folder (default: as everywhere)")
    made.add_argument("--units", type=int, default=320, help="of random decoders (default 320)")
    made.add_argument("--attention-dim", type=int, default=256, help="of them (default 256)")
    made.add_argument("--threads", type=int, default=torch.get_num_threads())
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        measure(options)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
