"""Stresses: what they do to samples and texts, and the runs made of them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli.main import main
from app.evaluation import load_errors, load_results, load_settings, load_summary
from app.evaluation.replay import recording_of
from app.evaluation.stresses import stressed_items
from models import audio, stress
from models.audio import AudioError
from models.stress import SAMPLE_RATE, STRESSES, said, stressed
from tests.support.recordings import hum
from tests.support.small_runs import plain_items, write_corpus

NOTHING = np.zeros(0, np.float32)


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def tone(hertz: float, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def peak_hertz(samples: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * SAMPLE_RATE / len(samples))


# --- samples --------------------------------------------------------------------------------------


def test_the_sample_rate_is_that_of_recordings():
    assert SAMPLE_RATE == audio.SAMPLE_RATE


def test_repeating_and_joining_keep_every_sample():
    first, second = hum(0.5), tone(300, 0.2)
    gap = np.full(100, 0.01, np.float32)
    np.testing.assert_array_equal(
        stress.repeat(first, 3, gap), np.concatenate([first, gap, first, gap, first])
    )
    np.testing.assert_array_equal(
        stress.join([first, second], NOTHING), np.concatenate([first, second])
    )


@pytest.mark.parametrize("name", ["snr", "babble"])
@pytest.mark.parametrize("decibels", [-5, 0, 10, 20])
def test_noise_has_the_ratio_asked_for(name, decibels):
    clean = 0.2 * hum(2.0)  # quiet enough that nothing is scaled down
    added = stressed([clean], name, decibels, seed=1) - clean
    assert 20 * np.log10(level(clean) / level(added)) == pytest.approx(decibels, abs=0.05)


def test_babble_has_the_spectrum_of_the_speech():
    clean = tone(440, 1.0)
    noise = stressed([clean], "babble", 0, seed=1) - clean
    assert peak_hertz(noise) == pytest.approx(440, abs=2)
    assert peak_hertz(stressed([clean], "snr", 60, seed=1)) == pytest.approx(440, abs=2)


def test_a_pause_goes_into_the_quietest_place_and_is_as_quiet_as_the_background():
    rng = np.random.default_rng(0)
    loud, quiet = tone(200, 1.0), 1e-3 * rng.standard_normal(SAMPLE_RATE // 2).astype(np.float32)
    clean = np.concatenate([loud, quiet, loud])
    paused = stressed([clean], "silence", 0.5, seed=0)
    assert len(paused) == len(clean) + SAMPLE_RATE // 2
    np.testing.assert_array_equal(paused[:SAMPLE_RATE], loud)
    np.testing.assert_array_equal(paused[-SAMPLE_RATE:], loud)
    middle = paused[SAMPLE_RATE:-SAMPLE_RATE]
    assert level(middle) == pytest.approx(1e-3, rel=0.2)


@pytest.mark.parametrize("factor", [0.8, 1.25, 2.0])
def test_speed_changes_length_and_pitch_together(factor):
    clean = tone(400, 1.0)
    faster = stressed([clean], "speed", factor, seed=0)
    assert len(faster) == pytest.approx(len(clean) / factor, abs=2)
    assert peak_hertz(faster) == pytest.approx(400 * factor, rel=0.01)


def test_a_cut_is_the_beginning():
    clean = hum(1.0)
    np.testing.assert_array_equal(stressed([clean], "cut", 0.25, seed=0), clean[: len(clean) // 4])


def test_a_room_rings_on_after_a_click_and_falls_by_60_db():
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[100] = 0.5
    heard = stressed([click], "reverb", 0.5, seed=0)
    assert np.argmax(np.abs(heard)) == 100
    assert level(heard) == pytest.approx(level(click), rel=1e-3)
    early, late = heard[200:1000], heard[100 + SAMPLE_RATE // 2 - 400 : 100 + SAMPLE_RATE // 2]
    assert 20 * np.log10(level(early) / level(late)) == pytest.approx(56, abs=4)
    assert not np.abs(heard[:100]).max() > 1e-6


@settings(max_examples=40)
@given(
    seconds=st.floats(0.05, 1.0),
    name=st.sampled_from(sorted(STRESSES)),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_stress_gives_a_recording_and_always_the_same(seconds, name, share, seed):
    of = STRESSES[name]
    high = min(of.high, 8)
    amount = of.low + share * (high - of.low)
    amount = round(amount) if of.whole else amount
    clip = hum(seconds)
    clips = [clip] * (int(amount) if of.joins else 1)
    first, again = (stressed(clips, name, amount, seed, gap=0.1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32
    assert first.ndim == 1
    assert len(first) > 0
    assert np.abs(first).max() <= 1
    assert np.isfinite(first).all()


def test_an_unknown_stress_is_refused():
    with pytest.raises(ValueError, match="no stress 'hunger'"):
        stressed([hum(0.1)], "hunger", 1, 0)


# --- texts and items ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "amount", "expected"),
    [
        ("repeat", 3, "no no no no no no"),
        ("snr", 0, "no no"),
        ("silence", 2, "no no"),
        ("cut", 0.5, None),
        ("cut", 1, "no no"),
    ],
)
def test_what_is_said_then(name, amount, expected):
    assert said("no no", name, amount) == expected


def test_every_level_of_joining_has_the_same_words():
    found = list(
        stressed_items(
            lambda: iter([*plain_items(9, "a"), *plain_items(5, "b")]), {"concatenate": (1, 2, 4)}
        )
    )
    assert [item.stress for item in found[:14]] == ["none"] * 14
    words = {
        amount: sorted(" ".join(i.reference for i in found if i.level == amount).split())
        for amount in (1, 2, 4)
    }
    assert words[1] == words[2] == words[4]
    assert len(words[1]) == 2 * (8 + 4)  # whole blocks of four: eight of a, four of b
    for item in found[14:]:
        assert len(item.utterances) == item.level
        assert len({each.corpus for each in item.utterances}) == 1
        assert len({each.id for each in item.utterances}) == item.level
    assert len({item.id for item in found}) == len(found)


def test_a_recording_without_reference_stays_without():
    item = replace(plain_items(1)[0], reference=None)
    for name in ("repeat", "snr", "concatenate"):
        found = list(stressed_items(lambda: iter([item]), {name: (1,)}))
        assert [each.reference for each in found] == [None, None]


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(checkpoints, tmp_path_factory) -> Path:
    """A stress run of four short recordings by two variants."""
    folder = tmp_path_factory.mktemp("stress")
    manifest = write_corpus(folder / "corpus", [0.4, 0.5, 0.3, 0.45])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
        arguments = [
            "stress", manifest, "--out", folder / "run", "--variants", "dot,ctc", "--workers", "1",
            "--concatenate", "1,2", "--repeat", "2", "--cut", "0.5", "--gap", "0.1",
        ]  # fmt: skip
        assert main([str(argument) for argument in arguments]) == 0
    return folder / "run"


def test_a_run_has_every_recording_under_every_stress(finished):
    results = load_results(finished)
    counts = results[results["variant"] == "dot"].groupby(["stress", "level"], dropna=False).size()
    assert counts.to_dict() == {
        ("concatenate", 1.0): 4, ("concatenate", 2.0): 2, ("cut", 0.5): 4, ("repeat", 2.0): 4,
    } | {key: 4 for key in counts.index if key[0] == "none"}  # fmt: skip
    assert load_errors(finished).empty
    assert load_settings(finished)["gap"] == 0.1


def test_lengths_and_references_are_those_of_the_stress(finished):
    results = load_results(finished).query("variant == 'ctc'").set_index("id")
    twice = results.loc["u01 [repeat 2]"]
    assert twice["seconds"] == pytest.approx(2 * 0.5 + 0.1, abs=1e-3)
    assert twice["reference"] == "who will who will"
    joined = results.loc["u02 [concatenate 2]"]
    assert joined["utterances"] == "u02 + u03"
    assert joined["seconds"] == pytest.approx(0.3 + 0.45 + 0.1, abs=1e-3)
    assert joined["reference"] == "who will hum who will hum along"
    assert results.loc["u00", "text"] == results.loc["u00 [concatenate 1]", "text"]
    assert np.isnan(results.loc["u00 [cut 0.5]", "wer"])


def test_the_summary_has_a_row_for_every_stress_level_and_variant(finished):
    summary = load_summary(finished)
    assert [found["name"] for found in summary["variants"]] == ["dot", "ctc"]
    assert len(summary["pairs"]) == 1
    rows = {(r["stress"], r["level"], r["name"]): r for r in summary["stresses"]}
    assert len(rows) == 2 * 4
    words = {rows["concatenate", amount, "dot"]["words"]["reference"] for amount in (1.0, 2.0)}
    assert len(words) == 1
    assert rows["cut", 0.5, "dot"]["wer"] is None
    assert sum(rows["cut", 0.5, "dot"]["verdicts"].values()) == 4


@pytest.fixture(scope="module")
def of_parts(checkpoints, tmp_path_factory) -> Path:
    """A stress run of five parts of two files, joined in pairs; the last one is too long."""
    folder = tmp_path_factory.mktemp("parts")
    for name in ("one", "two"):
        soundfile.write(folder / f"{name}.wav", hum(3.0), 16_000)
    (folder / "wav.scp").write_text("one one.wav\ntwo two.wav\n")
    parts = ["one 0 0.4", "two 1 1.7", "two 2.5 -1", "one 0.5 0.8", "one 0 2.9"]
    lines = [f"{name} {part}\n" for name, part in zip("abcde", parts, strict=True)]
    (folder / "segments").write_text("".join(lines))
    (folder / "text").write_text("".join(f"{name} no\n" for name in "abcde"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
        arguments = [
            "stress", folder, "--out", folder / "run", "--variants", "ctc", "--workers", "1",
            "--concatenate", "2", "--max-seconds", "2",
        ]  # fmt: skip
        assert main([str(argument) for argument in arguments]) == 0
    return folder / "run"


def test_joined_parts_of_files_are_found_again(of_parts):
    rows = load_results(of_parts).set_index("id", drop=False)
    voice = hum(3.0)
    expected = {
        "a": voice[:6400], "b": voice[16_000:27_200], "c": voice[40_000:],
        "a [concatenate 2]": np.concatenate([voice[:6400], voice[16_000:27_200]]),
        "c [concatenate 2]": np.concatenate([voice[40_000:], voice[8000:12_800]]),
    }  # fmt: skip
    for name, samples in expected.items():
        found = recording_of(rows.loc[name].to_dict(), load_settings(of_parts))
        np.testing.assert_allclose(found.samples, samples, atol=1e-4)
    assert rows.loc["b", ["start", "end"]].tolist() == [1.0, 1.7]


def test_results_of_versions_that_kept_one_span_are_read(of_parts, tmp_path):
    shutil.copytree(of_parts, old := tmp_path / "old")
    table = pq.read_table(old / "results.parquet").drop_columns("spans")
    pq.write_table(table, old / "results.parquet")
    rows = load_results(old, ["id", "spans", "start", "end", "path", "stress", "level",
                              "reference", "seconds"]).set_index("id", drop=False)  # fmt: skip
    assert recording_of(rows.loc["b"].to_dict(), load_settings(old)).seconds == 0.7
    with pytest.raises(AudioError, match="joins parts of files, and the run does not say which"):
        recording_of(rows.loc["a [concatenate 2]"].to_dict(), load_settings(old))
    (old / "parts").mkdir(exist_ok=True)  # of such a run that is not finished
    (old / "results.parquet").rename(old / "parts" / "000000.parquet")
    assert load_results(old)["spans"].isna().all()


def test_parts_of_files_have_the_limit_of_recordings(of_parts):
    (error,) = load_errors(of_parts).to_dict("records")
    assert error["id"] == "e"
    assert "e lasts 3 s, longer than the limit of 2 s" in error["error"]


def test_one_recording_can_be_stressed(capsys, clip, use_checkpoints, tmp_path):
    status = main(
        ["stress", str(clip), "--text", "hm", "--out", str(tmp_path / "run"), "--snr", "10",
         "--variants", "ctc", "--json", "-"]
    )  # fmt: skip
    assert status == 0
    (row,) = json.loads(capsys.readouterr().out)["stresses"]
    assert (row["stress"], row["level"], row["words"]["reference"]) == ("snr", 10.0, 1)


@pytest.mark.parametrize(
    "arguments",
    [(), ("--repeat", "0"), ("--repeat", "1.5"), ("--snr", "loud"), ("--speed", "1,9")],
)
def test_wrong_usage(capsys, clip, tmp_path, arguments):
    assert main(["stress", str(clip), "--out", str(tmp_path / "run"), *arguments]) == 2
    assert not (tmp_path / "run").exists()


def test_a_text_for_a_corpus_is_wrong_usage(use_checkpoints, clip, tmp_path, capsys):
    (tmp_path / "m.csv").write_text(f"path,text\n{clip},hm\n")
    for source in (tmp_path / "m.csv", clip.parent):
        arguments = ["stress", str(source), "--text", "ha", "--out", str(tmp_path / "run")]
        assert main([*arguments, "--snr", "10"]) == 2
        assert "--text belongs to one recording" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()
    assert main(["stress", "none.wav", "--text", "x", "--out", str(tmp_path), "--snr", "1"]) == 1
