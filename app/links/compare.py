"""Deep links: what stands in the address of a page, and what may be read from it.

An address comes from anybody, so everything in it is checked against what exists; what does not fit
is ignored. Uploads and recordings cannot be linked: they belong to their session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from models.decoding.search import SearchOptions


@dataclass(frozen=True)
class View:
    """Everything a link to the Compare page can say."""

    sample: str | None = None
    variants: tuple[str, ...] | None = None  # None: all that are trained
    options: SearchOptions = field(default_factory=SearchOptions)
    normalizer: str = "basic"
    every_token: bool = False
    special: bool = False  # rows of special tokens too
    blink: tuple[str, ...] = ()  # two variants shown in one place by turns
    run: str | None = None  # evaluated set of the recording, instead of a sample
    utterance: str | None = None  # its name there; the page checks both against what exists
    look: str | None = None  # mechanism that led there


@dataclass(frozen=True)
class Range:
    """A decoding option in the address."""

    option: str  # field of SearchOptions
    low: float
    high: float


RANGES = {
    "beam": Range("beam", 1, 20),
    "ctc": Range("ctc_weight", 0.0, 1.0),
    "sharpen": Range("temperature", 0.25, 2.0),
    "limit": Range("max_length_ratio", 0.1, 2.0),
    "length": Range("length_penalty", -2.0, 2.0),
    "coverage": Range("coverage_penalty", 0.0, 1.0),
    "lm": Range("lm_weight", 0.0, 1.5),
    "words": Range("word_bonus", -2.0, 4.0),
}
WINDOW = Range("window", 0.0, 10.0)


def _number(text: str, low: float, high: float) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if low <= value <= high else None


def _window(text: str) -> tuple[float, float] | None:
    ends = [_number(part, WINDOW.low, WINDOW.high) for part in text.split("-")]
    return (ends[0], ends[1]) if len(ends) == 2 and None not in ends else None


def _two(text: str, variants: Mapping[str, object]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for name in text.split(",") if name in variants))
    return names if len(names) == 2 else ()


def read_options(params: Mapping[str, str]) -> SearchOptions:
    """Decoding options from an address; what is missing or impossible is as usual."""
    kinds = {each.name: type(each.default) for each in fields(SearchOptions)}
    found = {}
    for name, limits in RANGES.items():
        value = _number(params.get(name, ""), limits.low, limits.high)
        if value is not None:
            found[limits.option] = kinds[limits.option](value)
    return SearchOptions(**found, window=_window(params.get("window", "")))


def write_options(options: SearchOptions) -> dict[str, str]:
    """Decoding options for an address; what is as usual is left out."""
    usual, params = SearchOptions(), {}
    for name, limits in RANGES.items():
        value = getattr(options, limits.option)
        if value != getattr(usual, limits.option):
            params[name] = f"{value:g}"
    if options.window is not None:
        params["window"] = "-".join(f"{end:g}" for end in options.window)
    return params


def read(
    params: Mapping[str, str],
    samples: Mapping[str, object],
    variants: Mapping[str, object],
    normalizers: tuple[str, ...],
) -> View:
    """The view an address asks for, as far as it exists."""
    sample = params.get("sample")
    names = tuple(name for name in params.get("variants", "").split(",") if name in variants)
    normalizer = params.get("normalizer", "basic")
    return View(
        sample=sample if sample in samples else None,
        variants=names or None,
        options=read_options(params),
        normalizer=normalizer if normalizer in normalizers else "basic",
        every_token=params.get("rows") == "all",
        special=params.get("special") == "shown",
        blink=_two(params.get("blink", ""), variants),
        run=params.get("run"),
        utterance=params.get("utterance"),
        look=params.get("look"),
    )


def write(view: View) -> dict[str, str]:
    """The address of a view; what is as usual is left out."""
    params = {}
    if view.sample is not None:
        params["sample"] = view.sample
    if view.variants is not None:
        params["variants"] = ",".join(view.variants)
    params |= write_options(view.options)
    if view.normalizer != "basic":
        params["normalizer"] = view.normalizer
    if view.every_token:
        params["rows"] = "all"
    if view.special:
        params["special"] = "shown"
    if view.blink:
        params["blink"] = ",".join(view.blink)
    for name in ("run", "utterance", "look"):
        if getattr(view, name) is not None:
            params[name] = getattr(view, name)
    return params


KINDS = ("cross", "encoder", "decoder")  # what attends: the text to the audio, or to themselves


@dataclass(frozen=True)
class CloserView:
    """Everything a link to the page about one mechanism can say."""

    sample: str | None = None
    variant: str | None = None  # None: the first that is trained
    options: SearchOptions = field(default_factory=SearchOptions)
    step: int = 0  # output step that is taken apart
    run: str | None = None  # evaluated set of the recording, instead of a sample
    utterance: str | None = None  # its name there; the page checks both against what exists
    kind: str = KINDS[0]  # whose heads are shown, where a mechanism attends in several ways
    layer: int | None = None  # the one whose heads are shown, counted from 0; None: as usual


def read_closer(
    params: Mapping[str, str], samples: Mapping[str, object], variants: Mapping[str, object]
) -> CloserView:
    """The view an address asks for, as far as it exists; step and layer may be too high."""
    sample, variant = params.get("sample"), params.get("variant")
    kind, layer = params.get("heads"), _number(params.get("layer", ""), 1, 1e3)
    return CloserView(
        sample=sample if sample in samples else None,
        variant=variant if variant in variants else None,
        options=read_options(params),
        step=int(_number(params.get("step", ""), 0, 1e6) or 0),
        run=params.get("run"),
        utterance=params.get("utterance"),
        kind=kind if kind in KINDS else KINDS[0],
        layer=None if layer is None else int(layer) - 1,
    )


def write_closer(view: CloserView) -> dict[str, str]:
    """The address of a view; what is as usual is left out."""
    params = {} if view.sample is None else {"sample": view.sample}
    if view.variant is not None:
        params["variant"] = view.variant
    params |= write_options(view.options)
    if view.step:
        params["step"] = str(view.step)
    for name in ("run", "utterance"):
        if getattr(view, name) is not None:
            params[name] = getattr(view, name)
    if view.kind != KINDS[0]:
        params["heads"] = view.kind
    if view.layer is not None:
        params["layer"] = str(view.layer + 1)
    return params
