"""Small whole recognisers of the installed espnet package, saved the way ESPnet saves them."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import yaml

from models.torchaudio_cpu import torchaudio

CHARACTERS = ["<blank>", "<unk>", "'", *"abcdefgh", "<space>", "<eos>"]
PIECES = ["<blank>", "<unk>", "▁", "▁a", "▁the", "b", "ing", "s", "é", "<sos/eos>"]
ATTENTION = {"adim": 8, "aheads": 2, "awin": 3, "aconv_chans": 3, "aconv_filts": 4}


@contextmanager
def librosa_filters() -> Iterator[None]:
    """ESPnet's front end takes one matrix from librosa, which brings Numba and LLVM along.

    torchaudio's Slaney filters are that matrix.
    """

    def mel(*, sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float, htk: bool) -> np.ndarray:
        filters = torchaudio.functional.melscale_fbanks(
            n_fft // 2 + 1,
            fmin,
            fmax,
            n_mels,
            sr,
            norm="slaney",
            mel_scale="htk" if htk else "slaney",
        )
        return filters.T.numpy()

    before = sys.modules.get("librosa")
    sys.modules["librosa"] = SimpleNamespace(filters=SimpleNamespace(mel=mel))
    try:
        yield
    finally:
        if before is None:
            del sys.modules["librosa"]
        else:
            sys.modules["librosa"] = before


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Weights that make outputs far from uniform, so that texts are not empty or all the same."""
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if name.startswith(("dec", "att")):
            torch.nn.init.normal_(parameter, std=0.6)
        elif parameter.dim() > 1:
            torch.nn.init.xavier_normal_(parameter, gain=1.5)
        else:
            torch.nn.init.normal_(parameter, std=0.1)


def first(folder: Path, *, seed: int = 0, bins: int = 80, **changes: Any):
    """An ESPnet 1 model, its ``model.json`` and its weights, as they lie in a recipe's folder."""
    with librosa_filters():
        from espnet.nets.pytorch_backend.e2e_asr import E2E

    args = {
        "model_module": "espnet.nets.pytorch_backend.e2e_asr:E2E",
        "etype": "blstmp", "elayers": 3, "eunits": 7, "eprojs": 10, "subsample": "1_2_2_1",
        "dropout_rate": 0.0, "dropout_rate_decoder": 0.1, "atype": "location", **ATTENTION,
        "dtype": "lstm", "dlayers": 1, "dunits": 12, "context_residual": False,
        "sampling_probability": 0.0, "mtlalpha": 0.5, "lsm_type": "", "lsm_weight": 0.0,
        "char_list": CHARACTERS, "sym_space": "<space>", "sym_blank": "<blank>", "verbose": 0,
        "outdir": str(folder), "train_json": "", "ctc_type": "builtin", "report_cer": False,
        "report_wer": False, **changes,
    }  # fmt: skip
    # ESPnet's projected layers drop out at decoding, too, so that the rate has to be zero here
    vocabulary = len(args["char_list"])
    model = E2E(bins, vocabulary, Namespace(**args)).eval()
    randomise(model, seed)
    folder.mkdir(parents=True, exist_ok=True)
    config, weights = folder / "model.json", folder / "model.acc.best"
    config.write_text(json.dumps([bins, vocabulary, args], indent=4, sort_keys=True))
    torch.save(model.state_dict(), weights)
    return model, config, weights


def second(folder: Path, *, seed: int = 0, tokens=PIECES, **changes: Any):
    """An ESPnet 2 model, its ``config.yaml`` and its ``.pth``, as they lie in a recipe's folder."""
    with librosa_filters():
        from espnet2.asr.ctc import CTC
        from espnet2.asr.decoder.rnn_decoder import RNNDecoder
        from espnet2.asr.encoder.rnn_encoder import RNNEncoder
        from espnet2.asr.encoder.vgg_rnn_encoder import VGGRNNEncoder
        from espnet2.asr.espnet_model import ESPnetASRModel
        from espnet2.asr.frontend.default import DefaultFrontend
        from espnet2.layers.global_mvn import GlobalMVN
        from espnet2.layers.utterance_mvn import UtteranceMVN

        values = {
            "token_list": list(tokens), "token_type": "bpe",
            "frontend": "default",
            "frontend_conf": {"fs": "16k", "n_fft": 512, "hop_length": 160, "win_length": 400},
            "normalize": "global_mvn", "normalize_conf": {},
            "encoder": "rnn",
            "encoder_conf": {"num_layers": 2, "hidden_size": 7, "output_size": 10,
                             "subsample": [2, 2]},
            "decoder": "rnn",
            "decoder_conf": {"num_layers": 1, "hidden_size": 12,
                             "att_conf": {"atype": "location", **ATTENTION}},
            "model_conf": {"ctc_weight": 0.3},
            "preencoder": None, "postencoder": None, "specaug": None, **changes,
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        front = DefaultFrontend(**values["frontend_conf"])
        bins = front.output_size()
        normalize = None
        if values["normalize"] == "global_mvn":
            stats = folder / "feats_stats.npz"
            generator = np.random.default_rng(seed)
            frames = generator.normal(-4, 2, (500, bins))
            np.savez(stats, count=500, sum=frames.sum(0), sum_square=(frames**2).sum(0))
            values["normalize_conf"] = {**values["normalize_conf"], "stats_file": "gone.npz"}
            known = {k: v for k, v in values["normalize_conf"].items() if k != "stats_file"}
            normalize = GlobalMVN(stats_file=stats, **known)
            stats.unlink()  # what a released model comes without
        elif values["normalize"] == "utterance_mvn":
            normalize = UtteranceMVN(**values["normalize_conf"])
        encoder = {"rnn": RNNEncoder, "vgg_rnn": VGGRNNEncoder}[values["encoder"]](
            bins, **values["encoder_conf"]
        )
        width = encoder.output_size()
        decoder = RNNDecoder(len(tokens), width, **values["decoder_conf"])
        model = ESPnetASRModel(
            len(tokens), list(tokens), frontend=front, specaug=None, normalize=normalize,
            preencoder=None, encoder=encoder, postencoder=None, decoder=decoder,
            ctc=CTC(len(tokens), width), joint_network=None, report_cer=False, report_wer=False,
            **values["model_conf"],
        ).eval()  # fmt: skip
    randomise(model, seed)
    config, weights = folder / "config.yaml", folder / "valid.acc.ave.pth"
    config.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    torch.save(model.state_dict(), weights)
    return model, config, weights


@contextmanager
def recorded(attention: torch.nn.Module, maps: list[torch.Tensor]) -> Iterator[None]:
    """Whatever ESPnet's attention module listens to, step by step, appended to `maps`."""

    def note(_module, _inputs, output) -> None:
        weights = output[1]
        if isinstance(weights, tuple):  # location_recurrent: with the state of its LSTM
            weights = weights[0]
        if isinstance(weights, list):  # coverage: all maps so far; multi-head: one of each head
            step = weights[-1:] if type(attention).__name__.startswith("AttCov") else weights
            weights = torch.stack([each[0] for each in step])
        elif weights.dim() == 3:  # location2d: a window of past maps
            weights = weights[:, -1]
        maps.append(weights.detach().reshape(-1, weights.shape[-1]).clone())

    handle = attention.register_forward_hook(note)
    try:
        yield
    finally:
        handle.remove()
