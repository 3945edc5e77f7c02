"""Maps of one recording side by side, decoded where they are missing.

The page Compare shows a recording as it is, the stress lab the same recording at one level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import charts
from app.charts.attention import rows_of
from app.charts.config import PLOT
from app.comparison import VariantResult
from app.components.player import CONTAINER, player
from app.controls import collect
from app.controls.collect import Found
from app.controls.metrics_table import table
from app.controls.sidebar import Choice
from app.data import decoding
from app.data.decoding import Request, Store
from app.data.runs import RunRecording
from app.data.samples import Sample
from app.markup import cards
from app.markup.markdown import escape_markdown
from app.markup.transcript import legend, transcript
from app.presentation import panels
from app.theme import palette
from app.views import progress as progress_view
from app.views.common import (
    address_note,
)
from models.audio import Recording
from models.variant import VariantInfo

Slots = dict[str, DeltaGenerator]  # the cards' places by variant


@dataclass(frozen=True)
class Job:
    """What is to be on screen."""

    recording: Recording
    choice: Choice
    request: Request
    store: Store
    infos: tuple[VariantInfo, ...]  # the chosen variants in order
    page: str = "compare"  # it is on
    level: str = ""  # of stress, in words

    @property
    def title(self) -> str:
        return f"{self.choice.source.name}: {self.level}" if self.level else self.choice.source.name


@dataclass(frozen=True)
class Places:
    """One place on the page: first what is being done, then what came of it."""

    busy: DeltaGenerator
    outcome: DeltaGenerator


def shared_source(choice: Choice) -> Sample | RunRecording | None:
    """What everybody may hear, and a link can name."""
    return choice.source.sample or choice.source.heard


def side_by_side(job: Job) -> None:
    """Player, spectrogram and a card for every mechanism; what is missing is decoded now."""
    with st.container(key="progress"):
        places = Places(busy=st.empty(), outcome=st.empty())
    with st.container(key=CONTAINER):
        with st.container(key="player_bar"):
            _player(job)
        _spectrogram(job)
        blink = st.container()
        with st.container(key="maps"):
            slots = {info.name: _slot(info) for info in job.infos}
    if job.choice.reference:
        st.html(legend())
    results = _results(job, slots, places)
    with blink:
        _blink(job, results)
    if results:
        table(results, job.choice.view.normalizer)
    address_note(shared_source(job.choice))


def _player(job: Job) -> None:
    digest = job.request.digest
    player(decoding.sound(digest, job.recording), job.recording.seconds, digest)


def _spectrogram(job: Job) -> None:
    figure = charts.spectrogram(
        decoding.log_mel(job.request.digest, job.recording),
        decoding.band_hz(),
        hop_seconds=decoding.HOP_SECONDS,
        seconds=job.recording.seconds,
        palette=palette(st.context.theme.type),
    )
    alt = "Log-mel spectrogram of the recording, frequency over seconds"
    with st.container(key="spectrogram"):
        st.plotly_chart(figure, theme=None, config=PLOT, key="plot_spectrogram", alt=alt)


def _slot(info: VariantInfo) -> DeltaGenerator:
    """A card that keeps its size from the first moment on."""
    with st.container(key=f"card_{info.name}", border=True):
        slot = st.empty()
    with slot.container():
        st.html(cards.head(info, None))
        st.html(cards.waiting("waiting", rows_of(1, False).height))
    return slot


def _results(job: Job, slots: Slots, places: Places) -> list[VariantResult]:
    """Show what is known, decode what is missing, and return all in the order of the cards."""
    names = [info.name for info in job.infos]
    results = decoding.known(job.request, names, job.store)
    for name, result in results.items():
        _card(job, slots[name], result)
    missing = [info for info in job.infos if info.name not in results]
    stopped = bool(missing) and st.session_state.get("stopped") == job.request
    if not stopped:
        results |= _decode(job, missing, slots, places)
    ordered = [_scored(job, results[name]) for name in names if name in results]
    places.busy.empty()
    with places.outcome.container():
        _outcome(job, ordered, stopped)
    return ordered


def _decode(
    job: Job, missing: Sequence[VariantInfo], slots: Slots, places: Places
) -> dict[str, VariantResult]:
    if not missing:
        return {}
    results, by_name = {}, {info.name: info for info in missing}
    seconds, total = job.recording.seconds, len(job.infos)
    bar = progress_view.busy(places.busy, "stopped", job.request)
    progress = progress_view.Progress(bar, total - len(missing), total, seconds * len(missing))
    outcomes = decoding.decode(
        job.recording, job.request, [info.name for info in missing], job.store
    )
    for info in missing:
        progress.show(f"{info.title} listens")
        outcome = next(outcomes)
        progress.add(seconds)
        if outcome.result is None:
            _failed_card(by_name[outcome.name], slots[outcome.name], outcome.error)
        else:
            results[outcome.name] = outcome.result
            _card(job, slots[outcome.name], outcome.result)
    return results


def _outcome(job: Job, results: Sequence[VariantResult], stopped: bool) -> None:
    """What all of them say together, in the place where the progress was."""
    total = len(job.infos)
    if stopped:
        progress_view.stopped(st.container(), "stopped", len(results), total)
        return
    with st.container(key="outcome", horizontal=True, vertical_alignment="center"):
        st.html(cards.headline(results, total))
        if results:
            _collect(job, results)


def _collect(job: Job, results: Sequence[VariantResult], key: str = "", what: str = "") -> None:
    """The button that keeps these maps, or one of them, for the presentation."""
    collect.button(
        f"maps{key}",
        partial(_collected, job, results, what),
        f"the map of {what} and the recording" if what else "these maps and the recording",
        job.page,
        linked=shared_source(job.choice) is not None,
        label="Add this map" if what else collect.LABEL,
    )


def _collected(job: Job, results: Sequence[VariantResult], what: str) -> Found:
    digest, said, view = job.request.digest, job.choice.reference, job.choice.view
    shown = [panels.spectrum(digest, job.recording)]
    shown += [
        panels.card(
            result,
            seconds=job.recording.seconds,
            reference=said,
            normalizer=view.normalizer,
            special=view.special,
        )
        for result in results
    ]
    return Found(
        f"{job.title}: {what}" if what else job.title,
        shown,
        panels.sound(digest, job.recording),
        f"“{said}”" if said else "",
    )


def _scored(job: Job, result: VariantResult) -> VariantResult:
    return decoding.scored(result, job.choice.reference, job.choice.view.normalizer)


def _card(job: Job, slot: DeltaGenerator, result: VariantResult) -> None:
    """A map with its verdict above and its transcript below."""
    result = _scored(job, result)
    alignment, text = result.decoded.alignment, result.decoded.text
    with slot.container():
        st.html(cards.head(result.info, result))
        _map(job, result, f"plot_{result.info.name}")
        words = transcript(alignment, text, job.choice.reference, job.choice.view.normalizer)
        st.html(words + cards.evidence(result.diagnosis))
        _collect(job, [result], f"_{result.info.name}", result.info.title)


def _map(job: Job, result: VariantResult, key: str) -> None:
    view = job.choice.view
    figure = charts.attention_map(
        result.decoded.alignment,
        seconds=job.recording.seconds,
        palette=palette(st.context.theme.type),
        failures=result.diagnosis.failures,
        said=result.said,
        special=view.special,
        every_token=view.every_token,
    )
    alt = f"Attention map of {result.info.title}: decoded tokens over seconds"
    st.plotly_chart(figure, theme=None, config=PLOT, key=key, alt=alt)


def _blink(job: Job, results: Sequence[VariantResult]) -> None:
    """Two maps in one place; the player shows them by turns."""
    by_name = {result.info.name: result for result in results}
    pair = [by_name[name] for name in job.choice.view.blink if name in by_name]
    if len(pair) < 2:
        return
    with st.container(key="blink_stage", border=True):
        for number, result in enumerate(pair):
            with st.container(key=f"blink_{number}"):
                st.html(cards.head(result.info, result))
                _map(job, result, f"plot_blink_{number}")


def _failed_card(info: VariantInfo, slot: DeltaGenerator, error: str) -> None:
    with slot.container():
        st.html(cards.head(info, None))
        st.error(escape_markdown(error), icon=":material/error:")
