"""What the benchmarks measure with: wall and processor time, several things in turn, memory."""

import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Taken:
    """Median of some runs."""

    wall: float  # seconds
    processor: float  # seconds of all threads: what to compare on a machine that has other work


def in_turn(actions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Taken]:
    """Time several actions, one after the other, again and again: load hits all of them alike.

    A first round, which is not counted, warms up.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for _ in range(repeats + 1):
        for name, action in actions.items():
            wall, processor = time.perf_counter(), time.process_time()
            action()
            found[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {
        name: Taken(*(statistics.median(column) for column in zip(*rows[1:], strict=True)))
        for name, rows in found.items()
    }


def highest() -> float:
    """Most memory this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a new process, so that its memory is its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def machine() -> dict[str, Any]:
    """On what the numbers were measured."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),  # processes waiting or running when it began
        "torch": torch.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
