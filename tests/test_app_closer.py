"""The page about one mechanism: heads, the anatomy of a step, and what if."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.data import runs
from app.links import closer as closer_links
from app.links.closer import CloserView
from models.attention.base import mechanisms
from models.decoding.search import SearchOptions
from tests.support.evaluated_runs import real_run
from tests.support.pages import html_of, without_errors

RNN = [name for name, info in mechanisms().items() if hasattr(info.cls, "energies")]


def closer():
    """The page alone, as AppTest runs a function's source."""
    from app.views.closer import page as closer_page

    closer_page.page()


@pytest.fixture
def page(checkpoints, library, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    return AppTest.from_function(closer, default_timeout=120)


def figures(page) -> dict[str, dict]:
    found = {}
    for chart in page.get("plotly_chart"):
        figure = json.loads(chart.proto.spec)
        found.setdefault(figure["layout"]["meta"]["kind"], figure)
    return found


def address(page) -> dict[str, str]:
    """What stands in the address, which AppTest has as lists once the page wrote it."""
    found = dict(page.query_params)
    return {name: value if isinstance(value, str) else value[0] for name, value in found.items()}


@pytest.mark.parametrize("name", RNN)
def test_every_mechanism_can_be_taken_apart(page, name):
    page.query_params["variant"] = name
    page.run()
    assert without_errors(page)
    drawn = figures(page)
    assert {"spectrogram", "map", "anatomy", "output", "vector"} <= set(drawn)
    names = [trace["name"] for trace in drawn["anatomy"]["data"]]
    assert names[-1] == "weight"
    terms = names[:-1]
    assert ("sum" in terms) == (len(terms) > 1)
    assert "=" in page.code[0].value or "~" in page.code[0].value


def test_heads_are_shown_one_by_one_with_their_roles(page):
    page.query_params["variant"] = "multi_head_loc"
    page.run()
    assert without_errors(page)
    heads = [text.value for text in page.markdown if text.value.startswith("**head")]
    assert len(heads) == 2
    assert all(" · " in text for text in heads)


def test_ctc_has_no_step_and_says_why(page):
    page.query_params["variant"] = "ctc"
    page.run()
    assert without_errors(page)
    assert "no attention" in page.info[0].value
    assert "anatomy" not in figures(page)


def test_a_change_shows_the_decoding_before_and_after(page):
    page.query_params["variant"] = "location"
    page.run()
    assert "Changed" not in html_of(page)
    page.multiselect(key="if_dropped").set_value(["location"])
    page.run()
    assert without_errors(page)
    assert "As decoded" in html_of(page)
    assert "Changed" in html_of(page)
    page.toggle(key="if_move").set_value(True)
    page.toggle(key="if_hide").set_value(True)
    page.run()
    assert without_errors(page)
    assert page.slider(key="if_peak").value == pytest.approx(0.5)


def test_the_step_is_in_the_address_and_stays_within_the_decoding(page):
    page.query_params.update(variant="additive", step="99999")
    page.run()
    assert without_errors(page)
    slider = page.select_slider(key="closer_step")
    assert slider.value == len(slider.options) - 1
    slider.set_value(0)
    page.run()
    assert "step" not in page.query_params


def test_every_control_has_help(page):
    page.query_params["variant"] = "multi_head_dot"
    page.run()
    kinds = ("button_group", "selectbox", "slider", "select_slider", "toggle", "multiselect")
    controls = [control for kind in kinds for control in page.get(kind)]
    assert len(controls) > 8
    assert [control.label for control in controls if not control.proto.help] == []


@pytest.fixture(scope="module")
def real(checkpoints, tmp_path_factory) -> Path:
    """A folder with one run of three hums, heard by CTC among others."""
    folder = tmp_path_factory.mktemp("sets")
    real_run(folder / "corpus", checkpoints, folder / "runs" / "hums")
    return folder / "runs"


@pytest.mark.parametrize("name", ["ctc", "location"])
def test_a_recording_of_a_run_stays_in_the_address(page, real, monkeypatch, name):
    """Whether or not the mechanism has steps to take apart."""
    monkeypatch.setenv(runs.FOLDER, str(real))
    link = {"run": "hums", "utterance": "u1", "variant": name}
    page.query_params.update(link)
    page.run()
    assert without_errors(page)
    assert address(page) == link
    assert figures(page)["map"]["layout"]["meta"]["variant"] == name
    page.selectbox(key="utterance").set_value("u2")
    page.run()
    assert without_errors(page)
    assert address(page)["utterance"] == "u2"
    page.button_group(key="source").set_value("Sample")
    page.run()
    assert {"run", "utterance"}.isdisjoint(page.query_params)


def test_what_led_to_a_recording_is_what_is_looked_at(page, real, monkeypatch):
    monkeypatch.setenv(runs.FOLDER, str(real))
    run = runs.library()["hums"]
    page.session_state.heard = runs.RunRecording(run, "u0", "ctc")
    page.session_state.source = "Run"
    page.run()
    assert without_errors(page)
    assert page.selectbox(key="closer_variant").value == "ctc"
    assert address(page)["variant"] == "ctc"
    page.selectbox(key="closer_variant").set_value("location")
    page.run()
    assert address(page)["variant"] == "location"


def test_a_step_is_still_there_after_a_mechanism_without_steps(page):
    page.query_params["variant"] = "additive"
    page.run()
    page.select_slider(key="closer_step").set_value(2)
    page.run()
    for name in ("ctc", "additive"):
        page.selectbox(key="closer_variant").set_value(name)
        page.run()
    assert page.select_slider(key="closer_step").value == 2


def test_without_checkpoints_the_page_says_so(page, tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(tmp_path))
    page.run()
    assert not page.exception
    assert "No mechanism has a checkpoint" in page.error[0].value


@pytest.mark.parametrize(
    "view",
    [
        CloserView(),
        CloserView("buzz", "dot", SearchOptions(beam=4, window=(0.5, 1.5)), 7),
        CloserView(run="set", utterance="u 1/2", kind="encoder", layer=1),
    ],
)
def test_links_are_read_as_they_were_written(view):
    known = {"dot": None}
    assert closer_links.read(closer_links.write(view), {"buzz": None}, known) == view


def test_links_with_nonsense_are_harmless():
    params = {"sample": "../x", "variant": "<b>", "step": "-3", "beam": "nan"}
    params |= {"heads": "<b>", "layer": "0"}
    assert closer_links.read(params, {}, {}) == CloserView()


def too_large(page) -> list[bool]:
    assert not page.exception
    return ["more memory than there is" in each.value for each in page.error]


def test_a_changed_decoding_that_does_not_fit_into_the_memory_is_said_in_its_place(
    page, monkeypatch
):
    page.query_params["variant"] = "dot"
    page.run()
    monkeypatch.setattr("models.anatomy.available_bytes", lambda: 1000)
    page.slider(key="if_temperature").set_value(0.5)
    page.run()
    assert too_large(page) == [True]


def test_self_attention_that_does_not_fit_into_the_memory_is_said_in_its_place(page, monkeypatch):
    monkeypatch.setattr("models.decoders.transformer.available_bytes", lambda: 1000)
    page.query_params.update(variant="transformer", heads="decoder")
    page.run()
    assert too_large(page) == [True]
