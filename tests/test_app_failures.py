"""The Failures page, what it selects, and recordings of a run in Compare."""

import io
import json
import re
from base64 import b64decode
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image
from streamlit.testing.v1 import AppTest

from analysis.alignment import Alignment
from analysis.diagnosis import SEVERITY
from app.charts.thumbnail import COLUMNS, ROWS, thumbnail
from app.cli.main import main
from app.data import run_filters, runs, sample_run
from app.data.run_filters import Filter, Order
from app.data.runs import VERDICTS, Run
from app.evaluation import RunError, load_results, load_settings
from app.evaluation.replay import recording_of
from app.links import runs as run_links
from app.links.runs import FailuresView
from app.markup import matrices
from app.theme import DARK
from app.views.failures import page as failures_page
from app.views.failures import tiles as gallery
from models.audio import AudioError, load
from tests.support.evaluated_runs import TEXTS, VARIANTS, real_run, row, written_run
from tests.support.pages import MAIN, html_of, maps_of, without_errors
from tests.support.recordings import tone


def failures():
    """The page alone, as AppTest runs a function's source."""
    from app.views.failures import page as failures_page

    failures_page.page()


@pytest.fixture(scope="module")
def real(checkpoints, tmp_path_factory) -> Path:
    """A folder of runs with one of three hums."""
    folder = tmp_path_factory.mktemp("real")
    real_run(folder / "corpus", checkpoints, folder / "runs" / "hums")
    return folder


@pytest.fixture
def page(real, checkpoints, library, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    monkeypatch.setenv(runs.FOLDER, str(real / "runs"))
    return AppTest.from_function(failures, default_timeout=120)


ROWS_OF = [
    row("a1", "dot", "one two", "one two", speaker="ann", seconds=1.0),
    row("a1", "ctc", "one two", "one", speaker="ann", seconds=1.0, kinds=["early_stop"]),
    row("b2", "dot", "three", "three three three", speaker="bob", seconds=4.0,
        kinds=["loop", "skip"]),
    row("b2", "ctc", "three", "Thirty", speaker="bob", seconds=4.0),
    row("c3", "dot", None, "four", speaker="bob", seconds=9.5, kinds=["skip"]),
    row("c3", "ctc", None, "", speaker="bob", seconds=9.5),
]  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Run:
    return Run("set", written_run(tmp_path_factory.mktemp("written") / "set", ROWS_OF), 1)


@pytest.fixture(scope="module")
def table(written) -> pd.DataFrame:
    return runs.results(written)


# --- which runs there are


def test_only_finished_runs_of_the_folder_are_listed(written, tmp_path, monkeypatch):
    monkeypatch.setenv(runs.FOLDER, str(written.path.parent))
    (written.path.parent / "unfinished").mkdir(exist_ok=True)
    assert list(runs.library()) == ["set"]
    assert runs.find("set", "a1").id == "a1"
    for run, name in [("../set", "a1"), ("unfinished", "a1"), ("set", "../a1"), (None, None)]:
        assert runs.find(run, name) is None
    monkeypatch.setenv(runs.FOLDER, str(written.path))
    assert list(runs.library()) == ["set"]
    monkeypatch.setenv(runs.FOLDER, str(tmp_path / "none"))
    assert runs.library() == {}


def test_a_damaged_run_is_one_sentence(written, tmp_path):
    (tmp_path / "results.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match="cannot be read"):
        runs.results(Run("damaged", tmp_path, 7))


def test_the_folder_of_runs_has_a_flag(capsys, tmp_path):
    assert main(["--runs", str(tmp_path / "none")]) == 1
    assert "is not a folder" in capsys.readouterr().err


# --- what is selected

CASES = [
    (Filter(), 6),
    (Filter(kinds=("skip",)), 1),
    (Filter(kinds=("skip",), every=True), 2),
    (Filter(kinds=("skip", "early_stop")), 2),
    (Filter(kinds=("healthy",), variants=("ctc",)), 2),
    (Filter(wer=(50, None)), 3),
    (Filter(wer=(0, 99)), 2),
    (Filter(seconds=(2, 8)), 2),
    (Filter(speakers=("ann",)), 2),
    (Filter(text="THREE"), 2),
    (Filter(text="thirty"), 1),
    (Filter(text="c3"), 2),
    (Filter(text="(["), 0),
    (Filter(stress="noise"), 0),
]


@pytest.mark.parametrize(("chosen", "count"), CASES)
def test_filters(table, chosen, count):
    mask = run_filters.shown(table, chosen, run_filters.around(table, chosen))
    assert mask.sum() == count


def test_undefined_rates_come_last_whatever_the_order(table):
    everything = np.ones(len(table), bool)
    for descending in (True, False):
        places = run_filters.in_order(table, everything, Order("wer", descending))
        assert set(places[-2:]) == {4, 5}
        rates = table["wer"].to_numpy()[places[:-2]]
        assert (np.diff(rates) <= 0).all() if descending else (np.diff(rates) >= 0).all()
    by_verdict = run_filters.in_order(table, everything, Order("verdict", True))
    severity = [VERDICTS.index(each) for each in table["verdict"].iloc[by_verdict]]
    assert severity == sorted(severity, reverse=True)


@given(some.lists(some.booleans(), min_size=6, max_size=6))
def test_counts_of_verdicts_add_up(table, mask):
    mask = np.array(mask)
    found = run_filters.counts(table, mask, every=False)
    assert found[list(VERDICTS)].to_numpy().sum() == found["all"].sum() == mask.sum()
    every = run_filters.counts(table, mask, every=True)
    assert (every[list(VERDICTS)] >= found[list(VERDICTS)]).all(axis=None)


def test_exports_are_whole_rows_in_order(written):
    places = np.array([3, 0])
    expected = pq.read_table(written.path / "results.parquet").take(places)
    content = failures_page._content(written, places, "parquet")
    assert pq.read_table(io.BytesIO(content)).equals(expected)
    lines = pd.read_csv(io.BytesIO(failures_page._content(written, places, "csv")))
    assert lines["text"].tolist() == ["Thirty", "one two"]
    assert lines["wer"].tolist() == [1.0, 0.0]


# --- links

LIMITS = some.tuples(some.integers(0, 50), some.one_of(some.none(), some.integers(50, 99)))
NAMES = some.lists(some.text(min_size=1, max_size=8), unique=True, max_size=3).map(tuple)


@given(some.builds(
    FailuresView, run=some.sampled_from([None, "set"]),
    filter=some.builds(Filter, kinds=some.lists(some.sampled_from(VERDICTS), unique=True)
                       .map(tuple), every=some.booleans(), variants=NAMES, wer=LIMITS,
                       seconds=LIMITS, speakers=NAMES, text=some.text(max_size=20)),
    order=some.builds(Order, some.sampled_from(list(run_filters.ORDERS)), some.booleans()),
    page=some.integers(0, 99), table=some.booleans(), columns=NAMES,
))  # fmt: skip
def test_links_are_read_as_they_were_written(view):
    assert run_links.read_failures(run_links.write_failures(view), {"set": None}) == view


def test_links_with_nonsense_are_harmless():
    params = {"run": "../x", "kind": "loop,<b>", "wer": "9--", "seconds": "three-", "sort": "path",
              "page": "-1", "order": "?", "show": "all"}  # fmt: skip
    expected = FailuresView(filter=Filter(kinds=("loop",)))
    assert run_links.read_failures(params, {}) == expected


# --- small maps


def test_a_thumbnail_keeps_thin_lines_and_says_what_its_edges_are():
    weights = np.full((200, 1000), 1e-5)
    weights[np.arange(200), np.arange(200) * 5] = 1 - 999e-5
    small = thumbnail(Alignment.from_arrays(weights, ["a"] * 200, 0.04, start_seconds=1.0))
    cells = np.asarray(Image.open(io.BytesIO(b64decode(small.picture.split(",")[1]))))
    assert cells.shape[0] <= ROWS
    assert cells.shape[1] <= COLUMNS
    assert (cells.max(axis=1) == 255).all()
    assert (small.tokens, small.start, small.end) == (200, 1.0, pytest.approx(41.0))


def test_tiles_show_evidence_where_it_is_and_escape_everything(written, table):
    rows = table.iloc[[2]].assign(text="<script>", id=pd.Categorical(['"><b>']))
    html = gallery.tiles(written, rows, DARK)
    assert "<script>" not in html
    assert "<b>" not in html.replace("<b>200 %</b>", "")
    assert 'data-pick="2"' in html
    assert html.count("<i style") == 2
    assert "left:0.0%" in html
    assert "width:25.0%" in html  # one second of four


def test_the_matrix_marks_what_is_chosen_and_escapes_names(table):
    counts = run_filters.counts(table, np.ones(6, bool), every=False)
    counts.index = ["<i>", "ctc"]
    html = matrices.counts_table(counts, ["skip"], [], "<u>")
    assert "<i>" not in html.replace('<i class="attn-icon', "")
    assert html.count("attn-chosen") == 2  # the head of the column, and its one cell
    assert matrices.picked(matrices.pick("<i>", "loop")) == ("<i>", "loop")
    for nonsense in (None, "", "[]", "[1, 2]", "{", '["a"]'):
        assert matrices.picked(nonsense) is None


# --- the page


def tiles(page) -> list[str]:
    """Labels of the tiles that the page sent."""
    html = "".join(json.loads(each.proto.json)["html"] for each in page.get("bidi_component")
                   if each.proto.json)  # fmt: skip
    return re.findall(r'class="attn-tile" data-pick="(\d+)"', html)


def test_the_page_shows_counts_and_a_gallery_and_filters_it(page, real):
    page.run()
    assert without_errors(page)
    assert "Failures in hums" in html_of(page)
    assert "normaliser “basic”" in html_of(page)
    results = load_results(real / "runs" / "hums")
    assert len(tiles(page)) == len(results)
    verdict = results["verdict"].iloc[0]
    page.button_group(key="f_kinds").set_value([verdict])
    page.multiselect(key="f_variants").set_value([VARIANTS[0]])
    page.run()
    assert without_errors(page)
    expected = (results["verdict"] == verdict) & (results["variant"] == VARIANTS[0])
    assert len(tiles(page)) == expected.sum() > 0
    assert page.query_params["kind"] == verdict
    assert page.query_params["variants"] == VARIANTS[0]


def test_a_link_shows_its_view(page):
    page.query_params.update(run="hums", show="table", sort="seconds", order="up",
                             columns="id,cer", text="u1")  # fmt: skip
    page.run()
    assert without_errors(page)
    shown = page.dataframe[0].value
    assert list(shown) == ["id", "cer"]
    assert set(shown["id"]) == {"u1"}
    assert page.selectbox(key="f_by").value == "seconds"
    assert page.query_params["columns"] == "id,cer"


def test_nothing_that_passes_is_said(page):
    page.run()
    page.text_input(key="f_text").set_value("nobody said this")
    page.run()
    assert without_errors(page)
    assert "Nothing passes" in page.info[0].value
    page.button[0].click()
    page.run()
    assert not page.info


def test_every_control_has_help(page):
    page.query_params["show"] = "table"
    page.run()
    kinds = ("button_group", "selectbox", "slider", "toggle", "multiselect", "text_input",
             "button", "download_button")  # fmt: skip
    controls = [control for kind in kinds for control in page.get(kind)]
    assert len(controls) > 12
    assert [control.label for control in controls if not control.proto.help] == []


def test_a_damaged_set_is_said_in_place(page, tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    for name in ("results.parquet", "summary.json", "run.json"):
        (tmp_path / "set" / name).write_text("{")
    monkeypatch.setenv(runs.FOLDER, str(tmp_path))
    page.run()
    assert not page.exception
    assert "evaluate again" in page.error[0].value


# --- the samples


def test_without_a_set_the_samples_are_offered_and_evaluated(page, tmp_path, monkeypatch):
    monkeypatch.setenv(runs.FOLDER, str(tmp_path))
    page.run()
    assert without_errors(page)
    assert "Failures shows" in page.markdown[0].value
    assert "python -m app evaluate" in page.code[0].value
    page.button(key="trial_running").click()
    page.run()
    assert without_errors(page)
    assert "Failures in the samples" in html_of(page)
    trained = {info.name for info in sample_run.Models().infos() if info.checkpoint}
    assert len(tiles(page)) == min(len(trained), failures_page.TILES)


class Stopped(BaseException):
    """What Streamlit raises when a button is pressed."""


def test_what_is_stopped_goes_on_where_it_was(checkpoints, library, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    (library / "more.wav").write_bytes(tone(0.7))
    (library / "manifest.tsv").write_text("path\ttext\nbuzz.wav\tno\nmore.wav\tyes\n")
    told = []

    def show(done: int, total: int) -> None:
        told.append((done, total))
        if told == [(0, 2), (1, 2)]:
            raise Stopped

    with pytest.raises(Stopped):
        sample_run.run(show)
    assert sample_run.NAME not in runs.library()
    sample_run.run(show)
    assert told == [(0, 2), (1, 2), (1, 2), (2, 2)]
    assert runs.names(runs.library()[sample_run.NAME], 9) == ["buzz", "more"]


# --- recordings of a run in Compare


@pytest.fixture
def compare(page):
    page = AppTest.from_file(MAIN, default_timeout=120)
    page.query_params.update(run="hums", utterance="u2", look="location", variants="location,ctc")
    return page


def test_a_link_to_a_recording_shows_what_the_run_heard(compare, real):
    compare.run()
    assert without_errors(compare)
    assert set(maps_of(compare)) == {"location", "ctc"}
    assert "attn-led" in html_of(compare)
    assert compare.query_params["utterance"] == "u2"
    assert compare.query_params["look"] == "location"
    assert compare.text_area[0].value == TEXTS[2]
    assert "<b>oh</b>" not in html_of(compare)
    assert maps_of(compare)["ctc"]["layout"]["xaxis"]["range"] == [0, 1.3]


@pytest.mark.parametrize("wrong", [{"run": "../hums"}, {"utterance": "../u2"}])
def test_a_link_to_what_is_not_there_shows_a_sample(compare, wrong):
    compare.query_params.update(wrong)
    compare.run()
    assert without_errors(compare)
    assert "A buzz" in html_of(compare)
    assert "utterance" not in compare.query_params


def test_maps_are_shown_where_the_sound_is_gone(compare, real, tmp_path, monkeypatch):
    st.cache_data.clear()
    (real / "corpus" / "hum2.wav").rename(tmp_path / "away.wav")
    try:
        compare.run()
        assert not compare.exception
        assert "cannot be played" in compare.warning[0].value
        assert str(real) not in compare.warning[0].value
        assert set(maps_of(compare)) == {"location", "ctc"}
    finally:
        (tmp_path / "away.wav").rename(real / "corpus" / "hum2.wav")


def test_a_recording_is_what_the_run_heard_or_refused(real, tmp_path):
    run = real / "runs" / "hums"
    rows = load_results(run).to_dict("records")
    found = recording_of(rows[0], load_settings(run))
    assert np.array_equal(found.samples, load(real / "corpus" / "hum0.wav").samples)
    half = rows[0] | {"start": 0.2, "end": 0.6, "seconds": 0.4}
    assert np.array_equal(recording_of(half, load_settings(run)).samples, found.samples[3200:9600])
    soundfile.write(tmp_path / "other.wav", np.zeros(16_000), 16_000)
    with pytest.raises(AudioError, match="has changed"):
        recording_of(rows[0] | {"path": str(tmp_path / "other.wav")}, load_settings(run))


def test_every_kind_of_failure_has_a_column(table):
    assert [runs.KIND.format(kind) in table for kind in SEVERITY] == [True] * len(SEVERITY)
    assert table[runs.KIND.format("skip")].tolist() == [False, False, True, False, True, False]
