"""Reading NumPy files (`.npz`, `.npy`) that strangers made: nothing is unpickled or believed."""

import io
import math
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

MAX_CELLS = 200_000_000  # numbers in one array: ten minutes by 5,000 tokens is 75 million
MAX_BYTES = 4 * MAX_CELLS * 2  # the same in double precision
MAX_HEADER = 10_000  # bytes of an array's header that are parsed
MAX_EMPTY = 2_000_000  # places of an array without numbers: (layers, heads, 0 tokens, frames)
MAX_DIRECTORY = 1_000_000  # bytes of an archive's list of members: some 15,000 of them
_END_RECORD = 22  # bytes of a ZIP archive's last record, without its comment
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others ask for memory in their headers


class ArchiveError(ValueError):
    """An archive cannot be read; the message is one sentence saying why."""


def read_arrays(
    source: Path | str | bytes | BinaryIO, names: Iterable[str]
) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` archive that are called `names`; others are not even looked at.

    Headers are read before the data, so that a small file cannot ask for all the memory there is.

    Raises
    ------
    ArchiveError
        If the file is missing or is no archive, or an array is damaged, too large, or holds
        Python objects (which only a pickle can restore).
    """
    with _refusing("NumPy .npz archive"), _archive(source) as archive:
        members = set(archive.namelist())
        return {name: _read_member(archive, name) for name in names if f"{name}.npy" in members}


def unpacked_bytes(source: Path | str | bytes | BinaryIO, names: Iterable[str]) -> int:
    """How many bytes the arrays of an `.npz` archive that are called `names` unpack to.

    Raises
    ------
    ArchiveError
        If the file is missing or is no archive.
    """
    members = {f"{name}.npy" for name in names}
    with _refusing("NumPy .npz archive"), _archive(source) as archive:
        return sum(member.file_size for member in archive.infolist() if member.filename in members)


def read_array(source: Path | str | bytes | BinaryIO, name: str = "weights") -> np.ndarray:
    """The one array of a `.npy` file; `name` is what messages call it.

    Raises
    ------
    ArchiveError
        As `read_arrays`.
    """
    with _refusing("NumPy .npy array"), _opened(source) as file:
        shape, dtype = _read_header(file)
        start = file.tell()
        _check_header(name, shape, dtype, file.seek(0, io.SEEK_END) - start)
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER)


def _opened(source: Path | str | bytes | BinaryIO) -> AbstractContextManager[BinaryIO]:
    if isinstance(source, str | Path):
        return Path(source).open("rb")
    return nullcontext(io.BytesIO(source) if isinstance(source, bytes) else source)


@contextmanager
def _archive(source: Path | str | bytes | BinaryIO) -> Iterator[zipfile.ZipFile]:
    """A ZIP archive whose list of members is short: `zipfile` makes an object of each."""
    with _opened(source) as file:
        end = file.seek(0, io.SEEK_END)
        file.seek(max(0, end - _END_RECORD - 65_535))  # a comment of that length may follow it
        tail = file.read()
        place = len(tail) - _END_RECORD
        if not tail.startswith(b"PK\5\6", place):
            place = tail.rfind(b"PK\5\6")
        record = tail[place : place + _END_RECORD] if place >= 0 else b""
        large = tail[max(0, place - 20) : max(0, place)].startswith(b"PK\6\7")  # ZIP64
        if len(record) == _END_RECORD and (
            large or int.from_bytes(record[12:16], "little") > MAX_DIRECTORY
        ):
            raise ArchiveError("the archive is too large or has too many members")
        with zipfile.ZipFile(file) as archive:
            yield archive


@contextmanager
def _refusing(kind: str) -> Iterator[None]:
    """Say in one sentence what is wrong with a file that should have been of this kind."""
    try:
        yield
    except ArchiveError:
        raise
    except FileNotFoundError:
        raise ArchiveError("there is no such file") from None
    except OSError as error:
        raise ArchiveError(f"the file cannot be read ({error.strerror or 'damaged'})") from None
    # damaged input raises a dozen unrelated types (struct.error, zlib.error, ...), by its bytes
    except Exception:
        raise ArchiveError(f"the file is not a {kind}, or it is damaged") from None


def _read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array of the archive; its header decides whether its data are read at all."""
    try:
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type not in METHODS:
            raise ArchiveError(f"{name}: the array is packed in a way that NumPy does not use")
        with archive.open(member) as stream:
            shape, dtype = _read_header(stream)
        _check_header(name, shape, dtype, member.file_size)
        with archive.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False, max_header_size=MAX_HEADER)
    except ArchiveError:
        raise
    # which type a damaged member raises depends on the byte that is wrong
    except Exception:
        raise ArchiveError(f"{name}: the array is damaged or cut short") from None


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=MAX_HEADER)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream, max_header_size=MAX_HEADER)
    return shape, dtype


def _check_header(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], file_size: int) -> None:
    if dtype.hasobject:
        raise ArchiveError(f"{name}: the array holds Python objects, which are never unpickled")
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ArchiveError(f"{name}: the array is damaged or cut short")
    cells = math.prod(shape)  # Python integers: a product in int64 could overflow
    places = math.prod(max(size, 1) for size in shape)  # rows and frames without numbers, too
    if cells > MAX_CELLS or cells * dtype.itemsize > MAX_BYTES:
        raise ArchiveError(
            f"{name}: {_product(shape) or 1} numbers of {dtype.itemsize} bytes are more than the "
            f"{MAX_CELLS // 1_000_000} million AttnScope reads"
        )
    if cells * dtype.itemsize > file_size:
        raise ArchiveError(f"{name}: the array is damaged or cut short")
    if cells * dtype.itemsize == 0 and places > MAX_EMPTY:
        raise ArchiveError(f"{name}: the shape {_product(shape)} holds nothing")


def _product(shape: tuple[int, ...]) -> str:
    """A shape for people; a file may say sizes of a thousand digits."""
    return " x ".join(
        str(size) if size < 10**12 else f"10^{len(str(size)) - 1}" for size in shape[:5]
    )
