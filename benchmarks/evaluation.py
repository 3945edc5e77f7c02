"""What evaluation needs: memory of the command over a large corpus, and of a worker.

    python -m benchmarks.evaluation                        # 100,000 recordings, two variants
    python -m benchmarks.evaluation --recordings 20000 --json out.json

The command's memory is measured with a decoder that takes no time, so that what is left is
evaluation itself: reading the manifest, parts, the table, intervals and significance. A worker's is
measured on a shard of the sample clips, decoded by every variant with a checkpoint.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from app.comparison import Models
from app.evaluation import Plan, Settings, evaluate, pool, read_items
from app.evaluation.items import Shard
from app.evaluation.progress import Progress
from app.evaluation.settings import fingerprints
from app.evaluation.work import decode_shard
from tests.runs import fake_part

SAMPLES = Path(__file__).resolve().parent.parent / "samples" / "manifest.tsv"
MARKS = (0.1, 0.25, 0.5, 0.75, 1.0)  # shares of the corpus at which memory is read


def resident() -> float:
    """Memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def highest() -> float:
    """The most there ever was, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


class Watch(Progress):
    """Reads memory as the run goes on."""

    found: list[tuple[int, float]]  # recordings, MB

    def add(self, decoded: int, bad: int) -> None:
        super().add(decoded, bad)
        if len(self.found) < len(MARKS) and self.done >= MARKS[len(self.found)] * self.total:
            self.found.append((self.done, resident()))


def command_memory(count: int, folder: Path) -> dict:
    """Memory of the command, part by part and at its highest."""
    manifest = folder / "manifest.tsv"
    with manifest.open("w", encoding="utf-8") as file:
        file.write("id\tpath\ttext\tseconds\n")
        for number in range(count):
            text = " ".join(f"word{(number * 7 + place) % 5000}" for place in range(10))
            file.write(f"u{number:07d}\tu{number:07d}.flac\t{text}\t6.0\n")
    pool.decode_shard = fake_part
    watch = type("Watching", (Watch,), {"found": []})
    settings = Settings(("location", "dot"))
    started, before = time.process_time(), resident()
    evaluate(Plan(lambda: read_items(manifest), settings, folder / "run", workers=1), watch)
    return {
        "recordings": count,
        "mb_before": before,
        "mb_during": watch.found,
        "mb_highest": highest(),
        "processor_seconds": time.process_time() - started,
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


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=100_000, help="size of the corpus")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    options = parser.parse_args()
    worker = worker_memory()
    with tempfile.TemporaryDirectory() as folder:
        command = command_memory(options.recordings, Path(folder))
    print(f"a worker, {worker['variants']} variants: at most {worker['mb_highest']:.0f} MB,")
    print(f"  {worker['rtfx_all_variants']:.1f} s of speech a processor second by all variants,")
    print(f"  maps {worker['map_bytes_a_second_and_variant'] / 1e3:.2f} kB a second and variant")
    print(f"the command, {command['recordings']:,} recordings, two variants:")
    print(f"  {command['mb_before']:.0f} MB before")
    for done, size in command["mb_during"]:
        print(f"  {size:.0f} MB after {done:,}")
    print(f"  {command['mb_highest']:.0f} MB at most (intervals and significance included)")
    print(f"  {command['processor_seconds']:.0f} processor seconds")
    if options.json:
        options.json.write_text(json.dumps({"worker": worker, "command": command}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
