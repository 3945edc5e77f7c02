"""Runs in the formats of other programs: what is written, and that nothing is decoded for it."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from analysis.alignment import Alignment
from app.evaluation import load_alignment, load_results
from tests.support.command import one_sentence, run
from tests.support.evaluated_runs import row, written_run
from tests.support.evaluation_fixtures import VARIANTS, finished, manifest, settings

__all__ = ["finished", "manifest", "settings"]
ENDINGS = ("TextGrid", "srt", "vtt", "json", "npz")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def unfinished(finished, tmp_path_factory) -> Path:
    """The finished run as it was before its end."""
    out = tmp_path_factory.mktemp("unfinished") / "run"
    shutil.copytree(finished, out)
    (out / "parts").mkdir()
    (out / "results.parquet").rename(out / "parts" / "000000.parquet")
    (out / "summary.json").unlink()
    return out


@pytest.mark.parametrize("which", ["finished", "unfinished"])
def test_every_format_of_a_run(which, request, tmp_path, capsys, monkeypatch):
    source = request.getfixturevalue(which)
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(tmp_path / "none"))  # nothing to decode with
    results = load_results(source)
    out = tmp_path / "out"
    status, printed, err = run(capsys, "export", source, "--out", out, "--formats", "all")
    assert (status, printed) == (0, "")
    ids = list(results["id"].unique())
    wanted = {f"{name}/{each}.{ending}" for name in VARIANTS for each in ids for ending in ENDINGS}
    wanted |= {f"kaldi/{name}/text" for name in VARIANTS} | {"results.csv", "words.csv"}
    wanted |= {f"{name}.{ending}" for name in VARIANTS for ending in ("ctm", "sclite.txt")}
    assert files(out) == wanted
    assert f"{len(results)}/{len(results)} transcripts (100 %)" in err
    assert f"wrote {len(wanted)} files to {out}" in err
    words = pd.read_csv(out / "words.csv", keep_default_na=False)
    for name in VARIANTS:
        heard = results[results["variant"] == name].set_index("id")["text"].str.split()
        lines = (out / f"{name}.ctm").read_text().splitlines()
        for each, said in heard.items():
            assert [line.split()[4] for line in lines if line.split()[0] == each] == said
            of_one = words[(words["id"] == each) & (words["variant"] == name)]
            assert list(of_one["word"]) == said
        assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
        kaldi = (out / "kaldi" / name / "text").read_text().splitlines()
        assert [line.split() for line in kaldi] == [[each, *heard[each]] for each in sorted(ids)]
        counts = re.findall(
            r"#I\) (\d+) (\d+) (\d+) (\d+)", (out / f"{name}.sclite.txt").read_text()
        )
        of_run = results.loc[
            results["variant"] == name, ["hits", "substitutions", "deletions", "insertions"]
        ]
        assert [tuple(map(int, found)) for found in counts] == list(of_run.itertuples(index=False))
    again, kept = Alignment.load(out / "ctc" / "u00.npz"), load_alignment(source, "u00", "ctc")
    assert again.tokens == kept.tokens
    assert (again.weights == kept.weights).all()
    table = pd.read_csv(out / "results.csv")
    for column in ("id", "variant", "hits", "verdict", "ended", "seconds"):
        assert table[column].tolist() == results[column].tolist()


def test_only_the_variants_asked_for(finished, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ("--variants", "ctc, location", "--formats", "text,csv")
    assert run(capsys, "export", finished, "--out", out, *asked)[0] == 0
    assert files(out) == {"kaldi/ctc/text", "kaldi/location/text", "results.csv", "words.csv"}
    assert set(pd.read_csv(out / "results.csv")["variant"]) == {"ctc", "location"}


@pytest.fixture(scope="module")
def without_maps(tmp_path_factory) -> Path:
    """A run without maps, with awkward names; only one of its recordings has a reference."""
    rows = [
        row("b/my talk", "dot", "no no", "no\nno"),
        row("b/my_talk", "dot", None, ""),
        row("A:1", "dot", None, "é <b>"),
    ]
    return written_run(tmp_path_factory.mktemp("runs") / "written", rows)


def test_a_run_without_maps_gives_what_needs_no_times(without_maps, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(capsys, "export", without_maps, "--out", out)[0] == 0
    assert files(out) == {"kaldi/dot/text", "dot.sclite.txt", "results.csv"}
    text = (out / "kaldi" / "dot" / "text").read_text("utf-8")
    assert text == "A:1 é <b>\nb/my_talk no no\nb/my_talk-2\n"
    assert (out / "dot.sclite.txt").read_text().count("id: (") == 1
    table = pd.read_csv(out / "results.csv", keep_default_na=False)
    assert table["text"].tolist() == ["no\nno", "", "é <b>"]
    status, _, err = run(capsys, "export", without_maps, "--out", out, "--formats", "srt,text,ctm")
    assert status == 1
    assert "has no attention maps, which srt, ctm need: evaluate with --keep-alignments" in err
    assert one_sentence(err)


def test_files_of_awkward_names_stay_in_their_folder(finished, tmp_path, capsys):
    source = tmp_path / "run"
    shutil.copytree(finished, source)
    table = load_results(source)
    names = {"u00": "../a b", "u01": "../a_b"}
    table["id"] = table["id"].replace(names)
    (source / "parts").mkdir()
    (source / "results.parquet").unlink()
    table.to_parquet(source / "parts" / "000000.parquet")
    for number, (old, new) in enumerate(names.items()):
        path = source / "maps" / f"{number:06d}.parquet"
        maps = pd.read_parquet(path)
        maps["id"] = maps["id"].replace({old: new})
        maps.to_parquet(path)
    out = tmp_path / "out"
    asked = ("--formats", "json,ctm", "--variants", "ctc")
    assert run(capsys, "export", source, "--out", out, *asked)[0] == 0
    assert {"ctc/a_b.json", "ctc/a_b-2.json", "ctc/u02.json", "ctc.ctm"} < files(out)
    assert not (tmp_path / "a b.json").exists()
    heard = {line.split()[0] for line in (out / "ctc.ctm").read_text().splitlines()}
    assert heard <= {"../a_b", "../a_b-2", *table["id"]}


def test_no_reference_no_sclite_and_it_is_said(tmp_path, capsys):
    source = written_run(tmp_path / "run", [row("a", "dot", None, "hm")])
    arguments = ("export", source, "--out", tmp_path / "out", "--formats", "sclite")
    status, _, err = run(capsys, *arguments)
    assert status == 0
    assert "sclite: nothing to write, the run does not know what was said" in err
    assert "wrote 0 files" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--formats", "docx"), "there is no format 'docx'; there are ctm, textgrid"),
        (("--formats", " ,"), "no format was chosen"),
        (("--variants", "dot,mine"), "the run has no variant 'mine'; it has: dot"),
        (("--variants", ""), "it has: dot"),
    ],
)
def test_wrong_usage(without_maps, tmp_path, capsys, arguments, said):
    status, _, err = run(capsys, "export", without_maps, "--out", tmp_path / "out", *arguments)
    assert status == 2
    assert said in err
    assert not (tmp_path / "out").exists()


def test_what_is_no_run_or_no_folder_is_said(without_maps, tmp_path, capsys):
    status, _, err = run(capsys, "export", tmp_path, "--out", tmp_path / "out")
    assert status == 1
    assert "is not a run" in err
    (tmp_path / "file").write_text("x")
    status, _, err = run(capsys, "export", without_maps, "--out", tmp_path / "file")
    assert status == 1
    assert one_sentence(err)
    (without_maps / "results.parquet").rename(tmp_path / "elsewhere")
    status, _, err = run(capsys, "export", without_maps, "--out", tmp_path / "out")
    assert status == 1
    assert "has no results yet" in err
