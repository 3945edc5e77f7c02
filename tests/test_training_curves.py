"""Curves as pictures: what is drawn is what the runs wrote."""

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training import curves
from models.training.curves import Curve, panels, svg, thinned, ticks

SVG = "{http://www.w3.org/2000/svg}"


def run(folder: Path, updates: int = 40, scored: bool = True) -> Path:
    """A run whose loss falls by 1 every ten updates, from updates / 10; ten updates an hour."""
    folder.mkdir()
    rows = [f"{u}\t0\t{(updates - u) / 10}\t1e-3\t{u * 360}" for u in range(10, updates + 1, 10)]
    head = "update\tepoch\tloss\trate\tseconds\n"
    (folder / "curve.tsv").write_text(head + "\n".join(rows) + "\n")
    if scored:
        text = "update\tepoch\tdev_wer\tdev_cer\n20\t0\t1.0\t0.5\n40\t1\t0.5\t0.25\n"
        (folder / "scores.tsv").write_text(text)
    return folder


def test_panels_hold_what_was_written(tmp_path):
    loss, rate = panels([run(tmp_path / "a"), run(tmp_path / "b", 60, scored=False)])
    assert loss.lines[0] == Curve("a", (10, 20, 30, 40), (3, 2, 1, 0))
    assert loss.lines[1].x[-1] == 60
    assert rate.title == "word error rate, dev (greedy)"
    assert rate.lines == (Curve("a", (20, 40), (1.0, 0.5)),)


def test_dev_sets_that_came_later_are_drawn(tmp_path):
    folder = run(tmp_path / "a", 10)
    text = "update\tepoch\tdev_wer\tother_wer\n5\t0\t1.0\t\n10\t1\t0.5\t0.25\n"
    (folder / "scores.tsv").write_text(text)
    _, dev, other = drawn = panels([folder])
    assert dev.lines == (Curve("a", (5, 10), (1.0, 0.5)),)
    assert other.lines == (Curve("a", (10,), (0.25,)),)
    ElementTree.fromstring(svg(drawn))  # of one row each: there is something to draw


def test_along_hours(tmp_path):
    loss, rate = panels([run(tmp_path / "a")], hours=True)
    assert loss.lines[0].x == (1, 2, 3, 4)
    assert rate.lines[0].x == (2, 4)


def test_lines_go_through_their_points(tmp_path):
    picture = ElementTree.fromstring(svg(panels([run(tmp_path / "a & b")])))
    assert "a & b" in [text.text for text in picture.iter(f"{SVG}text")]
    tracks = [path.get("d") for path in picture.iter(f"{SVG}path") if "L" in path.get("d")]
    assert len(tracks) == 2
    x, y = zip(*[map(float, pair) for pair in re.findall(r"([\d.]+) ([\d.]+)", tracks[0])],
               strict=True)  # fmt: skip
    assert len(x) == 4
    steps = [b - a for a, b in pairwise(y)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)  # a straight line stays one
    assert steps[0] > 0  # and falls: down is more in a picture
    assert (x[0], x[-1]) == pytest.approx((52 + 396 / 4, 448), abs=0.1)


@given(st.integers(1, 1000), st.integers(1, 50))
def test_thinning_keeps_the_mean_line(count, points):
    line = thinned(Curve("r", tuple(range(count)), tuple(3 * n for n in range(count))), points)
    assert len(line.x) <= points
    assert line.y == pytest.approx([3 * x for x in line.x])


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e5))
def test_ticks_are_few_even_and_inside(low, size):
    found = ticks(low, low + size)
    assert 1 <= len(found) <= 7
    assert low - 1e-6 * size <= found[0]
    assert found[-1] <= low + size * (1 + 1e-6)
    gaps = [b - a for a, b in pairwise(found)]
    assert gaps == pytest.approx(gaps[:1] * len(gaps), rel=1e-6)


def test_command(tmp_path, capsys):
    out = tmp_path / "images" / "curves.svg"
    assert curves.main([str(run(tmp_path / "a")), "--out", str(out), "--hours"]) == 0
    assert "hours" in out.read_text()
    assert curves.main([str(tmp_path / "none"), "--out", str(out)]) == 1
    assert "holds no curve.tsv" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        curves.main([str(tmp_path / "a"), "--out", str(tmp_path / "curves.png")])
    assert stop.value.code == 2
