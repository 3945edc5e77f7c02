"""Scores of a run as pages show them: tables in, tables out; the numbers come from `analysis`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from analysis.scoring.errors import Counts
from analysis.scoring.groups import length_groups, rates_by_group
from app.charts.interval import Rate
from app.data import runs
from app.data.runs import Run
from app.evaluation.parquet import COUNT_NAMES

PREFIX = {"wer": "", "cer": "character_"}  # of the columns that count
LENGTH = "length"
TOLD = ("speaker", "corpus", "split")  # columns that may tell recordings apart
POINTS = 3_000  # of a scatter: more only hide each other
UNTOLD = "not told"


@dataclass(frozen=True, eq=False)
class Counted:
    """Errors of every mechanism in the same recordings."""

    errors: dict[str, np.ndarray]  # (recordings,) each
    words: np.ndarray  # (recordings,) of the references; characters for CER
    places: np.ndarray  # (recordings,) of one row of each in the results


def order(summary: Mapping[str, Any], measure: str) -> list[dict[str, Any]]:
    """Records of a summary, the best first; those without a rate are left out."""
    known = [record for record in summary["variants"] if record[measure] is not None]
    return sorted(known, key=lambda record: record[measure])


def rates(records: Sequence[Mapping[str, Any]], measure: str) -> list[Rate]:
    """What the figure of rates draws, in percent."""
    return [
        Rate(
            record["name"],
            100 * record[measure],
            *(100 * end for end in record[f"{measure}_interval"]),
        )
        for record in records
    ]


def table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each mechanism, rates as shares."""
    return pd.DataFrame(
        {
            "mechanism": record["name"],
            "wer": record["wer"],
            "wer_low": record["wer_interval"][0],
            "wer_high": record["wer_interval"][1],
            "cer": record["cer"],
            "cer_low": record["cer_interval"][0],
            "cer_high": record["cer_interval"][1],
            **{name: record["words"][name] for name in COUNT_NAMES[1:]},
            "words": record["words"]["reference"],
            "failed": record["failure_rate"],
            "rtfx": record["rtfx"],
            "normalizer": summary["normalizer"],
        }
        for record in summary["variants"]
    )


# --- groups


@st.cache_resource(show_spinner=False, max_entries=6)
def counted(run: Run, measure: str) -> Counted:
    """Errors of every mechanism in the recordings that have a reference, as they are.

    A recording that one of them cannot decode is in no run, so all have the same in the same order.
    """
    results = runs.results(run)
    usable = runs.is_plain(results) & results["hits"].notna().to_numpy()
    variants = results["variant"].cat.codes.to_numpy()
    names = runs.variants_of(results)
    places = [np.flatnonzero(usable & (variants == code)) for code in range(len(names))]
    counts = [_counts(results, subset, measure) for subset in places]
    errors = {name: subset.errors for name, subset in zip(names, counts, strict=True)}
    return Counted(errors, counts[0].reference, places[0])


def _counts(results: pd.DataFrame, places: np.ndarray, measure: str) -> Counts:
    """Edit counts of these rows, (rows,) each."""
    names = (f"{PREFIX[measure]}{name}" for name in COUNT_NAMES)
    return Counts(*(results[name].iloc[places].to_numpy(np.int64) for name in names))


def groupings(run: Run) -> list[str]:
    """By what recordings can be told apart: their length, and columns with several values."""
    results = runs.results(run)
    varying = [name for name in TOLD if name in results and results[name].nunique() > 1]
    extra = [name for name, values in _extra(results).items() if values.nunique() > 1]
    return [LENGTH, *varying, *(name for name in extra if name not in varying)]


def _extra(results: pd.DataFrame) -> dict[str, pd.Series]:
    """Further columns of the manifest: of every distinct record, not of every row."""
    if "extra" not in results:
        return {}
    records = pd.DataFrame([json.loads(category) for category in results["extra"].cat.categories])
    return {name: records[name].astype("str") for name in records.columns}


def _groups(run: Run, by: str, places: np.ndarray) -> Any:
    results = runs.results(run)
    if by == LENGTH:
        return length_groups(results["seconds"].to_numpy()[places])
    if by in TOLD and by in results:
        values = results[by].iloc[places].astype("str").to_numpy()
    else:
        values = _extra(results)[by].to_numpy()[results["extra"].cat.codes.to_numpy()[places]]
    return np.where(pd.isna(values) | (values == ""), UNTOLD, values)


@st.cache_data(show_spinner="Intervals of every group", max_entries=12)
def by_group(run: Run, measure: str, by: str) -> pd.DataFrame:
    """Error rates of every mechanism in every group, with intervals."""
    errors = counted(run, measure)
    if not len(errors.words):
        return rates_by_group(errors.errors, errors.words, [])
    return rates_by_group(errors.errors, errors.words, _groups(run, by, errors.places))


def largest(groups: pd.DataFrame, by: str, most: int) -> pd.DataFrame:
    """The groups with the most words, in their order; lengths keep theirs."""
    sizes = groups.drop_duplicates("group").set_index("group")["words"]
    kept = sizes.sort_values(ascending=False, kind="stable").index[:most]
    shown = groups[groups["group"].isin(kept)]
    if by == LENGTH:
        return shown
    return shown.sort_values("words", ascending=False, kind="stable")


# --- points and texts


def points(run: Run, metric: str, measure: str, variant: str | None) -> np.ndarray:
    """Places of decodings with both numbers: all, or as many as can be told apart."""
    results = runs.results(run)
    mask = runs.is_plain(results)
    mask = mask & results[metric].notna().to_numpy() & results[measure].notna().to_numpy()
    if variant:
        mask = mask & (results["variant"] == variant).to_numpy()
    places = np.flatnonzero(mask)
    if len(places) > POINTS:
        places = np.sort(np.random.default_rng(0).choice(places, POINTS, replace=False))
    return places


@st.cache_resource(show_spinner=False, max_entries=12)
def worst(run: Run, variant: str) -> np.ndarray:
    """Places of a mechanism's decodings with word errors, most errors first."""
    results = runs.results(run)
    mask = runs.is_plain(results) & (results["variant"] == variant).to_numpy()
    mask = mask & results["hits"].notna().to_numpy()
    places = np.flatnonzero(mask)
    errors = _counts(results, places, "wer").errors
    ranked = np.argsort(-errors, kind="stable")
    return places[ranked][errors[ranked] > 0]
