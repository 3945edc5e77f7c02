"""Flags that subcommands share, and converters that explain what they refuse."""

import argparse
from collections.abc import Callable

from analysis.cli.arguments import between
from analysis.scoring.normalisers import NORMALISERS
from models.decoding.options import Option, decoding_options
from models.stress import Stress


def add_decoding(command: argparse.ArgumentParser) -> None:
    """Add what to decode with, how, and how errors are counted."""
    command.add_argument(
        "--variants",
        default="all",
        metavar="NAMES",
        help="comma-separated names (see `variants`), espnet:CONFIG,WEIGHTS or "
        "whisper:PATH_OR_NAME, or all that are trained (default all)",
    )
    for option in decoding_options():
        command.add_argument(
            option.flag,
            type=pair(option) if option.parts else between(option.kind, option.low, option.high),
            default=option.default,
            metavar=option.metavar,
            dest=option.name,
            help=option.help,
        )
    command.add_argument(
        "--max-seconds",
        type=between(float, 0.04, 86_400),
        default=600.0,
        metavar="S",
        help="refuse longer recordings (default 600)",
    )
    command.add_argument(
        "--normalizer",
        choices=sorted(NORMALISERS),
        default="basic",
        help="what is evened out in both texts before errors are counted (default basic); marks "
        "such as [noise] or <unk> are left out unless its name ends with -with-marks",
    )


def pair(option: Option) -> Callable[[str], tuple[float, float]]:
    """A converter for argparse: two numbers separated by a comma."""
    one = between(option.kind, option.low, option.high)

    def convert(text: str) -> tuple[float, float]:
        numbers = text.split(",")
        if len(numbers) != 2:
            raise argparse.ArgumentTypeError(f"{text!r} is not {option.metavar}, such as 1,3")
        return one(numbers[0]), one(numbers[1])

    return convert


def levels(stress: Stress) -> Callable[[str], tuple[float, ...]]:
    """A converter for argparse that accepts levels of a stress, separated by commas."""
    one = between(int if stress.whole else float, stress.low, stress.high)

    def convert(text: str) -> tuple[float, ...]:
        return tuple(dict.fromkeys(one(part.strip()) for part in text.split(",")))

    return convert
