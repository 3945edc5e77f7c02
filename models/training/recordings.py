"""The recordings of a data set: whole files, and parts of files."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from models.audio import SAMPLE_RATE, AudioError, Recording, load
from models.training.utterance import Utterance

LONGEST_FILE = 6 * 3600.0  # seconds of a recording that is cut into utterances


def load_utterance(utterance: Utterance) -> Recording:
    """Read and check an utterance's audio, cut out of its file where it is a part of one.

    Raises
    ------
    AudioError
        Where the file cannot be used, or the part lies outside of it.
    """
    if utterance.end is None and not utterance.start:
        return load(utterance.path)
    whole = _file(utterance.path)
    first = round(utterance.start * SAMPLE_RATE)
    last = None if utterance.end is None else round(utterance.end * SAMPLE_RATE)
    samples = whole.samples[first:last]
    if not len(samples):
        raise AudioError(
            f"{utterance.id} starts at {utterance.start:g} s, but {whole.name} has only "
            f"{whole.seconds:.1f} s"
        )
    return replace(whole, samples=samples, name=utterance.id)


@lru_cache(maxsize=1)  # the parts of a file follow each other
def _file(path: Path) -> Recording:
    return load(path, max_seconds=LONGEST_FILE)
