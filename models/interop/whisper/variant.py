"""A Whisper model as a variant: windows, decoding, and maps put together again."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from analysis.alignment import Alignment
from analysis.signals.speech_activity import speech_frames
from models.audio import Recording
from models.checkpoint import CheckpointError
from models.decoding import search
from models.decoding.hypothesis import Hypothesis
from models.decoding.language_model import LanguageModel
from models.decoding.search import SearchOptions
from models.features import SAMPLE_RATE
from models.interop.whisper.decoder import Prompt, WhisperDecoder, Windowed
from models.interop.whisper.pieces import ByteAlphabet, TokenPiece
from models.memory import MEASURING, available_bytes, require
from models.variant import Decoded, Encoded, Variant, VariantInfo

FAMILY = "whisper"
PAPER = "Radford et al. 2022, arXiv 2212.04356"
FRAME = 320  # samples of one encoder frame: 20 ms
CUT_FROM = 2 / 3  # of a window: where a long recording may be cut at the earliest
QUIET_SECONDS = 0.2  # over which loudness is measured where a recording is cut
BATCH = 4  # windows encoded at once
_SPECIAL = re.compile(r"<\|[^|]+\|>")
_LANGUAGE = re.compile(r"<\|[a-z]{2,3}\|>")


@dataclass(frozen=True)
class Window:
    """A stretch of a recording that the model hears at once."""

    recording: int  # number in the batch
    start: int  # first sample
    end: int  # sample after the last

    @property
    def frames(self) -> int:
        return max(1, -(-(self.end - self.start) // FRAME))


@dataclass(frozen=True, eq=False)
class HeardWindows(Encoded):
    """A batch of recordings as Whisper's encoder heard them, window by window."""

    windows: tuple[Window, ...] = ()
    states: Tensor | None = None  # (windows, frames of a window, dim), padding included


@dataclass(frozen=True, eq=False)
class _Spoken:
    """What was written of a window."""

    window: Window
    best: Hypothesis
    pieces: Sequence[TokenPiece]  # tokens that are characters together

    @property
    def spans(self) -> list[slice]:
        """Tokens of each piece."""
        return [slice(piece.start, piece.end) for piece in self.pieces]


def load(
    path_or_name: Path | str, *, name: str | None = None, language: str | None = None
) -> "WhisperVariant":
    """A Whisper model of Hugging Face transformers, ready to decode.

    Parameters
    ----------
    path_or_name
        A folder with a saved model, or a name such as ``openai/whisper-tiny``, which transformers
        takes from its cache or downloads once. Only safetensors are read, no code is run.
    name
        What the variant shall be called; ``whisper-`` and the last part of the name otherwise.
    language
        Two letters, such as ``en``; otherwise the model finds out by itself, window by window.

    Raises
    ------
    CheckpointError
        Where transformers is not installed, or there is no such model, or it is no Whisper.

    Notes
    -----
    Recordings longer than a window of 30 s are cut at their quietest moments, decoded window by
    window and put together again; each window ends with its own ``<|endoftext|>``. There are no
    timestamp tokens: words are timed by attention, as in every other variant. Whisper has no CTC:
    a CTC weight has no effect.
    """
    model, tokenizer, extractor = _pretrained(path_or_name)
    alphabet = _alphabet(tokenizer, model)
    prompt = _prompt(model, alphabet, language)
    variant_name = name or default_name(str(path_or_name))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    title = f"Whisper: {Path(str(path_or_name)).name.removeprefix('whisper-')}"
    folder = Path(path_or_name)
    info = VariantInfo(variant_name, FAMILY, title, PAPER, parameters, folder, None)
    return WhisperVariant(info, alphabet, WhisperDecoder(model, prompt).eval(), extractor)


def default_name(path_or_name: str) -> str:
    """``whisper-tiny`` for ``openai/whisper-tiny``."""
    last = Path(path_or_name).name
    return last if last.startswith("whisper") else f"{FAMILY}-{last}"


class WhisperVariant(Variant):
    """A Whisper model with its own encoder."""

    def __init__(
        self, info: VariantInfo, alphabet: ByteAlphabet, decoder: WhisperDecoder, extractor: Any
    ) -> None:
        super().__init__(info, alphabet, decoder)
        self.own_encoder = info.name
        self.extractor = extractor
        self.frame_seconds = FRAME / SAMPLE_RATE
        self.window = decoder.model.config.max_source_positions * FRAME  # samples

    @torch.inference_mode()
    def listen(self, recordings: Sequence[Recording]) -> HeardWindows:
        """Recordings as this model's own encoder hears them, cut into windows where too long."""
        windows = [
            Window(number, start, end)
            for number, recording in enumerate(recordings)
            for start, end in cut(recording.samples, self.window)
        ]
        states = torch.cat(
            [
                self._encode([_samples(recordings, window) for window in windows[at : at + BATCH]])
                for at in range(0, len(windows), BATCH)
            ]
        )
        parts: list[list[Tensor]] = [[] for _ in recordings]
        for window, heard in zip(windows, states, strict=True):
            parts[window.recording].append(heard[: window.frames])
        joined = [torch.cat(item) for item in parts]
        lengths = torch.tensor([len(frames) for frames in joined])
        speech = tuple(
            speech_frames(item.samples, SAMPLE_RATE, size, self.frame_seconds)
            for item, size in zip(recordings, lengths.tolist(), strict=True)
        )
        return HeardWindows(
            torch.nn.utils.rnn.pad_sequence(joined, batch_first=True),
            lengths,
            None,
            self.frame_seconds,
            speech,
            tuple(item.seconds for item in recordings),
            recordings=tuple(recordings),
            listener=self.own_encoder,
            windows=tuple(windows),
            states=states,
        )

    def _again(self, encoded: Encoded, row: int, decoded: Decoded) -> tuple[Tensor, list[int]]:
        raise TypeError("a Whisper model attends in layers: there is no single step to take apart")

    def _encode(self, samples: Sequence[np.ndarray]) -> Tensor:
        """(windows, frames, dim) of stretches that are no longer than a window."""
        features = self.extractor(list(samples), sampling_rate=SAMPLE_RATE, return_tensors="pt")
        encoder = self.decoder.model.model.encoder
        return encoder(features.input_features.to(torch.float32)).last_hidden_state

    def decode(
        self,
        encoded: Encoded,
        options: SearchOptions | None = None,
        language_model: LanguageModel | None = None,
    ) -> list[Decoded]:
        """Decode a batch, one result per recording in order; without CTC or language model."""
        heard = self.heard(encoded)
        options = replace(options or SearchOptions(), ctc_weight=0.0, lm_weight=0.0, word_bonus=0.0)
        started = time.perf_counter()
        hypotheses = self._search(heard, options)
        seconds = (time.perf_counter() - started) / max(1, len(heard.recordings))
        parts: list[list[tuple[Window, list[Hypothesis]]]] = [[] for _ in heard.recordings]
        for window, best in zip(heard.windows, hypotheses, strict=True):
            parts[window.recording].append((window, best))
        return [self._joined(heard, row, windows, seconds) for row, windows in enumerate(parts)]

    def _search(self, heard: HeardWindows, options: SearchOptions) -> list[list[Hypothesis]]:
        """Hypotheses of every window; those with the same limit are decoded together.

        No transcript can be longer than the model has positions for.
        """
        positions = self.decoder.model.config.max_target_positions - len(self.decoder.prompt)
        groups: dict[float, list[int]] = {}
        for number, window in enumerate(heard.windows):
            ratio = min(options.max_length_ratio, positions / window.frames)
            groups.setdefault(ratio, []).append(number)
        by_window: list[list[Hypothesis]] = [[] for _ in heard.windows]
        for ratio, numbers in groups.items():
            states = heard.states[numbers]
            sizes = torch.tensor([heard.windows[number].frames for number in numbers])
            best = search.decode(
                Windowed(self.decoder, states), states[:, : int(sizes.max())], sizes, self.alphabet,
                replace(options, max_length_ratio=ratio), frame_seconds=self.frame_seconds,
            )  # fmt: skip
            for number, hypotheses in zip(numbers, best, strict=True):
                by_window[number] = hypotheses
        return by_window

    def _joined(
        self,
        heard: HeardWindows,
        row: int,
        parts: Sequence[tuple[Window, list[Hypothesis]]],
        seconds: float,
    ) -> Decoded:
        """One recording's windows as one alignment: each token's row is zero outside its window."""
        spoken = [
            _Spoken(window, best, self.alphabet.pieces(best.tokens)) for window, (best, *_) in parts
        ]
        maps = _side_by_side(spoken, int(heard.lengths[row]))
        text = " ".join(
            filter(None, (self.alphabet.decode(segment.best.tokens) for segment in spoken))
        )
        alignment = Alignment.from_arrays(
            maps.reshape(self.decoder.map_layers, -1, *maps.shape[1:]),
            [piece.text for segment in spoken for piece in segment.pieces],
            self.frame_seconds,
            speech=heard.speech[row],
            ended=all(segment.best.ended for segment in spoken),
            text=text,
            variant=self.name,
        )
        sums = [segment.best.log_probs[span].sum() for segment in spoken for span in segment.spans]
        others = parts[0][1][1:] if len(parts) == 1 else []
        alternatives = tuple(self.alphabet.decode(other.tokens) for other in others)
        return Decoded(text, alignment, np.array(sums, np.float32), seconds, alternatives)


def _side_by_side(spoken: Sequence[_Spoken], frames: int) -> np.ndarray:
    """(layers * heads, tokens, frames) float32, read-only: a token is zero outside its window.

    Raises
    ------
    MemoryError
        Where the maps are too large.
    """
    heads, tokens = len(spoken[0].best.weights), sum(len(window.pieces) for window in spoken)
    size = 4 * heads * tokens * frames
    require(size * (1 + MEASURING), available_bytes(), f"the maps of {tokens} tokens")
    maps, token, frame = np.zeros((heads, tokens, frames), np.float32), 0, 0
    for window in spoken:
        end = frame + window.window.frames
        for span in window.spans:
            maps[:, token, frame:end] = window.best.weights[:, span].mean(axis=1)
            token += 1
        frame = end
    maps.flags.writeable = False  # so that nobody needs a copy
    return maps


def cut(samples: np.ndarray, window: int) -> list[tuple[int, int]]:
    """(start, end) of stretches no longer than `window` samples, cut where it is quietest."""
    spans, start = [], 0
    while len(samples) - start > window:
        earliest = start + int(CUT_FROM * window)
        width = max(1, min(int(QUIET_SECONDS * SAMPLE_RATE), (window - earliest + start) // 2))
        power = np.cumsum(np.append(0.0, samples[earliest : start + window].astype(float) ** 2))
        quietest = int((power[width:] - power[:-width]).argmin()) + width // 2
        end = earliest + quietest
        end = start + max(1, (end - start) // FRAME) * FRAME  # whole frames, so that times add up
        spans.append((start, end))
        start = end
    return [*spans, (start, len(samples))]


def _samples(recordings: Sequence[Recording], window: Window) -> np.ndarray:
    return recordings[window.recording].samples[window.start : window.end]


# --- what transformers saved ----------------------------------------------------------------------


def _pretrained(path_or_name: Path | str) -> tuple[Any, Any, Any]:
    """Model, tokenizer and feature extractor.

    Raises
    ------
    CheckpointError
        In one sentence, whatever transformers says in many.
    """
    try:
        import transformers
    except ModuleNotFoundError:
        raise CheckpointError(
            "Whisper models need transformers: pip install -r requirements-whisper.txt"
        ) from None
    source = str(path_or_name)
    transformers.utils.logging.disable_progress_bar()  # of reading files, over in a moment
    try:
        model = transformers.WhisperForConditionalGeneration.from_pretrained(
            source, attn_implementation="eager", dtype=torch.float32, use_safetensors=True
        )
        tokenizer = transformers.WhisperTokenizer.from_pretrained(source)
        extractor = transformers.WhisperFeatureExtractor.from_pretrained(source)
    # transformers, its hub client and safetensors raise a dozen unrelated types
    except Exception as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"{Path(source).name} is not a Whisper model transformers can load: {first[0][:200]}"
        ) from None
    return model.eval().requires_grad_(False), tokenizer, extractor


def _alphabet(tokenizer: Any, model: Any) -> ByteAlphabet:
    size = model.config.vocab_size
    names = [""] * size
    for token, number in tokenizer.get_vocab().items():
        if number < size:
            names[number] = token
    special = {number for number, token in enumerate(names) if _SPECIAL.fullmatch(token)}
    eos = model.generation_config.eos_token_id
    eos = eos[0] if isinstance(eos, list) else eos
    if eos is None or not 0 <= eos < size:
        raise CheckpointError("the Whisper model does not say which token ends a sentence")
    names[eos] = names[eos] or "<|endoftext|>"
    return ByteAlphabet(tuple(names), frozenset(special | {eos}), int(eos))


def _prompt(model: Any, alphabet: ByteAlphabet, language: str | None) -> Prompt:
    config = model.generation_config
    numbers = {token: number for number, token in enumerate(alphabet.tokens)}
    start = config.decoder_start_token_id or model.config.decoder_start_token_id
    languages = dict(getattr(config, "lang_to_id", None) or {})
    if not languages and getattr(config, "is_multilingual", False):
        languages = {token: n for token, n in numbers.items() if _LANGUAGE.fullmatch(token)}
    chosen = tuple(languages.values())
    if language is not None:
        if f"<|{language}|>" not in languages:
            raise CheckpointError(f"the Whisper model knows no language {language!r}")
        chosen = (languages[f"<|{language}|>"],)
    tasks = getattr(config, "task_to_id", None) or {}
    task = tasks.get("transcribe", numbers.get("<|transcribe|>")) if chosen else None
    untimed = getattr(config, "no_timestamps_token_id", None)
    untimed = numbers.get("<|notimestamps|>") if untimed is None else untimed
    return Prompt(
        start=int(start),
        languages=chosen,
        rest=tuple(int(token) for token in (task, untimed) if token is not None),
        suppressed=tuple(config.suppress_tokens or ()),
        suppressed_first=tuple(config.begin_suppress_tokens or ()),
    )
