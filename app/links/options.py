"""Decoding options in an address: a parameter for each of `models.decoding.options`."""

from collections.abc import Mapping

from models.decoding.options import Option, SearchOptions, Value, changed, decoding_options


def number(text: str, low: float, high: float) -> float | None:
    """A number of an address, None where it is none or out of its range."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if low <= value <= high else None


def read_options(params: Mapping[str, str]) -> SearchOptions:
    """Decoding options of an address; what is missing or impossible has its default."""
    values = {option.name: _read(option, params) for option in decoding_options()}
    return SearchOptions(**{name: value for name, value in values.items() if value is not None})


def write_options(options: SearchOptions) -> dict[str, str]:
    """Parameters of an address; options at their default are left out."""
    return {option.address: _text(value) for option, value in changed(options).items()}


def _read(option: Option, params: Mapping[str, str]) -> Value:
    names = (option.address, *option.old_addresses)
    text = next((params[name] for name in names if name in params), "")
    parts = text.split("-") if option.parts else [text]
    numbers = [number(part, *option.range) for part in parts]
    if len(numbers) != max(1, len(option.parts)) or None in numbers:
        return None
    return tuple(numbers) if option.parts else option.kind(numbers[0])


def _text(value: Value) -> str:
    numbers = value if isinstance(value, tuple) else (value,)
    return "-".join(f"{number:g}" for number in numbers)
