"""`compare` on the command line, and what holds for every command."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from analysis.alignment import Alignment
from app import comparison
from app.cli.main import main
from models.checkpoint import Card
from models.decoders.registry import decoders
from models.decoding import language_model
from models.decoding.language_model import LanguageModel
from models.text import Alphabet
from models.training.language_model import Source, estimate
from models.variant import Variant
from tests.support.command import one_sentence, run
from tests.support.recordings import hum

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.usefixtures("use_checkpoints")


# --- compare --------------------------------------------------------------------------------------


def test_compare_prints_a_table(capsys, clip):
    status, out, err = run(capsys, "compare", clip, "--text", "no no")
    assert status == 0
    assert "reference: no no" in out
    assert "WER (basic)" in out
    for name in [*decoders(), "ctc"]:
        assert f"\n{name} " in out
        assert f"  {name}: " in err  # progress


def test_an_empty_reference_has_no_rate_and_its_insertions_are_counted(capsys, clip):
    asked = ("compare", clip, "--text", "", "--variants", "dot")
    (found,) = json.loads(run(capsys, *asked, "--json", "-")[1])["clips"][0]["variants"]
    assert (found["wer"], found["cer"]) == (None, None)
    count = len(found["text"].split())
    assert f"  {count} word{'s' * (count != 1)} inserted  " in run(capsys, *asked)[1]


def test_compare_writes_json_to_standard_output_and_nothing_else(capsys, clip):
    status, out, _ = run(capsys, "compare", clip, "--json", "-", "--variants", "ctc, dot")
    assert status == 0
    (found,) = json.loads(out)["clips"]
    assert found["clip"]["path"] == str(clip)
    assert found["clip"]["sample_rate"] == 16_000
    assert [variant["name"] for variant in found["variants"]] == ["dot", "ctc"]


def test_compare_writes_json_and_alignments_to_files(capsys, clip, tmp_path):
    out, maps = tmp_path / "out.json", tmp_path / "new" / "maps"
    status, printed, _ = run(
        capsys, "compare", clip, "--text", "ha", "--json", out, "--save-alignments", maps,
        "--variants", "multi_head_dot,ctc", "--normalizer", "english",
    )  # fmt: skip
    assert (status, printed) == (0, "")
    (found,) = json.loads(out.read_text(encoding="utf-8"))["clips"]
    assert (found["reference"], found["normalizer"]) == ("ha", "english")
    assert sorted(path.name for path in maps.iterdir()) == [
        "hum.ctc.npz",
        "hum.multi_head_dot.npz",
    ]
    for variant in found["variants"]:
        alignment = Alignment.load(maps / f"hum.{variant['name']}.npz")
        assert list(alignment.tokens) == variant["tokens"]
        assert alignment.ended == variant["ended"]
        assert (alignment.reference, alignment.variant) == ("ha", variant["name"])
    status, printed, _ = run(capsys, "diagnose", *sorted(maps.iterdir()), "--json", "-")
    assert status == 0
    again = {Path(file["file"]).stem: file for file in json.loads(printed)["files"]}
    for variant in found["variants"]:
        assert again[f"hum.{variant['name']}"]["verdict"] == variant["verdict"]


def test_several_clips_and_one_that_is_bad(capsys, clip, tmp_path):
    bad = tmp_path / "notes.txt"
    bad.write_text("no recording")
    out = tmp_path / "out.json"
    status, _, err = run(capsys, "compare", clip, bad, clip, "--variants", "dot", "--json", out)
    assert status == 1
    assert "notes.txt is not an audio file" in err
    assert one_sentence(err)
    found = json.loads(out.read_text())
    assert len(found["clips"]) == 2
    (error,) = found["errors"]
    assert error["path"] == str(bad)
    assert f"attnscope: {error['error']}\n" in err


def test_clips_of_one_name_keep_their_own_maps(capsys, tmp_path):
    clips = [tmp_path / "a" / "x.wav", tmp_path / "b" / "x.wav", tmp_path / "c" / "X-2.wav"]
    for clip in clips:
        clip.parent.mkdir()
        soundfile.write(clip, hum(0.5), 16_000)
    maps = tmp_path / "maps"
    assert run(capsys, "compare", *clips, "--variants", "dot", "--save-alignments", maps)[0] == 0
    assert {path.name for path in maps.iterdir()} == {
        "x.dot.npz", "x-2.dot.npz", "X-2-2.dot.npz",
    }  # fmt: skip


def test_what_is_asked_of_the_search_reaches_it(capsys, clip, monkeypatch):
    seen = []
    real = comparison.compare

    def spy(recording, infos, options, *rest, **named):
        seen.append(options)
        return real(recording, infos, options, *rest, **named)

    monkeypatch.setattr(comparison, "compare", spy)
    arguments = ("--variants", "dot", "--beam", 3, "--ctc-weight", 0.3)
    arguments += ("--temperature", 0.5, "--window", "1,2.5")
    assert run(capsys, "compare", clip, *arguments)[0] == 0
    assert (seen[0].beam, seen[0].ctc_weight) == (3, 0.3)
    assert (seen[0].temperature, seen[0].window) == (0.5, (1.0, 2.5))
    arguments = ("--max-length-ratio", 0.2, "--length-penalty", -0.5, "--coverage-penalty", 0.3)
    status, _, err = run(capsys, "compare", clip, "--variants", "dot", "--beam", 2, *arguments)
    assert (status, "no effect" in err) == (0, False)
    chosen = seen[1]
    assert (chosen.max_length_ratio, chosen.length_penalty, chosen.coverage_penalty) == (
        0.2, -0.5, 0.3,
    )  # fmt: skip


def test_options_that_greedy_search_passes_over_are_said(capsys, clip):
    greedy = ("compare", clip, "--variants", "dot", "--max-length-ratio", 0.1, "--ctc-weight")
    status, _, err = run(capsys, *greedy, 0.5, "--coverage-penalty", 0.1)
    assert status == 0
    assert "attnscope: --ctc-weight, --coverage-penalty: no effect in greedy search" in err
    assert "no effect" not in run(capsys, *greedy, 1)[2], "CTC alone decides"


def test_the_language_model_reaches_the_search(
    capsys, clip, use_checkpoints, monkeypatch, tmp_path
):
    for path in use_checkpoints.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(tmp_path))
    trie = estimate([Source("x", ("hum hum",))], Alphabet(), 3, 1000)
    card = Card("lm", {}, Alphabet().tokens)
    language_model.save(LanguageModel(Alphabet(), trie), tmp_path / "lm.safetensors", card)
    seen = []
    real = Variant.decode

    def spy(self, encoded, options=None, language_model=None):
        seen.append((options.lm_weight, options.word_bonus, language_model))
        return real(self, encoded, options, language_model)

    monkeypatch.setattr(Variant, "decode", spy)
    fused = ("--lm", 0.5, "--word-bonus", 1, "--beam", 3)
    assert run(capsys, "compare", clip, "--variants", "dot,ctc", *fused)[0] == 0
    assert [each[:2] for each in seen] == [(0.5, 1.0)] * 2
    assert isinstance(seen[0][2], LanguageModel)
    assert seen[0][2] is seen[1][2], "loaded once"
    assert run(capsys, "compare", clip, "--variants", "dot")[0] == 0
    assert seen[2] == (0.0, 0.0, None)


def test_a_missing_language_model_is_said_before_anything_is_read(capsys):
    status, out, err = run(capsys, "compare", "none.wav", "--variants", "dot", "--lm", 0.5)
    assert (status, out) == (1, "")
    assert "there is no language model" in err
    assert one_sentence(err)


def test_a_missing_clip_fails_with_a_sentence(capsys, tmp_path):
    out = tmp_path / "out.json"
    status, printed, err = run(capsys, "compare", tmp_path / "none.wav", "--json", out)
    assert (status, printed) == (1, "")
    assert "none.wav is not an existing file" in err
    assert one_sentence(err)
    found = json.loads(out.read_text())
    assert (found["schema"], found["clips"]) == (1, [])
    assert "none.wav is not an existing file" in found["errors"][0]["error"]


def test_too_long_a_clip_names_the_limit_and_its_flag(capsys, clip):
    status, _, err = run(capsys, "compare", clip, "--max-seconds", 0.5)
    assert status == 1
    assert "limit of 0.5 s" in err
    assert "--max-seconds" in err


def test_missing_checkpoints_fail_with_a_sentence(capsys, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(tmp_path))
    for extra in ((), ("--variants", "dot")):
        status, out, err = run(capsys, "compare", clip, *extra)
        assert (status, out) == (1, "")
        assert one_sentence(err)
        assert "no checkpoint" in err


def test_a_damaged_checkpoint_fails_with_a_sentence(
    capsys, clip, checkpoints, tmp_path, monkeypatch
):
    for path in checkpoints.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "dot.safetensors").write_bytes(b"no tensors")
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(tmp_path))
    status, _, err = run(capsys, "compare", clip, "--variants", "dot")
    assert status == 1
    assert "dot.safetensors is not a safetensors file" in err


def test_json_never_replaces_a_file_that_is_not_json(capsys, clip, tmp_path):
    recording = tmp_path / "mine.wav"
    recording.write_bytes(clip.read_bytes())
    status, _, err = run(capsys, "compare", "--json", recording, clip)
    assert status == 1
    assert "is not JSON" in err
    assert recording.read_bytes() == clip.read_bytes()
    for target in (tmp_path, tmp_path / "nowhere" / "out.json"):
        status, _, err = run(capsys, "compare", clip, "--json", target)
        assert status == 1
        assert one_sentence(err)


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare",),
        ("compare", "a.wav", "--beam", "0"),
        ("compare", "a.wav", "--beam", "many"),
        ("compare", "a.wav", "--ctc-weight", "1.5"),
        ("compare", "a.wav", "--lm", "-1"),
        ("compare", "a.wav", "--lm", "much"),
        ("compare", "a.wav", "--temperature", "0"),
        ("compare", "a.wav", "--max-length-ratio", "0"),
        ("compare", "a.wav", "--length-penalty", "nan"),
        ("compare", "a.wav", "--coverage-penalty", "-1"),
        ("compare", "a.wav", "--window", "1"),
        ("compare", "a.wav", "--window", "1,2,3"),
        ("compare", "a.wav", "--window", "1,-2"),
        ("compare", "a.wav", "--max-seconds", "nan"),
        ("compare", "a.wav", "--max-seconds", "-3"),
        ("compare", "a.wav", "--normalizer", "mine"),
        ("compare", "a.wav", "--variants", "nothing"),
        ("compare", "a.wav", "--variants", ""),
        ("compare", "a.wav", "--variants", " , "),
        ("compare", "a.wav", "b.wav", "--text", "both"),
        ("diagnose",),
        ("nonsense",),
        ("--port", "0"),
        ("--port", "99999"),
        ("variants", "--wrong"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert "error: " in err


@pytest.mark.parametrize("command", [(), ("compare",), ("diagnose",), ("variants",)])
def test_help_has_examples(capsys, command):
    status, out, _ = run(capsys, *command, "--help")
    assert status == 0
    assert "python -m app" in out
    assert "examples:" in out or not command


# --- whatever happens -----------------------------------------------------------------------------


def test_an_unexpected_error_is_one_sentence(capsys, clip, monkeypatch):
    monkeypatch.setattr(comparison, "compare", lambda *_, **__: 1 / 0)
    status, _, err = run(capsys, "compare", clip)
    assert status == 1
    assert "internal error (ZeroDivisionError" in err
    monkeypatch.setenv("ATTNSCOPE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["compare", str(clip)])


def test_an_interruption_is_no_traceback(capsys, clip, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "compare", interrupt)
    status, _, err = run(capsys, "compare", clip)
    assert (status, err.splitlines()[-1]) == (1, "attnscope: stopped")


def test_names_with_escapes_are_shown_harmless(capsys, tmp_path):
    bad = tmp_path / "\x1b[31mred\n.wav"
    bad.write_bytes(b"")
    status, _, err = run(capsys, "compare", bad)
    assert status == 1
    assert "\x1b" not in err


def test_as_a_program(clip):
    """Through the real interpreter: statuses, streams, and a reader that stops reading."""
    command = [sys.executable, "-m", "app"]

    def program(*arguments, **named):
        return subprocess.run(
            [*command, *map(str, arguments)], cwd=ROOT, capture_output=True, check=False, **named
        )

    done = program("compare", clip, "--variants", "dot", "--json", "-")
    assert done.returncode == 0
    assert json.load(io.BytesIO(done.stdout))["schema"] == 1
    wrong = program("compare")
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert b"Traceback" not in wrong.stderr
    shell = f"'{sys.executable}' -m app variants --json | head -c 10"
    piped = subprocess.run(["bash", "-c", shell], cwd=ROOT, capture_output=True, check=False)
    assert piped.stdout == b'{\n  "schem'
    assert b"Error" not in piped.stderr
