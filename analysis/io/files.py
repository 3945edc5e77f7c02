"""Files written whole or not at all: a full disk or a killed process leaves the old one."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


def failure_of(error: Exception) -> str:
    """What went wrong with a file and what to do, in one sentence; of other errors their own."""
    if not isinstance(error, OSError):
        return str(error)
    reason = os.strerror(error.errno) if error.errno else str(error).partition("\n")[0]
    advice = ""
    if error.errno in _FULL:
        advice = "; make room and run the same command again, what was finished is kept"
    elif error.errno in _CLOSED:
        advice = "; choose another place or change its permissions"
    return f"{error.filename or 'a file'}: {reason}{advice}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to that becomes `path` when all went well.

    Raises
    ------
    OSError
        Where it cannot be written; it names `path`.
    """
    if path.exists() and not path.is_file():  # a device or a pipe has no old content to keep
        yield path
        return
    path = path.resolve()  # the file that a link leads to is replaced, not the link
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # a power cut leaves the old file or the new, never half of one
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # Arrow names none, others the temporary one
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write a whole file or none.

    Raises
    ------
    OSError
        Where it cannot be written; it names `path`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)
