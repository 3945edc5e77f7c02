"""What ESPnet's configurations say of a model: ESPnet 1's ``model.json``, ESPnet 2's YAML.

Only what AttnScope can rebuild exactly is accepted; everything else is refused by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.checkpoint import CheckpointError
from models.features import SAMPLE_RATE
from models.schema import SchemaError, values_of

MAX_BYTES = 50_000_000  # of a configuration: token lists are long, nothing else is
PITCH = {43: 40, 83: 80}  # features with Kaldi's three pitch values, and without them


@dataclass(frozen=True)
class EncoderSizes:
    """ESPnet's RNN encoders: ``[vgg][b](lstm|gru)[p]``."""

    size: int  # of a feature frame
    vgg: bool  # four convolutions that halve time and frequency twice come first
    cell: str  # "lstm" or "gru"
    bidirectional: bool
    projected: bool  # a projection after every layer ("p"), not only after the last
    layers: int
    units: int
    output: int  # of an encoded frame
    subsampling: tuple[int, ...]  # every how many frames each layer keeps one

    @property
    def factor(self) -> int:
        """Feature frames per encoded frame."""
        product = 4 if self.vgg else 1
        for step in self.subsampling:
            product *= step
        return product


@dataclass(frozen=True)
class DecoderSizes:
    """ESPnet's RNN decoder and its attention."""

    layers: int
    units: int
    context_residual: bool
    atype: str
    attention: Mapping[str, int]  # adim, aheads, awin, aconv_chans, aconv_filts


@dataclass(frozen=True)
class FeatureOptions:
    """How the encoder's input is made of samples."""

    kind: str  # "stft": ESPnet 2's own front end; "kaldi": filter banks of Kaldi's tools
    bins: int  # mel bands
    rate: int = SAMPLE_RATE  # Hz
    fft: int = 512  # samples
    window: int = 512  # samples
    hop: int = 128  # samples
    window_name: str | None = "hann"  # of torch, None: rectangular
    centred: bool = True
    normalised: bool = False  # the transform is divided by the root of the window
    lowest: float = 0.0  # Hz
    highest: float | None = None  # Hz, None: half of the rate
    htk: bool = False  # HTK's mel scale instead of Slaney's
    normalise: str | None = None  # "global" (statistics of the training data), "utterance", None
    means: bool = True  # subtract means
    variances: bool = True  # divide by standard deviations
    stats: str | None = None  # file with the statistics, where the weights do not hold them

    @property
    def hop_seconds(self) -> float:
        return self.hop / self.rate


@dataclass(frozen=True)
class RnnConfig:
    """A whole model."""

    version: int  # of ESPnet: 1 or 2
    tokens: tuple[str, ...]  # blank first, end of sentence last
    spelling: str  # "char", "bpe" or "word": how tokens make a text
    encoder: EncoderSizes
    decoder: DecoderSizes
    features: FeatureOptions


def read_config(path: Path) -> RnnConfig:
    """Read a configuration of either version.

    Raises
    ------
    CheckpointError
        Where it is not one, or asks for something that AttnScope has not.
    """
    values = _values(path)
    try:
        if isinstance(values, list):
            return _first(values, path.name)
        return _second(values, path)
    except KeyError as error:
        raise CheckpointError(f"{path.name} lacks {error.args[0]!r}") from None
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path.name} is not a configuration of ESPnet: {error}") from None


def _values(path: Path) -> Any:
    """The plain values in a JSON or YAML file."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{path.name} is too large for a configuration")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CheckpointError(f"{path.name} is not a configuration of ESPnet") from None
    if path.suffix == ".json":
        try:
            return values_of(text)
        except SchemaError as error:
            raise CheckpointError(f"{path.name} is not JSON ({error})") from None
    try:
        import yaml
    except ModuleNotFoundError:
        raise CheckpointError(
            "ESPnet 2's configurations need PyYAML: pip install -r requirements-espnet.txt"
        ) from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise CheckpointError(f"{path.name} is not YAML") from None


def _only(name: str, value: Any, *accepted: Any) -> None:
    """Refuse a setting that AttnScope has no equal of."""
    if value not in accepted:
        known = " or ".join(repr(choice) for choice in accepted)
        raise CheckpointError(f"the model has {name} = {value!r}, AttnScope reads {known}")


# --- ESPnet 1 -------------------------------------------------------------------------------------


def _first(values: list, name: str) -> RnnConfig:
    size, vocabulary, args = values
    module = args.get("model_module", "espnet.nets.pytorch_backend.e2e_asr:E2E")
    _only("model_module", module, "espnet.nets.pytorch_backend.e2e_asr:E2E")
    _only("num_encs", args.get("num_encs", 1), 1)
    _only("num_spkrs", args.get("num_spkrs", 1), 1)
    _only("use_frontend", bool(args.get("use_frontend", False)), False)
    _only("dtype", args.get("dtype", "lstm"), "lstm")
    _only("replace_sos", bool(args.get("replace_sos", False)), False)
    tokens = args["char_list"]
    if len(tokens) != vocabulary:
        raise CheckpointError(f"{name} lists {len(tokens)} tokens for {vocabulary} outputs")
    encoder = _first_encoder(int(size), args)
    attention = {key: int(args.get(key) or 0) for key in _ATTENTION}
    decoder = DecoderSizes(
        layers=int(args["dlayers"]),
        units=int(args["dunits"]),
        context_residual=bool(args.get("context_residual", False)),
        atype=str(args["atype"]),
        attention=attention,
    )
    return RnnConfig(
        version=1,
        tokens=tuple(tokens),
        spelling=_spelling(tokens),
        encoder=encoder,
        decoder=decoder,
        features=_kaldi(int(size)),
    )


_ATTENTION = ("adim", "aheads", "awin", "aconv_chans", "aconv_filts")


def _first_encoder(size: int, args: Mapping[str, Any]) -> EncoderSizes:
    kind = str(args["etype"])
    vgg, projected = kind.startswith("vgg"), kind.endswith("p")
    cell = kind.removeprefix("vgg").removesuffix("p")
    _only("etype", cell, "lstm", "gru", "blstm", "bgru")
    layers = int(args["elayers"])
    steps = [1] * layers
    if projected and not vgg:  # the first number would be of the input, which is not subsampled
        subsampling = [int(step) for step in str(args.get("subsample", "1")).split("_")]
        steps = [*subsampling[1 : layers + 1], *steps][:layers]
    return EncoderSizes(
        size=size,
        vgg=vgg,
        cell=cell.removeprefix("b"),
        bidirectional=cell.startswith("b"),
        projected=projected,
        layers=layers,
        units=int(args["eunits"]),
        output=int(args["eprojs"]),
        subsampling=tuple(steps),
    )


def _spelling(tokens: Sequence[str]) -> str:
    """How ESPnet 1's tokens make a text, which its configuration does not say."""
    if any(token.startswith("▁") for token in tokens):
        return "bpe"
    plain = [token for token in tokens if not (token.startswith("<") and token.endswith(">"))]
    return "char" if "<space>" in tokens or all(len(t) == 1 for t in plain) else "word"


def _kaldi(size: int) -> FeatureOptions:
    """Features that were made by Kaldi's tools before training, told by their size alone."""
    if size in PITCH:
        raise CheckpointError(
            f"the model hears {size} features: {PITCH[size]} mel bands and Kaldi's 3 pitch values, "
            "which AttnScope does not compute; it reads models of mel bands alone"
        )
    hop, window = SAMPLE_RATE // 100, SAMPLE_RATE // 40  # 10 ms and 25 ms
    return FeatureOptions("kaldi", size, hop=hop, window=window, normalise="global")


# --- ESPnet 2 -------------------------------------------------------------------------------------


def _second(values: Mapping[str, Any], path: Path) -> RnnConfig:
    _only("decoder", values["decoder"], "rnn")
    _only("encoder", values["encoder"], "rnn", "vgg_rnn")
    for part in ("preencoder", "postencoder"):
        _only(part, values.get(part), None)
    _only("token_type", values.get("token_type", "bpe"), "char", "bpe", "word", "phn")
    spelling = {"phn": "word"}.get(values.get("token_type", "bpe"), values.get("token_type", "bpe"))
    features = _second_features(values, path)
    return RnnConfig(
        version=2,
        tokens=_second_tokens(values["token_list"], path),
        spelling=spelling,
        encoder=_second_encoder(values, features.bins),
        decoder=_second_decoder(values.get("decoder_conf") or {}),
        features=features,
    )


def _second_tokens(tokens: Any, path: Path) -> tuple[str, ...]:
    """The tokens themselves, or those of a file named relative to the configuration."""
    if isinstance(tokens, str):
        try:
            lines = (path.parent / tokens).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise CheckpointError(f"{path.name} names a token list that is not there") from None
        return tuple(lines)
    return tuple(str(token) for token in tokens)


def _second_encoder(values: Mapping[str, Any], size: int) -> EncoderSizes:
    conf = values.get("encoder_conf") or {}
    vgg, layers = values["encoder"] == "vgg_rnn", int(conf.get("num_layers", 4))
    projected = bool(conf.get("use_projection", True))
    _only("in_channel", conf.get("in_channel", 1), 1)
    steps = [1] * layers
    if projected and not vgg:
        subsampling = conf.get("subsample", (2, 2, 1, 1))
        steps = [*(int(step) for step in subsampling or ()), *steps][:layers]
    cell = conf.get("rnn_type", "lstm")
    _only("encoder's rnn_type", cell, "lstm", "gru")
    return EncoderSizes(
        size=size,
        vgg=vgg,
        cell=cell,
        bidirectional=bool(conf.get("bidirectional", True)),
        projected=projected,
        layers=layers,
        units=int(conf.get("hidden_size", 320)),
        output=int(conf.get("output_size", 320)),
        subsampling=tuple(steps),
    )


def _second_decoder(conf: Mapping[str, Any]) -> DecoderSizes:
    _only("decoder's rnn_type", conf.get("rnn_type", "lstm"), "lstm")
    _only("num_encs", conf.get("num_encs", 1), 1)
    _only("replace_sos", bool(conf.get("replace_sos", False)), False)
    attention = conf.get("att_conf") or {}
    _only("num_att", attention.get("num_att", 1), 1)
    usual = {"adim": 320, "aheads": 4, "awin": 5, "aconv_chans": 10, "aconv_filts": 100}
    return DecoderSizes(
        layers=int(conf.get("num_layers", 1)),
        units=int(conf.get("hidden_size", 320)),
        context_residual=bool(conf.get("context_residual", False)),
        atype=str(attention.get("atype", "location")),
        attention={key: int(attention.get(key, usual[key])) for key in _ATTENTION},
    )


def _second_features(values: Mapping[str, Any], path: Path) -> FeatureOptions:
    front = values.get("frontend", "default")
    _only("frontend", front, "default", None)
    normalise = values.get("normalize", "utterance_mvn")
    _only("normalize", normalise, "global_mvn", "utterance_mvn", None)
    conf = values.get("normalize_conf") or {}
    stats = conf.get("stats_file")
    normalising = {
        "normalise": normalise.removesuffix("_mvn") if normalise else None,
        "means": bool(conf.get("norm_means", True)),
        "variances": bool(conf.get("norm_vars", normalise == "global_mvn")),
        "stats": None if stats is None else str(path.parent / str(stats)),
    }
    if front is None:
        kaldi = _kaldi(int(values["input_size"]))
        return FeatureOptions(
            "kaldi", kaldi.bins, hop=kaldi.hop, window=kaldi.window, **normalising
        )
    return _front_end(values.get("frontend_conf") or {}, normalising)


def _front_end(conf: Mapping[str, Any], normalising: Mapping[str, Any]) -> FeatureOptions:
    enhancement = conf.get("frontend_conf") or {}
    for name in ("use_wpe", "use_beamformer"):
        _only(name, bool(enhancement.get(name, False)), False)
    _only("apply_stft", conf.get("apply_stft", True), True)
    _only("onesided", conf.get("onesided", True), True)
    fft = int(conf.get("n_fft", 512))
    return FeatureOptions(
        "stft",
        bins=int(conf.get("n_mels", 80)),
        rate=_hertz(conf.get("fs", SAMPLE_RATE)),
        fft=fft,
        window=int(conf.get("win_length") or fft),
        hop=int(conf.get("hop_length", 128)),
        window_name=conf.get("window", "hann"),
        centred=bool(conf.get("center", True)),
        normalised=bool(conf.get("normalized", False)),
        lowest=float(conf.get("fmin") or 0.0),
        highest=None if conf.get("fmax") is None else float(conf["fmax"]),
        htk=bool(conf.get("htk", False)),
        **normalising,
    )


def _hertz(value: Any) -> int:
    """ESPnet writes 16000 or ``16k``."""
    text = str(value).strip().lower()
    return round(float(text[:-1]) * 1000) if text.endswith("k") else int(text)
