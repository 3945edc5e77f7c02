"""How far a long command is, and when it will be done."""

import sys
import time
from typing import TextIO

EVERY = {True: 0.2, False: 10.0}  # seconds between two lines, on a terminal and in a log


class Progress:
    """Counts recordings on standard error: a line that changes, or in a log a line now and then."""

    def __init__(
        self, total: int, before: int = 0, stream: TextIO | None = None, what: str = "recordings"
    ) -> None:
        self.what = what
        self.total, self.done, self.before, self.bad = total, before, before, 0
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.started = time.monotonic()
        self.said = -float("inf")

    def add(self, decoded: int, bad: int) -> None:
        """So many more are done."""
        self.done += decoded + bad
        self.bad += bad
        now = time.monotonic()
        if now - self.said >= EVERY[self.live] or self.done >= self.total:
            self.said = now
            self._write(self.line(now - self.started))

    def line(self, elapsed: float) -> str:
        """What is said after so many seconds."""
        fresh = self.done - self.before
        left = (self.total - self.done) * elapsed / fresh if fresh else 0.0
        bad = f", {self.bad} unreadable" if self.bad else ""
        ahead = f", {clock(left)} left" if self.done < self.total else f" in {clock(elapsed)}"
        share = 100 * self.done // max(1, self.total)
        return f"{self.done}/{self.total} {self.what} ({share} %){bad}{ahead}"

    def say(self, line: str) -> None:
        """A line of its own."""
        self.stream.write(("\r\x1b[K" if self.live else "") + line + "\n")
        self.stream.flush()

    def _write(self, line: str) -> None:
        if not self.live:
            self.say(line)
            return
        end = "\n" if self.done >= self.total else ""
        self.stream.write(f"\r\x1b[K{line}{end}")
        self.stream.flush()


def clock(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min 20 s, 5 h 07 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
