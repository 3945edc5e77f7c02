"""What pages share: models loaded once, recordings read once, nothing decoded twice.

Models belong to the process and are used under their own lock. Results of the project's samples are
shared by all sessions; results of uploads and of the microphone live in their session only and go
with it. Both are found by content, never by file name.
"""

import hashlib
import io
import logging
import secrets
import struct
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import soundfile
import streamlit as st
import torch

from analysis.scoring.errors import score
from app.comparison import Models, VariantResult, assess, compare, too_large
from app.data.self_attention import SelfAttention
from app.data.self_attention import self_attention as self_attention_of
from models import audio, features
from models.audio import Recording
from models.checkpoint import CheckpointError
from models.decoding.search import SearchOptions
from models.torchaudio_cpu import torchaudio
from models.variant import Decoded, Encoded, Variant, VariantInfo

STORE_BYTES = 400_000_000  # alignments one store keeps before the oldest go
PRIVATE_BYTES = 1_000_000_000  # what the stores of all sessions keep together
NONCE_BYTES = 16
HOP_SECONDS = features.HOP / features.SAMPLE_RATE
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What determines a decoding, and nothing else."""

    digest: str  # SHA-256 of the samples
    options: SearchOptions

    def key(self, name: str) -> tuple[str, SearchOptions, str]:
        return self.digest, self.options, name


@dataclass(frozen=True)
class Outcome:
    """What came of decoding with one variant."""

    name: str
    result: VariantResult | None
    error: str = ""  # one sentence where there is no result


class Store:
    """Results by (content, options, variant); the oldest go when there is too much.

    Those of the recording that is being decoded stay, however long it is: each would be decoded
    again as soon as the page is drawn, and push out the next.
    """

    def __init__(self, limit: int = STORE_BYTES, budget: "Budget | None" = None) -> None:
        self.limit = limit
        self.bytes = 0
        self.used = time.monotonic()
        self._budget = budget
        self._results: OrderedDict[tuple, VariantResult] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple) -> VariantResult | None:
        with self._lock:
            self.used = time.monotonic()
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def put(self, key: tuple, result: VariantResult) -> None:
        with self._lock:
            if key in self._results:
                return
            self._results[key] = result
            self.bytes += _size(result)
            for other in [stored_key for stored_key in self._results if stored_key[:2] != key[:2]]:
                if self.bytes <= self.limit:
                    break
                self.bytes -= _size(self._results.pop(other))
        if self._budget is not None:
            self._budget.make_room(self)

    def clear(self) -> None:
        """Forget all results."""
        with self._lock:
            self._results.clear()
            self.bytes = 0


class Budget:
    """Bytes that the stores of all sessions share: what was left alone longest goes first."""

    def __init__(self, limit: int = PRIVATE_BYTES) -> None:
        self.limit = limit
        self._stores: weakref.WeakSet[Store] = weakref.WeakSet()  # gone with their sessions
        self._lock = threading.Lock()

    def store(self) -> Store:
        """A new store that counts here."""
        store = Store(budget=self)
        with self._lock:
            self._stores.add(store)
        return store

    @property
    def bytes(self) -> int:
        """Of all stores that there are."""
        with self._lock:
            return sum(store.bytes for store in self._stores)

    def make_room(self, keep: Store) -> None:
        """Empty other stores until all fit, or only this one holds anything."""
        while self.bytes > self.limit:
            with self._lock:
                others = [store for store in self._stores if store is not keep and store.bytes]
            if not others:
                return
            min(others, key=lambda store: store.used).clear()


def _size(result: VariantResult) -> int:
    alignment = result.decoded.alignment
    return alignment.weights.nbytes + alignment.map.nbytes


@st.cache_resource(show_spinner=False)
def models() -> Models:
    """The models of this process; they load on first use."""
    return Models()


@st.cache_resource(show_spinner=False)
def shared_store() -> Store:
    """Results of the samples everybody may hear."""
    return Store()


def private_store() -> Store:
    """Results of what this session brought; gone when it ends."""
    if "private_store" not in st.session_state:
        st.session_state.private_store = _budget().store()
    return st.session_state.private_store


@st.cache_resource(show_spinner=False)
def _budget() -> Budget:
    """What all sessions may keep together."""
    return Budget()


@st.cache_data(show_spinner=False, scope="session", max_entries=4)
def open_recording(content: bytes, name: str) -> Recording:
    """Read and check an uploaded, recorded or sample file (raises `models.audio.AudioError`)."""
    return audio.load(content, name=name)


def digest_of(recording: Recording) -> str:
    """Name of a recording by what it sounds like."""
    return digest_of_bytes(recording.samples.tobytes())


def digest_of_bytes(content: bytes) -> str:
    """Name of a file by what is in it."""
    return hashlib.sha256(content).hexdigest()


@st.cache_data(show_spinner=False, scope="session", max_entries=4)
def log_mel(digest: str, _recording: Recording) -> np.ndarray:
    """(frames, bands) log of mel power as the encoder hears it, before normalisation."""
    return features.raw_log_mel(torch.from_numpy(_recording.samples)).numpy()


@st.cache_data(show_spinner=False)
def band_hz() -> np.ndarray:
    """(bands,) frequency in Hz at which every mel band is most sensitive."""
    bins = 1024
    filters = torchaudio.functional.melscale_fbanks(
        bins, 20.0, features.SAMPLE_RATE / 2, features.MEL_BINS, features.SAMPLE_RATE
    )  # (bins, bands)
    return filters.argmax(dim=0).numpy() * features.SAMPLE_RATE / 2 / (bins - 1)


@st.cache_data(show_spinner=False, scope="session", max_entries=4)
def sound(digest: str, _recording: Recording) -> bytes:
    """What the player plays: the samples the models heard, as a WAV file of this session alone.

    FLAC would be half as large, but chromium fails to seek near the end of short ones.
    """
    file = io.BytesIO()
    soundfile.write(file, _recording.samples, features.SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return _unguessable(file.getvalue())


def _unguessable(wav: bytes) -> bytes:
    """The same sound with a chunk of random bytes that players pass over.

    Streamlit makes the address of a file of its content: without them, who has a recording could
    find out whether somebody else has brought it.
    """
    chunk = b"JUNK" + struct.pack("<I", NONCE_BYTES) + secrets.token_bytes(NONCE_BYTES)
    size = struct.pack("<I", len(wav) + len(chunk) - 8)  # of what follows the size itself
    return wav[:4] + size + wav[8:] + chunk


def known(request: Request, names: Sequence[str], store: Store) -> dict[str, VariantResult]:
    """Results that are there already."""
    results = {name: store.get(request.key(name)) for name in names}
    return {name: result for name, result in results.items() if result is not None}


def decode(
    recording: Recording, request: Request, names: Sequence[str], store: Store
) -> Iterator[Outcome]:
    """Decode the variants that are not in the store, each put there as it finishes.

    A variant that cannot be used or fails does not stop the others.
    """
    waiting = [info for info in models().infos() if info.checkpoint and info.name in names]
    for name in names:
        if name not in [info.name for info in waiting]:
            yield Outcome(name, None, f"variant {name!r} has no checkpoint any more.")
    while waiting:
        try:
            for result in compare(recording, tuple(waiting), request.options, models=models()):
                waiting.remove(result.info)
                store.put(request.key(result.info.name), result)
                yield Outcome(result.info.name, result)
        except Exception as error:  # a page must stay usable whatever breaks in a mechanism
            name = waiting.pop(0).name  # they are decoded in this order
            yield Outcome(name, None, _what_failed(name, recording, error))


def _what_failed(name: str, recording: Recording, error: Exception) -> str:
    """Why a variant has no result, in one sentence."""
    if isinstance(error, CheckpointError):
        return str(error)
    memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if memory or "allocate memory" in str(error) or "not enough memory" in str(error):
        return too_large(name, recording.seconds)
    LOG.error("decoding with %s failed", name, exc_info=error)
    return (
        f"{name} could not decode this recording ({type(error).__name__}); try another recording "
        "or other options, the terminal where AttnScope runs has the details."
    )


@st.cache_resource(show_spinner=False, max_entries=2, scope="session")  # 40 MB for ten minutes
def encoded(digest: str, _recording: Recording) -> Encoded:
    """The recording as the shared encoder hears it."""
    return models().encode(_recording)


@st.cache_resource(show_spinner="Self-attention is computed", max_entries=4, scope="session")
def self_attention(
    digest: str, name: str, tokens: tuple[str, ...], _recording: Recording, _decoded: Decoded
) -> SelfAttention | None:
    """What frames and tokens look at beside each other; `tokens` are those of the decoding."""
    return self_attention_of(models().variant(name), encoded(digest, _recording), 0, _decoded)


def assessed(
    info: VariantInfo, variant: Variant, encoded: Encoded, decoded: Decoded
) -> VariantResult:
    """A decoding that did not come from search, diagnosed like those that did."""
    return assess(info, variant, encoded, 0, decoded, None, "basic")


def scored(result: VariantResult, reference: str | None, normalizer: str) -> VariantResult:
    """The same decoding scored against a reference, or unscored without one."""
    errors = score(reference, result.decoded.text, normalizer) if reference is not None else None
    return replace(result, score=errors)
