"""The stress lab: levels, curves, maps at a level, its link and what it says when it cannot."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from app.charts.curves import Curve, Ladder, curves_figure, spread
from app.data import stress_lab
from app.data.metrics import METRICS
from app.links import stress as stress_links
from app.links.stress import StressView
from app.theme import DARK, LIGHT
from models import stress
from models.audio import Recording
from models.decoding.search import SearchOptions
from tests.support.pages import html_of, maps_of, without_errors
from tests.support.recordings import hum, tone

NORMALIZERS = ("none", "basic", "english")


def lab_page():
    """The page alone, as AppTest runs a function's source."""
    from app.views.stress import page as stress_page

    stress_page.page()


@pytest.fixture
def page(checkpoints, library, monkeypatch):
    import streamlit

    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    streamlit.cache_resource.clear()
    streamlit.cache_data.clear()
    found = AppTest.from_function(lab_page, default_timeout=120)
    found.query_params.update(variants="dot,location", levels="2")
    return found


def curves_of(page) -> dict[str, dict]:
    """Figures of curves by the title of their vertical axis."""
    figures = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return {
        figure["layout"]["yaxis"]["title"]["text"]: figure
        for figure in figures
        if figure["layout"]["meta"]["kind"] == "curves"
    }


def test_curves_of_wer_and_a_metric_and_the_maps_of_the_hardest_level(page):
    page.run()
    assert without_errors(page)
    drawn = curves_of(page)
    assert list(drawn) == ["WER (%), normaliser “basic”", "monotonicity (no unit)"]
    for figure in drawn.values():
        assert [trace["name"] for trace in figure["data"]] == ["dot", "location"]
        assert figure["layout"]["xaxis"]["ticktext"] == ["as it is", "2"]
        assert "times heard" in figure["layout"]["xaxis"]["title"]["text"]
    table = next(
        text for text in map(str, [e.value for e in page.get("html")]) if "attn-lab" in text
    )
    assert table.count('class="attn-badge') == 4  # two mechanisms at two levels, icon and words
    maps = maps_of(page)
    assert set(maps) == {"dot", "location"}
    assert maps["dot"]["layout"]["xaxis"]["range"] == [0, 2]  # a second, twice
    assert "no no no no no no" in html_of(page)


def test_the_maps_of_another_level_decode_nothing_again(page, monkeypatch):
    from app.data import decoding

    page.run()
    asked = []
    monkeypatch.setattr(decoding, "compare", lambda *a, **k: asked.append(a))
    page.button_group(key="lab_at_repeat").set_value(1.0)
    page.run()
    assert without_errors(page)
    assert asked == []
    assert maps_of(page)["dot"]["layout"]["xaxis"]["range"] == [0, 1]
    assert page.query_params["at"] == "plain"


def test_every_metric_on_request(page):
    page.query_params.update(variants="dot", metrics="all")
    page.run()
    assert without_errors(page)
    assert len(curves_of(page)) == 1 + len(METRICS)
    page.toggle(key="lab_every").set_value(False)
    page.run()
    assert len(curves_of(page)) == 2


@pytest.mark.parametrize("name", list(stress_lab.SCALES))
def test_every_stress_is_decoded_and_drawn(page, name):
    level = {"repeat": "3", "silence": "0.5", "speed": "2", "cut": "0.5"}.get(name, "1")
    page.query_params.update(variants="location", stress=name, levels=level)
    page.run()
    assert without_errors(page)
    wer = curves_of(page)["WER (%), normaliser “basic”"]["data"][0]["y"]
    assert wer[0] is not None
    assert (wer[1] is None) == (name == "cut")  # which words are left is not known
    ends = {"repeat": 3, "silence": 1.5, "speed": 0.5, "cut": 0.5}
    assert maps_of(page)["location"]["layout"]["xaxis"]["range"] == [0, ends.get(name, 1)]


def test_a_level_that_is_too_long_is_said_and_the_others_are_drawn(page):
    page.query_params.update(variants="dot", levels="2", stress="silence")
    page.run()
    page.multiselect(key="lab_levels_silence").set_value(["2", "600"])
    page.run()
    assert without_errors(page)
    assert "601 s, longer than the limit of 600 s" in page.warning[0].value
    assert curves_of(page)["monotonicity (no unit)"]["layout"]["xaxis"]["ticktext"] == [
        "as it is",
        "2",
    ]


def test_what_is_no_level_is_refused_in_place(page):
    page.run()
    page.session_state["lab_levels_repeat"] = ["2", "2.5", "<b>many</b>"]
    page.run()
    assert without_errors(page)
    assert [("2.5" in w.value, "whole number from 1 to 100" in w.value) for w in page.warning] == [
        (True, True),
        (False, True),
    ]
    assert "levels" in page.query_params
    assert page.query_params["levels"] == "2"


def test_stopped_halfway_it_shows_what_there_is_and_goes_on(page):
    page.query_params["variants"] = "dot"
    page.run()
    page.multiselect(key="lab_levels_repeat").set_value(["2", "3"])
    from app.data import decoding

    digest = decoding.digest_of(decoding.audio.load(tone(), name="buzz"))
    page.session_state["lab_stopped"] = (digest, "repeat", 0.0, SearchOptions())
    page.button_group(key="lab_at_repeat").set_value(2.0)
    page.run()
    assert without_errors(page)
    assert "Stopped after 2 of 3." in [text.value for text in page.markdown]
    assert curves_of(page)["monotonicity (no unit)"]["data"][0]["y"][2] is None
    page.button(key="lab_stopped_continue").click()
    page.run()
    assert curves_of(page)["WER (%), normaliser “basic”"]["data"][0]["y"][2] is not None


def test_without_what_was_said_there_are_metrics_only(page):
    page.run()
    page.text_area[0].set_value("")
    page.run()
    assert without_errors(page)
    assert list(curves_of(page)) == ["monotonicity (no unit)"]
    assert "Write what is said" in page.info[0].value


def test_nothing_chosen(page):
    page.query_params["variants"] = "dot"
    page.run()
    page.multiselect(key="lab_levels_repeat").set_value([])
    page.run()
    assert without_errors(page)
    assert "at least one level" in page.info[0].value
    for group in page.get("button_group"):
        if group.key and group.key.startswith("family "):
            group.set_value([])
    page.run()
    assert without_errors(page)
    assert "at least one mechanism" in page.info[0].value


def test_a_broken_checkpoint_does_not_stop_the_others(page, copied):
    (copied / "location.safetensors").write_bytes(b"broken")
    page.run()
    assert not page.exception
    assert len(page.error) == 1
    assert "location" in page.error[0].value
    dot, location = curves_of(page)["WER (%), normaliser “basic”"]["data"]
    assert None not in dot["y"]
    assert location["y"] == [None, None]
    assert list(maps_of(page)) == ["dot"]


def test_maps_the_store_forgot_leave_the_curves(page, monkeypatch):
    from app.data import decoding

    page.query_params["variants"] = "dot"
    page.run()
    decoding.shared_store()._results.clear()
    asked, real = [], decoding.compare
    monkeypatch.setattr(decoding, "compare", lambda *a, **k: asked.append(a) or real(*a, **k))
    page.run()
    assert without_errors(page)
    assert len(asked) == 1  # the level whose maps are shown
    assert asked[0][0].seconds == 2


def test_without_checkpoints_the_page_says_so(page, tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(tmp_path / "nothing"))
    page.run()
    assert not page.exception
    assert "No mechanism has a checkpoint" in page.error[0].value


def test_every_control_has_help(page):
    page.query_params["variants"] = "dot"
    page.run()
    kinds = ("button_group", "selectbox", "slider", "toggle", "multiselect", "button", "text_area")
    controls = [control for kind in kinds for control in page.get(kind)]
    assert len(controls) > 14
    assert [control.label for control in controls if not control.proto.help] == []


# --- recordings


def trial(name: str, seconds: float = 2.0, gap: float = 0.0) -> stress_lab.Trial:
    return stress_lab.Trial(
        Recording(hum(seconds), 16_000), "d", "one two", stress.STRESSES[name], (), gap
    )


@pytest.mark.parametrize(
    ("name", "level", "gap"),
    [("repeat", 3, 0.0), ("repeat", 3, 0.5), ("silence", 1.5, 0), ("cut", 0.25, 0),
     ("speed", 2, 0), ("speed", 0.5, 0), ("snr", 5, 0), ("babble", 5, 0), ("reverb", 0.5, 0)],
)  # fmt: skip
def test_how_long_a_level_lasts_is_known_before_it_is_made(name, level, gap):
    heard = stress_lab.made(trial(name).recording, "d", name, level, gap)
    assert heard.seconds == pytest.approx(stress_lab.seconds(trial(name, gap=gap), level), abs=1e-3)


@pytest.mark.parametrize("name", list(stress_lab.SCALES))
def test_the_plain_level_is_the_recording_itself(name):
    subject = trial(name)
    assert stress_lab.heard(subject, stress_lab.SCALES[name].plain) is subject.recording
    assert stress_lab.request(subject, stress_lab.SCALES[name].plain, SearchOptions()).digest == "d"
    assert stress_lab.reference(subject, stress_lab.SCALES[name].plain) == "one two"
    assert (
        stress_lab.in_order(name, stress_lab.SCALES[name].usual)[0] == stress_lab.SCALES[name].plain
        or name == "speed"
    )


def test_the_same_noise_every_time():
    first, second, other = (
        stress_lab.made(trial("snr").recording, digest, "snr", 5.0, 0.0).samples
        for digest in ("one", "one", "two")
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_recording_too_short_after_the_cut():
    assert "20 ms are left" in stress_lab.problem(trial("cut"), 0.01)
    assert stress_lab.problem(trial("cut"), 0.02) == ""


@pytest.mark.parametrize(
    ("name", "text", "level"),
    [("repeat", "2", 2), ("repeat", "2.5", None), ("repeat", "0", None), ("snr", "-5", -5),
     ("snr", "nan", None), ("snr", "inf", None), ("speed", "0,5", 0.5), ("cut", "", None)],
)  # fmt: skip
def test_levels_as_people_write_them(name, text, level):
    assert stress_lab.level_of(name, text) == level


# --- links


@pytest.mark.parametrize(
    "view",
    [
        StressView(),
        StressView("buzz", None, None, ("dot",), SearchOptions(beam=3), "english", "snr",
                   (10.0, -5.0), 0.0, math.inf, "focus", True),
        StressView(run="r", utterance="u", levels=(2.0, 5.0), gap=1.5, at=5.0),
    ],
)  # fmt: skip
def test_links_are_read_as_they_were_written(view):
    written = stress_links.write(view)
    assert stress_links.read(written, {"buzz": None}, {"dot": None}, NORMALIZERS) == view


def test_links_with_nonsense_are_harmless():
    params = {"stress": "concatenate", "levels": "x,,1e9,-1", "gap": "99", "at": "<b>",
              "metric": "__class__", "sample": "../x"}  # fmt: skip
    assert stress_links.read(params, {}, {}, NORMALIZERS) == StressView()


# --- figures


def test_curves_are_told_apart_without_colour_and_named_at_their_end():
    curves = [Curve(f"m{n}", n, (n, 50.0 + n / 100)) for n in range(19)]
    ladder = Ladder("noise (dB)", (math.inf, 10.0), ("as it is", "10"))
    for palette in (LIGHT, DARK):
        figure = curves_figure(curves, ladder, "WER (%)", palette)
        looks = {(t.line.dash, t.marker.symbol) for t in figure.data}
        assert len(looks) == 19
        shades = [trace.line.color for trace in figure.data]
        assert all(one != other for one, other in pairwise(shades))  # relatives are neighbours
        assert len(set(shades)) == 9
        names = figure.layout.annotations
        assert {name.text for name in names} == {curve.name for curve in curves}
        left, right = figure.layout.xaxis.range
        assert left > right  # less noise on the left
        assert figure.layout.xaxis.title.text == "noise (dB)"


def test_a_curve_without_values_is_not_named():
    figure = curves_figure(
        [Curve("a", 0, (None, None)), Curve("b", 1, (1.0, None))],
        Ladder("x (s)", (0.0, 1.0), ("0", "1")),
        "y (s)",
        LIGHT,
    )
    assert [(name.text, name.x, name.y) for name in figure.layout.annotations] == [("b", 0.0, 1.0)]


@given(st.lists(st.floats(0, 300), max_size=15))
def test_names_never_cover_each_other(places):
    rows = spread(sorted(places), 17, 330)
    assert all(b - a >= 17 - 1e-6 for a, b in pairwise(rows))
    assert all(row <= 330 for row in rows)
