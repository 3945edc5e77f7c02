"""Exporting results: every format from the command line, file names, figures."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from analysis.alignment import Alignment
from app.cli.main import main
from app.export import clips as clip_export
from models import audio
from tests.support.recordings import hum

TEXTS = ("ctm", "TextGrid", "srt", "vtt", "json", "npz")


@pytest.fixture(scope="module")
def exported(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips with awkward names, two variants, every format but figures."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "a").mkdir()
    clips = [folder / "my talk.wav", folder / "a" / "my talk.flac"]
    for clip in clips:
        soundfile.write(clip, hum(0.6), 16_000)
    formats = ",".join(name for name in clip_export.FORMATS if name not in clip_export.FIGURES)
    arguments = ["compare", *map(str, clips), "--variants", "dot,ctc", "--json", str(folder / "j")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
        assert main([*arguments, "--export", str(folder / "out"), "--formats", formats]) == 0
    return folder


def test_every_recording_and_variant_has_its_files(exported):
    names = {
        str(path.relative_to(exported / "out"))
        for path in (exported / "out").rglob("*")
        if path.is_file()
    }
    wanted = {
        f"{clip}.{variant}.{ending}"
        for clip in ("my_talk", "my_talk-2")
        for variant in ("dot", "ctc")
        for ending in TEXTS
    }
    wanted |= {f"kaldi/{variant}/text" for variant in ("dot", "ctc")}
    wanted |= {f"{name}.{kind}" for name in ("results", "words") for kind in ("csv", "parquet")}
    assert names == wanted  # sclite has nothing to say without a reference


def test_files_say_what_the_json_says(exported):
    out = exported / "out"
    clips = json.loads((exported / "j").read_text())["clips"]
    table = pd.read_csv(out / "results.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(
        pd.read_parquet(out / "results.parquet")[["clip", "variant", "verdict", "seconds"]],
        table[["clip", "variant", "verdict", "seconds"]],
        check_dtype=False,
    )
    words = pd.read_parquet(out / "words.parquet")
    for stem, clip in zip(("my_talk", "my_talk-2"), clips, strict=True):
        for variant in clip["variants"]:
            base = f"{stem}.{variant['name']}"
            assert Alignment.load(out / f"{base}.npz").tokens == tuple(variant["tokens"])
            row = table[(table["clip"] == stem) & (table.variant == variant["name"])].iloc[0]
            assert row.text == variant["text"]
            assert row.verdict == variant["verdict"]
            spoken = words[(words["clip"] == stem) & (words.variant == variant["name"])]
            assert list(spoken.word) == variant["text"].split()
            assert spoken.probability.between(0, 1).all()
            lines = (out / f"{base}.ctm").read_text().splitlines()
            assert sorted(line.split()[4] for line in lines) == sorted(variant["text"].split())
            heard = json.loads((out / f"{base}.json").read_text())
            assert heard["text"].split() == variant["text"].split()
        kaldi = (out / "kaldi" / "dot" / "text").read_text().splitlines()
        assert " ".join([stem, *clip["variants"][0]["text"].split()]) in kaldi


def test_figures_are_vectors_and_pixels_of_the_map(use_checkpoints, clip, tmp_path, capsys):
    arguments = ["compare", str(clip), "--variants", "location", "--text", "no"]
    formats = ",".join([*clip_export.FIGURES, "sclite"])
    assert main([*arguments, "--export", str(tmp_path), "--formats", formats]) == 0
    assert "wrote 4 files" in capsys.readouterr().err
    starts = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}
    for ending, start in starts.items():
        assert (tmp_path / f"hum.location.{ending}").read_bytes().startswith(start)
    assert "Location" in (tmp_path / "hum.location.svg").read_text()
    assert re.search(r"REF: .*(no|NO)", (tmp_path / "location.sclite.txt").read_text())


def test_every_format_is_explained_and_offered(capsys):
    page = (Path(__file__).resolve().parent.parent / "docs" / "interop.md").read_text("utf-8")
    table = page.partition("## Out")[2]
    assert main(["compare", "--help"]) == 0
    offered = capsys.readouterr().out
    for name in clip_export.FORMATS:
        assert f"`{name}`" in table
        assert re.search(rf"\b{name}\b", offered)


def test_unknown_formats_are_wrong_usage(use_checkpoints, clip, tmp_path, capsys):
    arguments = ["compare", str(clip), "--export", str(tmp_path / "out"), "--formats"]
    assert main([*arguments, "ctm,docx"]) == 2
    assert "there is no format 'docx'; there are npz, textgrid" in capsys.readouterr().err
    assert main([*arguments, " , "]) == 2
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_is_found_before_decoding(
    use_checkpoints, clip, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(audio, "load", lambda *_, **__: pytest.fail("decoding began"))
    (tmp_path / "out").write_text("a file")
    assert main(["compare", str(clip), "--export", str(tmp_path / "out")]) == 1
    assert f"attnscope: {tmp_path / 'out'}: File exists" in capsys.readouterr().err


def test_why_there_is_nothing_to_write_is_said(use_checkpoints, clip, tmp_path, capsys):
    arguments = ["compare", str(clip), "--variants", "dot", "--export", str(tmp_path / "out")]
    assert main([*arguments, "--formats", "sclite"]) == 0
    assert "sclite: nothing to write without knowing what was said" in capsys.readouterr().err


def test_figures_without_kaleido_are_refused_before_decoding(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kaleido", None)
    with pytest.raises(clip_export.ExportError, match=r"pip install -r requirements-figures\.txt"):
        clip_export.check(["ctm", "pdf"])
    clip_export.check(["ctm"])


def test_a_browser_that_fails_is_one_sentence(use_checkpoints, clip, tmp_path, monkeypatch, capsys):
    def fail(*_args, **_options):
        raise RuntimeError("no browser\nat all")

    monkeypatch.setattr(clip_export.pio, "write_images", fail)
    arguments = ["compare", str(clip), "--variants", "dot", "--export", str(tmp_path)]
    assert main([*arguments, "--formats", "png"]) == 1
    (error,) = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("attnscope")
    ]
    assert "figures could not be drawn" in error
    assert error.endswith("no browser at all")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("talk.wav", "talk"),
        ("../../etc/passwd", "passwd"),
        ("a b:c?*.flac", "a_b_c"),
        ("Ünï 日本.ogg", "Ünï_日本"),
        ("...", "recording"),
        ("\n\t", "recording"),
        ("x" * 300 + ".wav", "x" * 120),
        ("-rf", "rf"),
    ],
)
def test_file_names_are_harmless_everywhere(name, stem):
    assert clip_export.stems([name]) == [stem]


def test_names_that_would_be_one_file_are_numbered():
    paths = ["a/talk.wav", "b/Talk.wav", "talk-2.wav", "c/talk.ogg"]
    found = clip_export.stems(paths)
    assert found == ["talk", "Talk-2", "talk-2-2", "talk-3"]
    assert len({name.casefold() for name in found}) == len(paths)
