"""Tables of docs/diagnostics.md, written between marks by the numbers themselves.

    python -m docs.tables scores RUN              # error rates and every pair; RUN of `evaluate`
    python -m docs.tables prediction RUN          # does attention predict errors?
    python -m docs.tables timing TIMING.json      # of benchmarks.forced_alignment --json
    python -m docs.tables generated OUT.json      # of tests.accuracy --json
    python -m docs.tables real OUT.json           # of benchmarks.real_failures --out
    python -m docs.tables speed OUT.json          # of benchmarks.diagnostics --json
    python -m docs.tables prediction RUN --print  # only show them

The text around the marks is written by people and stays.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from analysis.scoring.intervals import Interval, bootstrap_interval
from analysis.scoring.prediction import RULE, PredictionError, correlations, flagging
from analysis.scoring.significance import compare_word_errors, word_errors

CONTROLS = ("equal", "ctc")  # nothing to be read off their maps
PAGE = Path(__file__).resolve().parent / "diagnostics.md"


def scores(run: Path) -> str:
    """Pooled word error rates with intervals, and every pair of mechanisms."""
    table = read_results(run)
    table = table[table["reference"].notna()]
    name = table["normalizer"].iloc[0] if len(table) else "none"
    systems = {}
    for variant, part in table.groupby("variant", sort=False):
        part = part.sort_values("id")
        systems[str(variant)] = word_errors(list(part["reference"]), list(part["text"]), name)
    rates = [["mechanism", "words", "WER", "95 % interval"]]
    for variant, errors in systems.items():
        interval = bootstrap_interval(errors.errors, errors.words)
        rates.append([variant, f"{errors.words.sum():,}", *_rate(interval)])
    pairs = compare_word_errors(systems)
    return "\n\n".join(
        [
            f"Measured on {table['id'].nunique()} recordings after the normaliser “{name}”:",
            markdown(rates),
            "Every pair: by how many points the mechanism on the left errs more (-: less) than the "
            "one above, how likely the one above is better on another draw of such recordings, and "
            "MAPSSWE's p:",
            markdown(pair_rows(pairs, list(systems))),
        ]
    )


def _rate(interval: Interval) -> tuple[str, str]:
    if interval.estimate is None:
        return "-", "-"
    return (
        f"{100 * interval.estimate:.1f} %",
        f"{100 * interval.low:.1f} to {100 * interval.high:.1f}",
    )


def pair_rows(pairs: pd.DataFrame, names: Sequence[str]) -> list[list[str]]:
    """A row and a column per system; below the diagonal nothing is said twice."""
    cells = pairs.set_index(["a", "b"]).to_dict("index")
    rows = [["", *names[1:]]]
    for place, a in enumerate(names[:-1]):
        row = [a]
        for other, b in enumerate(names[1:], start=1):
            row.append(_pair(cells[a, b]) if other > place else "")
        rows.append(row)
    return rows


def _pair(cell: dict) -> str:
    if pd.isna(cell["difference"]):
        return "-"
    p = "p -" if pd.isna(cell["p"]) else "p < 0.001" if cell["p"] < 1e-3 else f"p {cell['p']:.3f}"
    return f"{100 * cell['difference']:+.1f}; {cell['improvement']:.2f}; {p}"


def prediction(run: Path) -> str:
    """Correlations and flagged utterances of a run."""
    table = read_results(run)
    count = table["id"].nunique()
    name = table["normalizer"].iloc[0] if "normalizer" in table else "unknown"
    found = correlations(table)
    rules = flagging(table)
    return "\n\n".join(
        [
            f"Measured on {count} recordings and {table['variant'].nunique()} mechanisms "
            f"(error rates after the normaliser “{name}”; intervals of 95 % from 1,000 draws).",
            "Spearman's rank correlation with the word error rate of the utterance, with its "
            "interval; **bold** where the interval does not hold zero:",
            markdown(correlation_rows(found, "spearman")),
            "Kendall's tau-b of the same:",
            markdown(correlation_rows(found, "kendall", ends=False)),
            "The most suspicious 10 % of each mechanism's utterances: how many of the really worst "
            "10 % are among them (chance: 0.10, lift 1):",
            markdown(rule_rows(rules)),
            f"Lift of all rules (the table above is of “{RULE}”):",
            markdown(lift_rows(rules)),
        ]
    )


def timing(report: Path) -> str:
    """Word boundary errors of the aligner and of every mechanism."""
    numbers = json.loads(report.read_text())
    rows = [["", "against", "words", "starts: bias, off", "ends: bias, off", "median", "90 %"]]
    rows += [
        [
            row["name"],
            row["against"],
            f"{row['words']}",
            f"{row['start_bias_ms']:+.0f}, {row['start_ms']:.0f}",
            f"{row['end_bias_ms']:+.0f}, {row['end_ms']:.0f}",
            f"{row['median_ms']:.0f}",
            f"{row['p90_ms']:.0f}",
        ]
        for row in numbers["rows"]
    ]
    return "\n\n".join(
        [
            f"Milliseconds, on {numbers['clips']} sentences read by {len(numbers['voices'])} "
            f"voices of flite ({', '.join(numbers['voices'])}); bias is the median of found minus "
            "true, off the median distance:",
            markdown(rows),
            f"150 tokens are aligned with 400 frames in {numbers['milliseconds']} ms.",
        ]
    )


def made(report: Path) -> str:
    """The tables that a report brings along."""
    return json.loads(report.read_text(encoding="utf-8"))["table"]


def speed(report: Path) -> str:
    """Milliseconds of one map, maps per second of many."""
    numbers = json.loads(report.read_text(encoding="utf-8"))
    size = f"{numbers['single'][0]['tokens']} x {numbers['single'][0]['frames']}"
    single = [[f"one map of {size}", "ms"]]
    single += [[row["what"], f"{row['ms']:.2f}"] for row in numbers["single"]]
    many = [["many maps", "at once", "maps per second", "GB per second"]]
    many += [
        [
            row["what"],
            f"{row['at_once']}",
            f"{row['maps_per_second']:,.0f}",
            f"{row['gigabytes_per_second']:.2f}",
        ]
        for row in numbers["batched"]
    ]
    return "\n\n".join([markdown(single), markdown(many)])


def read_results(run: Path) -> pd.DataFrame:
    """The table of a run, stressed recordings left out."""
    file = run / "results.parquet" if run.is_dir() else run
    if not file.exists():
        raise PredictionError(f"{run} holds no results.parquet: run `python -m app evaluate` first")
    table = pd.read_parquet(file)
    if "stress" in table:
        table = table[table["stress"].isin(["none"]) | table["stress"].isna()]
    return table


def correlation_rows(found: pd.DataFrame, measure: str, ends: bool = True) -> list[list[str]]:
    """A row per metric, a column per mechanism."""
    variants = list(dict.fromkeys(found["variant"]))
    cells = found.set_index(["metric", "variant"])
    rows = [["metric", "worse is", *variants]]
    for metric in dict.fromkeys(found["metric"]):
        expected = int(cells.loc[(metric, variants[0]), "expected"])
        told = [_correlation(cells.loc[(metric, name)], measure, ends) for name in variants]
        rows.append([f"`{metric}`", {1: "more", -1: "less", 0: "-"}[expected], *told])
    return rows


def _correlation(row: pd.Series, measure: str, ends: bool) -> str:
    value, low, high = row[measure], row[f"{measure}_low"], row[f"{measure}_high"]
    if pd.isna(value):
        return "-"
    shown = f"{value:+.2f}"
    if pd.isna(low):
        return shown
    shown = f"**{shown}**" if low > 0 or high < 0 else shown
    return f"{shown} ({low:+.2f} to {high:+.2f})" if ends else shown


def rule_rows(rules: pd.DataFrame) -> list[list[str]]:
    """The default rule, a row per mechanism."""
    rows = [["mechanism", "flagged", "worst", "found", "recall", "precision", "lift",
             "word errors in flagged"]]  # fmt: skip
    for _, row in rules[rules["rule"] == RULE].iterrows():
        shares = [_share(row, name) for name in ("recall", "precision", "lift")]
        counts = [f"{row[name]:.3g}" for name in ("flagged", "worst", "found")]
        rows.append([row["variant"], *counts, *shares, f"{row['errors_found']:.0%}"])
    return rows


def _share(row: pd.Series, name: str) -> str:
    if pd.isna(row[name]):
        return "-"
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"


def lift_rows(rules: pd.DataFrame) -> list[list[str]]:
    """Every rule, a column per mechanism, and the mean over those that attend."""
    lifts = rules.pivot(index="rule", columns="variant", values="lift")
    variants = list(dict.fromkeys(rules["variant"]))
    attending = [name for name in variants if name not in CONTROLS]
    rows = [["rule", *variants, f"mean without {', '.join(CONTROLS)}"]]
    for rule in dict.fromkeys(rules["rule"]):
        values = [*lifts.loc[rule, variants], lifts.loc[rule, attending].mean()]
        rows.append([rule, *("-" if pd.isna(value) else f"{value:.1f}" for value in values)])
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def replace_between_marks(page: str, name: str, content: str) -> str:
    """The page with new content between the marks ``<!-- name -->`` and ``<!-- /name -->``.

    Raises
    ------
    ValueError
        If the page has no such marks.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no marks {begin} and {end}")
    return f"{before}{begin}\n{content}\n{end}{after}"


SECTIONS: dict[str, Callable[[Path], str]] = {
    "scores": scores,
    "prediction": prediction,
    "timing": timing,
    "generated": made,
    "real": made,
    "speed": speed,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.tables", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("section", choices=sorted(SECTIONS), help="which tables")
    parser.add_argument("source", type=Path, help="the run or file they are made from")
    parser.add_argument("--print", action="store_true", help="show them, change nothing")
    options = parser.parse_args(arguments)
    try:
        content = SECTIONS[options.section](options.source)
        if options.print:
            print(content)
        else:
            page = PAGE.read_text(encoding="utf-8")
            new = replace_between_marks(page, options.section, content)
            PAGE.write_text(new, encoding="utf-8")
            print(PAGE)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
