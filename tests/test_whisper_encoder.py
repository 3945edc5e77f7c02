"""The encoder that starts from Whisper: parity, masks, windows of long recordings, its start."""

import json
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from analysis.scoring.errors import score
from models import checkpoint, recogniser
from models.audio import Recording
from models.checkpoint import Card, CheckpointError
from models.decoding import ctc
from models.encoders import WhisperEncoder, WhisperOptions, from_config, to_config
from models.encoders.pretrained import read_whisper
from models.encoders.whisper import MARGIN, sinusoids
from models.encoders.windows import most_alike, stitch, window_starts
from models.features import MEL_BINS, frame_count, whisper_log_mel
from models.text import Alphabet
from models.training import encode, extract, train
from models.training.store import open_store
from tests.support.recordings import hum
from tests.support.training_data import toy_manifest, toy_store

SIZES = {"width": 16, "blocks": 2, "heads": 2, "inner": 24, "positions": 500}
SMALL = WhisperOptions(**SIZES, units=8)


@pytest.fixture(scope="module")
def encoder() -> WhisperEncoder:
    torch.manual_seed(0)
    return WhisperEncoder(SMALL).eval()


@pytest.fixture(scope="module")
def whisper(tmp_path_factory) -> Path:
    """A folder with a small Whisper model with random weights."""
    config = transformers.WhisperConfig(
        vocab_size=20, num_mel_bins=MEL_BINS, d_model=16, encoder_layers=2, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=24,
        decoder_ffn_dim=8, max_source_positions=500, max_target_positions=8,
        decoder_start_token_id=1, eos_token_id=0, bos_token_id=0, pad_token_id=0,
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    torch.manual_seed(1)
    model = transformers.WhisperForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        if "embed_positions" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    folder = tmp_path_factory.mktemp("whisper")
    model.save_pretrained(folder)
    return folder


# --- parity with transformers ---------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.5, 1.0, 7.3])
def test_features_are_those_of_whisper(seconds):
    samples = hum(seconds) + 0.01 * np.random.default_rng(0).normal(size=int(16_000 * seconds))
    extractor = transformers.WhisperFeatureExtractor(feature_size=MEL_BINS)
    theirs = extractor(samples, sampling_rate=16_000, padding=False, return_tensors="pt")
    ours = whisper_log_mel(torch.from_numpy(samples.astype(np.float32)))
    torch.testing.assert_close(ours, theirs.input_features[0].T, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("samples", [1, 399, 400, 401, 16_000])
def test_features_of_any_length_and_of_silence(samples):
    features = whisper_log_mel(torch.zeros(samples))
    assert features.shape == (frame_count(max(samples, 400)), MEL_BINS)
    torch.testing.assert_close(features, torch.full_like(features, -1.5))


def test_states_are_those_of_whispers_encoder(whisper):
    start = read_whisper(str(whisper))
    ours = WhisperEncoder(start.options).eval()
    start.load_into(ours)
    theirs = transformers.WhisperModel.from_pretrained(whisper).encoder.eval()
    features = torch.randn(2, 2 * start.options.positions, MEL_BINS)
    with torch.inference_mode():
        wanted = theirs(features.transpose(1, 2)).last_hidden_state
        states = ours.states(features, torch.tensor([len(row) for row in features]))
    torch.testing.assert_close(states, wanted, atol=1e-4, rtol=1e-4)


def test_positions_are_whispers():
    table = transformers.models.whisper.modeling_whisper.sinusoids(1500, 384)
    torch.testing.assert_close(sinusoids(1500, 384), table, atol=1e-4, rtol=0)


# --- masks ----------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4), extra=st.integers(0, 40))
def test_padding_and_neighbours_change_nothing(encoder, lengths, extra):
    rows = [torch.randn(n, MEL_BINS) for n in lengths]
    batch = torch.full((len(rows), max(lengths) + extra, MEL_BINS), 9.0)  # loud padding
    for row, features in zip(batch, rows, strict=True):
        row[: len(features)] = features
    with torch.inference_mode():
        together, sizes = encoder(batch, torch.tensor(lengths))
        for index, features in enumerate(rows):
            alone, size = encoder(features[None], torch.tensor([len(features)]))
            assert sizes[index] == size[0] == math.ceil(len(features) / 4)
            torch.testing.assert_close(together[index, : size[0]], alone[0], atol=1e-5, rtol=1e-4)
            assert not together[index, size[0] :].any()


def test_training_attends_as_decoding_does(encoder):
    features, lengths = torch.randn(2, 90, MEL_BINS), torch.tensor([90, 41])
    wanted = encoder.states(features, lengths)
    encoder.train()
    try:
        torch.testing.assert_close(encoder.states(features, lengths), wanted, atol=1e-5, rtol=1e-4)
    finally:
        encoder.eval()


def test_gradients_reach_all_but_the_first_convolution():
    torch.manual_seed(0)
    model = WhisperEncoder(SMALL)
    encoded, _ = model(torch.randn(2, 40, MEL_BINS), torch.tensor([40, 25]))
    model.ctc_log_probs(encoded)[..., 3].sum().backward()
    without = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert without == {"convolutions.0.weight", "convolutions.0.bias"}


# --- recordings longer than the positions reach ---------------------------------------------------


@given(
    length=st.integers(1, 9_000), window=st.integers(100, 1_000), step=st.sampled_from([1, 4]),
    share=st.floats(0, 0.4),
)  # fmt: skip
def test_windows_cover_a_recording_and_overlap(length, window, step, share):
    window, margin = window // step * step, int(share * window) // 2
    starts = window_starts(length, window, margin, step)
    assert starts[0] == 0
    assert all(start % step == 0 for start in starts)
    assert length - step < starts[-1] + window < length + window
    assert starts[-1] < length
    gaps = np.diff(starts)
    assert (gaps > 0).all()
    assert (gaps <= window - 2 * margin).all()


def test_windows_are_joined_where_they_are_most_alike():
    frames = torch.arange(40.0)[:, None].expand(-1, 3).clone()
    left, right = frames[:24].clone(), frames[8:].clone() + 5.0
    right[9] = left[17]  # of all frames that both have, this one alone is the same
    joined = stitch([(0, left), (8, right)])
    assert len(joined) == 40
    seam = int((joined[:, 0] != frames[:, 0]).nonzero()[0])
    torch.testing.assert_close(joined[:seam], left[:seam])
    torch.testing.assert_close(joined[seam:], right[seam - 8 :])
    assert 14 <= seam <= 18  # the middle part of frames 8 to 23


def test_most_alike_is_where_the_difference_is_least_around():
    one = torch.zeros(30, 4)
    other = (torch.arange(30.0) - 21).abs()[:, None].expand(-1, 4)
    assert most_alike(one, other) == 21


@pytest.fixture(scope="module")
def long_speech() -> torch.Tensor:
    """Features of three minutes with pauses, (18,000, 80)."""
    torch.manual_seed(3)
    speech = torch.randn(18_000, MEL_BINS)
    loud = torch.sin(torch.arange(18_000) / 70)[:, None] > -0.5
    return torch.where(loud, speech, 0.02 * speech - 1)


def test_frames_of_a_long_recording_are_those_of_its_windows(encoder, long_speech):
    length, window = len(long_speech), encoder.window
    with torch.inference_mode():
        whole, sizes = encoder(long_speech[None], torch.tensor([length]))
        assert sizes.tolist() == [length // 4]
        assert whole.shape == (1, length // 4, encoder.dim)
        starts = window_starts(length, window, MARGIN, 4)
        assert len(starts) > 10
        for start in starts:
            piece = long_speech[start : start + window]
            alone, _ = encoder(piece[None], torch.tensor([len(piece)]))
            first = 0 if start == 0 else 5 * MARGIN // 4  # the seam may lie this far inside
            last = len(piece) if start == starts[-1] else len(piece) - 5 * MARGIN // 4
            own = alone[0, first // 4 : last // 4]
            there = whole[0, (start + first) // 4 : (start + last) // 4]
            torch.testing.assert_close(there, own, atol=1e-5, rtol=1e-4)


def test_a_long_recording_beside_a_short_one(encoder, long_speech):
    short = long_speech[:130]
    batch = torch.full((2, 2_500, MEL_BINS), 9.0)
    batch[0], batch[1, :130] = long_speech[:2_500], short
    with torch.inference_mode():
        both, sizes = encoder(batch, torch.tensor([2_500, 130]))
        alone, _ = encoder(short[None], torch.tensor([130]))
        long, _ = encoder(long_speech[None, :2_500], torch.tensor([2_500]))
    assert sizes.tolist() == [625, 33]
    torch.testing.assert_close(both[1, :33], alone[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(both[0], long[0], atol=1e-5, rtol=1e-4)
    assert not both[1, 33:].any()


def test_no_window_is_larger_than_the_positions_reach(encoder, long_speech, monkeypatch):
    sizes = []
    states = encoder.states

    def measured(features: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        sizes.append(features.shape)
        return states(features, heard)

    monkeypatch.setattr(encoder, "states", measured)
    with torch.inference_mode():
        encoder(long_speech[None], torch.tensor([len(long_speech)]))
    assert max(shape[1] for shape in sizes) <= 2 * SMALL.positions
    assert max(shape[0] for shape in sizes) <= 4  # memory does not grow with length


def test_ctc_across_seams_loses_no_letter():
    """Windows that each write what they hear: the joined text is that of the recording."""
    rng = np.random.default_rng(0)
    alphabet = Alphabet()
    letters = rng.integers(2, 29, 400)
    tokens = np.zeros(4_500, int)  # three minutes, a letter about every 0.4 s, blanks between
    places = np.sort(rng.choice(np.arange(3, 4_497, 3), 400, replace=False))
    tokens[places] = letters
    logits = 9.0 * torch.nn.functional.one_hot(torch.from_numpy(tokens), 30).float()
    parts = []
    for start in window_starts(18_000, 2_960, MARGIN, 4):
        frames = logits[start // 4 : (start + 2_960) // 4]
        shift = int(rng.integers(-1, 2))  # a window may have its letters a frame earlier or later
        parts.append(
            (start // 4, torch.roll(frames, shift, 0) + 0.1 * torch.randn(len(frames), 30))
        )
    joined = stitch(parts)
    text = alphabet.decode(ctc.greedy(joined.log_softmax(-1).numpy(), 0, alphabet.eos).tokens)
    wanted = alphabet.decode(letters)
    assert len(joined) == 4_500
    assert score(wanted, text, "none").cer == 0


# --- starting from Whisper ------------------------------------------------------------------------


def test_a_card_says_which_encoder_it_is(tmp_path, encoder):
    assert from_config(to_config(SMALL)) == SMALL
    with pytest.raises(
        ValueError, match="no encoder of the kind 'conformer'; there are lstm, whisper"
    ):
        from_config({"kind": "conformer"})
    path = tmp_path / "encoder.safetensors"
    checkpoint.save(encoder, path, Card("encoder", to_config(SMALL), Alphabet().tokens))
    loaded = recogniser.load_encoder(tmp_path)
    assert isinstance(loaded, WhisperEncoder)
    samples = hum(1.3)
    encoded = recogniser.encode(loaded, [Recording(samples, ())])
    assert encoded.frames.shape == (1, 33, 16)
    decoded = recogniser.load_variant("ctc", tmp_path).decode(encoded)[0]
    assert decoded.alignment.frame_seconds == pytest.approx(0.04)


def test_training_starts_from_whisper_and_resumes(tmp_path, whisper, monkeypatch):
    monkeypatch.setattr("models.training.loop.learning_rate", lambda update, options: options.rate)
    manifest = str(toy_manifest(tmp_path))
    arguments = [
        "--variant", "ctc", "--init", f"whisper:{whisper}", "--data", manifest, "--dev", manifest,
        "--features", str(tmp_path / "features"), "--copies", "1", "--batch-seconds", "1.2",
        "--checkpoints", str(tmp_path / "made"), "--fp32",
    ]  # fmt: skip

    def trained(run: str, updates: int) -> dict[str, torch.Tensor]:
        out = str(tmp_path / run)
        assert train.main([*arguments, "--out", out, "--updates", str(updates)]) == 0
        return load_file(tmp_path / "made" / "encoder.safetensors")

    whole = trained("whole", 6)
    card = json.loads((tmp_path / "made" / "encoder.json").read_text())
    assert card["config"] == to_config(WhisperOptions(**SIZES))
    assert card["training"]["whisper"] == whisper.name
    assert "manifest_wer" in card["scores"]
    first = read_whisper(str(whisper)).tensors
    torch.testing.assert_close(  # stays as it was
        whole["convolutions.0.weight"], first["convolutions.0.weight"].half()
    )
    moved = (whole["blocks.0.query.weight"].float() - first["blocks.0.query.weight"]).abs().max()
    assert 1e-3 < moved < 6 * 2.5e-4 + 1e-3  # at the low rate, 2.5e-4 an update
    trained("parts", 3)
    resumed = trained("parts", 6)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_decoder_learns_on_it_and_stores_know_whose_they_are(tmp_path, capsys):
    manifest, made = toy_manifest(tmp_path), tmp_path / "made"
    torch.manual_seed(0)
    card = Card("encoder", to_config(SMALL), Alphabet().tokens)
    checkpoint.save(WhisperEncoder(SMALL), made / "encoder.safetensors", card)
    arguments = ["--checkpoints", str(made), "--out", str(tmp_path / "run"), "--updates", "1"]
    assert train.main(["--variant", "dot", "--data", str(manifest), *arguments]) == 0
    assert recogniser.load_variant("dot", made).decoder is not None
    capsys.readouterr()
    lstm = str(tmp_path / "lstm")
    assert extract.main([str(manifest), "--out", lstm, "--clean"]) == 0
    assert encode.main([lstm, "--out", str(tmp_path / "no"), "--checkpoints", str(made)]) == 1
    said = capsys.readouterr().err
    assert "belongs to a lstm encoder; make it again for a whisper encoder" in said
    own = str(tmp_path / "own")
    assert extract.main([str(manifest), "--out", own, "--clean", "--encoder", "whisper"]) == 0
    assert encode.main([own, "--out", str(tmp_path / "yes"), "--checkpoints", str(made)]) == 0
    assert open_store(tmp_path / "yes").kind == "whisper"
    toy_store(tmp_path / "toy")
    run = ["--out", str(tmp_path / "other"), "--data", str(tmp_path / "toy"), "--checkpoints"]
    again = ["--variant", "ctc", "--init", str(made / "encoder.safetensors")]
    assert train.main([*again, *run, str(made)]) == 1
    assert "belongs to a lstm encoder" in capsys.readouterr().err


def _without(folder: Path, name: str) -> None:
    (folder / name).unlink()


def _config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _tensor(folder: Path, name: str, change) -> None:
    path = folder / "model.safetensors"
    tensors = {key: tensor.clone() for key, tensor in load_file(path).items()}
    changed = change(tensors.pop(name))
    save_file(tensors | ({name: changed} if changed is not None else {}), path)


QUERY = "model.encoder.layers.1.self_attn.q_proj.weight"
REFUSED = {
    "no weights": (lambda f: _without(f, "model.safetensors"), "has no model.safetensors"),
    "no config": (lambda f: _without(f, "config.json"), "has no config.json"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), "not a Whisper model AttnScope can"),
    "a list": (lambda f: (f / "config.json").write_text("[]"), "not a Whisper model AttnScope can"),
    "another model": (lambda f: _config(f, model_type="bert"), "is a bert model, not a Whisper"),
    "large": (lambda f: _config(f, num_mel_bins=128), "hears 128 mel bins where 80 are needed"),
    "huge sizes": (lambda f: _config(f, d_model=10**9), "not a Whisper model AttnScope can read"),
    "a wrong size": (lambda f: _config(f, encoder_ffn_dim=32), "does not fit its config.json"),
    "a layer more": (lambda f: _config(f, encoder_layers=3), "lacks the encoder's blocks.2"),
    "a layer less": (lambda f: _config(f, encoder_layers=1), "does not fit its config.json"),
    "odd heads": (lambda f: _config(f, encoder_attention_heads=3), "3 heads"),
    "no safetensors": (
        lambda f: (f / "model.safetensors").write_bytes(b"PK" * 99), "is not a safetensors file",
    ),
    "a tensor missing": (
        lambda f: _tensor(f, QUERY, lambda t: None), "lacks the encoder's blocks.1.query.weight",
    ),
    "a wrong shape": (lambda f: _tensor(f, QUERY, lambda t: t[:3]), "does not fit its config.json"),
    "NaN": (lambda f: _tensor(f, QUERY, lambda t: t * torch.nan), "holds NaN or infinite weights"),
    "other positions": (
        lambda f: _tensor(f, "model.encoder.embed_positions.weight", lambda t: t + 0.1),
        "has learned positions where Whisper has fixed ones",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_whisper_is_refused_in_a_sentence(case, whisper, tmp_path, capsys):
    damage, message = REFUSED[case]
    folder = tmp_path / "model"
    shutil.copytree(whisper, folder)
    damage(folder)
    run = ["--out", str(tmp_path / "run"), "--checkpoints", str(tmp_path / "made")]
    data = ["--data", str(toy_manifest(tmp_path))]
    assert train.main(["--variant", "ctc", "--init", f"whisper:{folder}", *data, *run]) == 1
    said = capsys.readouterr().err
    assert said.startswith("training: ")
    assert message in said
    assert len(said.splitlines()) == 1


def test_a_name_that_is_none_or_cannot_be_fetched(monkeypatch):
    with pytest.raises(CheckpointError, match=r"there is no folder \./nowhere; Whisper's public"):
        read_whisper("./nowhere")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(CheckpointError, match=r"pip install -r requirements-whisper\.txt"):
        read_whisper("openai/whisper-tiny.en")


def test_a_public_name_is_fetched_by_the_hub(monkeypatch, whisper):
    asked = []

    def fetch(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(whisper)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    assert read_whisper("openai/whisper-tiny.en").options == WhisperOptions(**SIZES)
    assert asked == [("openai/whisper-tiny.en", ["config.json", "model.safetensors"])]

    def fail(name: str, allow_patterns: list[str]) -> str:
        raise OSError("no connection\nand much more")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(CheckpointError, match=r"tiny\.en could not be fetched: no connection$"):
        read_whisper("openai/whisper-tiny.en")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variant", "dot"], "--init whisper:... starts an encoder: train it with --variant ctc"),
        (["--variant", "ctc", "--init", "whisper:b"], "starts from one Whisper model"),
    ],
)
def test_combinations_that_make_no_sense(arguments, message, capsys):
    with pytest.raises(SystemExit):
        train.parse([*arguments, "--init", "whisper:a", "--data", "d", "--out", "o"])
    assert message in capsys.readouterr().err


def test_what_only_the_lstm_encoder_has_is_refused(whisper, tmp_path, capsys):
    run = ["--out", str(tmp_path / "run"), "--data", str(toy_manifest(tmp_path)), "--copies", "1"]
    start = ["--variant", "ctc", "--init", f"whisper:{whisper}"]
    assert train.main([*start, "--slow-layers", "1", *run]) == 1
    assert "belong to the LSTM encoder" in capsys.readouterr().err
