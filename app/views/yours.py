"""Your attention: alignment files of any toolkit, with the maps and verdicts of Compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from app import charts
from app.charts.config import PLOT
from app.comparison import VariantResult
from app.components.player import CONTAINER, player
from app.controls import collect, metrics_table, yours
from app.controls.collect import Found
from app.controls.yours import FILE_MB, LINK, Choice
from app.data import decoding, example, uploads
from app.data.decoding import Outcome
from app.markup import cards
from app.markup.markdown import escape_markdown
from app.markup.transcript import legend, transcript
from app.presentation import panels
from app.theme import palette
from app.views.closer import heads
from app.views.common import write_address
from models.audio import AudioError, Recording
from models.checkpoint import CheckpointError

TITLE = "Your attention"
WHAT = "Maps, metrics and verdicts for the attention of any recogniser, whoever trained it."
FORMAT = """\
| array | shape | |
|---|---|---|
| `weights` | (tokens, frames), (heads, tokens, frames) or (layers, heads, tokens, frames) | \
rows sum to 1 |
| `tokens` | (tokens,) | decoded tokens in order, `<eos>` too if it was written |
| `frame_seconds` | one number | seconds per frame |
| `start_seconds`, `speech`, `ended`, `text`, `reference`, `variant` | | optional |
"""
SNIPPET = """\
import numpy as np

weights = np.full((3, 40), 0.1 / 40)  # your attention: (tokens, frames), rows sum to 1
weights[[0, 1, 2], [8, 20, 32]] += 0.9
tokens = np.array(["yes", "we", "can"])
np.savez("mine.npz", weights=weights, tokens=tokens, frame_seconds=0.04, ended=True)
"""  # stands in docs/your-own-maps.md too


@dataclass(frozen=True)
class Shown:
    """What is on screen."""

    choice: Choice
    recording: Recording | None
    seconds: float  # end of the time axis: of the longest map or the recording


def page() -> None:
    """Draw the page."""
    try:
        yours.restore(st.query_params)
    except (AudioError, CheckpointError) as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
    choice = yours.choose()
    write_address(LINK if choice.example else {})
    if not choice.files:
        _invite()
        return
    recording = _recording(choice)
    with st.spinner("Reading and measuring", show_time=True):
        outcomes = uploads.read_all(
            choice.files, choice.options, recording, decoding.private_store()
        )
    outcomes = [_scored(choice, outcome) for outcome in outcomes]
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    ends = [uploads.end_of(result.decoded.alignment) for result in results]
    seconds = max([*ends, recording.seconds if recording else 0.0], default=0.0)
    _show(Shown(choice, recording, seconds), outcomes, results)


def _recording(choice: Choice) -> Recording | None:
    """The recording that was brought; what is wrong with it does not stop the maps."""
    if choice.audio is None:
        return None
    try:
        return decoding.open_recording(choice.audio.content, choice.audio.name)
    except AudioError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return None


def _scored(choice: Choice, outcome: Outcome) -> Outcome:
    """The same, scored where there is something to score."""
    result = outcome.result
    if result is None or not uploads.names_tokens(result):
        return outcome
    said = _reference(choice, result)
    return Outcome(outcome.name, decoding.scored(result, said, choice.normalizer))


def _reference(choice: Choice, result: VariantResult) -> str | None:
    """What was said: as typed, else as the file says."""
    return choice.reference or result.decoded.alignment.reference


# --- nothing brought yet


def _invite() -> None:
    st.html(cards.heading(TITLE, WHAT))
    st.info(
        "Choose alignment files in the sidebar: NumPy archives (.npz), attention saved by ESPnet "
        "(.npy), or words with times from Whisper's relatives (.json).",
        icon=":material/upload_file:",
    )
    if example.available():
        with st.container(horizontal=True):
            _try()
            _download()
    st.subheader("The file", anchor="file", help="An .npz archive of NumPy arrays; nothing in it "
                 "is ever unpickled.")  # fmt: skip
    st.markdown(FORMAT)
    st.code(SNIPPET, language="python")
    st.caption(
        f"Up to {uploads.FILES} files of {FILE_MB} MB and {uploads.CELLS // 10**6} million weights "
        "each. They stay in memory, are seen by nobody else and are gone with the page."
    )


def _try() -> None:
    pressed = st.button(
        "Show an example",
        icon=":material/play_circle:",
        type="primary",
        help="Two of our own mechanisms on a sample, as files, with the recording.",
    )
    if not pressed:
        return
    try:
        yours.show_example()
    except (AudioError, CheckpointError) as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return
    st.rerun()


def _download() -> None:
    st.download_button(
        "Download an example file",
        example.first_file,
        file_name="attnscope-example.npz",
        mime="application/zip",
        icon=":material/download:",
        on_click="ignore",
        help="What one of our mechanisms made of a sample, in the format below; made when you ask.",
    )


# --- what was brought


def _show(shown: Shown, outcomes: Sequence[Outcome], results: Sequence[VariantResult]) -> None:
    choice, recording = shown.choice, shown.recording
    st.html(cards.recording_line(TITLE, shown.seconds, choice.reference))
    if choice.left_out:
        st.warning(
            f"Files beyond the first {len(choice.files)} were left out ({choice.left_out}): "
            "take some away to see them.",
            icon=":material/filter_none:",
        )
    for warning in recording.warnings if recording else ():
        st.warning(escape_markdown(warning), icon=":material/hearing:")
    if results:
        with st.container(key="outcome", horizontal=True, vertical_alignment="center"):
            st.html(cards.headline(results, len(results)))
            collect.button("yours", partial(_collected, shown, results), "these maps", "yours",
                           linked=choice.example)  # fmt: skip
    with st.container(key=CONTAINER):
        if recording is not None:
            _sound(shown, recording)
        with st.container(key="maps"):
            for number, outcome in enumerate(outcomes):
                with st.container(key=f"card_{number}", border=True):
                    _card(shown, outcome, number)
        if any(result.score for result in results):
            st.html(legend())
        _heads(shown, results)
    if results:
        metrics_table.table(results, choice.normalizer, metrics_table.FILES)
    _notes(shown)


def _collected(shown: Shown, results: Sequence[VariantResult]) -> Found:
    """The maps as a slide, with the recording where there is one."""
    recording, choice = shown.recording, shown.choice
    slide_panels, sound = [], None
    if recording is not None:
        digest = decoding.digest_of(recording)
        slide_panels.append(panels.spectrum(digest, recording, shown.seconds))
        sound = panels.sound(digest, recording)
    slide_panels += [
        panels.card(
            result,
            seconds=shown.seconds,
            reference=_reference(choice, result),
            normalizer=choice.normalizer,
            special=choice.special,
            words=uploads.names_tokens(result),
        )
        for result in results
    ]
    said = choice.reference
    return Found(TITLE, slide_panels, sound, f"“{said}”" if said else "")


def _sound(shown: Shown, recording: Recording) -> None:
    """Player and spectrogram over the maps' time axis."""
    digest = decoding.digest_of(recording)
    with st.container(key="player_bar"):
        player(decoding.sound(digest, recording), recording.seconds, digest)
    figure = charts.spectrogram(
        decoding.log_mel(digest, recording),
        decoding.band_hz(),
        hop_seconds=decoding.HOP_SECONDS,
        seconds=shown.seconds,
        palette=palette(st.context.theme.type),
    )
    with st.container(key="spectrogram"):
        st.plotly_chart(figure, theme=None, config=PLOT, key="plot_spectrogram",
                        alt="Log-mel spectrogram, frequency over seconds")  # fmt: skip


def _card(shown: Shown, outcome: Outcome, number: int) -> None:
    result = outcome.result
    if result is None:
        st.html(cards.head(uploads.info_of(outcome.name), None))
        st.error(escape_markdown(outcome.error), icon=":material/error:")
        return
    alignment = result.decoded.alignment
    st.html(cards.head(result.info, result))
    figure = charts.attention_map(
        alignment,
        seconds=shown.seconds,
        palette=palette(st.context.theme.type),
        failures=result.diagnosis.failures,
        special=shown.choice.special,
        every_token=shown.choice.every_token,
    )
    st.plotly_chart(figure, theme=None, config=PLOT, key=f"plot_{number}",
                    alt=f"Attention map of {outcome.name}: tokens over seconds")  # fmt: skip
    words = ""
    if uploads.names_tokens(result):
        said = _reference(shown.choice, result)
        words = transcript(alignment, result.decoded.text, said, shown.choice.normalizer)
    body = words + cards.evidence(result.diagnosis)
    if body:
        st.html(body)
    st.caption(escape_markdown(uploads.shape_words(alignment)))
    for remark in alignment.remarks:
        st.caption(escape_markdown(f"{remark[0].upper()}{remark[1:]}."))
    if not uploads.names_tokens(result):
        st.caption("The file names no tokens, so they are numbered and there is no text to score.")
    note = uploads.length_note(result, shown.recording) if shown.recording else ""
    if note:
        st.warning(escape_markdown(note), icon=":material/straighten:")


def _heads(shown: Shown, results: Sequence[VariantResult]) -> None:
    """Heads of one file, one layer at a time, where a file has several."""
    several = [item for item in results if len(item.diagnosis.heads) > 1]
    if not several:
        return
    st.subheader("Heads", anchor="heads", help=heads.HELP)
    by_name = {result.info.name: result for result in several}
    with st.container(horizontal=True):
        name = st.selectbox(
            "File",
            list(by_name),
            key="yours_heads",
            help="The file whose heads are shown; only files with several are listed.",
        )
        result = by_name[name]
        alignment, layer = result.decoded.alignment, 0
        if alignment.layers > 1:
            layer = st.selectbox(
                "Layer",
                range(alignment.layers),
                index=alignment.layers - 1,
                key=f"yours_layer {name}",
                format_func=lambda number: f"layer {number + 1} of {alignment.layers}",
                help="The layer of the decoder whose heads are shown.",
            )
    with st.container(key="head_maps"):
        chosen = [report for report in result.diagnosis.heads if report.layer == layer]
        heads.head_maps(alignment, chosen, shown.seconds)


def _notes(shown: Shown) -> None:
    if shown.recording is None and shown.choice.audio is None:
        st.caption(
            "With the recording (sidebar) every finding can be heard, and silence is told from "
            "speech; without it, nothing is said of audio that no token listened to, where a file "
            "does not tell speech itself."
        )
    if shown.choice.example:
        st.caption("The address of this page shows this example to anybody who opens it.")
        if example.available():
            _download()
    else:
        st.caption("What you bring stays in this session: it is seen by nobody else, cannot be "
                   "linked and is gone when you close the page.")  # fmt: skip
