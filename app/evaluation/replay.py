"""A recording of a run again, as the run heard it: from its row in the results."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.cli.console import printable
from app.evaluation.items import Item
from app.evaluation.settings import Settings
from app.evaluation.work import open_item
from models.audio import AudioError, Recording
from models.corpora.corpus import Utterance

TOLERANCE = 0.01  # seconds by which a recording may differ from what the run heard


def item_of(row: Mapping[str, Any]) -> Item:
    """What was decoded, from a row of the results.

    Raises
    ------
    AudioError
        Where the run is of a version that did not keep which parts of its files were joined.
    """
    paths = row["path"].split("\n")
    utterances = tuple(
        Utterance(row["id"], Path(path), "", start=start, end=end)
        for path, (start, end) in zip(paths, _spans(row, len(paths)), strict=True)
    )
    reference = None if pd.isna(row["reference"]) else row["reference"]
    return Item(row["id"], utterances, reference, row["stress"], _number(row.get("level")))


def _spans(row: Mapping[str, Any], files: int) -> list[tuple[float, float | None]]:
    """Start and end in each of a row's files."""
    start, end = (_number(row.get(name)) for name in ("start", "end"))  # of the first file
    if files > 1 and isinstance(row.get("spans"), str):
        return [tuple(span) for span in json.loads(row["spans"])]
    if files > 1 and (start or end is not None):
        raise AudioError(
            f"{printable(row['id'])} joins parts of files, and the run does not say which; "
            "evaluate again"
        )
    return [(start or 0.0, end)] * files


def recording_of(row: Mapping[str, Any], settings: Mapping[str, Any]) -> Recording:
    """The recording of a row, cut and stressed as the run did.

    Parameters
    ----------
    row
        Of the results: id, path, start, end, spans, stress, level, reference, seconds.
    settings
        The run's, as `load_settings` gives them.

    Raises
    ------
    AudioError
        Where its files are gone, or no longer what the run heard, or not known well enough.
    """
    recording = open_item(item_of(row), Settings.from_json(settings))
    if abs(recording.seconds - row["seconds"]) > TOLERANCE:
        raise AudioError(
            f"{recording.name} lasts {recording.seconds:.1f} s, but the run heard "
            f"{row['seconds']:.1f} s: the file has changed since"
        )
    return recording


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
