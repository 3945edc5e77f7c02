"""Training curves as one picture: loss of every run, and error rates on every dev set.

    python -m models.training.curves runs/dot runs/location --out docs/images/curves.svg

Reads ``curve.tsv`` and ``scores.tsv`` of run folders and writes SVG, which browsers, Markdown
viewers and word processors show; nothing needs to be installed for it.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from models.corpora.utterance import TrainingError
from models.training.history import read_rows

POINTS = 40  # of a line; the losses of single batches jump, so more are averaged
WIDTH, HEIGHT = 460, 300  # of a panel, pixels
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 34, 40  # of a panel, around its plot
LEGEND = 20  # height of a legend's row
# Okabe and Ito's colours, which colour-blind readers can tell apart, then the same ones dashed
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
INK, GRID = "#333333", "#dddddd"


@dataclass(frozen=True)
class Curve:
    """One run's values in one panel."""

    run: str  # name of the run's folder
    x: tuple[float, ...]  # updates or hours
    y: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    lines: tuple[Curve, ...]
    percent: bool = False  # values are fractions to be shown in per cent


@dataclass(frozen=True)
class Axis:
    """From values to pixels."""

    low: float
    high: float
    start: float  # pixel of `low`
    end: float  # pixel of `high`

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def panels(runs: Sequence[Path], hours: bool = False) -> list[Panel]:
    """What there is to draw: the loss first, then word error rates by dev set.

    Parameters
    ----------
    runs
        Run folders; one that was never scored has a loss only.
    hours
        Along the hours spent instead of the updates made.

    Raises
    ------
    TrainingError
        Where a folder holds no run.
    """
    losses: list[Curve] = []
    rates: dict[str, list[Curve]] = {}
    for run in runs:
        curve = _rows(run / "curve.tsv")
        if not curve:
            raise TrainingError(f"{run} holds no curve.tsv with the rows of a run")
        spent = {row["update"]: row["seconds"] / 3600 for row in curve}
        places = [spent[row["update"]] if hours else row["update"] for row in curve]
        losses.append(thinned(Curve(run.name, tuple(places), tuple(row["loss"] for row in curve))))
        scored = _rows(run / "scores.tsv")
        names = dict.fromkeys(name for row in scored for name in row)
        for column in [name for name in names if name.endswith("_wer")]:
            rows = [row for row in scored if column in row]  # dev sets may come and go
            at = [_hours(spent, row["update"]) if hours else row["update"] for row in rows]
            line = Curve(run.name, tuple(at), tuple(row[column] for row in rows))
            rates.setdefault(column.removesuffix("_wer"), []).append(line)
    panels = [Panel("loss a token, training", tuple(losses))]
    return panels + [
        Panel(f"word error rate, {name} (greedy)", tuple(lines), percent=True)
        for name, lines in rates.items()
    ]


def _rows(path: Path) -> list[dict[str, float]]:
    return read_rows(path) if path.exists() else []


def _hours(spent: dict[float, float], update: float) -> float:
    """Hours at the last row of the curve up to an update."""
    return max((hours for at, hours in spent.items() if at <= update), default=0.0)


def thinned(line: Curve, points: int = POINTS) -> Curve:
    """The same line with at most so many points, each the mean of its neighbours."""
    size = math.ceil(len(line.x) / points)
    if size <= 1:
        return line
    starts = range(0, len(line.x), size)
    x, y = (
        tuple(sum(part) / len(part) for part in (values[s : s + size] for s in starts))
        for values in (line.x, line.y)
    )
    return Curve(line.run, x, y)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between two values, about `count` of them."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def svg(drawn: Sequence[Panel], hours: bool = False) -> str:
    """The panels side by side, two in a row, under one legend."""
    runs = list(dict.fromkeys(line.run for panel in drawn for line in panel.lines))
    styles = {run: _style(number) for number, run in enumerate(runs)}
    columns = min(2, len(drawn))
    legend, above = _legend(runs, styles, columns * WIDTH)
    width, height = columns * WIDTH, above + math.ceil(len(drawn) / columns) * HEIGHT
    body = []
    for number, panel in enumerate(drawn):
        x, y = number % columns * WIDTH, above + number // columns * HEIGHT
        inside = "\n".join(_panel(panel, styles, "hours" if hours else "updates"))
        body.append(f'<g transform="translate({x},{y})">\n{inside}\n</g>')
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12" fill="{INK}" role="img">',
        f"<title>Training curves of {escape(', '.join(runs))}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *legend, *body, "</svg>", "",
    ])  # fmt: skip


def _style(number: int) -> str:
    dashes = ("", "6 3", "2 3")[number // len(COLOURS) % 3]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'stroke="{COLOURS[number % len(COLOURS)]}"{dashed}'


def _legend(runs: Sequence[str], styles: dict[str, str], width: int) -> tuple[list[str], int]:
    """The legend's elements, and its height."""
    elements, x, y = [], LEFT, 8
    for run in runs:
        size = 40 + round(7.2 * len(run))
        if x > LEFT and x + size > width:
            x, y = LEFT, y + LEGEND
        elements.append(f'<path d="M{x} {y + 8}h22" stroke-width="2.5" fill="none" {styles[run]}/>')
        elements.append(f'<text x="{x + 28}" y="{y + 12}">{escape(run)}</text>')
        x += size
    return elements, y + LEGEND


def _panel(panel: Panel, styles: dict[str, str], unit: str) -> list[str]:
    xs = [value for line in panel.lines for value in line.x]
    ys = [value for line in panel.lines for value in line.y]
    bottom = min(0.0, *ys) if panel.percent else min(ys)
    x = Axis(min(0.0, *xs), max(*xs, 1e-9), LEFT, WIDTH - RIGHT)
    y = Axis(bottom, max(*ys, bottom + 1e-3), HEIGHT - BOTTOM, TOP)
    elements = [f'<text x="{LEFT}" y="{TOP - 14}" font-weight="bold">{escape(panel.title)}</text>']
    for value in ticks(y.low, y.high):
        at = f"{y(value):.1f}"
        text = f"{100 * value:.3g} %" if panel.percent else f"{value:.3g}"
        elements.append(f'<path d="M{LEFT} {at}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
        elements.append(
            f'<text x="{LEFT - 6}" y="{at}" dy="0.35em" text-anchor="end">{text}</text>'
        )
    for value in ticks(x.low, x.high):
        elements.append(
            f'<text x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
            f"{value:,g}</text>"
        )
    elements.append(f'<path d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}" stroke="{INK}"/>')
    elements.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{unit}</text>')
    return elements + [_path(line, x, y, styles[line.run]) for line in panel.lines]


def _path(line: Curve, x: Axis, y: Axis, style: str) -> str:
    points = zip(line.x, line.y, strict=True)
    track = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in points)
    return (
        f'<path d="M{track}" fill="none" stroke-width="1.8" stroke-linejoin="round" '
        f'stroke-linecap="round" {style}/>'
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders")
    parser.add_argument("--out", type=Path, required=True, help="picture to write (.svg)")
    parser.add_argument("--hours", action="store_true", help="along hours instead of updates")
    options = parser.parse_args(arguments)
    if options.out.suffix.lower() != ".svg":
        parser.error("--out must end in .svg, the one format that is written")
    try:
        drawn = panels(options.runs, options.hours)
    except TrainingError as error:
        print(f"curves: {error}", file=sys.stderr)
        return 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(svg(drawn, options.hours), encoding="utf-8")
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
