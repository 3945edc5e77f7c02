"""Reading NumPy files (`.npz`, `.npy`) that strangers made: nothing is unpickled or believed."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np

MAX_CELLS = 200_000_000  # numbers in one array: ten minutes by 5,000 tokens is 75 million
MAX_BYTES = 4 * MAX_CELLS * 2  # the same in double precision
MAX_HEADER = 10_000  # bytes of an array's header that are parsed


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
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    elif isinstance(source, str):
        source = Path(source)
    with _refusing("NumPy .npz archive"), zipfile.ZipFile(source) as archive:
        members = set(archive.namelist())
        return {name: _read_member(archive, name) for name in names if f"{name}.npy" in members}


def read_array(source: Path | str | bytes | BinaryIO, name: str = "weights") -> np.ndarray:
    """The one array of a `.npy` file; `name` is what messages call it.

    Raises
    ------
    ArchiveError
        As `read_arrays`.
    """
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    with _refusing("NumPy .npy array"), _opened(source) as file:
        shape, dtype = _read_header(file)
        start = file.tell()
        _check_header(name, shape, dtype, file.seek(0, io.SEEK_END) - start)
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER)


def _opened(source: Path | str | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return Path(source).open("rb") if isinstance(source, str | Path) else nullcontext(source)


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
        with archive.open(f"{name}.npy") as stream:
            shape, dtype = _read_header(stream)
        _check_header(name, shape, dtype, archive.getinfo(f"{name}.npy").file_size)
        with archive.open(f"{name}.npy") as stream:
            return np.lib.format.read_array(stream, allow_pickle=False, max_header_size=MAX_HEADER)
    except ArchiveError:
        raise
    # which type a damaged member raises depends on the byte that is wrong
    except Exception:
        raise ArchiveError(f"{name}: the array is damaged or cut short") from None


def _read_header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=MAX_HEADER)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream, max_header_size=MAX_HEADER)
    return shape, dtype


def _check_header(name: str, shape: tuple[int, ...], dtype: np.dtype, file_size: int) -> None:
    if dtype.hasobject:
        raise ArchiveError(f"{name}: the array holds Python objects, which are never unpickled")
    cells = 1
    for size in shape:  # Python integers: a product in int64 could overflow
        if not isinstance(size, int) or size < 0:
            raise ArchiveError(f"{name}: the array is damaged or cut short")
        cells *= size
    if cells > MAX_CELLS or cells * dtype.itemsize > MAX_BYTES:
        size = " x ".join(str(s) for s in shape)
        raise ArchiveError(
            f"{name}: {size} numbers are more than the {MAX_CELLS // 1_000_000} million "
            "AttnScope reads"
        )
    if cells * dtype.itemsize > file_size:
        raise ArchiveError(f"{name}: the array is damaged or cut short")
