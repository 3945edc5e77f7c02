"""Small files that ask for much: refused in a sentence, within limits of memory and time."""

import base64
import io
import lzma
import struct
import zipfile

import numpy as np
import pytest

from analysis.alignment import AlignmentError
from analysis.diagnosis import diagnose
from analysis.io.toolkits import read
from tests.support.limited_process import run_limited

READ = """
import base64
from analysis.alignment import AlignmentError
from analysis.io.toolkits import read
for name, content in values[0]:
    try:
        read(base64.b64decode(content), name)
    except AlignmentError as error:
        assert error.args[0].count("\\n") == 0, error
        print(name, error)
    else:
        print(name, "was read")
"""


def npy(shape: str, kind: str = "'<f4'", data: bytes = b"") -> bytes:
    """An array's file with any header."""
    header = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def saved(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    """An archive of an alignment with some members in another form."""
    row = np.full((1, 4), 0.25, np.float32)
    whole = {"weights": saved(row), "tokens": saved(np.array(["a"])), "frame_seconds": saved(0.04)}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in (whole | members).items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def crowded(members: int) -> bytes:
    """An archive with a list of so many members, none of which is there."""
    record = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[0] * 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    listing = (record + b"a") * members
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65_535, 65_535, len(listing), 0, 0)
    return listing + end


def large_dictionary() -> bytes:
    """An LZMA archive whose header asks for a dictionary of 4 GB."""
    content = bytearray(npz(zipfile.ZIP_LZMA))
    filters = [{"id": lzma.FILTER_LZMA1}]
    usual = lzma._encode_filter_properties(filters[0])
    place = content.index(usual)
    content[place + 1 : place + 5] = b"\xff" * 4
    return bytes(content)


HOSTILE = {
    "endless rows.npy": npy("(1099511627776, 0)"),
    "endless heads.npy": npy("(1099511627776, 3, 0)"),
    "endless frames.npy": npy("(0, 1099511627776)"),
    "sizes of many digits.npy": npy(f"({10**3_000}, 0)"),
    "no rows.npy": npy("(2, 0, 40)"),
    "no heads.npy": npy("(0, 3, 40)"),
    "no layers.npy": npy("(0, 2, 3, 40)"),
    "no dimensions.npy": npy("()", data=bytes(4)),
    "nothing.npy": npy("(0,)"),
    "truths for sizes.npy": npy("(True, 5)", data=bytes(20)),
    "texts without letters.npy": npy("(4000000, 50)", "'<U0'"),
    "records without fields.npy": npy("(4000000, 50)", "[]"),
    "a cell of gigabytes.npy": npy("(1, 1)", "'<U500000000'"),
    "records in records.npy": npy("(1, 1)", "[('a', [('b', '<f4', (60000, 60000))])]"),
    "nested header.npy": npy("(" * 4_000 + ")" * 4_000),
    "tokens without letters.npz": npz(tokens=npy("(150000000,)", "'<U0'")),
    "weights without rows.npz": npz(weights=npy("(1099511627776, 0)")),
    "a text of gigabytes.npz": npz(text=npy("()", "'<U500000000'")),
    "endless speech.npz": npz(speech=npy("(1099511627776, 0)", "'|b1'")),
    "frames beyond counting.npz": npz(frame_seconds=saved(1e-12)),
    "frames of ages.npz": npz(frame_seconds=saved(1e300)),
    "start in another age.npz": npz(start_seconds=saved(-1e15)),
    "members without end.npz": crowded(800_000),
    "another packing.npz": large_dictionary(),
}


def test_files_that_ask_for_much_are_refused_within_limits():
    files = [(name, base64.b64encode(content).decode()) for name, content in HOSTILE.items()]
    lines = run_limited(READ, files).splitlines()
    assert [line for line in lines if line.endswith("was read")] == []
    assert len(lines) == len(HOSTILE)


@pytest.mark.parametrize("heads", [1, 2, 12])
def test_an_alignment_without_tokens_is_diagnosed(heads):
    weights = saved(np.zeros((2, heads, 0, 9), np.float32))
    alignment = read(npz(weights=weights, tokens=saved(np.array([], "<U1"))), "quiet.npz")
    assert diagnose(alignment).verdict == "healthy"
    assert sum(len(maps) for maps in alignment.by_head()) == 2 * heads


def test_arrays_without_rows_are_named():
    with pytest.raises(AlignmentError, match=r"weights: the shape \(2, 0, 40\) has no rows"):
        read(HOSTILE["no rows.npy"], "no rows.npy")
