"""Stress lab: one recording made harder step by step, and who still follows it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from markupsafe import Markup

from app.charts.config import PLOT
from app.charts.curves import Curve, Ladder, curves_figure
from app.controls import collect, decoding, mechanisms, recording, sidebar
from app.controls import stress as stress_control
from app.controls.collect import Found
from app.controls.initial import initial
from app.controls.metrics_table import choose_metric
from app.controls.recording import Source
from app.controls.sidebar import NORMALIZERS, Choice
from app.data import runs, stress_lab
from app.data.metrics import METRICS
from app.data.samples import Sample, samples
from app.data.stress_lab import WER, Trial
from app.links import compare as compare_links
from app.links import stress as stress_links
from app.links.stress import StressView
from app.markup import cards
from app.markup.markdown import escape_markdown
from app.markup.matrices import verdict_table
from app.presentation import Panel, panels
from app.theme import LIGHT, Palette, palette
from app.views.common import nothing_trained, open_recording, request_for, write_address
from app.views.side_by_side import Job, side_by_side
from app.views.stress.experiment import Experiment, Points, points_of
from models.audio import Recording
from models.decoding.search import SearchOptions
from models.recogniser import variants
from models.stress import STRESSES
from models.variant import VariantInfo


@dataclass(frozen=True)
class Asked:
    """What the sidebar says."""

    source: Source
    reference: str | None
    variants: tuple[str, ...]
    stress: stress_control.Chosen
    options: SearchOptions
    normalizer: str


def page() -> None:
    """Draw the page."""
    infos = variants()
    if not any(info.checkpoint for info in infos):
        nothing_trained()
        return
    clips = samples()
    view = _restore(clips, infos)
    asked = _sidebar(clips, infos)
    view = _view(asked, view, infos)
    heard = open_recording(asked.source)
    if heard is not None:
        experiment = _experiment(asked, heard, infos)
        st.html(cards.recording_line(asked.source.name, heard.seconds, asked.reference))
        for warning in heard.warnings:
            st.warning(escape_markdown(warning), icon=":material/hearing:")
        view = _show(experiment, asked, view)
    st.session_state.stress_view = view
    write_address(stress_links.write(view))


def _restore(clips: dict[str, Sample], infos: Sequence[VariantInfo]) -> StressView:
    state = st.session_state
    if "stress_view" not in state:
        names = {info.name: info for info in infos}
        state.stress_view = stress_links.read(st.query_params, clips, names, NORMALIZERS)
    view: StressView = state.stress_view
    recording.restore(view.sample, clips, runs.find(view.run, view.utterance, None))
    mechanisms.restore(infos, view.variants)
    decoding.restore(view.options)
    stress_control.restore(view)
    initial("normalizer", view.normalizer)
    initial("lab_metric", view.metric)
    initial("lab_every", view.every)
    return view


def _sidebar(clips: dict[str, Sample], infos: Sequence[VariantInfo]) -> Asked:
    with st.sidebar:
        st.subheader("Recording", anchor=False)
        source = recording.choose(clips)
        reference = recording.reference(source)
        st.subheader("Stress", anchor=False)
        stress = stress_control.choose()
        st.subheader("Mechanisms", anchor=False)
        chosen = mechanisms.choose(infos)
        with st.expander("Decoding and scoring", icon=":material/tune:"):
            options = decoding.choose()
            normalizer = sidebar.choose_normalizer()
    return Asked(source, reference, chosen, stress, options, normalizer)


def _view(asked: Asked, before: StressView, infos: Sequence[VariantInfo]) -> StressView:
    trained = tuple(info.name for info in infos if info.checkpoint)
    source, heard, stress = asked.source, asked.source.heard, asked.stress
    usual = stress_lab.SCALES[stress.name].usual
    return StressView(
        sample=source.sample.name if source.sample else None,
        run=heard.run.name if heard else None,
        utterance=heard.id if heard else None,
        variants=None if asked.variants == trained else asked.variants,
        options=asked.options,
        normalizer=asked.normalizer,
        stress=stress.name,
        levels=None if set(stress.levels) == set(usual) else stress.levels,
        gap=stress.gap,
        at=before.at if before.stress == stress.name else None,
        metric=before.metric,
        every=before.every,
    )


def _experiment(asked: Asked, heard: Recording, infos: Sequence[VariantInfo]) -> Experiment:
    """What can be decoded; levels that cannot are said in place."""
    shared = asked.source.sample or asked.source.heard
    request, store = request_for(heard, shared, asked.options)
    name = asked.stress.name
    levels = stress_lab.in_order(name, asked.stress.levels)
    trial = Trial(heard, request.digest, asked.reference, STRESSES[name], levels, asked.stress.gap)
    possible = tuple(level for level in levels if not stress_lab.problem(trial, level))
    chosen = tuple(info for info in infos if info.name in asked.variants)
    return Experiment(trial, possible, chosen, asked.options, asked.normalizer, store)


def _show(experiment: Experiment, asked: Asked, view: StressView) -> StressView:
    trial = experiment.trial
    for level in trial.levels:
        if level not in experiment.levels:
            st.warning(stress_lab.problem(trial, level), icon=":material/timer_off:")
    if not experiment.infos:
        st.info(
            "Choose at least one mechanism in the sidebar to see how long it keeps its place.",
            icon=":material/checklist:",
        )
        return view
    if not asked.stress.levels:
        st.info("Choose at least one level of stress in the sidebar.", icon=":material/checklist:")
    points = points_of(experiment)
    view = _curves(experiment, points, view)
    if points:
        collect.button(
            "curves",
            partial(_collected, experiment, points, asked.source.name, view),
            "these curves and the verdicts",
            "stress",
            linked=bool(asked.source.sample or asked.source.heard),
        )
    return _maps(experiment, asked, points, view)


# --- curves


def _curves(experiment: Experiment, points: Points, view: StressView) -> StressView:
    """WER, the metric asked for, and all metrics on request."""
    if experiment.trial.reference is None:
        st.info(
            "Write what is said into the sidebar to see word error rates too.",
            icon=":material/edit_note:",
        )
    else:
        _curve(experiment, points, WER)
        if experiment.trial.stress.name == "cut":
            st.caption("What is left of the words after a cut is not known, so there is no WER.")
    _verdicts(experiment, points)
    metric, every = _which()
    _curve(experiment, points, metric)
    st.caption(METRICS[metric].help)
    if every:
        with st.container(key="lab_metrics"):
            for name in METRICS:
                if name != metric:
                    _curve(experiment, points, name, small=True)
    _numbers(experiment, points)
    return replace(view, metric=metric, every=every)


def _verdicts(experiment: Experiment, points: Points) -> None:
    """Who listens well at which level, in words."""
    st.html(_verdict_table(experiment, points))


def _verdict_table(experiment: Experiment, points: Points) -> Markup:
    verdicts = {key: point.verdict for key, point in points.items()}
    rows = {
        info.name: [verdicts.get((level, info.name)) for level in experiment.levels]
        for info in experiment.infos
    }
    return verdict_table(rows, [experiment.title(level) for level in experiment.levels])


def _axis(experiment: Experiment, name: str) -> str:
    """Title of a measure's axis with its unit."""
    if name == WER:
        return f"WER (%), normaliser “{experiment.normalizer}”"
    title = METRICS[name].title
    if name == "repeated_tokens":
        return f"{title} (tokens)"
    return title if "(" in title or "/" in title else f"{title} (no unit)"


def _which() -> tuple[str, bool]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        metric = choose_metric("lab_metric")
        every = st.toggle(
            "Every metric",
            key="lab_every",
            persist_state="session",
            help="Draw the curves of all other metrics too, each a little smaller.",
        )
    return metric, every


def _curve(experiment: Experiment, points: Points, measure: str, *, small: bool = False) -> None:
    figure = _figure(experiment, points, measure, palette(st.context.theme.type), small=small)
    alt = (
        f"{_axis(experiment, measure)} of every mechanism against the stress: "
        f"{experiment.trial.stress.title}"
    )
    st.plotly_chart(figure, theme=None, config=PLOT, key=f"lab_plot_{measure}", alt=alt)


def _figure(
    experiment: Experiment, points: Points, measure: str, theme: Palette, *, small: bool = False
) -> go.Figure:
    trial = experiment.trial
    curves = [
        Curve(name, style, tuple(_values(experiment, points, name, measure)))
        for name, style in _styles(experiment).items()
    ]
    ladder = Ladder(
        f"{trial.stress.title} ({trial.stress.unit})",
        experiment.levels,
        tuple(_tick(trial, level) for level in experiment.levels),
    )
    return curves_figure(curves, ladder, _axis(experiment, measure), theme, small=small)


def _collected(experiment: Experiment, points: Points, name: str, view: StressView) -> Found:
    """The curves on the page and the verdicts, as a slide."""
    trial = experiment.trial
    measures = [*([] if trial.reference is None else [WER]), view.metric]
    measures += [metric for metric in METRICS if view.every and metric != view.metric]
    shown = [
        panels.plotted(_axis(experiment, metric), _figure(experiment, points, metric, LIGHT))
        for metric in measures
    ]
    table = Panel("verdicts", body=_verdict_table(experiment, points))
    return Found(f"{name}: {trial.stress.title}", [*shown, table])


def _tick(trial: Trial, level: float) -> str:
    return "as it is" if level == trial.scale.plain else f"{level:g}"


def _styles(experiment: Experiment) -> dict[str, int]:
    """Of the chosen mechanisms: each keeps its own line whoever else is drawn."""
    chosen = {info.name for info in experiment.infos}
    return {info.name: n for n, info in enumerate(variants()) if info.name in chosen}


def _values(experiment: Experiment, points: Points, name: str, measure: str) -> list[float | None]:
    row = [points.get((level, name)) for level in experiment.levels]
    return [
        None
        if point is None
        else stress_lab.value(
            point, measure, stress_lab.reference(experiment.trial, level), experiment.normalizer
        )
        for level, point in zip(experiment.levels, row, strict=True)
    ]


def _numbers(experiment: Experiment, points: Points) -> None:
    """All points as a table, to be read and taken home."""
    rows = []
    for (level, name), point in points.items():
        said = stress_lab.reference(experiment.trial, level)
        wer = stress_lab.value(point, WER, said, experiment.normalizer)
        row = {
            "mechanism": name,
            "stress": experiment.trial.stress.name,
            "level": level,
            "wer_percent": wer,
            "normalizer": experiment.normalizer,
            "verdict": point.verdict,
        }
        rows.append(row | dict(point.metrics) | {"text": point.text})
    table = pd.DataFrame(rows)
    with st.expander("The numbers", icon=":material/table:"):
        st.dataframe(table, hide_index=True, width="stretch", placeholder="–", key="lab_numbers")
        st.download_button(
            "Download as CSV",
            table.to_csv(index=False),
            file_name="attnscope-stress.csv",
            mime="text/csv",
            key="lab_csv",
            icon=":material/download:",
            on_click="ignore",
            help="Every mechanism at every level with full precision, and the decoded texts.",
        )


# --- maps


def _maps(experiment: Experiment, asked: Asked, points: Points, view: StressView) -> StressView:
    """The maps at one level, with the recording as it sounds there."""
    st.subheader("The maps at one level", anchor="maps")
    level = _level(experiment, view)
    done = tuple(info for info in experiment.infos if (level, info.name) in points)
    if not done:
        st.info("Nothing has been decoded at this level yet.", icon=":material/hourglass_empty:")
        return view
    trial = experiment.trial
    said = stress_lab.reference(trial, level)
    shown = compare_links.View(options=experiment.options, normalizer=experiment.normalizer)
    names = tuple(info.name for info in done)
    request = stress_lab.request(trial, level, experiment.options)
    choice = Choice(asked.source, said, names, shown)
    heard = stress_lab.heard(trial, level)
    st.html(cards.recording_line(experiment.title(level), heard.seconds, said))
    job = Job(heard, choice, request, experiment.store, done, "stress", _hard(trial, level))
    side_by_side(job)
    return replace(view, at=None if level == experiment.levels[-1] else level)


def _hard(trial: Trial, level: float) -> str:
    """What was done to a recording, in words."""
    shown = stress_lab.title(trial.stress.name, level)
    return shown if level == trial.scale.plain else f"{trial.stress.title}, {shown}"


def _level(experiment: Experiment, view: StressView) -> float:
    state, levels = st.session_state, experiment.levels
    key = f"lab_at_{experiment.trial.stress.name}"
    state.setdefault(key, view.at)
    if state[key] not in levels:
        state[key] = levels[-1]
    return st.segmented_control(
        "Level",
        levels,
        key=key,
        required=True,
        format_func=experiment.title,
        help="The level whose maps are shown below and whose sound the player plays.",
    )
