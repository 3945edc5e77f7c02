"""The benchmark of speed runs at a tiny size; its report becomes the tables of docs/speed.md."""

import json

import pytest
import torch

from benchmarks import listening, peer, speed
from docs import make_speed

TINY = ["--seconds", "1", "--characters", "4", "--beam", "3", "--recordings", "2"]
TINY += ["--repeats", "1", "--lengths", "1", "2", "--length-mechanisms", "ctc"]
TINY += ["--mechanisms", "location", "ctc", "--units", "16", "--attention-dim", "8"]
MEASURED = ("search", "mechanisms", "batch", "lengths")  # the browser has tests of its own


def command(out, checkpoints, *only: str) -> int:
    threads = torch.get_num_threads()
    asked = ["--out", str(out), "--checkpoints", str(checkpoints), "--peers", "dot", "location"]
    return speed.main([*asked, *TINY, "--only", *only, "--threads", str(threads)])


@pytest.fixture(scope="module")
def report(checkpoints, tmp_path_factory):
    out = tmp_path_factory.mktemp("speed") / "speed.json"
    with pytest.MonkeyPatch.context() as patch:
        here = lambda function, *arguments: function(*arguments)  # noqa: E731
        patch.setattr(listening, "apart", here)  # a process of its own takes seconds to start
        assert command(out, checkpoints, *MEASURED) == 0
    return out


def test_the_same_is_found_and_everything_took_time(report):
    rows = json.loads(report.read_text())["search"]["found"]
    assert [(row["mechanism"], row["ctc_weight"]) for row in rows] == [
        ("dot", 0.0), ("dot", 0.3), ("location", 0.0), ("location", 0.3),
    ]  # fmt: skip
    for row in rows:
        assert row["same_hypothesis"]
        assert row["map_difference"] < 1e-4
        assert row["tokens"] == 4
        assert min(row[f"{who}_seconds"] for who in ("espnet", "single", "batched")) > 0


def test_other_maps_would_be_noticed(checkpoints):
    """The difference is one between two computations, not of a thing with itself."""
    options = speed.parser().parse_args(["--out", "x", *TINY])
    theirs, ours = peer.espnet_pair("location", options)
    encoded, lengths, _ = peer.recordings(1, 1.0)
    asked = peer.SearchOptions(beam=2, max_length_ratio=0.2, length_normalised=False)
    (found,) = peer.decode(ours, encoded, lengths, peer.ALPHABET, asked)[0]
    assert peer._apart(theirs, encoded[0], found) < 1e-4
    with torch.no_grad():
        theirs.att[0].mlp_att.weight.mul_(3)
    assert peer._apart(theirs, encoded[0], found) > 1e-3


def test_sums_and_shares(report):
    found = json.loads(report.read_text())
    one = found["mechanisms"]["found"]
    sums = one["encoder_seconds"] + sum(row["greedy_seconds"] for row in one["rows"])
    assert one["all_greedy_seconds"] == pytest.approx(sums)
    assert one["peer_seconds"] > 0
    many = found["batch"]["found"]
    assert many["recordings_at_once"] == 2
    for row in many["rows"]:
        assert 0 < row["encoder_share"] < 1
        assert row["whole_rtfx"] < min(row["decode_rtfx"], many["encoder_rtfx"])
    long = found["lengths"]["found"]
    assert [row["audio_seconds"] for row in long] == [1, 2]
    assert all(row["mb_highest"] >= row["mb_loaded"] > 0 for row in long)


def test_a_section_alone_leaves_the_others(report, checkpoints):
    before = json.loads(report.read_text())
    assert command(report, checkpoints, "mechanisms") == 0
    after = json.loads(report.read_text())
    assert after["search"] == before["search"]
    assert set(after) == set(before)


def test_a_file_of_something_else_is_not_overwritten(tmp_path, checkpoints, capsys):
    other = tmp_path / "other.json"
    other.write_text('{"schema": 7}')
    assert command(other, checkpoints, "mechanisms") == 1
    assert "is not a report of this benchmark" in capsys.readouterr().err
    assert other.read_text() == '{"schema": 7}'


def test_the_tables_stand_in_the_page(report):
    page = make_speed.PAGE.read_text(encoding="utf-8")
    measured = json.loads(report.read_text())
    measured["browser"] = {
        "machine": measured["search"]["machine"],
        "found": {
            "mechanisms": 9,
            "first_visit": {"audio_seconds": 5.4, "seconds": 4.25},
            "upload": {"audio_seconds": 10.0, "seconds": 2.5},
        },
    }
    measured["corpus"] = {
        "machine": measured["search"]["machine"],
        "found": {
            "command": {
                "recordings": 2000,
                "mb_before": 300.0,
                "mb_during": [[200, 310.0, 0.0], [2000, 312.5, 0.0]],
                "mb_highest": 355.0,
            },
            "worker": {"variants": 19, "mb_highest": 700.0},
        },
    }
    new = make_speed.page_with(page, measured)
    assert "| 2,000 | 312 |" in new
    assert "355 at most" in new
    assert "| `location` | 0.3 |" in new
    assert "| upload | 10.0 s | 2.5 |" in new
    assert "**all 2 and the encoder**" in new
    assert "| `ctc` | 2 s |" in new
    assert make_speed.page_with(new, measured) == new
    assert make_speed.page_with(page, {"schema": 1}) == page  # nothing measured, nothing changed
