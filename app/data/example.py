"""An alignment file to try: a sample of ours, decoded by our own mechanisms."""

import io
from dataclasses import dataclass, replace

from app.data import decoding
from app.data.samples import Sample, samples
from app.data.uploads import File
from models import audio
from models.decoding.search import SearchOptions
from models.recogniser import variants
from models.variant import CTC

PREFERRED = ("location", "dot")  # one that usually follows speech, one that often does not


@dataclass(frozen=True)
class Example:
    """Files as a user would bring them."""

    files: tuple[File, ...]  # alignment files
    audio: File  # what was listened to


def names() -> list[str]:
    """The mechanisms whose maps the example shows; none where none is trained."""
    trained = [info.name for info in variants() if info.checkpoint and info.name != CTC]
    return [name for name in PREFERRED if name in trained] or trained[:1]


def available() -> bool:
    """Whether there is anything to make an example of."""
    return bool(samples()) and bool(names())


def example() -> Example:
    """Decode the first sample and save what came of it.

    Raises
    ------
    CheckpointError, AudioError
        If a checkpoint or the sample is damaged.
    """
    sample = next(iter(samples().values()))
    content = sample.path.read_bytes()
    return Example(_files(sample, content), File(sample.path.name, content))


def first_file() -> bytes:
    """The first of the example's files."""
    return example().files[0].content


def _files(sample: Sample, content: bytes) -> tuple[File, ...]:
    recording = audio.load(content, name=sample.title)
    request = decoding.Request(decoding.digest_of(recording), SearchOptions())
    store = decoding.shared_store()
    results = decoding.known(request, names(), store)
    missing = [name for name in names() if name not in results]
    for outcome in decoding.decode(recording, request, missing, store):
        if outcome.result is not None:
            results[outcome.name] = outcome.result
    saved = []
    for name in names():
        if name in results:
            decoded = results[name].decoded
            file = io.BytesIO()
            replace(decoded.alignment, text=decoded.text, reference=sample.text).save(file)
            saved.append(File(f"{sample.name}-{name}.npz", file.getvalue()))
    return tuple(saved)
