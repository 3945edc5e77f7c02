"""Whole ESPnet recognisers through our loader: they write and listen as in ESPnet."""

import json
import struct
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from models.audio import Recording
from models.checkpoint import CheckpointError
from models.decoding.search import SearchOptions
from models.interop.espnet import load_rnn_model
from models.interop.espnet.config import FeatureOptions, read_config
from models.interop.espnet.features import Features, read_statistics
from models.interop.espnet.model import read_weights
from models.torchaudio_cpu import torchaudio
from models.variant import Decoded
from tests.support import espnet_models
from tests.support.recordings import hum

RATIO = 0.8  # tokens per frame: random models never end by themselves
GREEDY = SearchOptions(max_length_ratio=RATIO)


@pytest.fixture(scope="module")
def recording() -> Recording:
    noise = np.random.default_rng(1).normal(0, 0.05, 14_400).astype(np.float32)
    return Recording(np.clip(hum(0.9) + noise, -1, 1), 16_000)


def espnet_greedy(step, maps: list[torch.Tensor], eos: int, limit: int) -> list[int]:
    """ESPnet's tokens one by one, each the most probable, until the end or the limit."""
    tokens, state = [eos], None
    while len(tokens) <= limit:
        scores, state = step(torch.tensor(tokens), state)
        tokens.append(int(scores.argmax()))
        if tokens[-1] == eos:
            break
    assert len(maps) == len(tokens) - 1
    return tokens[1:]


def same(decoded: Decoded, numbers: list[int], maps: list[torch.Tensor], variant) -> None:
    expected = torch.stack(maps, dim=1).numpy()  # (heads, tokens, frames)
    assert decoded.alignment.tokens == tuple(variant.alphabet.tokens[n] for n in numbers)
    assert decoded.text == variant.alphabet.decode(numbers)
    found = decoded.alignment.weights[0]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert len(set(numbers)) > 1  # a model that always writes the same would prove little


# --- ESPnet 2 -------------------------------------------------------------------------------------

SECOND = {
    "rnn": {},
    "no projection, GRU": {
        "encoder_conf": {"num_layers": 2, "hidden_size": 7, "output_size": 10, "rnn_type": "gru",
                         "use_projection": False, "bidirectional": False},
        "normalize": "utterance_mvn",
        "decoder_conf": {"num_layers": 2, "hidden_size": 12, "context_residual": True,
                         "att_conf": {"atype": "multi_head_loc", **espnet_models.ATTENTION}},
    },
    "subsampling by three": {
        "encoder_conf": {"num_layers": 3, "hidden_size": 7, "output_size": 10,
                         "subsample": [3, 2, 1]},
        "decoder_conf": {"hidden_size": 12,
                         "att_conf": {"atype": "coverage_location", **espnet_models.ATTENTION}},
        "normalize": None,
    },
    "VGG": {
        "encoder": "vgg_rnn",
        "encoder_conf": {"num_layers": 1, "hidden_size": 7, "output_size": 10},
        "decoder_conf": {"hidden_size": 12, "att_conf": {"atype": "location2d",
                                                         **espnet_models.ATTENTION}},
        "normalize_conf": {"norm_vars": False},
    },
    "8 kHz": {
        "frontend_conf": {"fs": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 40, "fmin": 60,
                          "htk": True, "window": "hamming"},
        "decoder_conf": {"hidden_size": 12,
                         "att_conf": {"atype": "location_recurrent", **espnet_models.ATTENTION}},
        "normalize": "utterance_mvn", "normalize_conf": {"norm_vars": True},
    },
}  # fmt: skip


# Seeds of which no two tokens are almost as likely anywhere: rounding would choose between them.
SEEDS = {"rnn": 5, "no projection, GRU": 6, "subsampling by three": 4, "VGG": 7, "8 kHz": 3}


@pytest.mark.parametrize("kind", SECOND)
def test_second_models_write_and_listen_the_same(tmp_path, recording, kind):
    model, config, weights = espnet_models.second(tmp_path, seed=SEEDS[kind], **SECOND[kind])
    variant = load_rnn_model(config, weights)
    samples = torch.from_numpy(recording.samples)
    rate = model.frontend.logmel.mel_options["sr"]
    if rate != 16_000:
        samples = torchaudio.functional.resample(samples, 16_000, rate)
    with torch.inference_mode():
        encoded, _ = model.encode(samples[None], torch.tensor([len(samples)]))
    heard = variant.listen([recording])
    torch.testing.assert_close(heard.frames, encoded, atol=1e-4, rtol=1e-4)
    assert heard.frame_seconds * encoded.shape[1] == pytest.approx(0.9, abs=0.1)

    maps: list[torch.Tensor] = []

    def step(tokens, state):
        state = state or model.decoder.init_state(encoded[0])
        return model.decoder.score(tokens, state, encoded[0])

    attention = model.decoder.att_list[0]
    with torch.inference_mode(), espnet_models.recorded(attention, maps):
        numbers = espnet_greedy(step, maps, model.eos, int(RATIO * encoded.shape[1]))
    same(variant.decode(heard, GREEDY)[0], numbers, maps, variant)
    with torch.inference_mode():
        log_probs = model.ctc.log_softmax(encoded)
    torch.testing.assert_close(heard.ctc_log_probs, log_probs, atol=1e-3, rtol=1e-3)


def test_pieces_make_a_text_and_the_end_has_our_name(tmp_path, recording):
    _, config, weights = espnet_models.second(tmp_path)
    variant = load_rnn_model(config, weights, name="mine")
    assert (variant.name, variant.info.family) == ("mine", "espnet")
    assert variant.alphabet.tokens[-1] == "<eos>"
    assert variant.alphabet.decode([4, 6, 2, 8, 9]) == "theing é"
    assert variant.info.parameters > 1000


def test_without_filters_among_the_weights_the_same_are_computed(tmp_path):
    _, config, weights = espnet_models.second(tmp_path)
    state = torch.load(weights, weights_only=True)
    filters = state.pop("frontend.logmel.melmat")
    torch.save(state, weights)
    variant = load_rnn_model(config, weights)
    torch.testing.assert_close(variant.features.mel, filters)


# --- ESPnet 1 -------------------------------------------------------------------------------------

FIRST = {
    "blstmp": {},
    "lstm": {"etype": "lstm", "elayers": 2, "atype": "dot", "dlayers": 2},
    "vggbgrup": {"etype": "vggbgrup", "elayers": 2, "atype": "multi_head_dot"},
    "noatt": {"etype": "bgrup", "elayers": 2, "subsample": "1_2", "atype": "noatt"},
    "words": {"etype": "blstmp", "atype": "coverage",
              "char_list": ["<blank>", "<unk>", "yes", "no", "maybe", "never", "<eos>"]},
}  # fmt: skip


def kaldi(recording: Recording) -> torch.Tensor:
    """Filter banks by Kaldi's options of ESPnet 1's recipes."""
    return torchaudio.compliance.kaldi.fbank(
        torch.from_numpy(recording.samples)[None] * 2**15, num_mel_bins=80, frame_length=25.0
    )


@pytest.mark.parametrize("kind", FIRST)
def test_first_models_write_and_listen_the_same(tmp_path, recording, kind):
    model, config, weights = espnet_models.first(tmp_path, seed=5, **FIRST[kind])
    features = kaldi(recording)
    mean, deviation = features.mean(0), features.std(0, correction=0)
    write_ark(tmp_path / "cmvn.ark", features.numpy())
    features = (features - mean) / deviation
    variant = load_rnn_model(config, weights)
    with torch.inference_mode():
        encoded, _, _ = model.enc(features[None], [len(features)])
    heard = variant.listen([recording])
    torch.testing.assert_close(heard.frames, encoded, atol=1e-4, rtol=1e-4)

    options = SearchOptions(
        beam=3, max_length_ratio=RATIO, nbest=2, ctc_weight=0.4, length_normalised=False
    )
    found = variant.decode(heard, options)[0]
    asked = Namespace(beam_size=3, penalty=0.0, ctc_weight=0.4, maxlenratio=RATIO, minlenratio=0.0,
                      lm_weight=0.0, nbest=2, ctc_window_margin=0)  # fmt: skip
    with torch.inference_mode():
        best = model.recognize(features.numpy(), asked, model.char_list)
    numbers = [int(n) for n in best[0]["yseq"][1:]]
    if not found.alignment.ended:  # ESPnet ends at the limit, too
        numbers = numbers[:-1]
    maps: list[torch.Tensor] = []
    with torch.inference_mode(), espnet_models.recorded(model.att[0], maps):
        forced = torch.tensor([numbers[:-1] if found.alignment.ended else numbers])
        model.dec.calculate_all_attentions(encoded, [encoded.shape[1]], forced)
    same(found, numbers, maps[: len(numbers)], variant)


def write_ark(path: Path, features: np.ndarray) -> None:
    """Statistics as Kaldi's compute-cmvn-stats writes them."""
    stats = np.zeros((2, features.shape[1] + 1))
    stats[0, :-1], stats[0, -1] = features.astype(np.float64).sum(0), len(features)
    stats[1, :-1] = (features.astype(np.float64) ** 2).sum(0)
    header = b"\0BDM " + struct.pack("<bibi", 4, stats.shape[0], 4, stats.shape[1])
    path.write_bytes(header + stats.astype("<f8").tobytes())


def test_characters_and_words_make_a_text(tmp_path):
    _, config, weights = espnet_models.first(tmp_path / "a")
    assert load_rnn_model(config, weights).alphabet.decode([3, 11, 4, 12]) == "a b"
    _, config, weights = espnet_models.first(tmp_path / "b", **FIRST["words"])
    assert load_rnn_model(config, weights).alphabet.decode([3, 4, 6]) == "no maybe"


def test_a_snapshot_of_the_trainer_holds_the_model(tmp_path, recording):
    model, config, weights = espnet_models.first(tmp_path)
    snapshot = tmp_path / "snapshot.ep.7"
    trainer = {"updater/iteration": np.asarray(12), "observation": np.zeros(3, np.float32)}
    torch.save({"trainer": trainer, "model": model.state_dict(), "optimizer": {}}, snapshot)
    found = load_rnn_model(config, snapshot).listen([recording])
    expected = load_rnn_model(config, weights).listen([recording])
    assert torch.equal(found.frames, expected.frames)


# --- usable like any variant ----------------------------------------------------------------------


def test_a_recording_alone_and_in_a_batch_is_decoded_the_same(tmp_path, recording):
    _, config, weights = espnet_models.second(tmp_path, **SECOND["8 kHz"])
    variant = load_rnn_model(config, weights)
    short = Recording(recording.samples[:6_000], 16_000)
    batch = variant.decode(variant.listen([recording, short]), GREEDY)
    for one, together in zip((recording, short), batch, strict=True):
        (alone,) = variant.decode(variant.listen([one]), GREEDY)
        assert alone.text == together.text
        assert alone.alignment.frames == together.alignment.frames
        np.testing.assert_allclose(alone.alignment.weights, together.alignment.weights, atol=1e-5)
        assert len(alone.alignment.speech) == alone.alignment.frames


def test_the_shortest_recording_is_heard(tmp_path):
    recording = Recording(hum(0.04), 16_000)
    _, config, weights = espnet_models.first(tmp_path / "a")
    assert load_rnn_model(config, weights).listen([recording]).frames.shape[1] >= 1
    _, config, weights = espnet_models.second(tmp_path / "b")
    assert load_rnn_model(config, weights).listen([recording]).frames.shape[1] >= 1


# --- features -------------------------------------------------------------------------------------


def test_statistics_are_read_from_every_form_they_have(tmp_path):
    features = np.random.default_rng(0).normal(3, 2, (50, 4))
    write_ark(tmp_path / "a.ark", features)
    matrix = np.stack([np.append(features.sum(0), 50), np.append((features**2).sum(0), 0)])
    np.save(tmp_path / "b.npy", matrix)
    np.savez(tmp_path / "c.npz", count=50, sum=features.sum(0), sum_square=(features**2).sum(0))
    rows = "\n".join("  " + " ".join(map(repr, row.tolist())) for row in matrix)
    (tmp_path / "d.ark").write_text(f"global [\n{rows} ]\n")
    for name in ("a.ark", "b.npy", "c.npz", "d.ark"):
        found = read_statistics(tmp_path / name, 4)
        np.testing.assert_allclose(found.mean, features.mean(0), rtol=1e-5)
        np.testing.assert_allclose(found.deviation, features.std(0), rtol=1e-5)
        with pytest.raises(CheckpointError, match=f"{name} is not about 5 features"):
            read_statistics(tmp_path / name, 5)
    (tmp_path / "e.ark").write_bytes(b"\0BXX")
    with pytest.raises(CheckpointError, match=r"e\.ark does not hold feature statistics"):
        read_statistics(tmp_path / "e.ark", 4)


def test_without_statistics_features_stay_as_they_are():
    samples = torch.from_numpy(hum(0.5))
    bare = Features(FeatureOptions("kaldi", 80, hop=160, window=400))(samples)
    asked = Features(FeatureOptions("kaldi", 80, hop=160, window=400, normalise="global"))
    assert torch.equal(asked(samples), bare)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "conformer"}, "encoder = 'conformer', AttnScope reads 'rnn' or 'vgg_rnn'"),
        ({"decoder": "transformer"}, "decoder = 'transformer', AttnScope reads 'rnn'"),
        ({"frontend": "s3prl"}, "frontend = 's3prl'"),
        ({"preencoder": "sinc"}, "preencoder = 'sinc'"),
        ({"frontend": None, "input_size": 83}, "80 mel bands and Kaldi's 3 pitch values"),
        ({"decoder_conf": {"rnn_type": "gru"}}, "decoder's rnn_type = 'gru'"),
        (
            {"decoder_conf": {"att_conf": {"atype": "mystery"}}},
            "unknown ESPnet attention 'mystery'",
        ),
        ({"token_list": "nowhere.txt"}, "names a token list that is not there"),
        ({"encoder_conf": {"num_layers": "many"}}, "is not a configuration of ESPnet"),
        ({"token_list": ["<blank>", "a", "a", "<sos/eos>"]}, "does not fit"),
        ({"encoder_conf": {"num_layers": 2, "hidden_size": 9}}, "does not fit"),
    ],
)
def test_what_a_model_has_and_we_have_not_is_named(tmp_path, changes, message):
    _, config, weights = espnet_models.second(tmp_path)
    values = yaml.safe_load(config.read_text(encoding="utf-8")) | changes
    config.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    with pytest.raises(CheckpointError) as raised:
        load_rnn_model(config, weights)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_pitch_features_and_other_models_of_espnet_1_are_refused(tmp_path):
    _, config, _ = espnet_models.first(tmp_path)
    size, vocabulary, args = json.loads(config.read_text())
    cases = [
        ([83, vocabulary, args], "80 mel bands and Kaldi's 3 pitch values"),
        ([size, vocabulary + 1, args], "lists 13 tokens for 14 outputs"),
        ([size, vocabulary, args | {"model_module": "espnet.x:Transformer"}], "model_module"),
        ([size, vocabulary, args | {"etype": "cnn"}], "etype = 'cnn'"),
        ([size, vocabulary, {k: v for k, v in args.items() if k != "dunits"}], "lacks 'dunits'"),
        ([1, 2], "is not a configuration of ESPnet"),
        ("text", "is not a configuration of ESPnet"),
    ]
    for values, message in cases:
        config.write_text(json.dumps(values))
        with pytest.raises(CheckpointError) as raised:
            read_config(config)
        assert message in str(raised.value)


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_weights_are_never_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pth"
    torch.save({"enc.x": torch.zeros(1), "trap": Bomb()}, path)
    with pytest.raises(CheckpointError, match="never executes"):
        read_weights(path)
    assert not Path("exploded").exists()
    cases = {
        b"": "is not a file of PyTorch weights",
        b"\x80\x02garbage": "bad.pth",
        b"PK\x03\x04": "is not a file of PyTorch weights",
    }
    for content, message in cases.items():
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=message):
            read_weights(path)
    for values, message in [
        ([1, 2], "does not hold a model's weights"),
        ({"a": torch.tensor(float("nan"))}, "NaN or infinite"),
    ]:
        torch.save(values, path)
        with pytest.raises(CheckpointError, match=message):
            read_weights(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weights(tmp_path / "missing.pth")


def test_an_old_torch_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(CheckpointError, match=r"torch 2\.9\.1.* may run code.*install"):
        read_weights(tmp_path / "any.pth")
