"""Tables of the documentation: written between marks, from numbers that are known."""

import json

import pandas as pd
import pytest

from analysis.scoring.prediction import WORSE
from docs import tables


def test_only_what_is_between_the_marks_changes():
    page = "before\n<!-- timing -->\nold\n<!-- /timing -->\nafter\n"
    new = tables.replace_between_marks(page, "timing", "new")
    assert new == "before\n<!-- timing -->\nnew\n<!-- /timing -->\nafter\n"
    assert tables.replace_between_marks(new, "timing", "new") == new


@pytest.mark.parametrize("page", ["", "<!-- timing -->", "<!-- /timing -->"])
def test_a_page_without_marks_is_refused(page):
    with pytest.raises(ValueError, match="no marks <!-- timing -->"):
        tables.replace_between_marks(page, "timing", "new")


def test_the_page_has_the_marks_of_every_section():
    page = tables.PAGE.read_text(encoding="utf-8")
    for name in tables.SECTIONS:
        assert tables.replace_between_marks(page, name, "x") != page


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two mechanisms on twelve recordings, one of them also stressed."""
    rows = []
    for number in range(12):
        for name in ("good", "poor"):
            wrong = name == "poor" and number % 2
            rows.append(
                {
                    "id": f"u{number:02d}", "variant": name, "stress": "none",
                    "reference": "one two three four", "text": "one four" if wrong else
                    "one two three four", "normalizer": "basic", "wer": 0.5 if wrong else 0.0,
                    "verdict": "skip" if wrong else "healthy",
                    **{metric: float(WORSE[metric] * wrong) for metric in WORSE},
                }
            )  # fmt: skip
    rows.append({**rows[0], "id": "noisy", "stress": "noise", "text": "nothing", "wer": 1.0})
    folder = tmp_path_factory.mktemp("run")
    pd.DataFrame(rows).to_parquet(folder / "results.parquet")
    return folder


def test_scores_of_a_run(run):
    text = tables.scores(run)
    assert "12 recordings" in text
    assert "| good | 48 | 0.0 % | 0.0 to 0.0 |" in text
    assert "| poor | 48 | 25.0 % |" in text
    assert "| good | -25.0; 0.00; p - |" in text  # the same difference in every segment


def test_prediction_of_a_run(run):
    text = tables.prediction(run)
    assert "12 recordings and 2 mechanisms" in text
    entropy = next(line for line in text.splitlines() if line.startswith("| `entropy`"))
    assert entropy == "| `entropy` | more | - | **+1.00** (+1.00 to +1.00) |"
    assert "| poor | 2 | 6 | 2 | 0.33 (" in text


def test_timing_of_a_report(tmp_path):
    row = {
        "name": "dot", "against": "known times", "words": 7, "start_bias_ms": -3.4, "start_ms": 21,
        "end_bias_ms": 5.0, "end_ms": 30.2, "median_ms": 25.4, "p90_ms": 80.0,
    }  # fmt: skip
    report = {"clips": 4, "voices": ["slt"], "sentences": 4, "milliseconds": 1.5, "rows": [row]}
    file = tmp_path / "timing.json"
    file.write_text(json.dumps(report))
    assert "| dot | known times | 7 | -3, 21 | +5, 30 | 25 | 80 |" in tables.timing(file)


def test_the_command_prints_or_says_what_is_wrong(run, tmp_path, capsys):
    before = tables.PAGE.read_bytes()
    assert tables.main(["scores", str(run), "--print"]) == 0
    assert "| mechanism | words |" in capsys.readouterr().out
    assert tables.main(["prediction", str(tmp_path)]) == 1
    assert "evaluate" in capsys.readouterr().err
    assert tables.PAGE.read_bytes() == before
