"""Deep link of the stress lab: what stands in its address, everything checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.data import stress_lab
from app.data.metrics import METRICS
from app.links import compare as compare_links
from app.links.options import number
from models.decoding.search import SearchOptions

GAP = (0.0, 5.0)  # seconds, least and greatest
MOST = 10  # levels at once


@dataclass(frozen=True)
class StressView:
    """Everything a link to the stress lab can say."""

    sample: str | None = None
    run: str | None = None  # evaluated set of the recording, instead of a sample
    utterance: str | None = None
    variants: tuple[str, ...] | None = None  # None: all that are trained
    options: SearchOptions = field(default_factory=SearchOptions)
    normalizer: str = "basic"
    stress: str = "repeat"
    levels: tuple[float, ...] | None = None  # None: the usual ones
    gap: float = 0.0  # seconds between repetitions
    at: float | None = None  # level whose maps are shown; None: the hardest
    metric: str = "monotonicity"  # drawn under WER
    every: bool = False  # all metrics, small


def read(
    params: Mapping[str, str],
    samples: Mapping[str, object],
    variants: Mapping[str, object],
    normalizers: tuple[str, ...],
) -> StressView:
    """The view an address asks for, as far as it exists; the page checks run and utterance."""
    shared = compare_links.read(params, samples, variants, normalizers)
    stress = params.get("stress", "")
    stress = stress if stress in stress_lab.SCALES else StressView.stress
    parsed = (
        stress_lab.level_of(stress, text) for text in params.get("levels", "").split(",")[:MOST]
    )
    levels = tuple(dict.fromkeys(level for level in parsed if level is not None))
    at = params.get("at", "")
    plain = stress_lab.SCALES[stress].plain
    return StressView(
        sample=shared.sample,
        run=shared.run,
        utterance=shared.utterance,
        variants=shared.variants,
        options=shared.options,
        normalizer=shared.normalizer,
        stress=stress,
        levels=levels or None,
        gap=number(params.get("gap", ""), *GAP) or 0.0,
        at=plain if at == "plain" else stress_lab.level_of(stress, at),
        metric=params["metric"] if params.get("metric") in METRICS else StressView.metric,
        every=params.get("metrics") == "all",
    )


def write(view: StressView) -> dict[str, str]:
    """The address of a view; what is as usual is left out."""
    params = compare_links.write(
        compare_links.View(
            view.sample,
            view.variants,
            view.options,
            view.normalizer,
            run=view.run,
            utterance=view.utterance,
        )
    )
    if view.stress != StressView.stress:
        params["stress"] = view.stress
    if view.levels is not None:
        params["levels"] = ",".join(f"{level:g}" for level in view.levels)
    if view.gap:
        params["gap"] = f"{view.gap:g}"
    if view.at is not None:
        params["at"] = (
            "plain" if view.at == stress_lab.SCALES[view.stress].plain else f"{view.at:g}"
        )
    if view.metric != StressView.metric:
        params["metric"] = view.metric
    if view.every:
        params["metrics"] = "all"
    return params
