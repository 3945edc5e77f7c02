"""Decoding options, and how each is named, bounded and explained wherever people set it.

Every field of `SearchOptions` that people may set carries an `Option`. Flags of the command line,
controls and addresses of pages, notes about options without effect, settings of runs and facts of
reports are loops over `decoding_options`: a new option is a field here, and the code in
`models.decoding.search` that uses it.

Without torch, so that commands which show or check options are quick.
"""

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields, replace
from typing import Any

Value = int | float | tuple[float, float] | None
CTC_FAMILY = "ctc"  # family of the variant without an attention decoder


@dataclass(frozen=True)
class Need:
    """Condition without which an option has no effect.

    The test gets the options and the families of the variants that decode, empty if unknown.
    """

    missing: str  # ends the sentence "no effect ..."
    remedy: str  # what to do about it
    met: Callable[["SearchOptions", Collection[str]], bool] = field(repr=False)


ATTENTION = Need(
    "on CTC, which has no attention decoder",
    "choose other variants",
    lambda options, families: not families or set(families) != {CTC_FAMILY},
)
BEAM = Need("in greedy search", "add --beam 2 or more", lambda options, families: options.beam > 1)
LANGUAGE_MODEL = Need(
    "without a language model", "add --lm 0.5", lambda options, families: options.lm_weight > 0
)


@dataclass(frozen=True, kw_only=True)
class Option:
    """How one field of `SearchOptions` is named, bounded and explained."""

    label: str  # of its control, and in reports
    help: str  # one line for the command line, with argparse's %(default)s; starts its tooltip
    low: float
    high: float
    step: float | None = None  # of its slider
    stops: tuple[float, ...] = ()  # values of its slider, where no step suits the whole range
    metavar: str
    unit: str = ""
    more: str = ""  # further sentences of its tooltip
    pages: tuple[float, float] | None = None  # narrower range of controls and addresses
    needs: tuple[Need, ...] = ()
    enough: float | None = None  # value that has an effect even without a beam
    parts: tuple[str, ...] = ()  # names of its two numbers, if it has two
    usual: Value = None  # value when it is switched on, if its default is off
    flag: str = ""  # default: the field's name with dashes
    address: str = ""  # parameter of addresses and key of its control; default: the field's name
    old_addresses: tuple[str, ...] = ()  # read, never written
    name: str = ""  # of the field
    default: Value = None

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest value that pages and their addresses take.

        Narrower than the command line's where a slider could not be aimed, or where an address,
        which may come from anybody, could keep the server busy for long.
        """
        return self.pages or (self.low, self.high)

    @property
    def kind(self) -> type:
        """Type of its number, or of each of its numbers."""
        return int if isinstance(self.default, int) else float

    @property
    def title(self) -> str:
        """Label with the unit."""
        unit = f"{self.unit} {', '.join(self.parts)}".strip()
        return f"{self.label} ({unit})" if unit else self.label

    @property
    def tooltip(self) -> str:
        """Help of its control."""
        text = re.sub(r" \(default (?:%\(default\)\w|[^)])*\)", "", self.help)
        return f"{text[0].upper()}{text[1:]}. {self.more}".strip()

    @property
    def fact(self) -> str:
        """Name in a list of facts: the label, its first word small unless it is an acronym."""
        first = self.label.split()[0]
        return self.label if first.isupper() else self.label[0].lower() + self.label[1:]

    def text(self, value: Value) -> str:
        """A value with its unit."""
        if value is None:
            return "off"
        if self.parts:
            ends = zip(value, self.parts, strict=True)
            return ", ".join(f"{end:g} {self.unit} {part}" for end, part in ends)
        return f"{value:g} {self.unit}".strip()

    def unmet(self, options: "SearchOptions", families: Collection[str] = ()) -> tuple[Need, ...]:
        """What is missing for the option to have an effect."""
        value = getattr(options, self.name)
        return tuple(
            need
            for need in self.needs
            if not (need.met(options, families) or (need is BEAM and value == self.enough))
        )


def _option(default: Value, label: str, help: str, **named: Any) -> Any:
    """A field with its `Option`."""
    return field(default=default, metadata={"option": Option(label=label, help=help, **named)})


_TEMPERATURES = (
    *(0.01, 0.02, 0.05),
    *(round(0.05 * step, 2) for step in range(2, 41)),  # 0.1 to 2
    *(2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 50.0, 100.0),
)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How to search. The defaults are greedy search with the attention as it was trained."""

    beam: int = _option(
        1, "Beam", "beam size (default %(default)s: greedy)",
        low=1, high=1000, pages=(1, 20), step=1, metavar="N",
        more="Hypotheses kept at every step; 1 is greedy: the likeliest token, always.",
    )  # fmt: skip
    ctc_weight: float = _option(
        0.0, "CTC weight",
        "share of CTC in the score of a beam, 0 to 1 (default %(default)g); needs a beam: greedy "
        "search looks at the decoder's likeliest token alone, unless the share is 1",
        low=0.0, high=1.0, step=0.1, metavar="W", address="ctc",
        more="Joint CTC/attention decoding. 0 is attention alone, which is where loops and early "
        "stops show.",
        needs=(ATTENTION, BEAM), enough=1.0,
    )  # fmt: skip
    lm_weight: float = _option(
        0.0, "Language model weight",
        "weight of the character language model in the score, best with a beam; 0.5 to 0.7 is "
        "usual (default %(default)g: without)",
        low=0.0, high=10.0, pages=(0.0, 1.5), step=0.1, metavar="WEIGHT", flag="--lm",
        address="lm",
        more="Shallow fusion. 0 leaves the recogniser to itself, which is what shows how it "
        "listens. At beam 1 it chooses between the next tokens only, and not at all beside a CTC "
        "weight below 1.",
    )  # fmt: skip
    word_bonus: float = _option(
        0.0, "Word bonus",
        "with --lm: added to the score for every word, in nats (default %(default)g)",
        low=-100.0, high=100.0, pages=(-2.0, 4.0), step=0.5, metavar="B", unit="nats per word",
        address="words", more="A language model favours short texts.", needs=(LANGUAGE_MODEL,),
    )  # fmt: skip
    temperature: float = _option(
        1.0, "Temperature",
        "energies are divided by it: below 1 attention is sharper (default %(default)g)",
        low=0.01, high=100.0, stops=_TEMPERATURES, metavar="T",
        old_addresses=("sharpen",),
        more="Before the softmax; above 1 blurs where a mechanism listens.", needs=(ATTENTION,),
    )  # fmt: skip
    max_length_ratio: float = _option(
        1.0, "Length limit",
        "the decoder is cut off after so many tokens per attention frame (default %(default)g)",
        low=0.01, high=100.0, pages=(0.1, 2.0), step=0.1, metavar="R", unit="tokens per frame",
        address="limit",
        more="A frame is 40 ms. Reaching the limit is what the verdict “runaway” means.",
        needs=(ATTENTION,),
    )  # fmt: skip
    length_penalty: float = _option(
        0.0, "Length bonus",
        "bonus added to the score for every token, in nats: above 0 favours longer texts; needs "
        "a beam (default %(default)g)",
        low=-100.0, high=100.0, pages=(-2.0, 2.0), step=0.1, metavar="P", unit="nats per token",
        address="length", needs=(ATTENTION, BEAM),
    )  # fmt: skip
    coverage_penalty: float = _option(
        0.0, "Coverage bonus",
        "bonus added to the score for every frame that was listened to, once, in nats: favours "
        "texts that leave less of the recording out; needs a beam (default %(default)g)",
        low=0.0, high=100.0, pages=(0.0, 1.0), step=0.05, metavar="P", unit="nats per frame",
        address="coverage", needs=(ATTENTION, BEAM),
    )  # fmt: skip
    window: tuple[float, float] | None = _option(
        None, "Window",
        "attend only so many seconds before and after the last peak, such as 1,3 (default "
        "everywhere): keeps the place in long recordings",
        low=0.0, high=86_400.0, pages=(0.0, 10.0), step=0.1, metavar="BACK,AHEAD", unit="s",
        parts=("back", "ahead"), usual=(0.5, 1.0), more="A remedy for jumps.",
        needs=(ATTENTION,),
    )  # fmt: skip
    coverage_threshold: float = 0.5  # attention, summed over tokens, that makes a frame listened to
    nbest: int = 1  # hypotheses returned, if as many ended
    length_normalised: bool | None = None  # divide by the length; None: unless CTC or penalty helps

    def __post_init__(self) -> None:
        if self.beam < 1 or self.nbest < 1:
            raise ValueError("beam and nbest must be at least 1")
        if not 0.0 <= self.ctc_weight <= 1.0:
            raise ValueError(f"the CTC weight must be between 0 and 1, not {self.ctc_weight}")
        if not self.lm_weight >= 0:
            raise ValueError(f"the language model weight must be 0 or more, not {self.lm_weight}")
        if not 0.0 < self.max_length_ratio < math.inf:
            raise ValueError(
                f"the length ratio must be above 0 and finite, not {self.max_length_ratio}"
            )
        if not self.temperature > 0:
            raise ValueError(f"the temperature must be above 0, not {self.temperature}")
        if self.window is not None and not all(0 <= end < math.inf for end in self.window):
            raise ValueError("a window goes 0 or more seconds, not infinitely many, back and ahead")

    @property
    def normalised(self) -> bool:
        """Whether ended hypotheses are compared by their score per token."""
        if self.length_normalised is None:
            return self.ctc_weight == 0 and self.length_penalty == 0
        return self.length_normalised


def decoding_options() -> tuple[Option, ...]:
    """The options that people may set, in the order of the fields."""
    return tuple(
        replace(
            option,
            name=each.name,
            default=each.default,
            flag=option.flag or "--" + each.name.replace("_", "-"),
            address=option.address or each.name,
        )
        for each in fields(SearchOptions)
        if (option := each.metadata.get("option"))
    )


def changed(options: SearchOptions) -> dict[Option, Value]:
    """Options that are not at their default, with their values."""
    values = {option: getattr(options, option.name) for option in decoding_options()}
    return {option: value for option, value in values.items() if value != option.default}


def without_effect(options: SearchOptions, families: Collection[str] = ()) -> list[str]:
    """A sentence per reason why options that were set change nothing.

    Parameters
    ----------
    families
        Families of the variants that decode.
    """
    flags: dict[Need, list[str]] = {}
    for option in changed(options):
        for need in option.unmet(options, families)[:1]:
            flags.setdefault(need, []).append(option.flag)
    return [
        f"{', '.join(names)}: no effect {need.missing}; {need.remedy}"
        for need, names in flags.items()
    ]
