"""A section of an open file, as a file of its own."""

import io
from dataclasses import dataclass, field
from typing import BinaryIO

# No recording needs as many; a file of a million empty chunks, each a few bytes long, does.
FREE_JUMPS = 20_000
BYTES_PER_JUMP = 64


@dataclass(eq=False)
class View(io.RawIOBase):
    """Read-only window on `file`, with some bytes replaced and others put behind its end.

    It has no name: FFmpeg can judge it by its content only.
    """

    file: BinaryIO
    start: int = 0  # byte of the file
    end: int = 0  # byte of the file after the last one
    patches: dict[int, bytes] = field(default_factory=dict)  # by position in the view
    tail: bytes = b""  # read after `end`

    def __post_init__(self) -> None:
        self.position = 0
        self.jumps = 0

    @property
    def size(self) -> int:
        return self.end - self.start + len(self.tail)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.jumps += 1
        if self.jumps > FREE_JUMPS + self.size // BYTES_PER_JUMP:
            raise OSError("the file leads from place to place without end")
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        self.position = max(0, base + offset)
        return self.position

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, all that are left where it is negative."""
        body = self.end - self.start
        stop = self.size if size < 0 else min(self.size, self.position + size)
        content = b""
        if self.position < min(stop, body):
            self.file.seek(self.start + self.position)
            content = self.file.read(min(stop, body) - self.position)
        if stop > body:
            content += self.tail[max(0, self.position - body) : stop - body]
        for place, patch in self.patches.items():
            first = place - self.position
            if -len(patch) < first < len(content):
                patched = bytearray(content)
                kept = patch[max(0, -first) : len(content) - first]
                patched[max(0, first) : max(0, first) + len(kept)] = kept
                content = bytes(patched)
        self.position += len(content)
        return content

    def at(self, place: int, size: int) -> bytes:
        """`size` bytes at `place`, fewer at the end."""
        self.position = place
        return self.read(size)
