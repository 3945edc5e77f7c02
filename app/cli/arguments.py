"""What subcommands have in common: flags, and converters that explain what they refuse."""

import argparse
from collections.abc import Callable

from analysis.scoring.normalisers import NORMALISERS
from models.arguments import between
from models.stress import Stress


def add(commands, name: str, help_: str, examples: str, run) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run, command=command)
    return command


def add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="OUT",
        help="write JSON to this file, or to standard output with -, instead of a table",
    )


def add_decoding(command: argparse.ArgumentParser) -> None:
    """What to decode with, and how errors are counted."""
    command.add_argument(
        "--variants",
        default="all",
        metavar="NAMES",
        help="comma-separated names (see `variants`), espnet:CONFIG,WEIGHTS or "
        "whisper:PATH_OR_NAME, or all that are trained (default all)",
    )
    command.add_argument(
        "--beam",
        type=between(int, 1, 1_000),
        default=1,
        metavar="N",
        help="beam size (default 1: greedy)",
    )
    command.add_argument(
        "--ctc-weight",
        type=between(float, 0, 1),
        default=0.0,
        metavar="W",
        help="share of CTC in the score of a beam, 0 to 1 (default 0); needs a beam: greedy search "
        "looks at the decoder's likeliest token alone, unless the share is 1",
    )
    command.add_argument(
        "--lm",
        type=between(float, 0, 10),
        default=0.0,
        metavar="WEIGHT",
        dest="lm_weight",
        help="weight of the character language model in the score, best with a beam; 0.5 to "
        "0.7 is usual (default 0: without)",
    )
    command.add_argument(
        "--word-bonus",
        type=between(float, -100, 100),
        default=0.0,
        metavar="B",
        help="with --lm: added to the score for every word, in nats (default 0)",
    )
    command.add_argument(
        "--temperature",
        type=between(float, 0.01, 100),
        default=1.0,
        metavar="T",
        help="energies are divided by it: below 1 attention is sharper (default 1)",
    )
    _add_length_and_coverage(command)
    command.add_argument(
        "--window",
        type=window,
        metavar="BACK,AHEAD",
        help="attend only so many seconds before and after the last peak, such as 1,3 (default "
        "everywhere): keeps the place in long recordings",
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


def _add_length_and_coverage(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--max-length-ratio",
        type=between(float, 0.01, 100),
        default=1.0,
        metavar="R",
        help="the decoder is cut off after so many tokens per attention frame (default 1)",
    )
    command.add_argument(
        "--length-penalty",
        type=between(float, -100, 100),
        default=0.0,
        metavar="P",
        help="added to the score for every token, in nats: above 0 favours longer texts; needs a "
        "beam (default 0)",
    )
    command.add_argument(
        "--coverage-penalty",
        type=between(float, 0, 100),
        default=0.0,
        metavar="P",
        help="added to the score for every frame that was listened to, once, in nats: favours "
        "texts that leave less of the recording out; needs a beam (default 0)",
    )


def window(text: str) -> tuple[float, float]:
    """A converter for argparse: seconds back and ahead, separated by a comma."""
    one = between(float, 0, 86_400)
    parts = text.split(",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers of seconds, such as 1,3")
    return one(parts[0]), one(parts[1])


def levels(stress: Stress) -> Callable[[str], tuple[float, ...]]:
    """A converter for argparse that accepts levels of a stress, separated by commas."""
    one = between(int if stress.whole else float, stress.low, stress.high)

    def convert(text: str) -> tuple[float, ...]:
        return tuple(dict.fromkeys(one(part.strip()) for part in text.split(",")))

    return convert
