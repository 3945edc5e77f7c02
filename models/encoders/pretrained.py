"""Weights of a Whisper model's encoder, from a folder as Hugging Face lays it out or by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models import schema
from models.checkpoint import CheckpointError
from models.encoders.whisper import WhisperEncoder, WhisperOptions, sinusoids
from models.features import MEL_BINS
from models.schema import Layers, Size

PREFIX = "whisper:"  # before the path or name, on the command line
FILES = ("config.json", "model.safetensors")
POSITIONS = "positions"  # what we call the table of positions, which is not kept
POSITION_TOLERANCE = 2e-3  # fp16 rounds sines to 5e-4
_ENCODERS = ("model.encoder.", "encoder.")  # beginnings of tensor names, with and without a decoder
_LAYER_NAMES = {  # of a layer in Hugging Face's layout, and ours
    "self_attn_layer_norm": "attention_norm",
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.out_proj": "output",
    "final_layer_norm": "feed_forward_norm",
    "fc1": "expand",
    "fc2": "contract",
}


@dataclass(frozen=True)
class _Config:
    """What a Whisper model's config.json says of its encoder."""

    model_type: str
    num_mel_bins: Size
    d_model: Size
    encoder_layers: Layers
    encoder_attention_heads: Size
    encoder_ffn_dim: Size
    max_source_positions: Size


@dataclass(frozen=True, eq=False)
class PretrainedEncoder:
    """The encoder of a Whisper model, in our names."""

    name: str  # as given: a folder or a public name
    options: WhisperOptions
    tensors: dict[str, Tensor]  # float32, of a `WhisperEncoder` with those options

    def load_into(self, encoder: WhisperEncoder) -> None:
        """Replace the encoder's `pretrained` weights; its recurrent layer and CTC stay."""
        encoder.load_state_dict(self.tensors, strict=False)


def read_whisper(path_or_name: str) -> PretrainedEncoder:
    """The encoder of a Whisper model.

    Parameters
    ----------
    path_or_name
        A folder with ``config.json`` and ``model.safetensors``, or a public name such as
        ``openai/whisper-tiny.en``, which huggingface_hub takes from its cache or downloads once.

    Raises
    ------
    CheckpointError
        Where there is no such model, or it is no Whisper, or one that is too large or damaged.
    """
    folder = Path(path_or_name)
    if not folder.is_dir():
        folder = _download(path_or_name)
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{path_or_name} has no {missing[0]}: name a folder as Hugging Face lays it out, with "
            "safetensors"
        )
    options = _options(folder / FILES[0], path_or_name)
    return PretrainedEncoder(path_or_name, options, _tensors(folder / FILES[1], options))


def _download(name: str) -> Path:
    """The folder of a public model, downloaded where it is not in the cache."""
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise CheckpointError(
            f"there is no folder {name}; Whisper's public models have names such as "
            "openai/whisper-tiny.en"
        )
    try:
        import huggingface_hub
    except ModuleNotFoundError:
        raise CheckpointError(
            f"to fetch {name} by name, pip install -r requirements-whisper.txt; or name a folder"
        ) from None
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(FILES)))
    except Exception as error:  # the hub's client raises a dozen unrelated types
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(f"{name} could not be fetched: {first[0][:200]}") from None


def _options(path: Path, name: str) -> WhisperOptions:
    try:
        config = schema.read(path, _Config)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{name} is not a Whisper model AttnScope can read ({error})"
        ) from None
    if config.model_type != "whisper":
        raise CheckpointError(f"{name} is a {config.model_type} model, not a Whisper")
    if config.num_mel_bins != MEL_BINS:
        raise CheckpointError(
            f"{name} hears {config.num_mel_bins} mel bins where {MEL_BINS} are needed: start from "
            "tiny, base, small or medium"
        )
    if config.d_model % max(1, config.encoder_attention_heads):
        raise CheckpointError(
            f"{name} cannot divide {config.d_model} among {config.encoder_attention_heads} heads"
        )
    return WhisperOptions(
        width=config.d_model,
        blocks=config.encoder_layers,
        heads=config.encoder_attention_heads,
        inner=config.encoder_ffn_dim,
        positions=config.max_source_positions,
    )


def _tensors(path: Path, options: WhisperOptions) -> dict[str, Tensor]:
    """The encoder's tensors under our names.

    Raises
    ------
    CheckpointError
        Where one is missing, has a wrong shape or holds NaN, or positions are not Whisper's.
    """
    with torch.device("meta"):
        expected = WhisperEncoder(options).state_dict()
    wanted = {key for key in expected if key.startswith(WhisperEncoder.pretrained)}
    found: dict[str, Tensor] = {}
    with _opened(path) as file:
        for name in file.keys():  # noqa: SIM118
            own = _own_name(name)
            if own == POSITIONS:
                _check_positions(file.get_tensor(name), options, path.name)
            elif own is not None:
                found[own] = file.get_tensor(name).float()
    for name in sorted(wanted | found.keys()):
        if name not in found:
            raise CheckpointError(f"{path.name} lacks the encoder's {name}")
        if name not in wanted or found[name].shape != expected[name].shape:
            raise CheckpointError(
                f"{path.name} does not fit its config.json in the encoder's {name}"
            )
        if not torch.isfinite(found[name]).all():
            raise CheckpointError(f"{path.name} holds NaN or infinite weights")
    return found


def _own_name(name: str) -> str | None:
    """Our name of a tensor; None: it is not of the encoder."""
    prefix = next((each for each in _ENCODERS if name.startswith(each)), None)
    if prefix is None:
        return None
    module, _, last = name.removeprefix(prefix).rpartition(".")
    if module == "embed_positions":
        return POSITIONS
    if module in ("conv1", "conv2"):
        return f"convolutions.{int(module[-1]) - 1}.{last}"
    if module == "layer_norm":
        return f"block_norm.{last}"
    _, _, rest = module.partition(".")
    number, _, layer = rest.partition(".")
    return f"blocks.{number}.{_LAYER_NAMES.get(layer, layer)}.{last}"


def _check_positions(positions: Tensor, options: WhisperOptions, name: str) -> None:
    own = sinusoids(options.positions, options.width)
    if positions.shape != own.shape or (positions.float() - own).abs().max() > POSITION_TOLERANCE:
        raise CheckpointError(f"{name} has learned positions where Whisper has fixed ones")


@contextmanager
def _opened(path: Path) -> Iterator:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError:
        raise CheckpointError(f"{path.name} is not a safetensors file") from None
