"""ESPnet's RNN recognisers (encoder, CTC, attention decoder) as variants."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from analysis.signals.speech_activity import speech_frames
from models.audio import Recording
from models.checkpoint import CheckpointError
from models.decoders.lstm import LSTMDecoder
from models.features import SAMPLE_RATE
from models.interop.espnet.attention import attention_from_state
from models.interop.espnet.config import RnnConfig, read_config
from models.interop.espnet.encoder import EspnetEncoder, renamed
from models.interop.espnet.features import Features, Statistics, read_statistics
from models.interop.vocabulary import Pieces, pieces
from models.variant import Encoded, Variant, VariantInfo

FAMILY = "espnet"
PAPER = "Watanabe et al. 2018, arXiv 1804.00015"
SAFE_TORCH = (2, 10)  # earlier ones could be made to run code by a file of weights
STATISTICS = ("cmvn.ark", "feats_stats.npz")  # looked for beside the configuration and weights

State = Mapping[str, Tensor]


def load_rnn_model(
    config: Path | str, weights: Path | str, *, name: str | None = None
) -> "EspnetVariant":
    """An RNN recogniser of ESPnet, ready to decode.

    Parameters
    ----------
    config
        ESPnet 1's ``model.json`` or ESPnet 2's ``config.yaml`` (``encoder: rnn`` or ``vgg_rnn``,
        ``decoder: rnn``).
    weights
        ESPnet 1's ``model.acc.best`` (``model.loss.best``, ``snapshot.ep.N``) or ESPnet 2's
        ``.pth``. Only tensors are read from it; nothing in it is ever executed.
    name
        What the variant shall be called; ``espnet-`` and the type of its attention otherwise.

    Raises
    ------
    CheckpointError
        Where a file cannot be read, does not fit the other, or asks for what AttnScope has not:
        another encoder, a GRU decoder, pitch features.

    Notes
    -----
    ESPnet 2 computes its features itself and keeps their filters and statistics among the weights.
    ESPnet 1 leaves them to Kaldi: they are computed as Kaldi does (without dither), with the
    statistics of a ``cmvn.ark`` beside the configuration or the weights; without one, features are
    not normalised.
    """
    config, weights = Path(config), Path(weights)
    options = read_config(config)
    state = read_weights(weights)
    try:
        alphabet = pieces(options.tokens, options.spelling)
        encoder, ctc = EspnetEncoder(options.encoder), _ctc(state, options)
        encoder.load_state_dict(renamed(_part(state, _prefix(options, "encoder") + "enc.")))
        decoder = _decoder(state, options, len(alphabet))
    except (ValueError, RuntimeError, KeyError) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{weights.name} does not fit {config.name}: {reason}") from None
    variant_name = name or f"{FAMILY}-{options.decoder.atype}"
    modules = nn.ModuleDict({"encoder": encoder, "decoder": decoder})
    parameters = sum(parameter.numel() for parameter in modules.parameters())
    title = f"ESPnet {options.version}: {options.decoder.atype}"
    info = VariantInfo(variant_name, FAMILY, title, PAPER, parameters, weights, None)
    features = _features(state, options, (config.parent, weights.parent))
    return EspnetVariant(info, alphabet, decoder.eval(), encoder.eval(), ctc, features, options)


class EspnetVariant(Variant):
    """A recogniser of ESPnet with its own encoder."""

    def __init__(
        self,
        info: VariantInfo,
        alphabet: Pieces,
        decoder: LSTMDecoder,
        encoder: EspnetEncoder,
        ctc: nn.Linear | None,
        features: Features,
        options: RnnConfig,
    ) -> None:
        super().__init__(info, alphabet, decoder)
        self.own_encoder = info.name
        self.encoder, self.ctc, self.features = encoder, ctc, features
        self.frame_seconds = features.options.hop_seconds * options.encoder.factor

    @torch.inference_mode()
    def listen(self, recordings: Sequence[Recording]) -> Encoded:
        """Recordings as this model's own encoder hears them."""
        features = [self.features(torch.from_numpy(recording.samples)) for recording in recordings]
        frames, lengths = self.encoder.encode(features)
        log_probs = None if self.ctc is None else self.ctc(frames).log_softmax(-1)
        speech = tuple(
            speech_frames(recording.samples, SAMPLE_RATE, size, self.frame_seconds)
            for recording, size in zip(recordings, lengths.tolist(), strict=True)
        )
        seconds = tuple(recording.seconds for recording in recordings)
        return Encoded(
            frames, lengths, log_probs, self.frame_seconds, speech, seconds,
            recordings=tuple(recordings), listener=self.own_encoder,
        )  # fmt: skip


def read_weights(path: Path) -> State:
    """The tensors of a file that ``torch.save`` made, by name.

    Raises
    ------
    CheckpointError
        Where it is missing, holds anything but tensors, or torch is too old to read it safely.
    """
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < SAFE_TORCH:
        raise CheckpointError(
            f"torch {torch.__version__} may run code hidden in {path.name}; install torch 2.10"
        )
    try:
        with torch.serialization.safe_globals([*_NUMPY]):
            values = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror or error}") from None
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path.name} holds more than weights, which AttnScope never executes"
        ) from None
    # torch raises many unrelated types on damaged input
    except Exception:
        raise CheckpointError(f"{path.name} is not a file of PyTorch weights") from None
    if isinstance(values, dict) and isinstance(values.get("model"), dict):
        values = values["model"]  # ESPnet 1's snapshot, with the state of its trainer
    if not isinstance(values, dict) or not all(isinstance(t, Tensor) for t in values.values()):
        raise CheckpointError(f"{path.name} does not hold a model's weights")
    if any(t.is_floating_point() and not torch.isfinite(t).all() for t in values.values()):
        raise CheckpointError(f"{path.name} holds NaN or infinite weights")
    return values


def _numpy_globals() -> list:
    """What the arrays in a trainer's state are made of; none of it runs anything."""
    import numpy as np

    dtypes = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u1", "?", "U1", "S1")]
    rebuild = np._core.multiarray._reconstruct
    scalar = np._core.multiarray.scalar
    names = ("numpy.core.multiarray", "numpy._core.multiarray")
    pairs = [(f, f"{module}.{f.__name__}") for module in names for f in (rebuild, scalar)]
    return [*pairs, np.ndarray, np.dtype, *dtypes]


_NUMPY = tuple(_numpy_globals())


def _prefix(options: RnnConfig, part: str) -> str:
    short = {"encoder": "enc.", "decoder": "dec."}
    return short[part] if options.version == 1 else f"{part}."


def _part(state: State, prefix: str) -> dict[str, Tensor]:
    """The tensors below a prefix, by the rest of their names."""
    part = {k.removeprefix(prefix): v.float() for k, v in state.items() if k.startswith(prefix)}
    if not part:
        raise CheckpointError(f"the weights hold nothing called {prefix}*")
    return part


def _ctc(state: State, options: RnnConfig) -> nn.Linear | None:
    """The CTC head, where the model was trained with one."""
    if "ctc.ctc_lo.weight" not in state:
        return None
    head = nn.Linear(options.encoder.output, len(options.tokens))
    head.load_state_dict(_part(state, "ctc.ctc_lo."))
    return head.eval().requires_grad_(False)


def _decoder(state: State, options: RnnConfig, vocabulary: int) -> LSTMDecoder:
    sizes, width = options.decoder, options.encoder.output
    attention = attention_from_state(
        sizes.atype,
        _part(state, "att.0." if options.version == 1 else "decoder.att_list.0.")
        if sizes.atype != "noatt"
        else {},
        eprojs=width,
        dunits=sizes.units,
        **sizes.attention,
    )
    if hasattr(attention, "padding_as_espnet"):
        attention.padding_as_espnet = False  # a recording's result never depends on its batch
    decoder = LSTMDecoder(
        vocabulary,
        width,
        attention,
        embedding_dim=sizes.units,
        units=sizes.units,
        layers=sizes.layers,
        context_residual=sizes.context_residual,
    )
    decoder_state = _part(state, _prefix(options, "decoder"))
    for part, theirs in (("embedding", "embed."), ("cells", "decoder."), ("output", "output.")):
        getattr(decoder, part).load_state_dict(_part(decoder_state, theirs))
    return decoder


def _features(state: State, options: RnnConfig, folders: Sequence[Path]) -> Features:
    wanted = options.features
    mel = state.get("frontend.logmel.melmat")
    if mel is not None and mel.shape != (wanted.fft // 2 + 1, wanted.bins):
        raise CheckpointError(f"the weights hold mel filters of shape {tuple(mel.shape)}")
    return Features(wanted, mel, _statistics(state, options, folders))


def _statistics(state: State, options: RnnConfig, folders: Sequence[Path]) -> Statistics | None:
    wanted = options.features
    if wanted.normalise != "global":
        return None
    if "normalize.mean" in state:
        mean, deviation = state["normalize.mean"].float(), state["normalize.std"].float()
        if mean.shape != (wanted.bins,) or deviation.shape != (wanted.bins,):
            raise CheckpointError(f"the weights hold no statistics of {wanted.bins} features")
        return Statistics(mean, deviation)
    files = [Path(wanted.stats)] if wanted.stats else []
    files += [folder / name for folder in folders for name in STATISTICS]
    path = next((file for file in files if file.is_file()), None)
    return None if path is None else read_statistics(path, wanted.bins)
