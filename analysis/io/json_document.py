"""JSON that strangers wrote, as plain values: bounded in size, nesting and memory.

This is the one place where text becomes JSON values. What the values mean is checked by whoever
asked for them: by `analysis.io.toolkits` for words with times, by a schema (`models.schema`) for
every file of ours.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_BYTES = 50_000_000  # of a document
MAX_NESTING = 64  # lists and objects inside each other; our own files reach 11
MAX_CONTAINERS = 2_000_000  # lists and objects: an empty one of two bytes takes 64 in memory
_DEEP = f"the file is not JSON that AttnScope reads: it nests deeper than {MAX_NESTING} levels"
_SURROGATE = re.compile(rb"\\u[dD][89abAB]|\\u[dD][c-fC-F]|\xed[\xa0-\xbf]")


class JSONError(ValueError):
    """A document cannot be read; the message is one sentence naming the place."""


def parse(content: bytes | str, max_bytes: int = MAX_BYTES) -> Any:
    """The values of a JSON document.

    ``NaN`` and ``Infinity``, which are no JSON but which Whisper's relatives write beside words,
    are left to whoever reads them, as are integers too large for a float.

    Raises
    ------
    JSONError
        Where it is no JSON, has half of a surrogate pair in a text, or goes beyond the limits
        above.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", errors="surrogatepass")
    if len(content) > max_bytes:
        raise JSONError(f"the file is larger than {max_bytes // 1_000_000} MB")
    if content.count(b"[") + content.count(b"{") > MAX_CONTAINERS:
        raise JSONError(
            f"the file has more than the {MAX_CONTAINERS // 10**6} million lists and objects "
            "AttnScope reads"
        )
    try:
        values = json.loads(content)
    except RecursionError:
        raise JSONError(_DEEP) from None
    except ValueError:  # also text that is not UTF-8, and numbers of thousands of digits
        raise JSONError("the file is not JSON") from None
    _check_nesting(values)
    if _SURROGATE.search(content):
        _check_texts(values)
    return values


def place_of(path: tuple[str | int, ...]) -> str:
    """A place in a document in words: ``clips[0].variants[2].text``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).lstrip(".")


def _check_nesting(values: Any) -> None:
    level = [values] if isinstance(values, list | dict) else []
    for _ in range(MAX_NESTING):
        level = [
            value
            for container in level
            for value in (container.values() if isinstance(container, dict) else container)
            if isinstance(value, list | dict)
        ]
    if level:
        raise JSONError(_DEEP)


def _check_texts(values: Any) -> None:
    """Refuse half of a surrogate pair, which no UTF-8 file can hold."""
    for path, text in _texts(values):
        try:
            text.encode()
        except UnicodeEncodeError:
            place = place_of(path).encode(errors="replace").decode()
            raise JSONError(f"{place or 'the file'}: the text holds half of a character") from None


def _texts(
    values: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(values, str):
        yield path, values
    elif isinstance(values, dict):
        for name, value in values.items():
            yield (*path, name), name
            yield from _texts(value, (*path, name))
    elif isinstance(values, list):
        for number, value in enumerate(values):
            yield from _texts(value, (*path, number))
