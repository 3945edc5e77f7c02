"""What a run says of one of its recordings: its evidence, and its maps where the sound is gone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from analysis.alignment import Alignment
from analysis.diagnosis import Diagnosis
from app import charts
from app.charts.config import PLOT
from app.comparison import VariantResult
from app.components.player import CONTAINER
from app.controls.sidebar import Choice
from app.data import decoding, runs, sample_run
from app.data.runs import RunRecording
from app.evaluation import RunError, load_alignment
from app.evaluation.parquet import failures_of, notes_of
from app.markup import cards
from app.markup.markdown import escape_markdown
from app.markup.transcript import transcript
from app.templates import Macros
from app.theme import palette
from app.views.common import address_note
from models.variant import Decoded, VariantInfo

TEMPLATES = Macros(__file__)


def diagnosis_of(row: Mapping[str, Any]) -> Diagnosis:
    """Verdict, failures and notes that the run stored."""
    return Diagnosis(row["verdict"], failures_of(row), notes_of(row), metrics={}, heads=())


def evidence(heard: RunRecording) -> None:
    """What led here, each finding a button that plays it."""
    rows = {row["variant"]: row for row in runs.rows_of(heard.run, heard.id)}
    row = rows.get(heard.variant or "")
    name = "the samples" if heard.run.name == sample_run.NAME else heard.run.name
    if row is None:
        st.caption(f"From the evaluated set {escape_markdown(name)}.")
        return
    rate = "" if row["wer"] is None else cards.word_error_rate(row["wer"])
    findings = cards.evidence(diagnosis_of(row))
    st.html(TEMPLATES.origin(cards.badge(row["verdict"]), row["variant"], name, rate, findings))


def without_audio(choice: Choice, infos: Sequence[VariantInfo]) -> None:
    """The stored maps of a recording that can no longer be heard."""
    heard = choice.source.heard
    rows = {row["variant"]: row for row in runs.rows_of(heard.run, heard.id)}
    seconds = next(iter(rows.values()))["seconds"]
    st.html(cards.recording_line(heard.id, seconds, choice.reference))
    st.warning(
        f"It cannot be played or decoded again: {escape_markdown(choice.source.problem)} "
        f"What the set {escape_markdown(heard.run.name)} stored of it is shown instead.",
        icon=":material/volume_off:",
    )
    by_name = {info.name: info for info in infos}
    shown = [row for name, row in rows.items() if name in choice.variants or name not in by_name]
    with st.container(key=CONTAINER), st.container(key="maps"):
        for row in shown:
            info = by_name.get(row["variant"]) or _unknown(row["variant"])
            with st.container(key=f"card_{info.name}", border=True):
                _card(heard, row, info, choice)
    address_note(heard)


def _unknown(name: str) -> VariantInfo:
    return VariantInfo(name, "", name, "a mechanism that is no longer here", None, None, None)


def _card(heard: RunRecording, row: Mapping[str, Any], info: VariantInfo, choice: Choice) -> None:
    try:
        alignment = load_alignment(heard.run.path, heard.id, info.name, part=row["part"])
    except (RunError, OSError):
        alignment = None
    result = _result(row, info, alignment)
    result = decoding.scored(result, choice.reference, choice.view.normalizer)
    st.html(cards.head(info, result))
    if alignment is None:
        st.html(cards.waiting("the set did not keep its maps", charts.attention.FIT_HEIGHT))
    else:
        _map(alignment, row, info, choice)
    text = transcript(alignment, row["text"], choice.reference, choice.view.normalizer)
    st.html(text + cards.evidence(diagnosis_of(row)))


def _result(
    row: Mapping[str, Any], info: VariantInfo, alignment: Alignment | None
) -> VariantResult:
    decoded = Decoded(row["text"], alignment, np.zeros(0), row["decode_seconds"])
    return VariantResult(info, decoded, diagnosis_of(row), None)


def _map(alignment: Alignment, row: Mapping[str, Any], info: VariantInfo, choice: Choice) -> None:
    figure = charts.attention_map(
        alignment,
        seconds=row["seconds"],
        palette=palette(st.context.theme.type),
        failures=diagnosis_of(row).failures,
        special=choice.view.special,
        every_token=choice.view.every_token,
    )
    st.plotly_chart(figure, theme=None, config=PLOT, key=f"plot_{info.name}",
                    alt=f"Attention map of {info.title}: decoded tokens over seconds")  # fmt: skip
