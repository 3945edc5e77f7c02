"""Tables and pictures of docs/stress.md from a stress run: ``python docs/make_stress.py RUN``.

``python docs/make_stress.py RUN window`` writes tables, without pictures, between other marks.

python -m app stress MANIFEST --split dev --out RUN --concatenate 1,2,4,8 --repeat 1,2,4,8
python docs/make_stress.py RUN
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.evaluation import load_settings, load_summary  # noqa: E402
from app.report.drawings import CURVE_HEIGHT, CURVE_WIDTH, curves  # noqa: E402
from docs.tables import markdown, replace_between_marks  # noqa: E402
from models.stress import STRESSES  # noqa: E402

DOCUMENT, IMAGES = ROOT / "docs" / "stress.md", ROOT / "docs" / "images"
USUAL = "results"  # the marks of the run with the usual decoding
COLUMNS, TITLE = 4, 22  # small multiples in a row, pixels of a title
STYLE = (
    "text{font:11px sans-serif;fill:#52646d} .name{font-size:13px;font-weight:600;fill:#1c2a31}"
    ".rate{text-anchor:end} .level{text-anchor:middle} .grid{stroke:#dfe6e6}"
    "polyline{fill:none;stroke:#b5c0c4;stroke-width:1.2}"
    ".front polyline{stroke:#0b5c7a;stroke-width:2.6} .front circle{fill:#0b5c7a}"
)

Rows = dict[str, dict[float, dict[str, Any]]]  # of one stress: by variant, by level


def main(run: str, mark: str = USUAL) -> None:
    """Write the tables and, of the usual run, the pictures."""
    summary, settings = load_summary(run), load_settings(run)
    if summary is None or not summary["stresses"]:
        sys.exit(f"{run} is not a finished stress run")
    IMAGES.mkdir(parents=True, exist_ok=True)
    parts = [_facts(summary, settings)]
    for name in dict.fromkeys(row["stress"] for row in summary["stresses"]):
        rows: Rows = {}
        for row in summary["stresses"]:
            if row["stress"] == name:
                rows.setdefault(row["name"], {})[row["level"]] = row
        parts += _section(name, rows, drawn=mark == USUAL)
    page = DOCUMENT.read_text(encoding="utf-8")
    page = replace_between_marks(page, mark, "\n\n".join(parts))
    DOCUMENT.write_text(page, encoding="utf-8")
    print(DOCUMENT)


def _facts(summary: dict[str, Any], settings: dict[str, Any]) -> str:
    search = settings["search"]
    how = "greedy" if search["beam"] == 1 else f"beam {search['beam']}"
    plain, window = summary["variants"][0], search["window"]
    return (
        f"{plain['utterances']} recordings ({plain['seconds'] / 60:.0f} min), {how}"
        + (f", CTC weight {search['ctc_weight']:g}" if search["ctc_weight"] else "")
        + (", window {:g} s back, {:g} s ahead".format(*window) if window else "")
        + f", normaliser “{summary['normalizer']}”. In brackets the 95 % bootstrap interval; then "
        "the share of recordings without a failure."
    )


def _section(name: str, rows: Rows, *, drawn: bool) -> Iterator[str]:
    stress = STRESSES[name]
    levels = list(next(iter(rows.values())))
    yield f"### `--{name}`: {stress.title}"
    head = [stress.unit, *(f"{level:g}" for level in levels)]
    body = [[f"`{v}`", *(_cell(of[level]) for level in levels)] for v, of in rows.items()]
    yield markdown([head, *body])
    if drawn and any(of[level]["wer"] is not None for of in rows.values() for level in levels):
        picture = IMAGES / f"stress-{name}.svg"
        picture.write_text(_picture(name, levels, rows), encoding="utf-8")
        yield f"![Word error rate of each mechanism by {stress.unit}](images/{picture.name})"


def _cell(row: dict[str, Any]) -> str:
    healthy = f"{100 * (1 - row['failure_rate']):.0f} % healthy"
    if row["wer"] is None:
        return healthy
    low, high = row["wer_interval"]
    return f"{100 * row['wer']:.1f} % ({100 * low:.0f}–{100 * high:.0f}), {healthy}"


def _picture(name: str, levels: list[float], rows: Rows) -> str:
    """Small multiples as one SVG file."""
    rates = {variant: [of[level]["wer"] for level in levels] for variant, of in rows.items()}
    labels = [f"{level:g}" for level in levels]
    width, height = CURVE_WIDTH + 14, CURVE_HEIGHT + TITLE + 8
    cells = []
    for number, variant in enumerate(rates):
        x, y = width * (number % COLUMNS), height * (number // COLUMNS)
        drawn = curves(labels, rates, variant, STRESSES[name].unit)
        size = f'width="{CURVE_WIDTH}" height="{CURVE_HEIGHT}"'
        inner = drawn.replace("<svg ", f'<svg y="{TITLE}" {size} ', 1)
        title = f'<text class="name" x="2" y="15">{variant}</text>'
        cells.append(f'<g transform="translate({x} {y})">{title}{inner}</g>')
    columns, lines = min(COLUMNS, len(rates)), -(-len(rates) // COLUMNS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -6 {columns * width + 8} '
        f'{lines * height + 8}"><style>{STYLE}</style><rect x="-8" y="-6" width="100%" '
        f'height="100%" fill="#fff"/>{"".join(cells)}</svg>\n'
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
