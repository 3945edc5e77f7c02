"""Numbers on a command line: converters for argparse that explain what they refuse.

Without torch, so that commands which use them are quick to say what is wrong.
"""

import argparse
from collections.abc import Callable


def between(kind: type, low: float, high: float) -> Callable[[str], float]:
    """A converter for argparse that accepts numbers of a range, its ends included."""

    def convert(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            whole = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {whole} between {low} and {high}")
        return number

    return convert
