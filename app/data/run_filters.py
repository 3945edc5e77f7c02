"""Which decodings of a run are shown: filters, order, counts. Tables in, places out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from app.data.runs import HEALTHY, KIND, VERDICTS
from app.evaluation.items import PLAIN

ORDERS = {  # of decodings: column of the results, what people read
    "wer": "WER",
    "cer": "CER",
    "verdict": "seriousness",
    "seconds": "length of the recording",
    "tokens": "decoded tokens",
    "coverage": "coverage",
    "monotonicity": "monotonicity",
    "skipped_seconds": "skipped speech",
    "reread_seconds": "re-read speech",
    "id": "name",
}


@dataclass(frozen=True)
class Filter:
    """What is to be seen; as it is by default, everything."""

    kinds: tuple[str, ...] = ()  # verdicts; none: all
    every: bool = False  # kinds are looked for among all failures found, not only the verdicts
    variants: tuple[str, ...] = ()  # none: all
    wer: tuple[int, int | None] = (0, None)  # percent, from and to; None: no limit
    seconds: tuple[int, int | None] = (0, None)  # length of the recording
    speakers: tuple[str, ...] = ()  # none: all
    text: str = ""  # part of the name, of what was said or of what was written
    stress: str = PLAIN


@dataclass(frozen=True)
class Order:
    """How decodings follow each other."""

    by: str = "wer"  # one of ORDERS
    descending: bool = True


def around(table: pd.DataFrame, chosen: Filter) -> np.ndarray:
    """(rows,) what passes all filters but those of kind and mechanism."""
    mask = (table["stress"] == chosen.stress).to_numpy()
    mask = mask & _between(table["wer"].to_numpy() * 100, *chosen.wer)
    mask = mask & _between(table["seconds"].to_numpy(), *chosen.seconds)
    if chosen.speakers:
        mask = mask & table["speaker"].isin(chosen.speakers).to_numpy()
    if chosen.text.strip():
        mask = mask & _containing(table, chosen.text.strip())
    return mask


def shown(table: pd.DataFrame, chosen: Filter, mask: np.ndarray) -> np.ndarray:
    """(rows,) what passes `mask` and the filters of kind and mechanism too."""
    if chosen.variants:
        mask = mask & table["variant"].isin(chosen.variants).to_numpy()
    if chosen.kinds:
        mask = mask & np.logical_or.reduce([_of_kind(table, kind, chosen.every)
                                            for kind in chosen.kinds])  # fmt: skip
    return mask


def in_order(table: pd.DataFrame, mask: np.ndarray, order: Order) -> np.ndarray:
    """Places of the rows that are shown, in their order; undefined values come last."""
    places = np.flatnonzero(mask)
    values = table[order.by].iloc[places]
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = pd.Series(values.cat.codes.to_numpy())
    ranked = pd.Series(values.to_numpy()).sort_values(
        ascending=not order.descending, kind="stable", na_position="last"
    )
    return places[ranked.index.to_numpy()]


def counts(table: pd.DataFrame, mask: np.ndarray, every: bool) -> pd.DataFrame:
    """Decodings of every mechanism (rows) and verdict (columns), and in all (column `all`).

    With `every`, a decoding counts for each kind of failure found in it.
    """
    variants = table["variant"].cat
    size = len(variants.categories)
    codes = variants.codes.to_numpy()
    columns = {
        kind: np.bincount(codes[mask & _of_kind(table, kind, every)], minlength=size)
        for kind in VERDICTS
    }
    columns["all"] = np.bincount(codes[mask], minlength=size)
    matrix = pd.DataFrame(columns, index=list(variants.categories))
    return matrix[matrix["all"] > 0]


def _of_kind(table: pd.DataFrame, kind: str, every: bool) -> np.ndarray:
    if every and kind != HEALTHY:
        return table[KIND.format(kind)].to_numpy()
    return (table["verdict"] == kind).to_numpy()


def _between(values: np.ndarray, low: int, high: int | None) -> np.ndarray:
    """(rows,) whether values lie between; without limits undefined ones do too."""
    if not low and high is None:
        return np.ones(len(values), bool)
    return (values >= low) & (values <= (np.inf if high is None else high))


def _containing(table: pd.DataFrame, text: str) -> np.ndarray:
    matches = table["text"].str.contains(text, case=False, regex=False, na=False).to_numpy(bool)
    for name in ("reference", "id"):
        matches = matches | _matching(table[name], text)
    return matches


def _matching(values: pd.Series, text: str) -> np.ndarray:
    """Looked for once in every category, not in every row."""
    names = pd.Series(values.cat.categories, dtype="str")
    hits = names.str.contains(text, case=False, regex=False, na=False).to_numpy(bool)
    return np.append(hits, False)[values.cat.codes.to_numpy()]  # code -1: missing


def known(names: Sequence[str], there: Sequence[str]) -> tuple[str, ...]:
    """The names that are there, each once."""
    return tuple(dict.fromkeys(name for name in names if name in there))
