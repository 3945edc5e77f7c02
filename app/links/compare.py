"""Address of the Compare page: what it says, and what may be read from it.

An address comes from anybody, so everything in it is checked against what exists; what does not fit
is ignored. Uploads and recordings cannot be linked: they belong to their session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.links.options import read_options, write_options
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


def _two(text: str, variants: Mapping[str, object]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for name in text.split(",") if name in variants))
    return names if len(names) == 2 else ()


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
