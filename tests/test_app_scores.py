"""The Scores page, and the numbers behind it: groups, corrected significance, edits."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from analysis.scoring.groups import length_groups, rates_by_group
from analysis.scoring.intervals import bootstrap_interval
from analysis.scoring.multiplicity import FEW, SURE, Judged, holm, judge
from app.data import run_scores, runs
from app.data.metrics import METRICS
from app.data.runs import Run
from app.links import runs as run_links
from app.links.runs import MEASURES, ScoresView
from app.markup import matrices, word_diff
from tests.support.evaluated_runs import row, written_run
from tests.support.pages import html_of, without_errors

# --- groups


def test_groups_are_pooled_with_their_own_intervals():
    errors = {"a": [1, 0, 2, 5], "b": [0, 0, 0, 10]}
    words, groups = [4, 4, 2, 10], ["x", "x", "y", "x"]
    found = rates_by_group(errors, words, groups).set_index(["group", "system"])
    assert found.loc[("x", "a"), "rate"] == pytest.approx(6 / 18)
    assert found.loc[("y", "a"), ["errors", "words", "utterances"]].tolist() == [2, 2, 1]
    assert found.loc[("y", "a"), ["rate", "low", "high"]].tolist() == [1, 1, 1]
    expected = bootstrap_interval([1, 0, 5], [4, 4, 10])
    assert found.loc[("x", "a"), ["low", "high"]].tolist() == [expected.low, expected.high]


def test_groups_without_words_have_no_rate_and_wrong_lengths_are_refused():
    found = rates_by_group({"a": [3, 1]}, [0, 2], ["silent", "said"])
    assert found["rate"].isna().tolist() == [True, False]
    assert rates_by_group({"a": []}, [], []).empty
    with pytest.raises(ValueError, match="groups"):
        rates_by_group({"a": [1]}, [1], ["x", "y"])


def test_lengths_double_from_group_to_group():
    found = length_groups([0.3, 1.0, 1.01, 2.0, 7.9, 8.0, 33.0])
    assert list(found) == ["up to 1 s", "up to 1 s", "1 to 2 s", "1 to 2 s", "4 to 8 s",
                           "4 to 8 s", "32 to 64 s"]  # fmt: skip
    assert list(found.categories) == ["up to 1 s", "1 to 2 s", "4 to 8 s", "32 to 64 s"]
    assert len(length_groups([])) == 0


# --- significance


def test_holm_is_what_the_paper_says():
    assert holm([0.01, 0.04, 0.03, None]) == pytest.approx([0.03, 0.06, 0.06, None])
    assert holm([]) == []


@given(some.lists(some.one_of(some.none(), some.floats(0, 1)), max_size=8))
def test_holm_keeps_the_order_and_only_raises(p_values):
    found = holm(p_values)
    both = sorted((p, q) for p, q in zip(p_values, found, strict=True) if p is not None)
    assert [q is None for q in found] == [p is None for p in p_values]
    assert all(p <= q <= 1 for p, q in both)
    assert [q for _, q in both] == sorted(q for _, q in both)
    assert all(q <= min(1, len(both) * p) or p == 0 for p, q in both[:1])


def test_sure_is_what_stays_small_for_one_of_many_and_was_seen_often():
    found = judge([0.01, 0.02, 0.001, None], [FEW, FEW, FEW - 1, 100])
    expected = [Judged(0.02, True), Judged(0.02, True), Judged(0.003, False), Judged(None, False)]
    assert found == expected
    assert judge([SURE], [FEW]) == [Judged(SURE, False)]


PAIR = {"a": "x", "b": "y", "wer_difference": 0.1, "interval": [0.0, 0.2],
        "probability_of_improvement": 0.98, "mapsswe_p": 0.01, "mapsswe_statistic": 2.6,
        "segments": 40}  # fmt: skip


def test_pairs_are_told_both_ways_round():
    pairs = matrices.pairs_by_name([PAIR])
    assert pairs["y", "x"].better == 0.98  # y is better than x
    assert pairs["x", "y"].better == pytest.approx(0.02)
    assert pairs["y", "x"].difference == -0.1
    assert pairs["x", "y"].sure
    html = matrices.pairs_table(["y", "<x>"], {("y", "<x>"): pairs["y", "x"]})
    assert "98 %" in html
    assert "better" in html
    assert "<x>" not in html


@pytest.mark.parametrize("change", [{"segments": 29}, {"mapsswe_p": 0.06}, {"mapsswe_p": None}])
def test_few_segments_or_much_luck_are_not_sure(change):
    pairs = matrices.pairs_by_name([PAIR | change])
    assert not pairs["x", "y"].sure
    assert "not sure" in matrices.pairs_table(["x", "y"], pairs)


def test_being_one_of_many_pairs_makes_less_sure():
    many = [PAIR | {"b": f"y{number}"} for number in range(6)]
    assert not matrices.pairs_by_name(many)["x", "y0"].sure


# --- edits

EDITS = [  # said, written, only what is wrong: letters in order, words that stand there
    ("one two three", "one too three", True, "S", "1 word right"),
    ("one two three", "one three", False, "D", "∗∗∗"),
    ("one", "one <b>", True, "I", "1 word right"),
    ("a b c", "a b c", True, "", "3 words right"),
    ("", "new", True, "I", "new"),
]


@pytest.mark.parametrize(("said", "heard", "only_wrong", "letters", "there"), EDITS)
def test_edits_are_named_and_escaped(said, heard, only_wrong, letters, there):
    html = word_diff.aligned(said, heard, "none", only_wrong=only_wrong)
    found = "".join(part[0] for part in html.split("<i>")[1:] if part[0] != "<")
    assert found == letters
    assert there in html
    assert "<b>" not in html.replace("<b>REF</b><b>HYP</b>", "")


# --- tables of a run

ROWS = [
    row("a", "dot", "one two", "one two", seconds=1.5, speaker="ann", monotonicity=0.9,
        extra='{"age": "child"}'),
    row("a", "ctc", "one two", "one one", seconds=1.5, speaker="ann", monotonicity=0.4,
        extra='{"age": "child"}'),
    row("b", "ctc", "three", "three", seconds=5.0, speaker="bob", monotonicity=0.5,
        extra='{"age": "adult"}'),
    row("b", "dot", "three", "thirty four", seconds=5.0, speaker="bob", monotonicity=None,
        extra='{"age": "adult"}', kinds=["loop"]),
    row("a [noise 5]", "dot", "one two", "", stress="noise", level=5.0),
    row("d", "dot", None, "unknown"), row("d", "ctc", None, "unknown"),
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return Run("scored", written_run(tmp_path_factory.mktemp("scores") / "scored", ROWS), 2)


def test_only_what_was_heard_as_it_is_and_has_a_reference_is_compared(run):
    found = run_scores.counted(run, "wer")
    assert {name: values.tolist() for name, values in found.errors.items()} == {
        "dot": [0, 2],
        "ctc": [1, 0],
    }
    assert found.words.tolist() == [2, 1]
    assert run_scores.counted(run, "cer").words.tolist() == [7, 5]


@pytest.mark.parametrize(("by", "groups"), [
    ("length", ["1 to 2 s", "4 to 8 s"]), ("speaker", ["ann", "bob"]), ("age", ["child", "adult"]),
])  # fmt: skip
def test_rates_by_anything_recordings_differ_in(run, by, groups):
    assert by in run_scores.groupings(run)
    found = run_scores.by_group(run, "wer", by)
    assert found["group"].drop_duplicates().tolist() == groups
    assert found["rate"].tolist() == [0.0, 0.5, 2.0, 0.0]
    html = matrices.groups_table(found, "<caption>")
    assert "200.0" in html
    assert "&lt;caption&gt;" in html


def test_the_largest_groups_are_kept(run):
    found = run_scores.by_group(run, "wer", "speaker")
    assert run_scores.largest(found, "speaker", 1)["group"].unique().tolist() == ["ann"]


def test_points_have_both_numbers_and_are_not_too_many(run, monkeypatch):
    assert run_scores.points(run, "monotonicity", "wer", None).tolist() == [0, 1, 2]
    assert run_scores.points(run, "monotonicity", "wer", "ctc").tolist() == [1, 2]
    monkeypatch.setattr(run_scores, "POINTS", 2)
    assert len(run_scores.points(run, "monotonicity", "wer", None)) == 2


def test_texts_come_worst_first_and_only_with_errors(run):
    assert run_scores.worst(run, "dot").tolist() == [3]
    assert run_scores.worst(run, "ctc").tolist() == [1]


# --- links


@given(some.builds(
    ScoresView, run=some.sampled_from([None, "set"]), measure=some.sampled_from(MEASURES),
    by=some.text(min_size=1), metric=some.sampled_from(list(METRICS)),
    variant=some.one_of(some.none(), some.text(min_size=1)),
    texts=some.one_of(some.none(), some.text(min_size=1)), wrong=some.booleans(),
    page=some.integers(0, 99),
))  # fmt: skip
def test_links_are_read_as_they_were_written(view):
    params = run_links.write_scores(view)
    assert run_links.read_scores(params, {"set": None}, list(METRICS)) == view


def test_links_with_nonsense_are_harmless():
    params = {"run": "../x", "measure": "mer", "metric": "__class__", "page": "1e9"}
    assert run_links.read_scores(params, {}, list(METRICS)) == ScoresView()


# --- the page


def scores():
    """The page alone, as AppTest runs a function's source."""
    from app.views import scores

    scores.page()


@pytest.fixture
def page(run, checkpoints, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    monkeypatch.setenv(runs.FOLDER, str(run.path.parent))
    return AppTest.from_function(scores, default_timeout=120)


def figures(page) -> dict[str, dict]:
    found = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return {figure["layout"]["meta"]["kind"]: figure for figure in found}


def test_the_page_shows_rates_pairs_groups_and_points(page):
    page.run()
    assert without_errors(page)
    drawn = figures(page)
    best_first = drawn["interval"]["layout"]["yaxis"]["ticktext"]
    assert best_first == ["ctc", "dot"]  # one wrong word, and two
    assert "basic" in drawn["interval"]["layout"]["xaxis"]["title"]["text"]
    assert "%" in drawn["interval"]["layout"]["xaxis"]["ticksuffix"]
    assert [len(each["customdata"]) > 0 for each in drawn["scatter"]["data"]] == [True, False]
    html = html_of(page)
    assert "Scores on scored" in html
    assert "not sure" in html
    assert "1 to 2 s" in html
    assert page.query_params["run"] == "scored"


def test_a_link_shows_its_view(page):
    page.query_params.update(run="scored", measure="cer", by="age", texts="dot", words="all",
                             metric="coverage", variant="ctc")  # fmt: skip
    page.run()
    assert without_errors(page)
    assert "character error rate" in figures(page)["interval"]["layout"]["xaxis"]["title"]["text"]
    assert "child" in html_of(page)
    assert page.selectbox(key="s_metric").value == "coverage"
    assert page.selectbox(key="s_texts").value == "dot"
    sent = "".join(each.proto.json for each in page.get("bidi_component"))
    assert "thirty" in sent
    assert page.query_params["words"] == "all"
    assert page.query_params["by"] == "age"


def test_every_control_has_help(page):
    page.query_params["texts"] = "dot"
    page.run()
    kinds = ("button_group", "selectbox", "toggle", "button", "download_button")
    controls = [control for kind in kinds for control in page.get(kind)]
    assert len(controls) > 8
    assert [control.label for control in controls if not control.proto.help] == []


def test_a_set_without_references_says_so(page, tmp_path, monkeypatch):
    written_run(tmp_path / "silent", [row("a", "dot", None, "what")])
    monkeypatch.setenv(runs.FOLDER, str(tmp_path))
    page.run()
    assert without_errors(page)
    assert "reference" in page.info[0].value


def test_without_a_set_the_page_says_what_it_is_for(page, tmp_path, monkeypatch):
    monkeypatch.setenv(runs.FOLDER, str(tmp_path))
    page.run()
    assert not page.exception
    assert "Scores shows" in page.markdown[0].value


def test_a_table_of_scores_has_a_row_for_every_mechanism(run):
    found = run_scores.table(runs.summary(run))
    assert found["mechanism"].tolist() == ["dot", "ctc"]
    assert found["wer"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert isinstance(found, pd.DataFrame)
    assert np.isfinite(found["wer_low"]).all()
