"""The recordings of a data set: whole files, and parts of files."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from models.audio import MAX_SECONDS, SAMPLE_RATE, AudioError, Recording, load, plain, too_long
from models.training.utterance import Utterance

LONGEST_FILE = 6 * 3600.0  # seconds of a recording that is cut into utterances


def load_utterance(utterance: Utterance, max_seconds: float = MAX_SECONDS) -> Recording:
    """Read and check an utterance's audio, cut out of its file where it is a part of one.

    Parameters
    ----------
    max_seconds
        A longer utterance is refused; the file of a part may be longer.

    Raises
    ------
    AudioError
        Where the file cannot be used, the part lies outside of it, or it is too long.
    """
    if utterance.end is None and not utterance.start:
        return load(utterance.path, max_seconds=max_seconds)
    whole = _file(utterance.path)
    first = round(utterance.start * SAMPLE_RATE)
    last = None if utterance.end is None else round(utterance.end * SAMPLE_RATE)
    samples = whole.samples[first:last]
    if not len(samples):
        raise AudioError(
            f"{utterance.id} starts at {utterance.start:g} s, but {whole.name} has only "
            f"{whole.seconds:.1f} s"
        )
    part = replace(whole, samples=samples, name=plain(utterance.id))
    if part.seconds > max_seconds:
        raise too_long(part.name, part.seconds, max_seconds)
    return part


@lru_cache(maxsize=1)  # the parts of a file follow each other
def _file(path: Path) -> Recording:
    return load(path, max_seconds=LONGEST_FILE)
