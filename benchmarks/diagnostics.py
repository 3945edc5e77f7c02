"""How fast maps are diagnosed: one at a time, and many at once.

    python -m benchmarks.diagnostics                  # tables
    python -m benchmarks.diagnostics --json out.json  # the same numbers for machines

Processor time, which is what to compare on a machine that has other work; set OMP_NUM_THREADS=1 for
one core. `bytes per second` is how fast the weights go through: what memory would allow is measured
beside it by summing them.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from analysis.alignment import Alignment, mean_maps
from analysis.diagnosis import METRICS, diagnose, measure, measure_many
from analysis.failures.rules import find_failures
from analysis.maps import Maps
from benchmarks import report

TEXT = "the quick brown fox jumps over a lazy dog and then some more text follows there again "


def example(tokens: int, frames: int, rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """A map along the diagonal with a noise floor, and its characters."""
    centres = np.linspace(3, frames - 3, tokens) + rng.normal(0, 1, tokens)
    rows = np.exp(-(((np.arange(frames) - centres[:, None]) / 2) ** 2) / 2)
    rows += 0.002 * rng.random((tokens, frames))
    words = rng.permutation(TEXT.split() * (tokens // len(TEXT) + 2))
    text = " ".join(words.tolist())[:tokens]
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32), list(text)


def seconds_of(action: Callable[[], object], repeats: int) -> float:
    """Least processor seconds of some runs: what the work itself takes."""
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        action()
        taken.append(time.process_time() - started)
    return min(taken)


def single(tokens: int, frames: int, repeats: int) -> list[dict]:
    """Milliseconds of one map: everything, and its parts."""
    weights, text = example(tokens, frames, np.random.default_rng(0))
    speech = np.ones(frames, bool)

    def fresh() -> Alignment:
        return Alignment.from_arrays(weights, text, 0.04, speech=speech, ended=True)

    actions = {
        "reading and checking": fresh,
        "metrics": lambda: measure(fresh()),
        "failures": lambda: find_failures(fresh()),
        "everything": lambda: diagnose(fresh()),
    }
    return [
        {"what": name, "tokens": tokens, "frames": frames, "ms": 1000 * seconds_of(run, repeats)}
        for name, run in actions.items()
    ]


def batched(tokens: int, frames: int, count: int, sizes: list[int], repeats: int) -> list[dict]:
    """Maps per second of all metrics, for several numbers of maps at once."""
    rng = np.random.default_rng(0)
    kept = [example(tokens, frames, rng) for _ in range(min(count, 32))]
    alignments = [Alignment.from_arrays(*kept[i % len(kept)], 0.04) for i in range(count)]
    size = tokens * frames * 4
    print(f"{count} maps ...", file=sys.stderr)
    stacked = np.stack([weights for weights, _ in kept])
    memory = seconds_of(lambda: stacked.sum(), 10) / len(kept)
    rows = []
    for at_once in sizes:
        each = seconds_of(partial(measure_many, alignments, at_once), repeats) / count
        rows.append(_row("all metrics", at_once, each, size))
    maps = mean_maps(alignments[: min(sizes[-1], len(kept))])
    shared = ("smooth", "running_mass", "entropies", "places")
    for name in shared:
        each = seconds_of(partial(_computed, maps, name), repeats) / len(maps)
        rows.append(_row(f"shared: {name}", len(maps), each, size))
    for name, metric in METRICS.items():
        each = seconds_of(partial(metric.of_maps, maps), repeats) / len(maps)
        rows.append(_row(name, len(maps), each, size))
    rows.append(_row("summing the weights", len(kept), memory, size))
    return rows


def _computed(maps: Maps, name: str) -> None:
    """Work out anew what the metrics of a batch share."""
    maps.__dict__.pop(name, None)
    getattr(maps, name)


def _row(what: str, at_once: int, seconds: float, size: int) -> dict:
    seconds = max(seconds, 1e-9)
    return {
        "what": what,
        "at_once": at_once,
        "maps_per_second": 1 / seconds,
        "gigabytes_per_second": size / seconds / 1e9,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.diagnostics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tokens", type=int, default=150, help="rows of a map (default 150)")
    parser.add_argument("--frames", type=int, default=400, help="columns (default 400)")
    parser.add_argument("--maps", type=int, default=10_000, help="measured in all (default 10000)")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 4, 16, 32], metavar="N")
    parser.add_argument("--repeats", type=int, default=5, help="runs, of which the fastest counts")
    report.add_option(parser)
    options = parser.parse_args()
    file = report.words_to(options.json)
    one = single(options.tokens, options.frames, 4 * options.repeats)
    print(f"one map of {options.tokens} x {options.frames}, ms of processor time", file=file)
    for row in one:
        print(f"  {row['what']:24}{row['ms']:8.2f}", file=file, flush=True)
    many = batched(options.tokens, options.frames, options.maps, options.at_once, options.repeats)
    print(f"{options.maps} maps\n  {'':24}{'at once':>9}{'maps/s':>12}{'GB/s':>8}", file=file)
    for row in many:
        print(
            f"  {row['what']:24}{row['at_once']:9d}{row['maps_per_second']:12.0f}"
            f"{row['gigabytes_per_second']:8.2f}",
            file=file,
        )
    report.write({"single": one, "batched": many}, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
