"""The tables of docs/speed.md: ``python -m docs.make_speed docs/speed.json``.

The numbers come from ``python -m benchmarks.speed``; sections that were not measured keep what
stands in the page.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from docs.tables import markdown, replace_between_marks

PAGE = Path(__file__).resolve().parent / "speed.md"
AIM = 10  # times as fast as ESPnet's beam search a recording
WAYS = {"single": "one recording alone", "batched": "{} at once"}  # by the names in the report


def search(rows: list[dict[str, Any]]) -> str:
    """Ours beside ESPnet's, with how many times faster."""
    first = rows[0]
    head = ["mechanism", "CTC weight", "ESPnet", "ours", "ratio"]
    head += [f"ours, {first['recordings_at_once']} at once", "ratio", "same text", "maps apart"]
    table = [head]
    for row in rows:
        ratios = [_ratio(row, how) for how in WAYS]
        table.append(
            [
                f"`{row['mechanism']}`",
                f"{row['ctc_weight']:g}",
                f"{row['espnet_seconds']:.2f} s",
                f"{row['single_seconds']:.3f} s",
                f"{ratios[0]:.1f}",
                f"{row['batched_seconds']:.3f} s",
                f"{ratios[1]:.1f}",
                "yes" if row["same_hypothesis"] else "**no**",
                f"{row['map_difference']:.0e}",
            ]
        )
    said = (
        f"Seconds a recording of {first['audio_seconds']:g} s, beam {first['beam']}, "
        f"{first['tokens']} tokens:"
    )
    return f"{said}\n\n{markdown(table)}\n\n{_reached(rows)}"


def _ratio(row: dict[str, Any], how: str) -> float:
    return row["espnet_seconds"] / row[f"{how}_seconds"]


def _reached(rows: list[dict[str, Any]]) -> str:
    """The aim beside what was measured, the slowest mechanism first."""
    lines = [f"The aim is {AIM} times ESPnet's pace. Reached, slowest and fastest mechanism:", ""]
    for how, title in WAYS.items():
        for weight in sorted({row["ctc_weight"] for row in rows}):
            these = [row for row in rows if row["ctc_weight"] == weight]
            ratios = [_ratio(row, how) for row in these]
            below = [f"`{r['mechanism']}`" for r in these if _ratio(r, how) < AIM]
            missed = f"below the aim: {', '.join(below)}" if below else "all reach the aim"
            missed = "**all are below the aim**" if len(below) == len(these) else missed
            lines.append(
                f"* {title.format(rows[0]['recordings_at_once'])}, CTC weight {weight:g}: "
                f"{min(ratios):.1f} to {max(ratios):.1f} times; {missed}"
            )
    return "\n".join(lines)


def mechanisms(found: dict[str, Any]) -> str:
    """Every mechanism on one recording, and the sum beside one of ESPnet's."""
    table = [["mechanism", "tokens", "greedy", f"beam {found['beam']}, with CTC"]]
    for row in found["rows"]:
        greedy, beam = (f"{row[f'{kind}_seconds']:.3f} s" for kind in ("greedy", "beam"))
        table.append([f"`{row['mechanism']}`", f"{row['tokens']}", greedy, beam])
    sums = [f"**{found[f'all_{kind}_seconds']:.2f} s**" for kind in ("greedy", "beam")]
    table.append([f"**all {len(found['rows'])} and the encoder**", "", *sums])
    said = (
        f"One recording of {found['audio_seconds']:g} s; the encoder takes "
        f"{found['encoder_seconds']:.2f} s, once."
    )
    if found["peer_seconds"] is not None:
        said += (
            f" ESPnet's beam {found['beam']} with CTC takes **{found['peer_seconds']:.2f} s** for "
            f"`{found['peer']}` alone ({found['peer_tokens']} tokens); the aim is less than "
            "that for all mechanisms together."
        )
    return f"{said}\n\n{markdown(table)}"


def batch(found: dict[str, Any]) -> str:
    """Seconds of speech a second."""
    table = [["mechanism", "decoding alone", "with encoder and verdicts", "encoder", "verdicts"]]
    table += [
        [
            f"`{row['mechanism']}`",
            f"{row['decode_rtfx']:,.0f}",
            f"{row['whole_rtfx']:,.0f}",
            f"{row['encoder_share']:.0%}",
            f"{row['assess_share']:.0%}",
        ]
        for row in found["rows"]
    ]
    return (
        f"Seconds of speech a second (RTFx), greedy, {found['recordings_at_once']} recordings "
        f"together ({found['audio_seconds']:.0f} s); the encoder alone: "
        f"{found['encoder_rtfx']:,.0f}; at most {found['mb_highest']:,.0f} MB.\n\n{markdown(table)}"
    )


def lengths(rows: list[dict[str, Any]]) -> str:
    """A row for every length."""
    table = [["mechanism", "recording", "tokens", "encoder", "decoding", "verdicts", "RTFx", "MB"]]
    table += [
        [
            f"`{row['mechanism']}`",
            f"{row['audio_seconds']:g} s",
            f"{row['tokens']:,}",
            *(f"{row[f'{part}_seconds']:.2f} s" for part in ("encoder", "decode", "assess")),
            f"{row['rtfx']:,.1f}",
            f"{row['mb_highest']:,.0f}",
        ]
        for row in rows
    ]
    loaded = rows[0]["mb_loaded"]
    return f"Greedy; MB at most, of them {loaded:,.0f} before listening:\n\n{markdown(table)}"


def browser(found: dict[str, Any]) -> str:
    """How long somebody waits."""
    table = [["", "recording", "seconds to all maps"]]
    for name, title in (("first_visit", "first visit, models not loaded"), ("upload", "upload")):
        row = found[name]
        table.append([title, f"{row['audio_seconds']:.1f} s", f"{row['seconds']:.1f}"])
    return f"{found['mechanisms']} mechanisms in chromium:\n\n{markdown(table)}"


def corpus(found: dict[str, Any]) -> str:
    """Memory while a corpus goes by, and of a worker."""
    command, worker = found["command"], found["worker"]
    table = [["recordings done", "MB of the command"], ["0", f"{command['mb_before']:,.0f}"]]
    table += [[f"{done:,}", f"{size:,.0f}"] for done, size, _ in command["mb_during"]]
    table.append(["intervals and significance", f"{command['mb_highest']:,.0f} at most"])
    return (
        f"{command['recordings']:,} recordings, two variants whose decoding takes no time, so that "
        "what is left is the command itself; a worker that decodes all "
        f"{worker['variants']} variants and keeps their maps needs at most "
        f"{worker['mb_highest']:,.0f} MB.\n\n{markdown(table)}"
    )


SECTIONS: dict[str, Callable[[Any], str]] = {
    "search": search,
    "mechanisms": mechanisms,
    "batch": batch,
    "lengths": lengths,
    "browser": browser,
    "corpus": corpus,
}


def where(machine: dict[str, Any]) -> str:
    """On what a section was measured."""
    return (
        f"<sub>{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"load {machine['load']:g} at the start, torch {machine['torch']}</sub>"
    )


def page_with(page: str, report: dict[str, Any]) -> str:
    """The page with the tables of all sections that were measured."""
    for name, table in SECTIONS.items():
        if name in report:
            content = f"{table(report[name]['found'])}\n\n{where(report[name]['machine'])}"
            page = replace_between_marks(page, name, content)
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.make_speed", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("report", type=Path, help="JSON of `python -m benchmarks.speed`")
    options = parser.parse_args(arguments)
    try:
        report = json.loads(options.report.read_text(encoding="utf-8"))
        PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), report), encoding="utf-8")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
