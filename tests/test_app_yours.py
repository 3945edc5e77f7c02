"""The page for files of other toolkits: what it draws, what it refuses, and what it keeps."""

import io
import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from analysis.alignment import Alignment
from analysis.diagnosis import diagnose
from analysis.io.toolkits import ReadOptions
from app.data import uploads
from app.data.decoding import Store
from app.data.uploads import File
from app.markup import cards
from app.markup.transcript import timed_words
from app.views.yours import SNIPPET
from models import audio
from tests.support.pages import html_of, without_errors
from tests.support.recordings import tone
from tests.test_interop_foreign import STABLE_TS, bytes_of, diagonal, npy

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "your-own-maps.md"
LETTERS = ["n", "o", " ", "y", "e", "s"]
UNPACKED = "more than the"


def yours():
    """The page alone, as AppTest runs a function's source."""
    from app.views import yours

    yours.page()


@pytest.fixture
def page(checkpoints, library, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    return AppTest.from_function(yours, default_timeout=120)


def npz(weights=None, tokens=None, frame_seconds=0.04, **rest) -> bytes:
    file = io.BytesIO()
    weights = diagonal(6, 50) if weights is None else weights
    tokens = np.array(LETTERS if tokens is None else tokens)
    np.savez(file, weights=weights, tokens=tokens, frame_seconds=frame_seconds, **rest)
    return file.getvalue()


def bring(page, *files: tuple[str, bytes]):
    page.run()
    page.file_uploader(key="yours_files").set_value(
        [(name, content, "application/octet-stream") for name, content in files]
    )
    return page.run()


def play(page, content: bytes, name: str = "mine.wav"):
    page.file_uploader(key="yours_audio").set_value((name, content, "audio/wav"))
    return page.run()


def figures(page, kind: str) -> list[dict]:
    drawn = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return [figure for figure in drawn if figure["layout"]["meta"]["kind"] == kind]


def said(elements) -> str:
    return "\n".join(element.value for element in elements).replace("\\", "")


# --- the page -------------------------------------------------------------------------------------


def test_an_empty_page_says_what_it_is_for_and_offers_an_example(page):
    page.run()
    assert without_errors(page)
    assert "whoever trained it" in html_of(page)
    assert ".npz" in said(page.info)
    assert [button.label for button in page.button] == ["Show an example"]
    assert len(page.get("download_button")) == 1
    assert page.code[0].value == SNIPPET.strip()


def test_every_kind_of_file_gets_a_card_a_map_and_a_row(page):
    files = {"a.npz": npz(), "b.npy": npy(diagonal(5, 60)), "c.json": bytes_of(STABLE_TS)}
    bring(page, *files.items())
    assert without_errors(page)
    maps = figures(page, "map")
    assert [len(figure["layout"]["meta"]["tokens"]) for figure in maps] == [6, 5, 3]
    ends = {figure["layout"]["xaxis"]["range"][1] for figure in maps}
    assert list(ends) == [pytest.approx(60 * 0.04)]  # one time axis, of the longest
    rows = page.dataframe[0].value
    assert rows["name"].tolist() == list(files)
    own = diagnose(Alignment.load(files["a.npz"]))
    assert rows["monotonicity"][0] == pytest.approx(own.metrics["monotonicity"])
    assert html_of(page).count('class="attn-head"') == 3
    assert "names no tokens" in said(page.caption)
    assert not figures(page, "spectrogram")


def test_a_reversed_map_is_called_reversed(page):
    bring(page, ("good.npz", npz()), ("bad.npz", npz(diagonal(6, 50)[::-1])))
    assert without_errors(page)
    assert page.dataframe[0].value["verdict"].tolist()[1] == "reversed"
    assert "attn-icon-reverse" in html_of(page)


def test_a_file_that_is_wrong_says_so_in_its_card_and_the_others_are_shown(page):
    tall = npz(diagonal(6, 50) * 0.9)
    bring(page, ("bad.npz", b"PK"), ("good.npz", npz()), ("tall.npz", tall), ("x.json", b"{"))
    assert not page.exception
    errors = [said([error]) for error in page.error]
    assert "not a NumPy .npz archive" in errors[0]
    assert "sums to 0.9 instead of 1; renormalise" in errors[1]
    assert errors[2] == "the file is not JSON."
    assert all("\n" not in error for error in errors)
    assert len(figures(page, "map")) == 1
    page.toggle(key="yours_renormalise").set_value(True)
    page.run()
    assert len(page.error) == 2
    assert page.dataframe[0].value["name"].tolist() == ["good.npz", "tall.npz"]


def test_only_wrong_files_leave_a_calm_page(page):
    bring(page, ("bad.npz", b""))
    assert not page.exception
    assert len(page.error) == 1
    assert not page.dataframe


def test_the_seconds_of_a_frame_are_asked_for_where_a_file_does_not_say_them(page):
    bring(page, ("a.npz", npz()))
    assert not page.number_input
    bring(page, ("b.npy", npy(diagonal(5, 60))))
    page.number_input(key="yours_frame").set_value(20.0)
    page.run()
    assert without_errors(page)
    assert figures(page, "map")[0]["layout"]["xaxis"]["range"] == [0, pytest.approx(1.2)]


def test_words_that_were_said_give_error_rates(page):
    bring(
        page, ("a.npz", npz()), ("b.npy", npy(diagonal(5, 60))), ("c.npz", npz(reference="no no"))
    )
    rates = page.dataframe[0].value["wer"]
    assert rates.isna().tolist() == [True, True, False]
    assert rates[2] == pytest.approx(50.0)  # "no yes" for "no no"
    page.text_area(key="yours_reference").set_value("no yes")
    page.run()
    assert without_errors(page)
    rates = page.dataframe[0].value["wer"]
    assert rates.isna().tolist() == [False, True, False]
    assert rates[[0, 2]].tolist() == [0.0, 0.0]


def test_heads_are_shown_layer_by_layer_with_their_roles(page):
    weights = np.stack([np.stack([diagonal(6, 50), np.full((6, 50), 1 / 50)])] * 2)
    bring(page, ("heads.npz", npz(weights)), ("one.npz", npz()))
    assert without_errors(page)
    named = [text.value for text in page.markdown if text.value.startswith("**layer")]
    assert named == ["**layer 2, head 1** · aligner", "**layer 2, head 2** · diffuse"]
    assert page.selectbox(key="yours_heads").options == ["heads.npz"]
    assert len(figures(page, "map")) == 4
    page.selectbox(key="yours_layer heads.npz").set_value(0)
    page.run()
    assert [t.value for t in page.markdown if t.value.startswith("**layer 1, head 1")]


def test_a_recording_is_drawn_and_played_over_the_maps(page):
    bring(page, ("a.npz", npz(frame_seconds=0.02)))
    play(page, tone(1.0))
    assert without_errors(page)
    assert len(figures(page, "spectrogram")) == 1
    assert page.get("audio")
    assert not page.warning
    names = [shape["name"] for shape in figures(page, "map")[0]["layout"]["shapes"]]
    assert "speech" in names  # of the recording, as the file has none


@pytest.mark.parametrize(
    ("seconds", "message"),
    [(3.5, "recording goes on to 3.5 s"), (0.8, "recording ends at 0.8 s"), (2.2, None)],
)
def test_recordings_of_another_length_are_noticed(page, seconds, message):
    bring(page, ("a.npz", npz()))  # two seconds
    play(page, tone(seconds))
    assert without_errors(page)
    warnings = [text for text in (said([w]) for w in page.warning) if "frame_seconds" in text]
    assert len(warnings) == (message is not None)
    assert message is None or message in warnings[0]
    longest = max(2.0, seconds)
    for kind in ("map", "spectrogram"):
        assert figures(page, kind)[0]["layout"]["xaxis"]["range"] == [0, pytest.approx(longest)]


def test_a_recording_that_cannot_be_read_leaves_the_maps(page):
    bring(page, ("a.npz", npz()))
    play(page, b"no sound")
    assert not page.exception
    assert len(page.error) == 1
    assert len(figures(page, "map")) == 1


def test_the_example_is_shown_linked_and_forgotten(page):
    page.run()
    page.button[0].click()
    page.run()
    assert without_errors(page)
    assert page.query_params["example"] == "1"
    assert len(figures(page, "map")) == 2
    assert len(figures(page, "spectrogram")) == 1
    assert page.dataframe[0].value["wer"].notna().all()
    [forget] = [button for button in page.button if button.label == "Forget the example"]
    forget.click()
    page.run()
    assert "example" not in page.query_params
    assert not figures(page, "map")


def test_an_address_shows_the_example(page):
    page.query_params["example"] = "1"
    page.run()
    assert without_errors(page)
    assert len(figures(page, "map")) == 2


def test_the_example_file_is_one_this_page_reads(page, checkpoints):
    from app.data import example

    [first, _] = example.example().files
    assert Alignment.load(example.first_file()).tokens == Alignment.load(first.content).tokens
    found = Alignment.load(first.content)
    assert (found.variant, found.reference) == ("location", "no no no")
    bring(page, ("example.npz", first.content))
    assert without_errors(page)


def test_without_checkpoints_there_is_no_example_but_a_page(page, tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(tmp_path / "none"))
    page.query_params["example"] = "1"
    page.run()
    assert without_errors(page)
    assert not page.button
    assert not page.get("download_button")
    bring(page, ("a.npz", npz()))
    assert without_errors(page)


def test_what_is_brought_stays_in_its_session(page):
    bring(page, ("a.npz", npz(variant="<b>secret</b>")))
    assert "&lt;b&gt;secret" in html_of(page)
    assert "<b>secret" not in html_of(page)
    other = AppTest.from_function(yours, default_timeout=120).run()
    assert not figures(other, "map")
    assert "yours" not in other.query_params
    page.file_uploader(key="yours_files").set_value(None)
    page.run()
    assert not figures(page, "map")


def test_equal_names_and_too_many_files_are_told_apart(page, monkeypatch):
    monkeypatch.setattr("app.controls.yours.FILES", 2)
    bring(page, ("a.npz", npz()), ("a.npz", npz()), ("b.npz", npz()))
    assert without_errors(page)
    assert page.dataframe[0].value["name"].tolist() == ["a.npz", "a (2).npz"]
    assert "beyond the first 2 were left out (1)" in said(page.warning)


def test_every_control_has_help(page):
    weights = np.stack([np.stack([diagonal(6, 50)] * 2)] * 2)
    bring(page, ("a.npz", npz(weights)), ("b.npy", npy(diagonal(5, 60))))
    kinds = ("file_uploader", "text_area", "toggle", "number_input", "selectbox", "button",
             "download_button")  # fmt: skip
    controls = [control for kind in kinds for control in page.get(kind)]
    assert len(controls) > 8
    assert [control.proto.label for control in controls if not control.proto.help] == []


# --- reading --------------------------------------------------------------------------------------


def read(*files: File, recording=None, options=None):
    return uploads.read_all(files, options or ReadOptions(), recording, Store())


def test_files_of_equal_names_are_all_told_apart():
    names = ["a.npz", "a (2).npz", "a.npz", "a.npz"]
    outcomes = read(*(File(name, b"") for name in names))
    assert [outcome.name for outcome in outcomes] == [
        "a.npz", "a (2).npz", "a (3).npz", "a (4).npz",
    ]  # fmt: skip


def test_large_files_are_refused_before_they_are_unpacked(monkeypatch):
    monkeypatch.setattr(uploads, "BYTES", 1_000)
    [outcome] = read(File("a.npz", npz()))
    assert "MB of arrays" in outcome.error
    monkeypatch.undo()
    monkeypatch.setattr(uploads, "CELLS", 299)
    [outcome] = read(File("a.npz", npz()))
    assert UNPACKED in outcome.error


def test_all_files_together_have_a_limit_and_smaller_ones_still_fit(monkeypatch):
    monkeypatch.setattr(uploads, "CELLS_OF_ALL", 500)
    small = npz(diagonal(2, 20), ["a", "b"])
    outcomes = read(File("a.npz", npz()), File("b.npz", npz()), File("c.npz", small))
    assert [outcome.result is not None for outcome in outcomes] == [True, False, True]
    assert "files before it" in outcomes[1].error


def test_nothing_is_measured_twice(monkeypatch):
    store, asked, real = Store(), [], uploads.diagnose
    monkeypatch.setattr(uploads, "diagnose", lambda a: asked.append(a) or real(a))
    files = [File("a.npz", npz())]
    for options in (ReadOptions(), ReadOptions(), ReadOptions(renormalise=True)):
        uploads.read_all(files, options, None, store)
    assert len(asked) == 2


def test_speech_comes_from_the_file_else_from_the_recording():
    quiet = np.zeros(16_000, np.float32)
    recording = audio.load(tone(1.0))
    spoken = np.concatenate([quiet, recording.samples])
    late = type(recording)(spoken, 16_000)
    own = np.ones(50, bool)
    with_own, without = read(
        File("a.npz", npz(speech=own)), File("b.npz", npz()), recording=late
    )  # two seconds, the first silent
    assert with_own.result.decoded.alignment.speech.all()
    heard = without.result.decoded.alignment.speech
    assert not heard[:20].any()
    assert heard[30:45].all()
    [later] = read(File("c.npz", npz(start_seconds=1.0, frame_seconds=0.02)), recording=late)
    assert later.result.decoded.alignment.speech[5:40].all()  # the map starts where speech does


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["n", "o", " ", "y", "e", "s"], "no yes"),
        (["▁so", "▁it", "▁is", "▁he", "re", "<eos>"], "so it is here"),
        (["so", "it", "is", "what", "it", "is"], "so it is what it is"),
    ],
)
def test_text_is_put_together_from_tokens(tokens, text):
    [outcome] = read(File("a.npz", npz(tokens=tokens)))
    assert outcome.result.decoded.text == text


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["▁so", "▁he", "re", "<eos>"], ["so", "here"]),
        (["so", "it", "is"], ["so", "it", "is"]),
        (["n", "o", "<space>", "n", "o"], ["no", "no"]),
    ],
)
def test_words_of_other_toolkits_can_be_heard_one_by_one(tokens, words):
    alignment = Alignment.from_arrays(diagonal(len(tokens), 50), tokens, 0.04)
    found = timed_words(alignment)
    assert [word.text for word in found] == words
    assert all(first.start < second.start for first, second in pairwise(found))


def test_what_is_not_known_stands_beside_the_verdict():
    """A map in a longer window, without sound and without voice activity."""
    padded = np.pad(diagonal(8, 200), ((0, 0), (0, 1300)))
    [outcome] = read(File("a.npz", npz(weights=padded, tokens=[f"w{n}" for n in range(8)])))
    diagnosis, alignment = outcome.result.diagnosis, outcome.result.decoded.alignment
    assert diagnosis.verdict == "healthy"
    html = cards.evidence(diagnosis)
    assert "whether somebody spoke there is not known" in html
    assert "skips and early stops are not judged" in html
    assert "which audio is speech is not" in cards.badge("healthy", alignment)
    words = [{"word": "so", "start": -0.02, "end": 0.3}, {"word": "it", "start": 0.4, "end": 0.6}]
    [outcome] = read(File("a.json", json.dumps(words).encode()))
    assert outcome.result.decoded.alignment.remarks == (
        "1 word with a time before the recording starts at 0",
    )


@settings(max_examples=40)
@given(st.binary(max_size=200), st.sampled_from([".npz", ".npy", ".json", ""]))
def test_any_bytes_are_read_or_refused_in_one_sentence(content, ending):
    [outcome] = read(File(f"a{ending}", content))
    assert (outcome.result is None) == bool(outcome.error)
    assert "\n" not in outcome.error


# --- the document ---------------------------------------------------------------------------------


def test_the_example_of_the_document_writes_a_file_that_loads(tmp_path, monkeypatch):
    document = DOCUMENT.read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    assert code == SNIPPET
    assert len([line for line in code.splitlines() if line]) <= 6
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "document", "exec"), {})
    [outcome] = read(File("mine.npz", Path("mine.npz").read_bytes()))
    assert outcome.result.decoded.text == "yes we can"
    assert outcome.result.decoded.alignment.ended is True
    assert outcome.result.diagnosis.metrics["monotonicity"] == pytest.approx(1.0)


def test_the_document_says_the_limits_that_hold():
    document = DOCUMENT.read_text(encoding="utf-8")
    from app.controls.yours import FILE_MB

    limits = f"{uploads.FILES} files of {FILE_MB} MB each, and {uploads.CELLS // 10**6} million"
    assert limits in document.replace("\n", " ")
