"""Every level of a stress by every mechanism: decoded with progress, stopped and continued."""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.charts.curves import HEIGHT
from app.data import decoding, stress_lab
from app.data.decoding import Store
from app.data.stress_lab import Point, Trial
from app.markup import cards
from app.markup.markdown import escape_markdown
from app.views import progress as progress_view
from models.decoding.search import SearchOptions
from models.variant import VariantInfo

KEPT = 5000  # points of a session: a text and some numbers each

Points = dict[tuple[float, str], Point]  # by level and mechanism


@dataclass(frozen=True)
class Experiment:
    """What is to be decoded."""

    trial: Trial
    levels: tuple[float, ...]  # of the trial, those that can be heard
    infos: tuple[VariantInfo, ...]
    options: SearchOptions
    normalizer: str
    store: Store

    @property
    def mark(self) -> tuple:
        """What was stopped, when it is stopped."""
        return self.trial.digest, self.trial.stress.name, self.trial.gap, self.options

    @property
    def total(self) -> int:
        return len(self.levels) * len(self.infos)

    def title(self, level: float) -> str:
        return stress_lab.title(self.trial.stress.name, level)


def points_of(experiment: Experiment) -> Points:
    """What is known already, and what is missing decoded now; what failed is said in place."""
    with st.container(key="lab_progress"):
        place = st.empty()
    points = _known(experiment)
    if len(points) == experiment.total:
        return points
    if st.session_state.get("lab_stopped") == experiment.mark:
        progress_view.stopped(place, "lab_stopped", len(points), experiment.total)
        return points
    below = st.empty()
    below.html(cards.waiting("the curves come when all have listened", HEIGHT))
    errors = _decode(experiment, points, progress_view.busy(place, "lab_stopped", experiment.mark))
    place.empty()
    below.empty()
    for error in errors:
        st.error(escape_markdown(error), icon=":material/error:")
    return points


def _known(experiment: Experiment) -> Points:
    """From the store; of what the store has forgotten, what this session keeps of it."""
    kept: dict[tuple, Point] = st.session_state.setdefault("lab_points", {})
    names, points = [info.name for info in experiment.infos], {}
    for level in experiment.levels:
        request = stress_lab.request(experiment.trial, level, experiment.options)
        for name, result in decoding.known(request, names, experiment.store).items():
            kept.setdefault(request.key(name), stress_lab.point(result))
        for name in names:
            if request.key(name) in kept:
                points[level, name] = kept[request.key(name)]
    return points


def _decode(experiment: Experiment, points: Points, bar: DeltaGenerator) -> list[str]:
    """Add what is missing to the points, mild levels first; returns what failed in sentences."""
    errors: dict[str, str] = {}
    progress = _progress(experiment, points, bar)
    for level in experiment.levels:
        missing = [
            info
            for info in experiment.infos
            if (level, info.name) not in points and info.name not in errors
        ]
        if missing:
            errors |= _decode_level(experiment, level, missing, points, progress)
    return list(errors.values())


def _progress(
    experiment: Experiment, points: Points, bar: DeltaGenerator
) -> progress_view.Progress:
    audio = sum(
        stress_lab.seconds(experiment.trial, level)
        for level in experiment.levels
        for info in experiment.infos
        if (level, info.name) not in points
    )
    return progress_view.Progress(bar, len(points), experiment.total, audio)


def _decode_level(
    experiment: Experiment,
    level: float,
    missing: list[VariantInfo],
    points: Points,
    progress: progress_view.Progress,
) -> dict[str, str]:
    heard = stress_lab.heard(experiment.trial, level)
    request = stress_lab.request(experiment.trial, level, experiment.options)
    names, errors = [info.name for info in missing], {}
    outcomes = decoding.decode(heard, request, names, experiment.store)
    for info in missing:
        progress.show(f"{info.title}, {experiment.title(level)}")
        outcome = next(outcomes)
        progress.add(heard.seconds)
        if outcome.result is None:
            errors[outcome.name] = outcome.error
        else:
            point = points[level, outcome.name] = stress_lab.point(outcome.result)
            _keep(request.key(outcome.name), point)
    return errors


def _keep(key: tuple, point: Point) -> None:
    kept: dict[tuple, Point] = st.session_state.lab_points
    kept[key] = point
    while len(kept) > KEPT:
        del kept[next(iter(kept))]  # the oldest
