"""The dashboard without a browser: what the page says and draws, and how it fails."""

import io

import numpy as np
import pytest
import soundfile
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.metrics.diagonality import BAND_SHARE, LEAST_BAND_SECONDS
from analysis.scoring.errors import NORMALISERS, score
from app.data import decoding, samples
from app.data.metrics import METRICS
from app.links import compare as compare_links
from app.links.compare import View
from app.markup import cards
from app.theme import NOTHING_SAID, SIGNS, SPEECH_UNKNOWN
from models.decoding.search import SearchOptions
from tests.support.pages import (
    MAIN,
    choose,
    choose_source,
    html_of,
    maps_of,
    upload,
    without_errors,
)
from tests.support.recordings import WORDS, tone


@pytest.fixture
def page(checkpoints, library, monkeypatch):
    """The page before its first run."""
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    st.cache_resource.clear()
    st.cache_data.clear()
    return AppTest.from_file(MAIN, default_timeout=120)


def test_first_visit_decodes_the_first_sample_with_every_trained_variant(page):
    page.run()
    assert without_errors(page)
    assert "A buzz" in html_of(page)
    assert WORDS in html_of(page)
    drawn = maps_of(page)
    trained = {info.name for info in decoding.models().infos() if info.checkpoint}
    assert set(drawn) == trained
    assert page.dataframe[0].value["name"].tolist() == list(drawn)
    for figure in drawn.values():
        axis = figure["layout"]["yaxis"]
        assert axis["tickvals"] == list(range(len(figure["layout"]["meta"]["tokens"])))
        assert figure["data"][0]["z"]["dtype"] == "u1"
        assert figure["layout"]["xaxis"]["range"] == [0, 1]


def test_every_control_has_help(page):
    page.run()
    page.session_state["window_on"] = True
    page.run()
    kinds = ("button_group", "selectbox", "slider", "toggle", "button", "text_area")
    controls = [control for kind in kinds for control in page.get(kind)]
    assert len(controls) > 12
    assert [control.label for control in controls if not control.proto.help] == []


def test_nothing_is_decoded_twice(page, monkeypatch):
    page.run()
    asked = []
    real = decoding.compare

    def counting(recording, names, options, **rest):
        asked.append((tuple(names), options))
        return real(recording, names, options, **rest)

    monkeypatch.setattr(decoding, "compare", counting)
    page.text_area[0].set_value("something else")
    page.run()
    assert asked == []
    page.slider(key="beam").set_value(2)
    page.run()
    assert [options.beam for _, options in asked] == [2]
    page.slider(key="beam").set_value(1)
    page.run()
    assert len(asked) == 1
    assert without_errors(page)


def test_results_of_an_upload_stay_in_its_session(page):
    upload(page, tone(0.8))
    assert without_errors(page)
    assert maps_of(page)
    digests = {key[0] for key in page.session_state["private_store"]._results}
    assert digests == {decoding.digest_of(decoding.audio.load(tone(0.8)))}
    assert digests.isdisjoint(key[0] for key in decoding.shared_store()._results)
    other = AppTest.from_file(MAIN, default_timeout=120)
    other.run()
    assert "mine.wav" not in html_of(other)
    assert "private_store" not in other.session_state


def test_same_name_other_sound_is_another_recording(page):
    upload(page, tone(0.8))
    first = maps_of(page)["ctc"]["layout"]["xaxis"]["range"]
    page.file_uploader[0].set_value(("mine.wav", tone(1.2), "audio/wav"))
    page.run()
    assert first == [0, 0.8]
    assert maps_of(page)["ctc"]["layout"]["xaxis"]["range"] == [0, 1.2]


def test_microphone(page):
    choose_source(page, "Record")
    assert "sentence in English" in page.info[0].value
    page.get("audio_input")[0].set_value(("speech.wav", tone(0.7), "audio/wav"))
    page.run()
    assert without_errors(page)
    assert maps_of(page)


def bring(page, kind: str, name: str, content: bytes):
    """Put this file, or this speech, in the place of the one before."""
    control = page.file_uploader[0] if kind == "Upload" else page.get("audio_input")[0]
    control.set_value((name, content, "audio/wav"))
    return page.run()


@pytest.mark.parametrize("kind", ["Upload", "Record"])
def test_what_was_said_belongs_to_its_recording(page, kind):
    choose_source(page, kind)
    page.text_area[0].set_value("said before the first").run()
    bring(page, kind, "same.wav", tone(0.8))
    assert page.text_area[0].value == "said before the first"
    page.text_area[0].set_value("said in the first").run()
    assert "said in the first" in html_of(page)
    bring(page, kind, "same.wav", tone(0.9))
    assert page.text_area[0].value == ""
    assert "said in the first" not in html_of(page)
    assert page.dataframe[0].value["wer"].isna().all()
    bring(page, kind, "other.wav", tone(0.8))
    assert page.text_area[0].value == "said in the first"
    assert "said in the first" in html_of(page)
    assert without_errors(page)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"this is a text file, not a recording " * 20, "not an audio file"),
        (b"", "not an audio file"),
        (tone(0.0), "empty"),
        (tone(0.01), "short"),
        (tone(601, rate=4_000), "long"),
    ],
    ids=["text", "no bytes", "no samples", "too short", "too long"],
)
def test_a_recording_that_cannot_be_used_is_refused_in_one_sentence(page, content, part):
    upload(page, content)
    assert not page.exception
    assert len(page.error) == 1
    assert part in page.error[0].value
    assert maps_of(page) == {}
    page.file_uploader[0].set_value(("good.wav", tone(0.8), "audio/wav"))
    page.run()
    assert without_errors(page)
    assert maps_of(page)


def test_what_was_converted_is_said(page):
    upload(page, tone(0.8, rate=8_000))
    assert any("8" in warning.value for warning in page.warning)
    assert without_errors(page)


def test_no_variant_chosen(page):
    page.run()
    choose(page, [])
    page.run()
    assert without_errors(page)
    assert "at least one mechanism" in page.info[0].value
    choose(page, ["ctc"])
    page.run()
    assert list(maps_of(page)) == ["ctc"]


def test_untrained_variants_are_named_and_cannot_be_chosen(page, copied):
    for ending in ("safetensors", "json"):
        (copied / f"dot.{ending}").unlink()
    page.query_params["variants"] = "dot,ctc"
    page.run()
    captions = " ".join(caption.value for caption in page.caption)
    offered = {option for group in page.get("button_group") for option in group.options}
    assert "Not trained yet: `dot`" in captions
    assert "additive" in offered
    assert "dot" not in offered
    assert list(maps_of(page)) == ["ctc"]


def test_without_checkpoints_the_page_says_so(page, tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(tmp_path / "nothing"))
    page.run()
    assert not page.exception
    assert "No mechanism has a checkpoint" in page.error[0].value


def test_a_broken_checkpoint_does_not_stop_the_others(page, copied):
    (copied / "location.safetensors").write_bytes(b"broken")
    page.query_params["variants"] = "dot,location,ctc"
    page.run()
    assert not page.exception
    assert len(page.error) == 1
    assert "location" in page.error[0].value
    assert list(maps_of(page)) == ["dot", "ctc"]


def test_text_from_users_is_shown_as_text(page):
    page.run()
    evil = "<img src=x onerror=alert(1)> **bold**"
    page.text_area[0].set_value(evil)
    page.run()
    assert "<img" not in html_of(page)
    assert "&lt;img" in html_of(page)
    upload(page, tone(0.8), name="<script>x</script>.wav")
    assert "<script>" not in html_of(page)


def test_link_reproduces_the_view(page):
    page.query_params["sample"] = "buzz"
    page.query_params["variants"] = "location,ctc"
    page.query_params["beam"] = "3"
    page.query_params["rows"] = "all"
    page.run()
    assert without_errors(page)
    assert set(maps_of(page)) == {"location", "ctc"}
    assert page.slider(key="beam").value == 3
    assert page.toggle(key="every_token").value is True
    assert page.query_params["variants"] == "location,ctc"


def test_controls_keep_their_values_while_they_are_hidden(page):
    (samples.FOLDER / "second.wav").write_bytes(tone(0.6))
    with (samples.FOLDER / "manifest.tsv").open("a") as manifest:
        manifest.write(f"second.wav\t{WORDS}\tAnother\n")
    page.query_params.update(variants="ctc", sample="second", window="0.3-0.7")
    page.run()
    page.toggle(key="window_on").set_value(False)
    page.button_group(key="source").set_value("Upload")
    page.run()
    page.button_group(key="source").set_value("Sample")
    page.toggle(key="window_on").set_value(True)
    page.run()
    assert without_errors(page)
    assert page.selectbox(key="sample").value == "second"
    assert page.slider(key="window").value == (0.3, 0.7)
    assert page.query_params["window"] == "0.3-0.7"


def test_link_with_nonsense_is_harmless(page):
    page.query_params["sample"] = "../../etc/passwd"
    page.query_params["variants"] = "nothing,<b>"
    page.query_params["beam"] = "1e9"
    page.query_params["window"] = "x-y"
    page.run()
    assert without_errors(page)
    assert "A buzz" in html_of(page)
    assert page.slider(key="beam").value == 1


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View(sample="buzz", variants=("dot", "ctc"), every_token=True, normalizer="english"),
        View(special=True, blink=("ctc", "equal")),
        View(options=SearchOptions(beam=8, ctc_weight=0.3, temperature=0.5, window=(0.5, 1.5))),
        View(options=SearchOptions(max_length_ratio=0.4, length_penalty=-0.5, coverage_penalty=1)),
    ],
)
def test_links_are_read_as_they_were_written(view):
    variants = dict.fromkeys(("dot", "ctc", "equal"))
    normalizers = ("none", "basic", "english")
    assert (
        compare_links.read(compare_links.write(view), {"buzz": None}, variants, normalizers) == view
    )


def test_store_forgets_the_oldest_recording_first_and_the_present_one_never(page):
    page.run()
    results = [result for _, result in decoding.shared_store()._results.items()][:2]
    store = decoding.Store(limit=decoding._size(results[0]))
    keys = [(digest, SearchOptions(), name) for digest in "ab" for name in ("dot", "location")]
    for key, result in zip(keys[:2], results, strict=True):
        store.put(key, result)
    assert [store.get(key) for key in keys[:2]] == results  # more than the limit, of one recording
    for key, result in zip(keys[2:], results, strict=True):
        store.put(key, result)
    assert [store.get(key) for key in keys[:2]] == [None, None]
    assert [store.get(key) for key in keys[2:]] == results
    assert store.bytes == sum(decoding._size(result) for result in results)


@pytest.mark.parametrize(
    ("verdict", "speech", "help"),
    [
        ("healthy", None, SPEECH_UNKNOWN),
        ("healthy", [True, False], SIGNS["healthy"].help),
        ("healthy", [False, False], NOTHING_SAID),
        ("loop", [False, False], SIGNS["loop"].help),
    ],
)
def test_without_speech_there_is_nothing_to_judge(verdict, speech, help):
    from analysis.alignment import Alignment

    alignment = Alignment.from_arrays(np.eye(2), ["a", "b"], 0.1, speech=speech)
    html = cards.badge(verdict, alignment)
    assert f'title="{help}"' in html


def test_silence_is_not_praised_on_the_page(page):
    silence = io.BytesIO()
    soundfile.write(silence, np.zeros(16_000, np.float32), 16_000, format="WAV")
    upload(page, silence.getvalue())
    assert any("no speech" in warning.value for warning in page.warning)
    assert maps_of(page)
    assert NOTHING_SAID in html_of(page)
    assert SIGNS["healthy"].help not in html_of(page)


@pytest.mark.parametrize(
    ("reference", "shown"),
    [("a b", "<b>50 %</b> WER"), ("...", "1 word inserted"), ("-", "1 word inserted")],
)
def test_where_there_is_no_rate_insertions_are_counted(reference, shown):
    assert cards.rated(score(reference, "a")) == shown


def test_numbers_are_explained_as_they_are_measured(page):
    for name in ("diagonality", "path_diagonality"):
        assert f"{100 * BAND_SHARE:.0f} % of" in METRICS[name].help
        assert f"at least {LEAST_BAND_SECONDS:g} s" in METRICS[name].help
    page.run()
    explained = page.selectbox(key="normalizer").proto.help
    assert all(f"“{name}”" in explained for name in NORMALISERS)
