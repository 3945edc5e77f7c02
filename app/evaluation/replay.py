"""A recording of a run again, as the run heard it: from its row in the results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from app.evaluation.items import Item
from app.evaluation.settings import Settings
from app.evaluation.work import open_item
from models.audio import AudioError, Recording
from models.training.corpus import Utterance

TOLERANCE = 0.01  # seconds by which a recording may differ from what the run heard


def item_of(row: Mapping[str, Any]) -> Item:
    """What was decoded, from a row of the results."""
    start, end, level = (_number(row.get(name)) for name in ("start", "end", "level"))
    utterances = tuple(
        Utterance(row["id"], Path(path), "", start=start or 0.0, end=end)
        for path in row["path"].split("\n")
    )
    reference = None if pd.isna(row["reference"]) else row["reference"]
    return Item(row["id"], utterances, reference, row["stress"], level)


def recording_of(row: Mapping[str, Any], settings: Mapping[str, Any]) -> Recording:
    """The recording of a row, cut and stressed as the run did.

    Parameters
    ----------
    row
        Of the results: id, path, start, end, stress, level, reference, seconds.
    settings
        The run's, as `load_settings` gives them.

    Raises
    ------
    AudioError
        Where its files are gone, or no longer what the run heard.
    """
    found = open_item(item_of(row), Settings.from_json(settings))
    if abs(found.seconds - row["seconds"]) > TOLERANCE:
        raise AudioError(
            f"{found.name} lasts {found.seconds:.1f} s, but the run heard {row['seconds']:.1f} s: "
            "the file has changed since"
        )
    return found


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
