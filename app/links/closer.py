"""Address of the page about one mechanism; what does not exist is ignored."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.links.options import number, read_options, write_options
from models.decoding.options import SearchOptions

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


def read(
    params: Mapping[str, str], samples: Mapping[str, object], variants: Mapping[str, object]
) -> CloserView:
    """The view an address asks for, as far as it exists; step and layer may be too high."""
    sample, variant = params.get("sample"), params.get("variant")
    kind, layer = params.get("heads"), number(params.get("layer", ""), 1, 1e3)
    return CloserView(
        sample=sample if sample in samples else None,
        variant=variant if variant in variants else None,
        options=read_options(params),
        step=int(number(params.get("step", ""), 0, 1e6) or 0),
        run=params.get("run"),
        utterance=params.get("utterance"),
        kind=kind if kind in KINDS else KINDS[0],
        layer=None if layer is None else int(layer) - 1,
    )


def write(view: CloserView) -> dict[str, str]:
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
