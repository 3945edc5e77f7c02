"""One recording, every chosen variant: what the command line and the dashboard have in common."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.diagnosis import Diagnosis, diagnose
from analysis.scoring.errors import Score, score
from analysis.timing.forced_alignment import forced_timing
from analysis.timing.word_times import Timing
from models import recogniser
from models.audio import Recording
from models.checkpoint import CheckpointError
from models.decoding.language_model import LanguageModel
from models.decoding.search import SearchOptions
from models.encoders import Encoder
from models.variant import Decoded, Encoded, Variant, VariantInfo

SCHEMA = 1  # of the JSON that `to_json` makes


@dataclass(frozen=True)
class VariantResult:
    """What one variant made of a recording, and how well it listened."""

    info: VariantInfo
    decoded: Decoded
    diagnosis: Diagnosis
    score: Score | None  # None without a reference
    said: Timing | None = None  # when its tokens were said, by forced alignment


@dataclass(frozen=True)
class ClipResult:
    """A recording with the results of all its variants."""

    recording: Recording
    path: str  # as the user named it
    reference: str | None
    variants: tuple[VariantResult, ...]
    normalizer: str = "basic"  # of every WER in `variants`


class Models:
    """The encoder and the variants of one checkpoint folder, each loaded when first asked for.

    Threads may share it: loading holds a lock, and the loaded models keep no state between calls.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None
        self._variants: dict[str, Variant] = {}
        self._language_model: LanguageModel | None = None

    def infos(self) -> list[VariantInfo]:
        """Every variant there is, trained or not, in display order."""
        return recogniser.variants(self.folder)

    def choose(self, names: Iterable[str] | None = None) -> list[VariantInfo]:
        """The named variants in display order; all that have a checkpoint where none is named.

        Raises
        ------
        CheckpointError
            If a name is unknown, one has no checkpoint, or nothing would be left.
        """
        trained = {info.name: info for info in self.infos() if info.checkpoint}
        wanted = set(trained) if names is None else set(names)
        available = ", ".join(trained) or "none (no checkpoints were found)"
        for name in sorted(wanted - set(trained)):
            raise CheckpointError(f"variant {name!r} has no checkpoint; available: {available}")
        if not wanted:
            raise CheckpointError(f"no variant was chosen; available: {available}")
        return [info for name, info in trained.items() if name in wanted]

    def encode(self, *recordings: Recording, infos: Iterable[VariantInfo] = ()) -> Encoded:
        """One or more recordings as the shared encoder hears them, as one batch.

        Where the variants that are going to decode them are given and all have encoders of their
        own, the shared one is not needed and not asked.
        """
        infos = list(infos)
        if infos and all(info.own_encoder for info in infos):
            return recogniser.unheard(recordings)
        with self._lock:
            if self._encoder is None:
                self._encoder = recogniser.load_encoder(self.folder)
        return recogniser.encode(self._encoder, recordings)

    def variant(self, name: str) -> Variant:
        """A variant ready to decode."""
        with self._lock:
            if name not in self._variants:
                self._variants[name] = recogniser.load_variant(name, self.folder)
            return self._variants[name]

    def language_model(self, options: SearchOptions) -> LanguageModel | None:
        """The language model, where the options give it a weight.

        Raises
        ------
        CheckpointError
            If it is wanted and missing or damaged.
        """
        if options.lm_weight == 0:
            return None
        with self._lock:
            if self._language_model is None:
                self._language_model = recogniser.load_language_model(self.folder)
            return self._language_model


def compare(
    recording: Recording,
    infos: Sequence[VariantInfo],
    options: SearchOptions,
    reference: str | None = None,
    *,
    models: Models,
    normalizer: str = "basic",
    failed: Callable[[VariantInfo, MemoryError], None] | None = None,
) -> Iterator[VariantResult]:
    """Decode a recording by each variant; yields a result as soon as a variant finishes.

    The recording is encoded when the first result is asked for, and that encoding serves every
    variant.

    Parameters
    ----------
    recording
        From `models.audio.load`.
    infos
        Variants that have a checkpoint, from `Models.choose`; results come in their order.
    options
        One set for all, so that what differs between results is the attention.
    reference
        What was said, where it is known: gives every result its WER and CER.
    failed
        Told of a variant whose maps do not fit into the memory; the others are decoded.

    Raises
    ------
    CheckpointError
        If a variant is unknown, or a checkpoint is missing or damaged.
    MemoryError
        Where maps do not fit into the memory and nobody wants to be told.
    """
    encoded = models.encode(recording, infos=infos)
    for info in infos:
        variant = models.variant(info.name)
        try:
            decoded = variant.decode(encoded, options, models.language_model(options))[0]
            result = assess(info, variant, encoded, 0, decoded, reference, normalizer)
        except MemoryError as error:
            if failed is None:
                raise
            failed(info, error)
        else:
            yield result


def too_large(name: str, seconds: float) -> str:
    """What is said where the maps of a variant do not fit into the memory."""
    return (
        f"{name} needs more memory than there is for {seconds:.1f} s of audio; try a shorter "
        "recording or a smaller beam."
    )


def assess(
    info: VariantInfo,
    variant: Variant,
    encoded: Encoded,
    row: int,
    decoded: Decoded,
    reference: str | None,
    normalizer: str,
) -> VariantResult:
    """What one variant made of the recording in a row of an encoded batch, diagnosed and scored."""
    alignment = replace(decoded.alignment, reference=reference)
    heard, said, mass = variant.heard(encoded), None, decoded.global_mass
    if heard.ctc_log_probs is None:
        diagnosis = diagnose(alignment, global_mass=mass)
    else:
        numbers = {token: number for number, token in enumerate(variant.alphabet.tokens)}
        token_ids = [numbers[token] for token in alignment.tokens]
        log_probs = heard.ctc_log_probs[row, : int(heard.lengths[row])].numpy()
        diagnosis = diagnose(
            alignment, ctc_log_probs=log_probs, token_ids=token_ids, global_mass=mass
        )
        said = forced_timing(log_probs, token_ids, alignment.tokens, alignment.frame_seconds)
    scored = None if reference is None else score(reference, decoded.text, normalizer)
    kept = replace(decoded, alignment=alignment.light())
    return VariantResult(info, kept, diagnosis, scored, said)


def to_json(clips: Iterable[ClipResult]) -> dict[str, Any]:
    """The results as plain JSON values, in the format of ``python -m app compare --json``."""
    return {"schema": SCHEMA, "clips": [_clip(clip) for clip in clips]}


def _clip(clip: ClipResult) -> dict[str, Any]:
    return {
        "clip": {
            "path": clip.path,
            "seconds": clip.recording.seconds,
            "sample_rate": clip.recording.sample_rate,
            "warnings": list(clip.recording.warnings),
        },
        "reference": clip.reference,
        "normalizer": clip.normalizer,
        "variants": [_variant(result) for result in clip.variants],
    }


def _variant(result: VariantResult) -> dict[str, Any]:
    diagnosis = result.diagnosis.to_json()
    return {
        "name": result.info.name,
        "family": result.info.family,
        "text": result.decoded.text,
        "tokens": list(result.decoded.alignment.tokens),
        "ended": bool(result.decoded.alignment.ended),
        "wer": result.score.wer if result.score else None,
        "cer": result.score.cer if result.score else None,
        **{key: diagnosis[key] for key in ("verdict", "failures", "notes", "metrics", "heads")},
        "decode_seconds": result.decoded.decode_seconds,
    }
