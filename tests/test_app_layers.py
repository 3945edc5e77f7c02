"""Heads of every kind and layer: their maps, their roles, and the page that shows them."""

import json

import numpy as np
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from analysis.alignment import Alignment
from app import charts
from app.charts.quantise import mean_pool
from app.charts.self_attention import frames_map, tokens_map
from app.data import decoding
from app.data.self_attention import FINEST, PALE, START, SelfAttention, square_heads
from app.theme import LIGHT
from tests.support.checkpoints import TINY_TRANSFORMER
from tests.support.pages import without_errors
from tests.test_app_closer import address, closer

LAYERS = {"cross": TINY_TRANSFORMER.decoder_layers, "encoder": TINY_TRANSFORMER.encoder_layers,
          "decoder": TINY_TRANSFORMER.decoder_layers}  # fmt: skip
DRAWN = {"cross": "map", "encoder": "frames", "decoder": "tokens"}
NOTHING_GLOBAL = np.zeros((1, 1, 500))


def line(size: int) -> np.ndarray:
    """(1, 1, n, n): one head whose positions look at themselves alone."""
    return np.eye(size)[None, None]


# --- maps as they travel


@given(some.lists(some.floats(0, 1), max_size=40), some.integers(1, 9))
def test_the_mean_of_pooled_shares_is_the_mean(values, step):
    values = np.array(values)
    pooled = mean_pool(values, step)
    assert len(pooled) == -(-len(values) // step)
    counts = [len(values[first : first + step]) for first in range(0, len(values), step)]
    assert np.dot(pooled, counts) == pytest.approx(values.sum())


def test_a_thin_line_survives_on_a_map_larger_than_a_screen():
    (head,) = square_heads(line(500), NOTHING_GLOBAL)
    rows, columns = head.levels.cells.shape
    assert rows <= FINEST[0]
    assert columns <= FINEST[1]
    assert head.levels.cells.max(axis=1).min() == 255
    assert head.role == "diagonal"
    assert len(head.on_global) == rows


def test_looking_everywhere_is_pale_and_one_strong_weight_does_not_dim_the_rest():
    size = 100
    (even,) = square_heads(np.full((1, 1, size, size), 1 / size), NOTHING_GLOBAL[..., :size])
    assert set(even.levels.cells.ravel().tolist()) == {round(255 / PALE)}
    weights = np.full((1, 1, size, size), 0.2 / (size - 1))
    weights[0, 0, :, 3] = 0.8  # one column in a hundred: a sink that everybody sees
    weights[0, 0, 0], weights[0, 0, 0, 0] = 0, 1
    (sink,) = square_heads(weights, NOTHING_GLOBAL[..., :size])
    assert sink.levels.top == pytest.approx(0.8)
    assert sink.role == "sink"


def test_decoder_heads_know_what_they_look_at():
    weights = np.zeros((1, 1, 30, 30))
    weights[..., 0] = 1  # all look at the start
    columns = (START, *"to be or not to be that is the")[:30]
    (head,) = square_heads(weights, NOTHING_GLOBAL[..., :30], columns)
    assert (head.role, "mark" in head.evidence) == ("sink", True)


# --- figures


def test_frames_lie_at_their_seconds_on_both_axes():
    (head,) = square_heads(line(500), NOTHING_GLOBAL)
    figure = frames_map(
        head.levels, head.on_global, frame_seconds=0.04, seconds=20.0, palette=LIGHT
    )
    heat = figure.data[0]
    for row in (0, 60, len(heat.z) - 1):
        column = int(np.argmax(heat.z[row]))
        down, across = heat.y0 + row * heat.dy, heat.x0 + column * heat.dx
        assert down == pytest.approx(across, abs=max(heat.dx, heat.dy))
    assert heat.y0 - heat.dy / 2 == pytest.approx(0)
    assert heat.x0 - heat.dx / 2 == pytest.approx(0)
    assert heat.y0 + (len(heat.z) - 0.5) * heat.dy >= 20
    assert figure.layout.yaxis.range == (20, 0)
    assert figure.layout.meta["kind"] == "frames"
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        assert "(s)" in axis.title.text


def test_columns_of_text_are_what_was_written_before():
    tokens = [*"no", "<eos>"]
    (head,) = square_heads(line(3), NOTHING_GLOBAL[..., :3], (START, "n", "o"))
    figure = tokens_map(
        head.levels,
        np.array([0.0, 0.5, 1.0]),
        tokens=tokens,
        columns=(START, "n", "o"),
        peaks=np.array([0.1, 0.2, 0.3]),
        palette=LIGHT,
    )
    assert list(figure.layout.xaxis.ticktext) == ["‹start›", "n", "o"]
    assert list(figure.layout.yaxis.ticktext) == ["n", "o", "‹end›"]
    assert figure.layout.meta["columns"] == ["‹start›", "n", "o"]
    strip = figure.data[1]
    assert list(strip.x) == [0, 0.5, 1]
    assert list(strip.y) == [0, 1, 2]


@pytest.mark.parametrize("special", [True, False])
def test_the_global_token_stands_beside_the_rows_that_are_shown(special):
    alignment = Alignment.from_arrays(np.eye(3, dtype=np.float32), ["a", "b", "<eos>"], 0.04)
    share = np.array([0.1, 0.2, 0.3])
    figure = charts.attention_map(
        alignment, seconds=1, palette=LIGHT, special=special, on_global=share
    )
    shown = 3 if special else 2
    strip = figure.data[-1]
    assert strip.xaxis == "x2"
    assert list(strip.x) == pytest.approx(share[:shown])
    assert figure.layout.meta["global"] == pytest.approx(share[:shown])
    assert figure.layout.xaxis.domain[1] < figure.layout.xaxis2.domain[0]
    assert figure.layout.xaxis2.range == (0, 1)


# --- the page


@pytest.fixture
def page(checkpoints, library, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    st.cache_resource.clear()
    page = AppTest.from_function(closer, default_timeout=120)
    page.query_params["variant"] = "transformer"
    return page


def kinds(page) -> list[str]:
    specs = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return [spec["layout"]["meta"]["kind"] for spec in specs]


def titles(page) -> list[str]:
    return [each.value for each in page.markdown if each.value.startswith("**layer")]


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_and_head_is_shown_with_its_role(page, kind):
    page.query_params["heads"] = kind
    page.run()
    assert without_errors(page)
    count = LAYERS[kind] * TINY_TRANSFORMER.heads
    drawn = kinds(page)
    assert drawn.count(DRAWN[kind]) == count + (kind == "cross")  # the whole map too
    shown = [each.value for each in page.markdown if "head" in each.value]
    assert len(shown) == count
    assert all(" · " in each for each in shown)
    assert sum("On the global token" in each.value for each in page.caption) == count
    assert address(page).get("heads", "cross") == kind


def test_a_layer_can_be_shown_alone_and_is_in_the_address(page):
    page.run()
    assert len(titles(page)) == 4
    page.selectbox(key="closer_layer").set_value(2)
    page.run()
    assert without_errors(page)
    assert len(titles(page)) == 2
    assert all(each.startswith("**layer 2") for each in titles(page))
    assert address(page)["layer"] == "2"
    page.button_group(key="closer_heads").set_value("encoder")  # which has one layer only
    page.run()
    assert without_errors(page)
    assert kinds(page).count("frames") == TINY_TRANSFORMER.heads
    assert address(page)["heads"] == "encoder"


def test_a_layer_that_does_not_exist_shows_all(page):
    page.query_params["layer"] = "77"
    page.run()
    assert without_errors(page)
    assert len(titles(page)) == 4
    assert "layer" not in page.query_params


def test_self_attention_waits_until_it_is_wanted_and_is_not_for_long_recordings(page, monkeypatch):
    asked = []

    def too_long(*wanted):
        asked.append(wanted)
        return SelfAttention(None, (), ())

    monkeypatch.setattr(decoding, "self_attention_of", too_long)
    page.run()
    assert without_errors(page)
    assert asked == []
    page.button_group(key="closer_heads").set_value("encoder")
    page.run()
    assert without_errors(page)
    assert len(asked) == 1
    assert "longer than 2 minutes" in page.info[0].value


def test_only_a_transformer_attends_in_several_ways(page):
    page.query_params["variant"] = "multi_head_dot"
    page.query_params["heads"] = "encoder"
    page.run()
    assert without_errors(page)
    assert [group.key for group in page.get("button_group") if group.key == "closer_heads"] == []
    assert "frames" not in kinds(page)


def test_a_transformer_says_why_there_is_no_step_to_take_apart(page):
    page.run()
    assert "no single look" in page.info[0].value
    controls = [page.button_group(key="closer_heads"), page.selectbox(key="closer_layer")]
    assert all(control.proto.help for control in controls)
