"""Grey pictures of matrices; the page colours them for its theme."""

import base64
import struct
import zlib

import numpy as np


def grey_png(cells: np.ndarray) -> bytes:
    """A PNG of (rows, columns) uint8, one pixel a cell."""
    rows, columns = cells.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)  # 8 bits, grey
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), cells], axis=1)  # no line is filtered
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as a link that carries them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
