"""The FFmpeg program, where it is installed: any container it knows turned into plain samples.

It runs without a shell, reads an open file that has no name it could confuse with an option or an
address, is told the container instead of guessing it, and may open nothing else.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from io import UnsupportedOperation
from typing import BinaryIO

TIMEOUT = 60.0  # seconds; ten minutes of speech take about one
CUT_OFF = ("partial file", "ended prematurely", "corrupt input packet")  # FFmpeg's own words


class Missing(RuntimeError):
    """FFmpeg is not installed."""


@dataclass(frozen=True)
class Converted:
    """Samples from FFmpeg."""

    au: bytes  # Sun AU, 32-bit float: the simplest format that needs no length in its header
    ends_early: bool  # the container announced more than there was, or broke off


def convert(file: BinaryIO, demuxer: str, max_seconds: float) -> Converted:
    """Decode the first audio stream of an open file, at most `max_seconds` of it.

    Raises
    ------
    Missing
        The program is not installed.
    RuntimeError
        It could not read the file, or took too long.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise Missing("FFmpeg is not installed")
    command = [
        program, "-hide_banner", "-nostats", "-nostdin", "-protocol_whitelist", "file",
        "-f", demuxer, "-i", "file:/dev/stdin", "-map", "0:a:0", "-t", f"{max_seconds:f}",
        "-f", "au", "-c:a", "pcm_f32be", "pipe:1",
    ]  # fmt: skip
    with tempfile.TemporaryFile() as unnamed:  # has no name on disk: nothing can be left behind
        try:
            result = subprocess.run(
                command, stdin=_real(file, unnamed), capture_output=True, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError("FFmpeg took too long") from error
    if result.returncode != 0 or not result.stdout:
        raise RuntimeError("FFmpeg could not read the file")
    return Converted(result.stdout, _ends_early(result.stderr.decode(errors="replace")))


def _real(file: BinaryIO, unnamed: BinaryIO) -> BinaryIO:
    """An operating-system file with the same bytes (to read M4A, FFmpeg must seek)."""
    file.seek(0)
    try:
        file.fileno()
        return file
    except (UnsupportedOperation, AttributeError):
        shutil.copyfileobj(file, unnamed)
        unnamed.seek(0)
        return unnamed


def _ends_early(log: str) -> bool:
    return bool(re.search("|".join(CUT_OFF), log))
