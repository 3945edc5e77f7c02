"""The parts of evaluation: sources, shards, batches, stored maps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.alignment import Alignment
from analysis.diagnosis import diagnose
from app.evaluation import RunError, SourceError, items, load_alignment, read_items
from app.evaluation.maps import pack, row, unpack, write_maps
from app.evaluation.settings import Settings
from app.evaluation.store import BadItem, Part, RunStore
from app.evaluation.work import BATCH_ITEMS, BATCH_SECONDS, Ready, batches
from models.audio import SAMPLE_RATE, Recording
from models.decoding.search import SearchOptions
from tests.support import failing_maps
from tests.support.small_runs import fake_part, plain_items, write_corpus

# --- sources --------------------------------------------------------------------------------------


def test_a_manifest_a_folder_and_a_recording_are_told_apart(tmp_path):
    manifest = write_corpus(tmp_path / "corpus", [0.3, 0.4])
    listed = list(read_items(manifest))
    assert [item.id for item in listed] == ["u00", "u01"]
    assert listed[1].reference == "who will"
    assert listed[1].utterances[0].path == tmp_path / "corpus" / "hum1.wav"
    folder = list(read_items(manifest.parent))
    assert [(item.id, item.reference) for item in folder] == [
        ("hum0.wav", None),
        ("hum1.wav", None),
    ]
    (one,) = read_items(manifest.parent / "hum0.wav", text="hm")
    assert (one.id, one.reference) == ("hum0", "hm")


def test_a_split_and_a_limit(tmp_path):
    manifest = write_corpus(tmp_path, [0.3, 0.3, 0.3])
    assert len(list(read_items(manifest, split="dev", limit=2))) == 2
    with pytest.raises(SourceError, match="no recordings of the split 'train'"):
        list(read_items(manifest, split="train"))


def test_a_kaldi_folder_is_a_manifest(tmp_path):
    write_corpus(tmp_path, [0.3])
    (tmp_path / "wav.scp").write_text("utt1 hum0.wav\n")
    (tmp_path / "text").write_text("utt1 hm hm\n")
    (item,) = read_items(tmp_path)
    assert (item.id, item.reference) == ("utt1", "hm hm")


def test_a_digest_changes_with_what_is_decoded_and_not_with_the_folder(tmp_path):
    first = write_corpus(tmp_path / "a", [0.3, 0.4])
    moved = write_corpus(tmp_path / "b", [0.3, 0.4])
    assert items.digest(read_items(first)) == items.digest(read_items(moved))
    before = items.digest(read_items(moved))
    moved.write_text(moved.read_text().replace("who will", "who shall"))
    assert items.digest(read_items(moved)).sha256 != before.sha256
    assert items.digest(read_items(first)).items == 2


# --- shards and batches ---------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.lists(st.floats(0.1, 400), max_size=200))
def test_shards_have_everything_once_in_order_and_no_more_than_fits(seconds):
    found = [
        replace(item, utterances=(replace(item.utterances[0], seconds=length),))
        for item, length in zip(plain_items(len(seconds)), seconds, strict=True)
    ]
    cut = list(items.shards(found))
    assert [item for shard in cut for item in shard.items] == found
    assert [shard.number for shard in cut] == list(range(len(cut)))
    for shard in cut:
        assert 1 <= len(shard.items) <= items.SHARD_ITEMS
        total = sum(item.seconds for item in shard.items)
        assert len(shard.items) == 1 or total <= items.SHARD_SECONDS


def test_what_a_stress_makes_longer_fills_a_shard_sooner():
    stressed = [replace(item, stress="repeat", level=8.0) for item in plain_items(64)]
    stressed = [
        replace(item, utterances=(replace(item.utterances[0], seconds=15.0),)) for item in stressed
    ]
    assert {len(shard.items) for shard in items.shards(stressed)} == {2}
    assert replace(stressed[0], stress="speed", level=1.5).seconds == 10.0


@settings(max_examples=60)
@given(st.lists(st.floats(0.1, 300), max_size=60))
def test_batches_have_everything_once_and_no_more_than_fits(seconds):
    item = plain_items(1)[0]
    ready = [
        Ready(
            place,
            item,
            Recording(np.broadcast_to(np.float32(0), int(length * SAMPLE_RATE)), 16_000),
        )
        for place, length in enumerate(seconds)
    ]
    cut = list(batches(ready))
    assert sorted(each.place for batch in cut for each in batch) == list(range(len(seconds)))
    for batch in cut:
        lengths = [each.recording.seconds for each in batch]
        assert lengths == sorted(lengths)
        assert len(batch) <= BATCH_ITEMS
        assert len(batch) == 1 or len(batch) * max(lengths) <= BATCH_SECONDS


def test_settings_come_back_from_json():
    search = SearchOptions(beam=4, ctc_weight=0.3, window=(1.0, 2.0))
    before = Settings(("dot",), search, "english", 30.0, True, 0.5, None, (("encoder", "a1"),))
    assert Settings.from_json(before.to_json()) == before


# --- maps -----------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), power=st.floats(0.2, 8))
def test_packed_weights_are_near_the_weights(seed, power):
    rng = np.random.default_rng(seed)
    weights = rng.random((2, 3, 4, 50)) ** power
    weights /= weights.sum(-1, keepdims=True)
    top = weights.max(-1, keepdims=True)
    back = unpack(pack(weights))
    assert (np.abs(back - weights) <= 0.004 * top).all()
    # small weights are kept finely: within half a step of the root
    assert (np.abs(np.sqrt(back / top) - np.sqrt(weights / top)) <= 0.5 / 255 + 1e-6).all()


@pytest.mark.parametrize("kind", ["loop", "skip", "reversed", "healthy"])
def test_a_stored_map_has_the_verdict_of_the_map(kind, tmp_path):
    alignment = failing_maps.make(3, kind).alignment
    stored = store(tmp_path, "it's “ü/1”", alignment)
    assert diagnose(stored).verdict == diagnose(alignment).verdict


def store(folder: Path, name: str, alignment: Alignment) -> Alignment:
    """The alignment as it comes back from a run."""
    alignment = replace(alignment, variant="dot")
    item = replace(plain_items(1)[0], id=name)
    chosen = Settings(("dot",), keep_alignments=True)
    part = fake_part(items.Shard(0, (item,)), chosen)
    maps = write_maps([[row("other", alignment)], [row(name, alignment)]])
    run = RunStore(folder)
    run.save(Part(0, part.rows, maps, (), 1))
    return load_alignment(folder, name, "dot")


def test_everything_of_an_alignment_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    weights = rng.random((2, 3, 4, 9))
    alignment = Alignment.from_arrays(
        weights / weights.sum(-1, keepdims=True),
        ["a", " ", "ü", "<eos>"],
        0.04,
        start_seconds=0.5,
        speech=rng.random(9) > 0.5,
        ended=True,
        text="a ü",
        reference="",
        variant="dot",
    )
    found = store(tmp_path, "u", alignment)
    assert found.weights.shape == (2, 3, 4, 9)
    np.testing.assert_allclose(found.weights.sum(-1), 1, atol=1e-6)
    np.testing.assert_array_equal(found.speech, alignment.speech)
    for name in ("tokens", "frame_seconds", "start_seconds", "ended", "text", "reference", "dims"):
        assert getattr(found, name) == getattr(alignment, name)


def test_maps_of_an_unfinished_run_are_found_beside_bad_recordings(tmp_path):
    alignment = Alignment.from_arrays(np.full((1, 4), 0.25), ["a"], 0.04, variant="dot")
    bad = BadItem("x", "x.wav", "none", None, "cannot be read")
    run = RunStore(tmp_path)
    for number, name in enumerate("uv"):
        part = fake_part(
            items.Shard(number, (replace(plain_items(1)[0], id=name),)), Settings(("dot",))
        )
        maps = write_maps([[row(name, replace(alignment, text=name))]])
        run.save(replace(part, maps=maps, bad=(bad,)))
    assert load_alignment(tmp_path, "v", "dot").text == "v"
    with pytest.raises(RunError, match="x is not among its results"):
        load_alignment(tmp_path, "x", "dot")


def test_maps_that_are_not_there_are_named(tmp_path):
    alignment = Alignment.from_arrays(np.full((1, 4), 0.25), ["a"], 0.04)
    store(tmp_path, "u", alignment)
    with pytest.raises(RunError, match="no map of ctc for u"):
        load_alignment(tmp_path, "u", "ctc")
    with pytest.raises(RunError, match="v is not among its results"):
        load_alignment(tmp_path, "v", "dot")
    (tmp_path / "maps" / "000000.parquet").unlink()
    with pytest.raises(RunError, match="kept without its maps"):
        load_alignment(tmp_path, "u", "dot")
