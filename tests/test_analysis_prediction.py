"""Prediction of errors: rank correlations against SciPy, rules on tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.diagnosis import METRICS
from analysis.scoring.intervals import Interval, draws
from analysis.scoring.prediction import (
    RULES,
    WORSE,
    Options,
    PredictionError,
    correlations,
    flagging,
    suspicion,
)
from analysis.scoring.ranks import kendall, spearman

FAST = Options(resamples=200)


def pairs(seed, count=40, levels=6):
    """Correlated numbers with many ties, as error rates are."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, levels, count)
    return a.astype(float), (a + rng.integers(0, 2 * levels, count)).astype(float)


@given(st.integers(0, 1000), st.integers(3, 30))
@settings(max_examples=40)
def test_estimates_are_those_of_scipy(seed, count):
    a, b = pairs(seed, count)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert spearman(a, b) == kendall(a, b) == Interval(None, None, None)
        return
    assert spearman(a, b, resamples=20).estimate == pytest.approx(stats.spearmanr(a, b).statistic)
    assert kendall(a, b, resamples=20).estimate == pytest.approx(stats.kendalltau(a, b).statistic)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (spearman, lambda a, b: stats.spearmanr(a, b).statistic),
        (kendall, lambda a, b: stats.kendalltau(a, b).statistic),
    ],
)
def test_intervals_are_those_of_drawing_one_by_one(ours, theirs):
    a, b = pairs(3)
    found = ours(a, b, resamples=100, seed=7)
    each = []
    for times in np.concatenate(list(draws(len(a), 100, 7))).astype(int):
        chosen = np.repeat(np.arange(len(a)), times)
        each.append(theirs(a[chosen], b[chosen]))
    assert found.low == pytest.approx(np.quantile(each, 0.025), abs=1e-6)
    assert found.high == pytest.approx(np.quantile(each, 0.975), abs=1e-6)
    assert found.low <= found.estimate <= found.high


@pytest.mark.parametrize("measure", [spearman, kendall])
def test_perfect_order_and_its_reverse(measure):
    values = np.arange(20.0)
    assert measure(values, values**3) == Interval(*[pytest.approx(1)] * 3)
    assert measure(values, -values).estimate == pytest.approx(-1)


@pytest.mark.parametrize("measure", [spearman, kendall])
def test_what_has_no_correlation(measure):
    nothing = Interval(None, None, None)
    assert measure(np.arange(2.0), np.arange(2.0)) == nothing
    assert measure(np.ones(9), np.arange(9.0)) == nothing
    with pytest.raises(ValueError, match="equal length"):
        measure(np.arange(4.0), np.arange(5.0))
    with pytest.raises(ValueError, match="level"):
        measure(np.arange(4.0), np.arange(4.0), level=2)


def results(count=60, seed=0):
    """A made-up run of three mechanisms: attention that tells all, nothing, and cannot be told."""
    rng = np.random.default_rng(seed)
    rows = []
    for name in ("honest", "silent", "equal"):
        wer = np.round(rng.beta(1, 4, count), 2)
        order = wer if name == "honest" else rng.permutation(wer)
        for i in range(count):
            row = {metric: WORSE[metric] * order[i] + 1 for metric in WORSE}
            if name == "equal":
                row |= {"path_diagonality": None, "monotonicity": None}
            rows.append(
                {
                    "id": f"u{i}", "variant": name, "wer": wer[i], "verdict": "healthy",
                    "substitutions": int(20 * wer[i]), "deletions": 0, "insertions": 0, **row,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_every_metric_of_a_diagnosis_has_a_direction():
    assert set(WORSE) == {*METRICS, "alignment_error_ms"}


def test_correlations_of_a_known_table():
    table = correlations(results(), FAST).set_index(["variant", "metric"])
    assert len(table) == 3 * len(WORSE)
    assert set(table["utterances"]) == {0, 60}
    for metric in WORSE:
        if not WORSE[metric]:
            continue
        row = table.loc["honest", metric]
        assert row["spearman"] == pytest.approx(row["expected"])
        assert row["kendall"] == pytest.approx(row["expected"])
        assert abs(table.loc["silent", metric]["spearman"]) < 0.4
    assert table.loc["equal", "monotonicity"]["utterances"] == 0
    assert np.isnan(table.loc["equal", "monotonicity"]["spearman"])
    silent = table.loc["silent", "entropy"]
    assert silent["spearman_low"] < 0 < silent["spearman_high"]
    assert silent["kendall_low"] < 0 < silent["kendall_high"]


def test_an_honest_attention_finds_the_worst_and_a_silent_one_finds_some_by_chance():
    table = flagging(results(200), ["mean rank"], FAST).set_index("variant")
    honest, silent = table.loc["honest"], table.loc["silent"]
    assert honest["flagged"] == 20
    assert honest["recall"] > 0.9
    assert honest["precision"] == 1
    assert honest["lift"] == pytest.approx(honest["precision"] / (honest["worst"] / 200))
    assert honest["errors_found"] > 0.2
    assert silent["lift"] < 3.5
    assert silent["lift_low"] < 1.2
    for name in ("recall", "precision", "lift"):
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()


def row(verdict, entropy, wer=0.0):
    return {
        "variant": "a", "wer": wer, "verdict": verdict, "entropy": entropy,
        "path_diagonality": 1.0, "skipped_seconds": 0.0, "backward_seconds": 0.0,
    }  # fmt: skip


def test_the_verdict_decides_before_the_ranks():
    table = pd.DataFrame(
        [row("healthy", 0.9), row("jump_back", 0.1), row("loop", 0.1), row("loop", 0.3)]
    )
    order = suspicion(table, "verdict, then mean rank").to_numpy().argsort()
    assert order.tolist() == [0, 1, 2, 3]
    assert suspicion(table, "mean rank").to_numpy().argmax() == 0
    alike = suspicion(table, "verdict").to_numpy()
    assert alike[2] == alike[3] > alike[1] > alike[0]
    assert ((alike >= 0) & (alike <= 1)).all()


def test_an_undefined_metric_is_suspicious():
    table = pd.DataFrame([row("healthy", 0.9), row("healthy", None), row("healthy", 0.5)])
    assert suspicion(table, "mean rank").to_numpy().argmax() == 1


def test_mechanisms_are_ranked_among_themselves():
    table = pd.DataFrame([row("healthy", 0.9), row("healthy", 0.1)])
    both = pd.concat([table, table.assign(variant="b", entropy=[0.2, 0.1])], ignore_index=True)
    scores = suspicion(both, "mean rank").to_numpy()
    np.testing.assert_allclose(scores[:2], scores[2:])


def test_ties_of_the_last_place_share_it():
    # one of four equally suspicious utterances is flagged: each by a quarter
    table = pd.DataFrame([row("healthy", 0.5, wer) for wer in (1.0, 0, 0, 0)])
    found = flagging(table, ["mean rank"], Options(share=0.25, resamples=50)).iloc[0]
    assert (found["flagged"], found["worst"]) == (1, 1)
    assert found["recall"] == found["precision"] == 0.25
    assert found["lift"] == 1


def test_ties_of_the_worst_are_all_worst_and_no_error_is_none():
    rates = [0.5, 0.5, 0.5, *[0.0] * 17]
    table = pd.DataFrame([row("healthy", rate, rate) for rate in rates])
    found = flagging(table, ["mean rank"], FAST).iloc[0]
    assert (found["flagged"], found["worst"], found["precision"]) == (2, 3, 1)
    assert found["recall"] == pytest.approx(2 / 3)
    perfect = pd.DataFrame([row("healthy", i / 20) for i in range(20)])
    none = flagging(perfect, ["mean rank"], FAST).iloc[0]
    assert none["worst"] == 0
    assert np.isnan(none["recall"])
    assert np.isnan(none["errors_found"])


@given(st.integers(0, 500), st.integers(1, 40), st.sampled_from(sorted(RULES)))
@settings(max_examples=30)
def test_shares_are_shares(seed, count, rule):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        [
            row(
                rng.choice(["healthy", "loop", "skip"]), round(rng.random(), 1), rng.integers(4) / 3
            )
            | {"alignment_error_ms": float(rng.integers(5)), "repeated_tokens": 0.0}
            for _ in range(count)
        ]
    )
    found = flagging(table, [rule], Options(resamples=30)).iloc[0]
    assert found["flagged"] == np.ceil(count / 10 - 1e-9)
    assert 0 <= found["precision"] <= 1
    if found["worst"]:
        assert 0 <= found["recall"] <= 1
        assert found["found"] <= min(found["flagged"], found["worst"]) + 1e-9


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda table: correlations(table.drop(columns="variant")), "no column variant"),
        (lambda table: correlations(table.assign(wer=np.nan)), "references are needed"),
        (lambda table: correlations(table[["variant", "wer"]]), "no column with a metric"),
        (lambda table: suspicion(table, "guess"), "no rule 'guess'"),
        (lambda table: flagging(table.drop(columns="entropy")), "needs the columns entropy"),
    ],
)
def test_tables_that_cannot_answer_are_refused(action, message):
    with pytest.raises(PredictionError, match=message):
        action(results(10))
