"""Figures: what a browser is sent, and that nothing is lost or merged on the way."""

import json

import numpy as np
import plotly.io
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.alignment import Alignment
from analysis.failures.failure import Failure
from analysis.timing.word_times import Timed, Timing
from app import charts
from app.charts.attention import rows_of
from app.charts.labels import SMALLEST_ROW, row_labels
from app.charts.quantise import CELL_LIMIT, pool_steps
from app.theme import DARK, LIGHT, SIGNS, palette

BAND_HZ = np.linspace(30, 7_900, 80)


def one_frame_each(tokens, frame_seconds=0.04, **optional) -> Alignment:
    """Token i listens to frame i alone."""
    weights = np.eye(len(tokens), dtype=np.float32)
    return Alignment.from_arrays(weights, list(tokens), frame_seconds, **optional)


def spec(figure) -> dict:
    return json.loads(plotly.io.to_json(figure, validate=False))


def cells(figure) -> np.ndarray:
    return np.asarray(figure.data[0].z)


def test_repeated_tokens_stay_separate_rows():
    tokens = [*"no no no", "<eos>"]
    figure = charts.attention_map(one_frame_each(tokens), seconds=1, palette=LIGHT)
    axis = figure.layout.yaxis
    assert cells(figure).shape == (len(tokens), len(tokens))
    assert list(axis.tickvals) == list(range(len(tokens)))
    assert list(axis.ticktext) == ["n", "o", "␣", "n", "o", "␣", "n", "o", "‹end›"]
    heat = figure.data[0]
    assert heat.y is None  # rows are numbered: names on the axis would be merged
    assert (heat.y0, heat.dy) == (0, 1)


def test_tokens_are_read_downwards():
    figure = charts.attention_map(one_frame_each("abc"), seconds=1, palette=LIGHT)
    assert list(figure.layout.yaxis.range) == [2.5, -0.5]


def test_axis_is_in_seconds_from_the_start_of_the_first_frame():
    alignment = one_frame_each("abc", frame_seconds=0.5, start_seconds=2.0)
    figure = charts.attention_map(alignment, seconds=5, palette=LIGHT)
    heat, path = figure.data
    assert (heat.x0, heat.dx) == (2.25, 0.5)  # centres of the frames
    assert list(path.x) == [2.25, 2.75, 3.25]
    assert figure.layout.meta["peaks"] == [2.25, 2.75, 3.25]
    assert list(figure.layout.xaxis.range) == [0, 5]
    assert figure.layout.xaxis.title.text == "time (s)"


def test_cells_travel_as_bytes():
    weights = np.random.default_rng(1).random((200, 1_500)).astype(np.float32)
    alignment = Alignment.from_arrays(weights, ["a"] * 200, 0.04, renormalise=True)
    figure = charts.attention_map(alignment, seconds=60, palette=LIGHT)
    sent = spec(figure)["data"][0]["z"]
    assert sent["dtype"] == "u1"
    assert len(plotly.io.to_json(figure, validate=False)) < 450_000


def test_hover_names_token_time_and_weight():
    figure = charts.attention_map(one_frame_each("abc"), seconds=1, palette=LIGHT)
    for part in ("token %{y}", "%{x:.2f} s", "weight %{z}"):
        assert part in figure.data[0].hovertemplate
    assert figure.layout.meta["top"] == 1.0  # level 255 is this weight


def test_attention_that_is_spread_everywhere_looks_pale():
    spread = Alignment.from_arrays(np.full((4, 50), 1 / 50), list("abcd"), 0.04)
    peaked = one_frame_each("abcd")
    pale = cells(charts.attention_map(spread, seconds=2, palette=LIGHT)).max()
    full = cells(charts.attention_map(peaked, seconds=2, palette=LIGHT)).max()
    assert pale < 64
    assert full == 255


def test_large_maps_keep_their_thin_line():
    rows, columns = 1_000, 6_000
    matrix = np.zeros((rows, columns), np.float32)
    line = np.arange(rows) * 6
    matrix[np.arange(rows), line] = 1.0
    levels = charts.to_levels(matrix)
    assert levels.cells.size <= CELL_LIMIT
    drawn_rows = np.arange(rows) // levels.row_step
    assert (levels.cells[drawn_rows, line // levels.column_step] == 255).all()
    assert levels.cells.shape[0] == -(-rows // levels.row_step)


@given(st.integers(1, 40_000), st.integers(1, 40_000))
def test_pooling_always_reaches_the_limit(rows, columns):
    row_step, column_step = pool_steps(rows, columns)
    assert -(-rows // row_step) * -(-columns // column_step) <= CELL_LIMIT
    if rows * columns <= CELL_LIMIT:
        assert (row_step, column_step) == (1, 1)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 7), st.integers(1, 7))
def test_max_pool_is_the_largest_of_every_block(rows, columns, row_step, column_step):
    matrix = np.random.default_rng(rows * 31 + columns).random((rows, columns))
    pooled = charts.max_pool(matrix, row_step, column_step)
    for i in range(pooled.shape[0]):
        for j in range(pooled.shape[1]):
            block = matrix[i * row_step :, j * column_step :][:row_step, :column_step]
            assert pooled[i, j] == block.max()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_levels_give_values_back_within_half_a_step(values):
    matrix = np.array([values])
    levels = charts.to_levels(matrix, top=1.0)
    restored = levels.bottom + levels.cells / 255 * (levels.top - levels.bottom)
    assert np.abs(restored - matrix).max() <= 0.5 / 255 + 1e-9


def test_a_map_without_tokens_can_be_drawn():
    alignment = Alignment.from_arrays(np.zeros((0, 10)), [], 0.04)
    figure = charts.attention_map(alignment, seconds=0.4, palette=LIGHT)
    assert cells(figure).shape[0] == 0


def test_every_token_is_labelled_where_rows_are_high_enough():
    tokens = list("it is") * 30  # 150 tokens
    figure = charts.attention_map(
        one_frame_each(tokens), seconds=6, palette=LIGHT, every_token=True
    )
    assert all(figure.layout.yaxis.ticktext)
    assert rows_of(150, True).pixels >= SMALLEST_ROW
    assert figure.layout.height == rows_of(150, True).height


def test_low_rows_are_labelled_with_words_that_do_not_touch():
    tokens = [*" ".join(["three", "of", "them"] * 13)]
    pixels = rows_of(len(tokens), False).pixels
    assert pixels < SMALLEST_ROW
    labels = row_labels(tokens, pixels)
    assert len(labels) == len(tokens)
    rows = [row for row, label in enumerate(labels) if label]
    assert {labels[row] for row in rows} <= {"three", "of", "them"}
    assert min(np.diff(rows)) * pixels > SMALLEST_ROW
    assert labels[2] == "three"  # at the middle of the word


def test_markup_in_tokens_is_text():
    tokens = ["<b>x</b>", "&amp;"]
    figure = charts.attention_map(one_frame_each(tokens), seconds=1, palette=LIGHT)
    assert list(figure.layout.yaxis.ticktext) == ["&lt;b&gt;x&lt;/b&gt;", "&amp;amp;"]


def test_speech_and_failures_are_drawn_in_seconds_and_rows():
    speech = np.array([False, True, True, False])
    alignment = one_frame_each("abcd", frame_seconds=0.5, speech=speech)
    failures = [Failure("loop", (1, 3), (0.5, 1.5), "why")]
    figure = charts.attention_map(alignment, seconds=2, palette=DARK, failures=failures)
    bar, box = figure.layout.shapes
    assert (bar.x0, bar.x1, bar.layer) == (0.5, 1.5, "below")
    assert (box.x0, box.x1, box.y0, box.y1, box.layer) == (0.5, 1.5, 0.5, 2.5, "above")
    assert box.label.text == "loop"


def test_spectrogram_shares_the_time_axis_and_names_frequencies():
    mel = np.random.default_rng(2).normal(size=(300, 80)).astype(np.float32)
    figure = charts.spectrogram(mel, BAND_HZ, hop_seconds=0.01, seconds=3, palette=LIGHT)
    heat = figure.data[0]
    assert cells(figure).shape == (80, 300)
    assert cells(figure).dtype == np.uint8
    assert (heat.x0, heat.dx) == (0.005, 0.01)
    assert list(figure.layout.xaxis.range) == [0, 3]
    assert list(figure.layout.yaxis.ticktext) == ["0.5 kHz", "1 kHz", "2 kHz", "4 kHz"]
    ticks = [BAND_HZ[tick] for tick in figure.layout.yaxis.tickvals]
    assert ticks == pytest.approx([500, 1000, 2000, 4000], abs=60)


def test_lines_over_many_rows_are_thinner():
    few, many = (
        charts.attention_map(one_frame_each("a" * count), seconds=20, palette=LIGHT)
        for count in (50, 400)
    )
    assert many.data[1].line.width < few.data[1].line.width == 1.25


@pytest.mark.parametrize(("jumps", "gaps"), [(4, 0), (60, 60)])
def test_of_many_jumps_the_path_shows_only_where_they_lead(jumps, gaps):
    at = np.resize([0, 50], jumps + 1)  # two seconds to and fro
    alignment = Alignment.from_arrays(np.eye(60)[at], ["a"] * (jumps + 1), 0.04)
    figure = charts.attention_map(alignment, seconds=3, palette=LIGHT)
    path = figure.data[1]
    drawn = np.asarray(path.x)
    assert np.isnan(drawn).sum() == gaps
    assert drawn[~np.isnan(drawn)] == pytest.approx((at + 0.5) * 0.04)
    assert list(np.asarray(path.y)[~np.isnan(drawn)]) == list(range(jumps + 1))
    assert ("markers" in path.mode) == bool(gaps)


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ((100, 300), ("top right", None)),  # inside
        ((100, 102), ("top left", "bottom")),  # above two rows of a pixel each
        ((1, 3), ("bottom left", "top")),  # below, where there is nothing above
    ],
)
def test_the_name_of_a_low_frame_stands_outside(rows, place):
    found = [Failure("skip", rows, (0.5, 1.5), "")]
    figure = charts.attention_map(
        one_frame_each("a" * 400), seconds=16, palette=LIGHT, failures=found
    )
    label = figure.layout.shapes[-1].label
    assert (label.textposition, label.yanchor) == place


def test_figures_line_up():
    mel = np.zeros((100, 80), np.float32)
    above = charts.spectrogram(mel, BAND_HZ, hop_seconds=0.01, seconds=1, palette=LIGHT)
    below = charts.attention_map(one_frame_each("abc"), seconds=1, palette=LIGHT)
    for side in ("l", "r"):
        assert above.layout.margin[side] == below.layout.margin[side]


def _lightness(colour: str) -> float:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2


@pytest.mark.parametrize("shown", [LIGHT, DARK])
def test_palette_changes_lightness_in_one_direction(shown):
    steps = np.diff([_lightness(colour) for _, colour in shown.scale])
    assert (steps < 0).all() if shown is LIGHT else (steps > 0).all()
    stops = [stop for stop, _ in shown.scale]
    assert (stops[0], stops[-1]) == (0, 1)


def test_every_verdict_has_words_and_its_own_icon():
    from analysis.failures.thresholds import SEVERITY

    assert {"healthy", *SEVERITY} == set(SIGNS)
    assert len({shown.icon for shown in SIGNS.values()}) == len(SIGNS)
    assert palette("dark") is DARK
    assert palette(None) is LIGHT


def test_special_tokens_are_rows_on_request_only():
    tokens = ["<|sot|>", *"no", "<eos>"]
    failure = Failure("skip", (2, 4), (0.0, 0.1), "")
    whole = charts.attention_map(one_frame_each(tokens), seconds=1, palette=LIGHT)
    plain = charts.attention_map(
        one_frame_each(tokens), seconds=1, palette=LIGHT, failures=[failure], special=False
    )
    assert len(whole.layout.meta["tokens"]) == 4
    assert plain.layout.meta["tokens"] == ["n", "o"]
    assert cells(plain).shape[0] == 2
    assert (plain.layout.shapes[-1].y0, plain.layout.shapes[-1].y1) == (0.5, 1.5)
    assert list(plain.data[1].x) == pytest.approx([0.06, 0.10])


def test_forced_alignment_is_a_stroke_in_each_row():
    tokens = ["a", " ", "b", "<eos>"]
    said = Timing((Timed("a", 0.1, 0.2, (0, 1)), Timed("b", 0.3, 0.5, (2, 3))), ())
    figure = charts.attention_map(one_frame_each(tokens), seconds=1, palette=LIGHT, said=said)
    strokes = figure.data[2]
    assert list(strokes.x) == [0.1, 0.2, None, 0.3, 0.5, None]
    assert list(strokes.y) == [0, 0, None, 2, 2, None]


def test_a_thin_line_survives_where_a_pixel_holds_several_cells():
    tokens = ["a"] * 800
    figure = charts.attention_map(one_frame_each(tokens), seconds=32, palette=LIGHT)
    drawn = cells(figure)
    assert drawn.shape == (267, 400)
    assert (drawn.max(axis=1) == 255).all()
    assert (drawn.max(axis=0) == 255).all()
    assert figure.data[0].dx == pytest.approx(0.08)
