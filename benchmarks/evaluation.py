"""What evaluation needs: memory of the command over a large corpus, and of a worker.

    python -m benchmarks.evaluation                        # 100,000 recordings, two variants
    python -m benchmarks.evaluation --recordings 20000 --json out.json
    python -m benchmarks.evaluation --decode --workers 2   # the same corpus, really decoded

The command's memory is measured with a decoder that takes no time, so that what is left is
evaluation itself: reading the manifest, parts, the table, intervals and significance. A worker's is
measured on a shard of the sample clips, decoded by every variant with a checkpoint.

With ``--decode`` every recording is a hum of a fifth of a second that a tiny recogniser really
hears (CTC, random weights): opened, encoded, decoded, diagnosed, its map kept. Memory is then that
of the command and of its worker processes, and shows whether any of them grows.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import soundfile

from app.comparison import Models
from app.evaluation import Plan, Settings, evaluate, pool, read_items
from app.evaluation.items import Shard
from app.evaluation.progress import Progress
from app.evaluation.settings import fingerprints
from app.evaluation.work import decode_shard
from tests.support.checkpoints import tiny_checkpoints
from tests.support.recordings import hum
from tests.support.small_runs import fake_part

SAMPLES = Path(__file__).resolve().parent.parent / "samples" / "manifest.tsv"
MARKS = (0.1, 0.25, 0.5, 0.75, 1.0)  # shares of the corpus at which memory is read


def resident(process: int | str = "self") -> float:
    """Memory of a process now, in MB; of one that has ended, none."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 1e6


def workers() -> list[int]:
    """Processes that this one started."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def highest() -> float:
    """The most there ever was, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


class Watch(Progress):
    """Reads memory as the run goes on."""

    found: list[tuple[int, float, float]]  # recordings, MB, MB of the largest worker

    def add(self, decoded: int, bad: int) -> None:
        super().add(decoded, bad)
        if len(self.found) < len(MARKS) and self.done >= MARKS[len(self.found)] * self.total:
            largest = max(map(resident, workers()), default=0.0)
            self.found.append((self.done, resident(), largest))


def corpus(folder: Path, count: int, clip: str, seconds: float) -> Path:
    """A manifest of so many recordings; they may all be one file."""
    manifest = folder / "manifest.tsv"
    with manifest.open("w", encoding="utf-8") as file:
        file.write("id\tpath\ttext\tseconds\n")
        for number in range(count):
            text = " ".join(f"word{(number * 7 + place) % 5000}" for place in range(10))
            file.write(f"u{number:07d}\t{clip.format(number)}\t{text}\t{seconds}\n")
    return manifest


def without_decoding(count: int, folder: Path) -> dict:
    """Memory of the command where decoding takes no time."""
    pool.decode_shard = fake_part
    manifest = corpus(folder, count, "u{:07d}.flac", 6.0)
    return command_memory(manifest, count, Settings(("location", "dot")), folder / "run", 1)


def with_decoding(count: int, folder: Path, processes: int) -> dict:
    """Memory of the command and its workers where every recording is opened and decoded."""
    soundfile.write(folder / "hum.wav", hum(0.2), 16_000)
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir()
    tiny_checkpoints(checkpoints)
    infos = Models(checkpoints).choose(["ctc"])
    settings = Settings(
        ("ctc",),
        keep_alignments=True,
        folder=str(checkpoints),
        checkpoints=fingerprints(infos, checkpoints),
    )
    manifest = corpus(folder, count, "hum.wav", 0.2)
    return command_memory(manifest, count, settings, folder / "run", processes)


def command_memory(
    manifest: Path, count: int, settings: Settings, out: Path, processes: int
) -> dict:
    """Memory of the command and its workers, part by part, and the command's highest."""
    watch = type("Watching", (Watch,), {"found": []})
    started, before = time.perf_counter(), resident()
    busy = sum(os.times()[:4])
    evaluate(Plan(lambda: read_items(manifest), settings, out, workers=processes), watch)
    return {
        "recordings": count,
        "decoded": settings.keep_alignments,
        "workers": processes,
        "mb_before": before,
        "mb_during": watch.found,
        "mb_highest": highest(),
        "processor_seconds": sum(os.times()[:4]) - busy,
        "seconds": time.perf_counter() - started,
    }


def worker_memory() -> dict:
    """Memory and speed of one worker on the sample clips."""
    infos = Models().choose()
    settings = Settings(
        tuple(info.name for info in infos),
        keep_alignments=True,
        checkpoints=fingerprints(infos, None),
    )
    shard = Shard(0, tuple(read_items(SAMPLES)))
    decode_shard(shard, settings)  # loads the models
    started = time.process_time()
    part = decode_shard(shard, settings)
    seconds = time.process_time() - started
    speech = sum(item.seconds for item in shard.items)
    return {
        "variants": len(infos),
        "speech_seconds": speech,
        "mb_highest": highest(),
        "processor_seconds": seconds,
        "rtfx_all_variants": speech / seconds,
        "map_bytes_a_second_and_variant": len(part.maps) / speech / len(infos),
    }


def apart(measure: Callable[[], dict]) -> dict:
    """Measure in a process of its own: the most a process ever needed is never forgotten."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        return other.submit(measure).result()


def print_command(found: dict) -> None:
    """What the command needed, in words."""
    how = "decoded by a tiny recogniser" if found["decoded"] else "two variants, not decoded"
    print(f"the command, {found['recordings']:,} recordings, {how}:")
    print(f"  {found['mb_before']:.0f} MB before")
    for done, size, largest in found["mb_during"]:
        each = f", its largest worker {largest:.0f} MB" if largest else ""
        print(f"  {size:.0f} MB after {done:,}{each}")
    print(f"  {found['mb_highest']:.0f} MB at most (intervals and significance included)")
    print(f"  {found['processor_seconds']:.0f} processor seconds in {found['seconds']:.0f} s")


def print_worker(found: dict) -> None:
    """What a worker needed, in words."""
    print(f"a worker, {found['variants']} variants: at most {found['mb_highest']:.0f} MB,")
    print(f"  {found['rtfx_all_variants']:.1f} s of speech a processor second by all variants,")
    print(f"  maps {found['map_bytes_a_second_and_variant'] / 1e3:.2f} kB a second and variant")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recordings", type=int, default=100_000, help="size of the corpus")
    parser.add_argument("--decode", action="store_true", help="really decode, by a tiny recogniser")
    parser.add_argument("--workers", type=int, default=1, help="processes that decode (default 1)")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args(arguments)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        if options.decode:
            found["command"] = with_decoding(options.recordings, Path(folder), options.workers)
        else:
            found["worker"] = apart(worker_memory)
            print_worker(found["worker"])
            found["command"] = without_decoding(options.recordings, Path(folder))
    print_command(found["command"])
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
