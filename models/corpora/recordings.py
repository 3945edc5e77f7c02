"""The recordings of a data set: whole files, and parts of files."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from analysis.cli.console import printable
from models.audio import (
    FRAME_SECONDS,
    MAX_SECONDS,
    NO_SPEECH,
    SAMPLE_RATE,
    AudioError,
    Recording,
    has_speech,
    load,
    too_long,
    too_short,
)
from models.corpora.utterance import Utterance

LASTS_ALIKE = 0.5  # seconds by which a file's length and what its data set says may differ
ENDS_ALIKE = 0.05  # seconds by which the ends of a file and of its last part may differ
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
        Where the file cannot be used, the part lies outside of it, or it is too short or too long.
    """
    if utterance.end is None and not utterance.start:
        whole = load(utterance.path, max_seconds=max_seconds)
        said = utterance.seconds
        if said is None or whole.seconds < said + max(LASTS_ALIKE, 0.05 * said):
            return whole
        longer = f"the data set says {said:g} s, but the file lasts {whole.seconds:.1f} s"
        return replace(whole, warnings=(*whole.warnings, f"{longer}; all of it was used"))
    whole = _file(utterance.path)
    first = round(utterance.start * SAMPLE_RATE)
    last = None if utterance.end is None else round(utterance.end * SAMPLE_RATE)
    samples = whole.samples[first:last]
    if not len(samples):
        raise AudioError(
            f"{utterance.id} starts at {utterance.start:g} s, but {whole.name} has only "
            f"{whole.seconds:.1f} s"
        )
    part = replace(whole, samples=samples, name=printable(utterance.id))
    if part.seconds < FRAME_SECONDS:
        raise too_short(part.name, part.seconds)
    if part.seconds > max_seconds:
        raise too_long(part.name, part.seconds, max_seconds)
    return replace(part, warnings=_warnings(whole, samples, utterance))


def _warnings(whole: Recording, samples: np.ndarray, utterance: Utterance) -> tuple[str, ...]:
    """Those of the file that hold for a part of it, too, and the part's own."""
    warnings = [warning for warning in whole.warnings if warning != NO_SPEECH]
    missing = 0.0 if utterance.end is None else utterance.end - whole.seconds
    if missing > ENDS_ALIKE:
        warnings.append(f"the file ends {missing:.1f} s before this part of it does")
    if not has_speech(samples):
        warnings.append(NO_SPEECH)
    return tuple(warnings)


@lru_cache(maxsize=1)  # the parts of a file follow each other
def _file(path: Path) -> Recording:
    return load(path, max_seconds=LONGEST_FILE)
