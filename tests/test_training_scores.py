"""Scores in cards: several seeds, other searches, end-to-end controls, and the tables of them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from models.checkpoint import read_card, write_card
from models.corpora.utterance import TrainingError
from models.decoding.search import SearchOptions
from models.recogniser import variants
from models.training import score
from models.training.cards import merge_control, merge_seeds, numbers, put_scores, with_seeds
from models.training.report import MARKS, tables

TRAINED = {"data": ["a@0.5", "b"], "updates": 1700, "batch_seconds": 80, "hours": 0.1}


def scored(wer: float) -> dict[str, float]:
    return {"toy_wer": wer, "toy_cer": wer / 2, "monotonicity": 0.9, "rtfx": 100.0, "utterances": 7}


def change(folder: Path, name: str, scores: dict | None = None, **training) -> None:
    path = folder / f"{name}.safetensors"
    card = read_card(path)
    card = replace(card, training=card.training | training)
    write_card(card if scores is None else replace(card, scores=scores), path)


def seed_folder(checkpoints: Path, folder: Path, seed: int, wer: float) -> Path:
    """The tiny checkpoints as if trained from a seed and scored."""
    shutil.copytree(checkpoints, folder)
    for name in ("dot", "location"):
        change(folder, name, scored(wer), seed=seed, commit=f"c{seed}", **TRAINED)
    change(folder, "encoder", scored(0.9), seed=1, commit="c", **TRAINED)
    return folder


@pytest.fixture
def seeds(checkpoints, tmp_path) -> list[Path]:
    """Three seeds of 40, 50 and 60 % WER: mean 50, standard deviation 10."""
    wers = (0.4, 0.5, 0.6)
    return [seed_folder(checkpoints, tmp_path / f"s{n}", n, w) for n, w in enumerate(wers, 1)]


def scores_of(folder: Path, name: str) -> dict:
    return read_card(folder / f"{name}.safetensors").scores


def row(text: str, name: str) -> list[str]:
    """Cells of a mechanism's row in the first table."""
    line = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_seeds_are_merged_into_mean_and_spread(seeds):
    first, *others = seeds
    (first / "README.md").write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    folders = [str(other) for other in others]
    assert score.main(["--checkpoints", str(first), "--seed-runs", *folders]) == 0
    scores = scores_of(first, "dot")
    assert scores["toy_wer"] == 0.4  # of the seed whose weights are here
    assert [each["seed"] for each in scores["seeds"]] == [1, 2, 3]
    assert scores["mean"]["toy_wer"] == pytest.approx(0.5)
    assert scores["spread"]["toy_wer"] == pytest.approx(0.1)
    assert scores["spread"]["monotonicity"] == 0
    assert "seeds" not in scores_of(first, "encoder")
    text = (first / "README.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    cells = row(text, "dot")
    assert "50.0 ± 10.0 % / 25.0 ± 5.0 %" in cells
    assert "0.90 ± 0.00" in cells
    assert "1, 2, 3" in cells
    assert "a@0.5, b" in cells
    assert row(text, "ctc")[2] == "90.0 % / 45.0 %"


def test_the_table_tells_earlier_updates_from_those_of_the_last_training(seeds):
    change(seeds[0], "dot", updates_before=2800)
    assert "2,800 + 1,700" in row(tables(seeds[0]), "dot")
    assert "1,700" in row(tables(seeds[0]), "location")


def test_seeds_may_come_one_after_the_other(seeds):
    assert merge_seeds(seeds[0], [seeds[2], seeds[0]]) == ["dot", "location"]
    assert merge_seeds(seeds[0], [seeds[1]]) == ["dot", "location"]
    scores = scores_of(seeds[0], "dot")
    assert sorted(each["seed"] for each in scores["seeds"]) == [1, 2, 3]
    assert scores["spread"]["toy_wer"] == pytest.approx(0.1)


def test_measuring_again_keeps_the_other_seeds(seeds):
    merge_seeds(seeds[0], seeds[1:])
    put_scores({"dot": scored(0.7)}, seeds[0])
    scores = scores_of(seeds[0], "dot")
    assert scores["toy_wer"] == 0.7
    assert [each["toy_wer"] for each in scores["seeds"]] == [0.7, 0.5, 0.6]
    assert scores["mean"]["toy_wer"] == pytest.approx(0.6)


DIFFERENT = {
    "updates": ({"updates": 900}, None, "differ in their updates"),
    "start": ({"updates_before": 300}, None, "differ in their updates before"),
    "data": ({"data": ["a"]}, None, "differ in their data"),
    "seed": ({"seed": 3}, None, "have the same seed"),
    "recordings": ({}, scored(0.5) | {"utterances": 3}, "not scored on the same recordings"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_runs_that_differ_in_more_than_the_seed_are_not_merged(seeds, name, capsys):
    training, scores, message = DIFFERENT[name]
    change(seeds[1], "dot", scores, **training)
    arguments = ["--checkpoints", str(seeds[0]), "--seed-runs", *map(str, seeds[1:])]
    assert score.main(arguments) == 1
    assert message in capsys.readouterr().err
    assert "seeds" not in scores_of(seeds[0], "dot")


def test_seeds_of_another_encoder_are_not_merged(seeds):
    path = seeds[1] / "dot.safetensors"
    write_card(replace(read_card(path), encoder="0123"), path)
    with pytest.raises(TrainingError, match="different encoders"):
        merge_seeds(seeds[0], seeds[1:])
    with pytest.raises(TrainingError, match="no folder holds another seed"):
        merge_seeds(seeds[0], [seeds[0], seeds[1] / "nowhere"])


def test_other_searches_stand_beside_greedy_decoding(seeds):
    search = SearchOptions(beam=10, ctc_weight=0.3)
    assert score.label(search) == "beam 10, CTC 0.3"
    assert score.label(SearchOptions()) == ""
    put_scores({"dot": scored(0.3)}, seeds[0], score.label(search))
    put_scores({"dot": scored(0.45)}, seeds[0])
    scores = scores_of(seeds[0], "dot")
    assert (scores["toy_wer"], scores["searches"]["beam 10, CTC 0.3"]["toy_wer"]) == (0.45, 0.3)
    text = tables(seeds[0])
    assert "| mechanism | toy, beam 10, CTC 0.3 |" in text
    assert text.splitlines()[-1] == "| `dot` | 30.0 % / 15.0 % |"


def test_the_control_stands_beside_the_shared_encoder(seeds, tmp_path):
    change(seeds[1], "dot", joint="dot", seed=1)
    assert merge_control(seeds[0], seeds[1]) == ["dot"]
    assert scores_of(seeds[0], "dot")["joint"]["toy_wer"] == 0.5
    last = tables(seeds[0]).splitlines()[-1]
    assert last.startswith("| `dot` | 40.0 % / 20.0 % | 50.0 % / 25.0 % |")
    with pytest.raises(TrainingError, match="trained with --joint"):
        merge_control(seeds[0], seeds[2])


def test_only_plain_numbers_are_averaged():
    found = with_seeds({"wer": 0.5, "searches": {}, "rtfx": 1.0}, [
        {"seed": 1, "wer": 0.5, "rtfx": 1.0}, {"seed": 2, "wer": 0.7}
    ])  # fmt: skip
    assert found["mean"] == {"wer": 0.6}
    assert found["spread"]["wer"] == pytest.approx(0.1414)
    assert numbers(found) == {"wer": 0.5, "rtfx": 1.0}


def test_a_folder_without_scores_still_has_a_table(checkpoints):
    text = tables(checkpoints)
    assert len(text.splitlines()) == 2 + len(variants(checkpoints))
    assert row(text, "dot")[0] == "`dot`"


def test_recognisers_of_other_toolkits_are_left_out(checkpoints, clip, tmp_path, capsys):
    for name in ("encoder", "dot"):
        for path in checkpoints.glob(f"{name}.*"):
            shutil.copy(path, tmp_path)
    (tmp_path / "external").mkdir()
    (tmp_path / "external" / "big.json").write_text('{"toolkit": "whisper", "model": "none/big"}')
    assert "big" in [info.name for info in variants(tmp_path)]
    (tmp_path / "m.csv").write_text(f"path,text\n{clip},ab\n")
    arguments = [str(tmp_path / "m.csv"), "--checkpoints", str(tmp_path)]
    assert score.main(arguments) == 0
    assert scores_of(tmp_path, "dot")["utterances"] == 1
    assert score.main([*arguments, "--variants", "big"]) == 1
    assert "no checkpoint of big" in capsys.readouterr().err


def test_measured_scores_land_in_cards_and_table(checkpoints, clip, tmp_path, capsys):
    folder = shutil.copytree(checkpoints, tmp_path / "folder")
    (tmp_path / "m.csv").write_text(f"path,text,corpus\n{clip},ab,toy\n")
    arguments = [str(tmp_path / "m.csv"), "--checkpoints", str(folder), "--variants", "dot,ctc"]
    assert score.main(arguments) == 0
    scores = scores_of(folder, "dot")
    assert scores["utterances"] == 1
    assert scores["toy_wer"] >= 0
    assert "toy_wer" in scores_of(folder, "encoder")
    assert not scores_of(folder, "location")
    assert row((folder / "README.md").read_text(), "dot")[2].endswith("%")
    before = scores_of(folder, "dot")
    assert score.main([*arguments, "--beam", "2", "--keep-cards"]) == 0
    assert scores_of(folder, "dot") == before
    assert score.main([*arguments[:3], "--variants", "nosuch"]) == 1
    assert "no checkpoint of nosuch" in capsys.readouterr().err
