"""Train many mechanisms alike: on one encoder, with the same data, order, seeds and updates.

    python -m models.training.sweep --data my.tsv --dev my.tsv --out runs/all --checkpoints mine
    python -m models.training.sweep --variants dot,location --seeds 1,2,3 --updates 4000 \\
        --data my.tsv --out runs/seeds --checkpoints mine

Trains the decoder of every mechanism (or of those in ``--variants``) on the encoder in
``--checkpoints``, as many at a time as there are ``--lanes``. Every other option is one of
`models.training.train` and goes to each of them alike. Features are made once for all. Each run has
the folder OUT/NAME with what it printed in ``log.txt``; runs of further seeds are in OUT/NAME-SEED,
their checkpoints in OUT/seeds/SEED, as ``python -m models.training.score --seed-runs`` wants them.
One that fails does not keep the others from being trained. Interrupt at any moment: the same
command continues. More: docs/training.md.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from analysis.cli.arguments import between
from models import recogniser
from models.audio import AudioError
from models.checkpoint import CheckpointError
from models.corpora.utterance import TrainingError
from models.decoders.registry import decoders
from models.training import train

LOG = "log.txt"
NOT_ALIKE = ("--variant", "--seed", "--init", "--joint", "--export")  # of train: not for all
REFRESH = 1.0  # seconds between two looks at what the runs say


@dataclass(frozen=True)
class Job:
    """One training among many."""

    out: Path
    checkpoints: Path
    arguments: tuple[str, ...]  # of models.training.train

    def said(self) -> str:
        """The last line of its log."""
        path = self.out / LOG
        lines = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return next(filter(str.strip, reversed(lines.replace("\r", "\n").splitlines())), "").strip()


def plan(options: argparse.Namespace, common: Sequence[str]) -> list[Job]:
    """All trainings, the first seed's first."""
    jobs = []
    for seed in options.seeds:
        first = seed == options.seeds[0]
        folder = options.checkpoints if first else options.out / "seeds" / str(seed)
        for name in options.variants:
            out = options.out / (name if first else f"{name}-{seed}")
            own = {"--variant": name, "--seed": seed, "--out": out, "--checkpoints": folder}
            own["--features"] = options.features
            if options.init_from:
                own["--init"] = options.init_from / f"{name}.safetensors"
            arguments = [str(part) for pair in own.items() for part in pair] + list(common)
            jobs.append(Job(out, folder, tuple(arguments)))
    return jobs


def prepare(jobs: list[Job], encoder: Path) -> None:
    """Make what all runs read, and give every seed's folder the encoder."""
    for folder in {job.checkpoints for job in jobs} - {encoder}:
        folder.mkdir(parents=True, exist_ok=True)
        for file in encoder.glob("encoder.*"):
            shutil.copy(file, folder)
    for job in jobs:  # what cannot work is said before hours are spent on the first
        options = train.parse(list(job.arguments))
        train.read_starts(options)
    train.open_data(options, {})


class Runs:
    """Trainings in processes of their own, which can all be stopped."""

    def __init__(self) -> None:
        self.active: dict[Job, subprocess.Popen] = {}
        self.stopped = False

    def run(self, job: Job) -> int:
        """Train one mechanism; its exit status."""
        if self.stopped:
            return signal.SIGTERM
        job.out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "models.training.train", *job.arguments]
        with (job.out / LOG).open("w") as log:
            # In a session of its own: what interrupts us reaches it once, from `stop`.
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            self.active[job] = process
            if self.stopped:
                process.terminate()
            status = process.wait()
        del self.active[job]
        return status

    def stop(self) -> None:
        """End what is being trained; each run has kept its last checkpoint.

        Not by SIGINT, which is ignored in what a shell script starts in the background.
        """
        self.stopped = True
        for process in list(self.active.values()):
            process.terminate()


def follow(jobs: list[Job], lanes: int) -> list[Job]:
    """Train them all, several at a time, and say how it goes; those that failed."""
    runs, failed = Runs(), []
    with ThreadPoolExecutor(lanes) as pool:
        waiting: dict[Future, Job] = {pool.submit(runs.run, job): job for job in jobs}
        try:
            while waiting:
                done, _ = wait(waiting, REFRESH, FIRST_COMPLETED)
                for future, job in [(future, waiting.pop(future)) for future in done]:
                    if future.result():
                        failed.append(job)
                    result = f"failed, see {job.out / LOG}" if future.result() else "trained"
                    show(f"{job.out.name} {result}: {job.said()}", passing=False)
                at_work = (f"{job.out.name} {job.said()}" for job in list(runs.active))
                done_so_far = f"{len(jobs) - len(waiting)} of {len(jobs)} done"
                show("; ".join((done_so_far, *at_work)), passing=bool(waiting))
        except KeyboardInterrupt:
            runs.stop()
            raise
    return failed


def show(text: str, passing: bool) -> None:
    """A line on standard error; a `passing` one is overwritten, and for terminals only."""
    width = shutil.get_terminal_size().columns - 1
    if not passing:
        print(f"\r{text:<{width}}", file=sys.stderr, flush=True)
    elif sys.stderr.isatty():
        print(f"\r{text[:width]:<{width}}", end="", file=sys.stderr, flush=True)


def numbers(text: str) -> list[int]:
    """Different seeds from text such as ``1,2,3``."""
    return list(dict.fromkeys(int(between(int, 0, 2**32 - 1)(part)) for part in text.split(",")))


def names(text: str) -> list[str]:
    """Mechanisms from text such as ``dot,location``, in the order in which they are shown."""
    wanted = {part.strip() for part in text.split(",")}
    if unknown := sorted(wanted - decoders().keys()):
        raise argparse.ArgumentTypeError(
            f"there is no mechanism {unknown[0]!r}; there are {', '.join(decoders())}"
        )
    return [name for name in decoders() if name in wanted]


def parse(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Own options, and those of `models.training.train` that go to every run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    add = parser.add_argument
    add("--variants", type=names, default=list(decoders()), help="comma-separated (default: all)")
    add("--seeds", type=numbers, default=[1], help="comma-separated (default 1)")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    add(
        "--lanes", type=between(int, 1, 1_000), default=cores,
        help="trainings at a time (default: one a processor core, here %(default)s)",
    )  # fmt: skip
    add("--out", type=Path, required=True, help="folder of the runs")
    add("--checkpoints", type=Path, help="folder with the encoder (default: checkpoints/)")
    add(
        "--init-from", type=Path, metavar="DIR",
        help="start each mechanism from its checkpoint in this folder (fine-tuning)",
    )  # fmt: skip
    add("--features", type=Path, help="where features are kept (default: OUT/features)")
    options, common = parser.parse_known_args(arguments)
    if unlike := [part for part in common if part.split("=")[0] in NOT_ALIKE]:
        parser.error(f"{unlike[0]} is not the same for all: see --variants, --seeds, --init-from")
    options.checkpoints = recogniser.checkpoint_folder(options.checkpoints)
    options.features = options.features or options.out / "features"
    if "--threads" not in (part.split("=")[0] for part in common):
        common += ["--threads", str(max(1, cores // options.lanes))]
    return options, common


def main(arguments: list[str] | None = None) -> int:
    options, common = parse(arguments)
    jobs = plan(options, common)
    for name in ("SIGTERM", "SIGHUP"):  # nothing goes on without us
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores the second
            signal.signal(number, signal.default_int_handler)
    try:
        prepare(jobs, options.checkpoints)
        failed = follow(jobs, options.lanes)
    except (CheckpointError, TrainingError, AudioError, FileNotFoundError) as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command continues", file=sys.stderr)
        return 130
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
