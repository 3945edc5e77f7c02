"""One record of a failure from the analysis to pages, reports, Parquet and CSV, with its reason."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as some

from analysis.failures.failure import Failure, Note
from analysis.failures.thresholds import SEVERITY
from app.cli.main import main
from app.data import runs
from app.data.runs import KIND, Run
from app.evaluation import RunError, load_results, load_summary
from app.evaluation.parquet import FINDING_COLUMNS, failures_of, has_kind, notes_of
from app.evaluation.store import RunStore
from app.evaluation.summary import summarise
from app.markup import cards
from app.views.compare.stored import diagnosis_of
from app.views.failures import page as failures_page
from tests.support.evaluated_runs import row, written_run

PAIRS = some.tuples(some.integers(0, 10**6), some.integers(0, 10**6))
TIMES = some.tuples(*[some.floats(-1e6, 1e6)] * 2)
ROWS = [("a", ["loop", "skip"]), ("b", []), ("c", ["skip"]), ("d", ["runaway", "loop", "loop"])]


@given(some.builds(Failure, some.text(max_size=20), PAIRS, TIMES, some.text()))
def test_a_record_survives_json(failure):
    assert Failure.from_json(json.loads(json.dumps(failure.to_json()))) == failure
    span = Failure.from_json(failure.span_json())
    assert (span.kind, span.tokens, span.seconds) == (failure.kind, failure.tokens, failure.seconds)
    assert span.explanation == ""
    assert isinstance(Note.from_json(failure.to_json()), Note)


GOOD = Failure("loop", (1, 3), (0.5, 1.0), "Again.").to_json()


@pytest.mark.parametrize(
    "values",
    [
        None, 3, [], "loop", {}, GOOD | {"kind": 3}, GOOD | {"kind": "x" * 201},
        GOOD | {"tokens": [1]}, GOOD | {"tokens": [1, 2, 3]}, GOOD | {"tokens": [-1, 2]},
        GOOD | {"tokens": [1.5, 2]}, GOOD | {"tokens": [True, 2]}, GOOD | {"tokens": 5},
        GOOD | {"seconds": [0, float("nan")]}, GOOD | {"seconds": [0, float("inf")]},
        GOOD | {"seconds": ["0", "1"]}, GOOD | {"seconds": None}, GOOD | {"explanation": 5},
    ],
)  # fmt: skip
def test_what_is_no_failure_is_refused(values):
    with pytest.raises(ValueError, match="failure"):
        Failure.from_json(values)


@pytest.fixture(params=["records", "json only", "some of both"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A run of this version, of an earlier one, and one that was resumed with this version."""
    rows = [row(name, "ctc", "one", "one", kinds=kinds) for name, kinds in ROWS]
    path = written_run(tmp_path / "run", rows)
    table = pq.read_table(path / "results.parquet")
    if request.param == "json only":
        table = table.drop_columns(list(FINDING_COLUMNS))
    elif request.param == "some of both":
        for name in FINDING_COLUMNS:
            values = [None, None, *table[name].to_pylist()[2:]]
            place = table.column_names.index(name)
            table = table.set_column(place, name, [values]).cast(table.schema)
    pq.write_table(table, path / "results.parquet")
    return path


def test_every_run_gives_the_same_failures(stored):
    results = load_results(stored)
    assert list(results.columns[-2:]) == list(FINDING_COLUMNS)
    for (_, kinds), found in zip(ROWS, results.to_dict("records"), strict=True):
        assert [failure.kind for failure in failures_of(found)] == kinds
        assert notes_of(found) == ()
    columns = ["id", "failure_records"]
    assert list(load_results(stored, columns).columns) == columns
    assert summarise(RunStore(stored).tables, "basic")["variants"][0]["failures"] == {
        "skip": 2, "loop": 2, "runaway": 1
    }  # fmt: skip


def test_pages_find_every_kind(stored):
    run = Run(stored.name, stored, hash(str(stored)))
    table = runs.results(run)
    for kind in SEVERITY:
        assert table[KIND.format(kind)].tolist() == [kind in kinds for _, kinds in ROWS]


def test_kinds_are_found_in_every_chunk(stored):
    (table,) = RunStore(stored).tables(["failure_records"])
    column = table["failure_records"]  # its slices have offsets that do not start at zero
    chunks = pa.chunked_array(column.slice(1).chunks + column.slice(2).chunks)
    expected = ["skip" in kinds for _, kinds in [*ROWS[1:], *ROWS[2:]]]
    np.testing.assert_array_equal(has_kind(chunks, "skip"), expected)


def test_damaged_records_are_said_in_one_sentence(stored, tmp_path):
    table = pq.read_table(stored / "results.parquet")
    table = table.drop_columns([name for name in FINDING_COLUMNS if name in table.column_names])
    table = table.set_column(table.column_names.index("failures"), "failures", [["[{}]"] * 4])
    pq.write_table(table, stored / "results.parquet")
    with pytest.raises(RunError, match="damaged"):
        load_results(stored)
    with pytest.raises(RunError, match="cannot be read"):
        runs.results(Run("damaged", stored, hash(str(tmp_path))))


def test_the_reason_is_on_the_page_and_in_every_file(tmp_path, capsys):
    path = written_run(tmp_path / "run", [row("a", "ctc", "one", "one", kinds=["loop"])])
    run = Run("reasons", path, hash(str(path)))
    (found,) = runs.rows_of(run, "a")
    assert "Here is a loop." in cards.evidence(diagnosis_of(found))
    content = failures_page._content(run, np.array([0]), "csv")
    assert "Here is a loop." in pd.read_csv(io.BytesIO(content))["failure_records"][0]
    content = failures_page._content(run, np.array([0]), "parquet")
    assert pq.read_table(io.BytesIO(content))["failure_records"][0].as_py() == [
        Failure("loop", (0, 1), (0.0, 1.0), "Here is a loop.").to_json()
    ]
    out = tmp_path / "exported"
    assert main(["export", str(path), "--out", str(out), "--formats", "csv"]) == 0
    exported = pd.read_csv(out / "results.csv")
    (record,) = json.loads(exported["failure_records"][0])
    assert Failure.from_json(record).explanation == "Here is a loop."
    assert load_summary(path)["variants"][0]["failures"] == {"loop": 1}
