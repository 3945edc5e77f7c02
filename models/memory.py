"""How much memory is left: what does not fit is refused in a sentence, before the system kills us.

Linux hands out more memory than it has and ends the process that uses it, with everybody's work. So
whoever is about to fill memory with something whose size is known asks here first.
"""

from pathlib import Path

MEASURING = 4  # times the size of its map: what measuring an alignment takes
MEMINFO = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")  # a container's own limit, below the machine's


def require(wanted: float, room: int | None, what: str) -> None:
    """See that `wanted` bytes fit into `room`, as `available_bytes` gave it.

    Raises
    ------
    MemoryError
        In words that say how much would be needed for `what`.
    """
    if room is not None and wanted > room:
        raise MemoryError(f"{what} need {wanted / 1e9:.1f} GB, and there are {room / 1e9:.1f} GB")


def available_bytes() -> int | None:
    """What this process may still use without swapping; None where the system does not say."""
    limits = [_of_machine(), _of_group()]
    return min((limit for limit in limits if limit is not None), default=None)


def _of_machine() -> int | None:
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kilobytes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(kilobytes[0]) if kilobytes else None


def _of_group() -> int | None:
    try:
        limit = (GROUP / "memory.max").read_text(encoding="ascii").strip()
        used = (GROUP / "memory.current").read_text(encoding="ascii")
        kept = (GROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    if limit == "max":
        return None
    files = sum(int(line.split()[1]) for line in kept if line.startswith("inactive_file "))
    return max(0, int(limit) - int(used) + files)  # cached files give way
