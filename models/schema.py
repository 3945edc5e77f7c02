"""JSON documents as typed records: one schema for each form that is read.

A schema is a frozen dataclass whose annotations say what every field may hold. Parsing itself, with
its limits, is `analysis.io.json_document`.
"""

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from analysis.io.json_document import MAX_BYTES, JSONError, parse

Record = TypeVar("Record")

Number = Annotated[float, Meta(ge=-1e12, le=1e12)]
Seconds = Annotated[float, Meta(ge=0, le=1e6)]
Count = Annotated[int, Meta(ge=0, le=10**9)]
Size = Annotated[int, Meta(ge=0, le=65_536)]  # of a layer
Layers = Annotated[int, Meta(ge=0, le=128)]
Name = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=50_000)]  # what is said in an hour

_PLAIN = {  # what msgspec calls a type, in words
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object with names",
    "null": "null",
}
_WRONG_TYPE = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")


class SchemaError(ValueError):
    """A document is not of its form; the message is one sentence naming the place."""


def decode(content: bytes | str, kind: type[Record], max_bytes: int = MAX_BYTES) -> Record:
    """A JSON document as a record of the dataclass `kind`.

    Raises
    ------
    SchemaError
        Where it is no JSON, or anything in it is not as the schema says.
    """
    return convert(values_of(content, max_bytes), kind)


def read(path: Path, kind: type[Record], max_bytes: int = MAX_BYTES) -> Record:
    """As `decode`, of a file.

    Raises
    ------
    SchemaError
        As `decode`.
    OSError
        Where the file cannot be read.
    """
    with path.open("rb") as file:
        return decode(file.read(max_bytes + 1), kind, max_bytes)


def values_of(content: bytes | str, max_bytes: int = MAX_BYTES) -> Any:
    """The plain values of a JSON document.

    Raises
    ------
    SchemaError
        Where it is no JSON, or beyond the limits of `analysis.io.json_document`.
    """
    try:
        return parse(content, max_bytes)
    except JSONError as error:
        raise SchemaError(str(error)) from None


def convert(values: Any, kind: type[Record], *, only: bool = False) -> Record:
    """Plain values as a record of the dataclass `kind`, or of any other type.

    Parameters
    ----------
    only
        Refuse names that the schema does not have.

    Raises
    ------
    SchemaError
        Naming the place, as ``clips[0].variants[2].text``.
    """
    try:
        record = msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise SchemaError(_sentence(str(error))) from None
    except RecursionError:
        raise SchemaError("the document nests too deeply") from None
    if only:
        _check_names(values, kind)
    return record


def _check_names(values: Mapping[str, Any], kind: type, place: str = "") -> None:
    """Refuse names that a dataclass, and those directly in it, do not have."""
    hints = get_type_hints(kind)
    for name, value in values.items():
        if name not in hints:
            raise SchemaError(f"{place}{str(name)[:60]} is not known")
        if is_dataclass(hints[name]):
            _check_names(value, hints[name], f"{name}.")


def _sentence(message: str) -> str:
    """What msgspec says, in words: ``Expected `str`, got `array` - at `$.clips[0].text```."""
    problem, _, place = message.partition(" - at `$")
    place = place.rstrip("`").lstrip(".") or "the whole"
    if wrong := _WRONG_TYPE.fullmatch(problem):
        wanted, given = (
            " or ".join(_PLAIN.get(name, name) for name in types.split(" | "))
            for types in wrong.groups()
        )
        return f"{place} must be {wanted}, not {given}"
    if missing := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"{missing[1] if place == 'the whole' else f'{place}.{missing[1]}'} is missing"
    if unknown := re.fullmatch(r"Invalid enum value (.*)", problem):
        return f"{place}: {unknown[1][:60]} is not one of those known"
    if problem == "Number out of range":
        return f"{place} must be a smaller number"
    problem = problem.replace("Expected", "must be").replace("`", "")
    for name, plain in _PLAIN.items():
        problem = re.sub(rf"\b{name}\b", plain, problem)
    return f"{place} {problem}"
