"""The tables a run writes as it goes: ``curve.tsv`` and ``scores.tsv``.

A run that was killed and started again goes back to its last saved state. Rows it had written after
that state are not part of the run that ended up in the checkpoint: they are passed over in reading
and cut off before the run goes on.
"""

import csv
from pathlib import Path

Row = dict[str, float]  # column: value


def read_rows(path: Path) -> list[Row]:
    """Rows in the order of their updates, without those that a restart took back."""
    rows: list[Row] = []
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file, delimiter="\t"):
            try:
                row = {name: float(value) for name, value in line.items()}
            except (TypeError, ValueError):
                continue  # a kill in the middle of a line
            while rows and rows[-1]["update"] >= row["update"]:
                rows.pop()
            rows.append(row)
    return rows


def cut_back(path: Path, update: int) -> None:
    """Leave only rows up to an update, as they are written; no file is no mistake."""
    if not path.exists():
        return
    header, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept: list[str] = []
    for line in lines:
        number, *rest = line.split("\t")
        if len(rest) != header.count("\t") or not line.endswith("\n"):
            continue
        while kept and int(kept[-1].split("\t")[0]) >= int(number):
            kept.pop()
        if int(number) <= update:
            kept.append(line)
    partial = path.with_suffix(".partial")
    partial.write_text(header + "".join(kept), encoding="utf-8")
    partial.replace(path)
