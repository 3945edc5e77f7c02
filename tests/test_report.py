"""Reports: one file, complete, offline, and nothing from outside is taken for markup."""

import base64
import io
import json
import re
import shutil
import struct
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile

from analysis.alignment import Alignment
from analysis.failures.failure import Failure
from app.charts.png import grey_png
from app.cli.main import main
from app.comparison import Models
from app.evaluation import Plan, Settings, evaluate, load_results, load_summary, pool, read_items
from app.evaluation.settings import fingerprints
from app.evaluation.store import RunStore
from app.markup.document import opus
from app.markup.matrices import pairs_by_name
from app.report import from_run, render
from app.report.content import Case, Report, ReportVariant
from app.report.drawings import attention_map, curves, interval_bar
from app.report.tables import pairs
from models.decoding.search import SearchOptions
from tests.support.dashboard import chromium
from tests.support.recordings import hum
from tests.support.small_runs import fake_part, plain_items, write_corpus

VARIANTS = ("dot", "location", "ctc")
HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def finished(checkpoints, tmp_path_factory) -> Path:
    """A run of three recordings, one of which cannot be read, with maps."""
    folder = tmp_path_factory.mktemp("report")
    manifest = write_corpus(folder / "corpus", [0.5, 0.6, 0.7])
    (folder / "corpus" / "hum1.wav").write_bytes(b"")
    evaluate(plan_of(manifest, checkpoints, folder / "run"))
    return folder / "run"


def plan_of(manifest: Path, checkpoints: Path, out: Path) -> Plan:
    infos = Models(checkpoints).choose(VARIANTS)
    settings = Settings(
        VARIANTS,
        SearchOptions(max_length_ratio=0.5),
        keep_alignments=True,
        folder=str(checkpoints),
        checkpoints=fingerprints(infos, checkpoints),
    )
    return Plan(lambda: read_items(manifest), settings, out, "corpus/manifest.tsv", workers=1)


class Links(HTMLParser):
    """What a page would fetch, and its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.names: list[str] = []  # of attributes

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append(tag)
        self.names += [name for name, _ in attributes]
        self.fetched += [
            value
            for name, value in attributes
            if name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action")
        ]


def links_of(html: str) -> Links:
    found = Links()
    found.feed(html)
    return found


def offline(html: str) -> bool:
    links = links_of(html).fetched
    styles = re.findall(r"url\(([^)]*)\)", html)
    inside = all(each.startswith(("data:", "#")) for each in links)
    return inside and all(each.strip("\"'").startswith(("data:", "#")) for each in styles)


# --- a run ----------------------------------------------------------------------------------------


def test_a_run_becomes_one_offline_file(capsys, finished, use_checkpoints, tmp_path):
    out = tmp_path / "report.html"
    assert main(["report", str(finished), "--out", str(out)]) == 0
    html = out.read_text(encoding="utf-8")
    assert offline(html)
    summary = load_summary(finished)
    for found in summary["variants"]:
        assert f"<b>{100 * found['wer']:.1f} %</b>" in html
    assert html.count('class="matrix"') == 1
    assert "hum1.wav is not an audio file" in html
    assert html.count("<audio") == 2
    assert html.count('<svg class="map"') >= 2
    assert len(html) < 1_000_000


def test_maps_that_were_not_kept_are_decoded_again(finished, use_checkpoints, tmp_path):

    bare = tmp_path / "bare"
    shutil.copytree(finished, bare)
    shutil.rmtree(bare / "maps")
    settings = json.loads((bare / "run.json").read_text())
    (bare / "run.json").write_text(json.dumps(settings | {"keep_alignments": False}))
    kept, again = from_run(finished), from_run(bare)
    for before, after in zip(kept.cases, again.cases, strict=True):
        for one, other in zip(before.variants, after.variants, strict=True):
            assert other.alignment.tokens == one.alignment.tokens
            np.testing.assert_allclose(other.alignment.map, one.alignment.map, atol=0.01)


def test_how_a_run_searched_is_said_where_it_is_not_as_usual(finished, use_checkpoints, tmp_path):
    shown = {"length limit", "length bonus", "coverage bonus", "CTC weight"}
    facts = dict(from_run(finished, cases=0).facts)
    assert shown & facts.keys() == {"length limit"}
    assert (facts["search"], facts["length limit"]) == ("greedy", "0.5 tokens per frame")
    changed = shutil.copytree(finished, tmp_path / "changed")
    settings = json.loads((changed / "run.json").read_text())
    settings["search"] |= {"length_penalty": -0.5, "coverage_penalty": 0.2, "max_length_ratio": 1.0}
    (changed / "run.json").write_text(json.dumps(settings))
    facts = dict(from_run(changed, cases=0).facts)
    assert shown & facts.keys() == {"length bonus", "coverage bonus"}
    assert (facts["length bonus"], facts["coverage bonus"]) == (
        "-0.5 nats per token",
        "0.2 nats per frame",
    )


def test_recordings_that_are_gone_leave_texts_and_maps(
    checkpoints, use_checkpoints, finished, tmp_path
):
    (finished.parent / "corpus").rename(tmp_path / "elsewhere")
    try:
        report = from_run(finished)
        assert all(case.samples is None for case in report.cases)
        assert "<audio" not in render(report)
        assert '<svg class="map"' in render(report)
    finally:
        (tmp_path / "elsewhere").rename(finished.parent / "corpus")


def test_the_worst_of_every_kind_comes_first_beside_the_best(finished, use_checkpoints):
    report, results = from_run(finished), load_results(finished)
    assert len(report.cases) == len({case.title for case in report.cases}) == 2
    errors = ["substitutions", "deletions", "insertions"]
    for case in report.cases:
        rows = results[results["id"] == case.title].set_index("variant")
        counts = rows[errors].sum(axis=1)
        if len(case.variants) > 1:
            assert counts[case.variants[1].name] == counts.min()
    assert len(from_run(finished, cases=1).cases) == 1
    assert from_run(finished, cases=0).cases == ()


def test_a_run_that_is_not_finished_can_be_reported(tmp_path, monkeypatch, use_checkpoints):
    settings = Settings(("dot",), keep_alignments=True)
    monkeypatch.setattr(pool, "decode_shard", fake_part)
    evaluate(Plan(lambda: iter(plain_items(3)), settings, tmp_path / "run", workers=1))
    (tmp_path / "run" / "summary.json").unlink()
    html = render(from_run(tmp_path / "run", cases=0))
    assert "3 so far (not finished)" in html


def test_a_run_that_was_interrupted_is_reported_from_its_parts(
    finished, checkpoints, use_checkpoints, tmp_path, monkeypatch
):
    run, out = tmp_path / "run", tmp_path / "report.html"
    plan = plan_of(finished.parent / "corpus" / "manifest.tsv", checkpoints, run)
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "merge", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            evaluate(plan)
    assert list((run / "parts").glob("*.parquet"))
    assert not (run / "results.parquet").exists()
    assert main(["report", str(run), "--out", str(out)]) == 0
    html = out.read_text(encoding="utf-8")
    assert "2 so far (not finished)" in html
    assert "hum1.wav is not an audio file" in html
    for found in load_summary(finished)["variants"]:
        assert f"<b>{100 * found['wer']:.1f} %</b>" in html


# --- clips ----------------------------------------------------------------------------------------


def test_compare_writes_the_same_kind_of_file(capsys, clip, use_checkpoints, tmp_path):
    out, values = tmp_path / "clips.html", tmp_path / "clips.json"
    arguments = ["compare", str(clip), "--text", "hm", "--variants", "dot,ctc", "--json"]
    assert main([*arguments, str(values), "--html", str(out)]) == 0
    html = out.read_text(encoding="utf-8")
    assert offline(html)
    assert (html.count('<svg class="map"'), html.count("<audio")) == (2, 1)
    again = tmp_path / "again.html"
    assert main(["report", str(values), "--out", str(again)]) == 0
    html = again.read_text(encoding="utf-8")
    assert offline(html)
    for variant in json.loads(values.read_text())["clips"][0]["variants"]:
        assert variant["verdict"].replace("_", " ") in html
    assert html.count("<audio") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "neither a run nor"),
        ("no json", "neither a run nor"),
        ('{"schema": 99, "clips": []}', "another version"),
        ('{"schema": 1, "clips": [], "errors": [{}]}', "holds no recording"),
        ('{"schema": 1, "clips": [{"clip": 3}]}', "clips[0].clip must be an object"),
        ("[" * 5_000, "nests deeper than"),
        (None, "does not exist"),
    ],
)
def test_what_is_no_comparison_is_refused(capsys, use_checkpoints, tmp_path, content, said):
    source = tmp_path / "x.json"
    if content is not None:
        source.write_text(content)
    assert main(["report", str(source), "--out", str(tmp_path / "x.html")]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x.html").exists()


def test_other_files_are_not_written_over(capsys, finished, use_checkpoints, tmp_path):
    precious = tmp_path / "thesis.html"
    precious.write_text("years of work")
    assert main(["report", str(finished), "--out", str(precious)]) == 1
    assert "is not HTML" in capsys.readouterr().err
    assert main(["report", str(finished), "--out", str(tmp_path)]) == 1
    assert precious.read_text() == "years of work"


# --- what is in it --------------------------------------------------------------------------------


def alignment_of(tokens: list[str], frames: int = 20) -> Alignment:
    weights = np.zeros((len(tokens), frames))
    weights[np.arange(len(tokens)), np.arange(len(tokens))] = 1
    return Alignment.from_arrays(weights, tokens, 0.04, variant="dot")


def hostile_report() -> Report:
    tokens = ["<b>", *"&\"'", "</svg>"]
    failure = Failure(HOSTILE, (0, 2), (0, 0.2), HOSTILE)
    variant = ReportVariant(HOSTILE, HOSTILE, HOSTILE, 0.5, (failure,), None)
    drawn = replace(variant, alignment=alignment_of(tokens))
    case = Case(HOSTILE, 0.8, HOSTILE, (variant, drawn), None, (HOSTILE,))
    return Report(
        HOSTILE, ((HOSTILE, HOSTILE),), "basic", {HOSTILE: HOSTILE}, None, (case,), HOSTILE,
        ((HOSTILE, HOSTILE),), 3,
    )  # fmt: skip


def test_markup_in_texts_is_shown_as_text():
    html = render(hostile_report())
    found = links_of(html)
    tags = found.tags
    assert tags.count("script") == 1  # ours
    assert "img" not in tags
    assert not [name for name in found.names if name.startswith("on")]


def test_the_picture_of_a_map_is_the_map():
    cells = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    png = grey_png(cells)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == (4, 3)
    start = png.index(b"IDAT") + 4
    size = struct.unpack(">I", png[start - 8 : start - 4])[0]
    lines = np.frombuffer(zlib.decompress(png[start : start + size]), np.uint8).reshape(3, 5)
    np.testing.assert_array_equal(lines[:, 1:], cells)
    assert (lines[:, 0] == 0).all()


def test_a_map_names_its_tokens_seconds_and_failures():
    failure = Failure("loop", (1, 3), (0.2, 0.4))
    svg = attention_map(alignment_of(list("abcd")), [failure], 1.0)
    assert re.findall(r'class="token"[^>]*>([^<]*)<', svg) == list("abcd")
    assert "0.4 s</text>" in svg
    assert ">loop</text>" in svg
    left = float(re.search(r'class="failure"><rect x="([\d.]+)"', svg)[1])
    scale, start = (float(re.search(rf'data-{k}="([\d.]+)"', svg)[1]) for k in ("scale", "left"))
    assert left == pytest.approx(start + 0.2 * scale, abs=0.1)


def test_sound_survives_the_file():
    samples = hum(1.0)
    encoded = opus(samples)
    back, rate = soundfile.read(io.BytesIO(encoded), dtype="float32")
    assert rate == 16_000
    assert len(back) == pytest.approx(len(samples), abs=400)
    size = min(len(back), len(samples))
    assert np.corrcoef(back[:size], samples[:size])[0, 1] > 0.9
    assert len(encoded) < samples.nbytes / 4


@pytest.mark.parametrize(
    ("rate", "interval", "drawn"),
    [(0.5, [0.4, 0.6], True), (None, [None, None], False), (9.0, [5.0, 12.0], True)],
)
def test_interval_bars_stay_inside(rate, interval, drawn):
    svg = interval_bar(rate, interval, 1.0)
    assert bool(svg) == drawn
    for x in re.findall(r'c?x[12]?="([\d.]+)"', svg):
        assert 0 <= float(x) <= 170


def test_curves_with_one_level_and_undefined_rates():
    svg = curves(["1"], {"a": [0.5], "b": [None]}, "a", "times")
    assert svg.count("<circle") == 1
    assert "1: 50.0 %" in svg
    assert curves(["1", "2"], {"b": [None, None]}, "b", "times").count("<circle") == 0


def test_the_matrix_turns_pairs_the_right_way():
    """b is surely better than a: the row of b says so, the row of a the opposite."""
    pair = {"a": "bad", "b": "good", "probability_of_improvement": 0.97, "mapsswe_p": 1e-6,
            "segments": 40, "wer_difference": 0.8}  # fmt: skip
    variants = [{"name": "good", "wer": 0.1}, {"name": "bad", "wer": 0.9}]
    html = pairs({"pairs": [pair], "variants": variants})
    cells = re.findall(r'<td class="(\w+)"[^>]*>([^<]*)</td>', html)
    assert cells == [("self", ""), ("win", "97 % ▲"), ("loss", "3 % ▼"), ("self", "")]


MANY = [  # p of a against b, a against c and b against c, segments; which of them are sure
    ([1e-6, 1e-6, 1e-6], 29, [False, False, False]),  # too few segments
    ([1e-6, 1e-6, 1e-6], 30, [True, True, True]),
    ([0.001, 0.02, 0.04], 40, [True, True, True]),  # 0.05 / 3 for each would leave only the first
    ([0.02, 0.03, 0.04], 40, [False, False, False]),
    ([None, 0.02, 0.03], 40, [False, True, True]),
]


@pytest.mark.parametrize(("p_values", "segments", "sure"), MANY)
def test_the_matrix_calls_sure_what_the_page_calls_sure(p_values, segments, sure):
    names = [("a", "b"), ("a", "c"), ("b", "c")]
    found = [
        {"a": a, "b": b, "probability_of_improvement": 0.98, "mapsswe_p": p, "segments": segments,
         "wer_difference": 0.1}
        for (a, b), p in zip(names, p_values, strict=True)
    ]  # fmt: skip
    variants = [{"name": name, "wer": wer} for name, wer in (("c", 0.1), ("b", 0.2), ("a", 0.3))]
    assert [pairs_by_name(found)[name].sure for name in names] == sure
    html = pairs({"pairs": found, "variants": variants})
    for kind, order in (("win", 1), ("loss", -1)):  # the second of each pair is better
        cells = re.findall(f'<td class="{kind}" title="(.) against (.):', html)
        expected = {name[::-order] for name, marked in zip(names, sure, strict=True) if marked}
        assert set(cells) == expected


# --- in a browser ---------------------------------------------------------------------------------


def test_a_browser_opens_it_offline_and_a_click_plays_from_there(
    finished, use_checkpoints, tmp_path
):
    out = tmp_path / "report.html"
    assert main(["report", str(finished), "--out", str(out)]) == 0
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url))
        page.goto(out.as_uri())
        audio = "document.querySelector('.case audio')"
        page.wait_for_function(f"{audio}.duration > 0")
        found = page.locator(".case").first.locator(".map").first
        found.scroll_into_view_if_needed()
        page.evaluate(f"{audio}.muted = true")
        box = found.bounding_box()
        left, scale = (float(found.get_attribute(f"data-{k}")) for k in ("left", "scale"))
        at = (left + 0.25 * scale) * box["width"] / 640
        page.mouse.click(box["x"] + at, box["y"] + box["height"] / 2)
        page.wait_for_function(f"{audio}.currentTime > 0.24")
        page.wait_for_function("document.querySelector('.cursor').getAttribute('x1') > 0")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert [line for line in said if not line.startswith(("data:", "blob:"))] == [out.as_uri()]


def test_pictures_are_data():
    svg = attention_map(alignment_of(list("ab")), [], 0.8)
    (link,) = links_of(svg).fetched
    assert base64.b64decode(link.removeprefix("data:image/png;base64,"))[:4] == b"\x89PNG"
