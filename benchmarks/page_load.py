"""What a browser receives for a recording, and how long after decoding it is on screen.

A recording is uploaded to a running dashboard, once to warm up and then several times with another
content. Counted is everything that comes after the upload: websocket frames (texts and figures),
as they are and deflated as the server sends them, and what is fetched over HTTP (sound); the
program itself (scripts, styles, fonts) is in the browser already.

*Decoding ends* when the last mechanism hands over its result, as the server's clock says
(`benchmarks.timed_main`). *On screen* is the second frame after all maps have the recording's time
axis and their picture, as the browser's clock says; both run on this machine.
"""

import argparse
import os
import statistics
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from benchmarks import report
from models import audio
from models.recogniser import variants
from tests.support.dashboard import (
    FOLLOWED,
    MAPS_OF,
    ROOT,
    Traffic,
    chromium,
    click,
    new_page,
    running,
    wait_until_idle,
)

SOURCE = ROOT / "samples" / "long_story.ogg"
WARM = "open_window"  # sample that loads the models
SHOWN = f"""(asked) => ({MAPS_OF})(asked) && new Promise((resolve) =>
    requestAnimationFrame(() => requestAnimationFrame(
        () => resolve((performance.timeOrigin + performance.now()) / 1000))))"""


def recording(path: Path, seconds: float, shift: float) -> Path:
    """So many seconds of the long sample, later by `shift`: other content, equal work."""
    samples = audio.load(SOURCE.read_bytes(), name=SOURCE.name).samples
    first = round(shift * 16_000)
    wanted = np.resize(samples, first + round(seconds * 16_000))[first:]
    soundfile.write(path, wanted, 16_000)
    return path


@contextmanager
def told(folder: Path):
    """The file in which the dashboard says when it has decoded."""
    file = folder / "decoded"
    os.environ["ATTNSCOPE_DECODED"] = str(file)
    try:
        yield file
    finally:
        del os.environ["ATTNSCOPE_DECODED"]


def measure(options: argparse.Namespace, folder: Path) -> list[dict]:
    """A row for every upload."""
    names = options.mechanisms
    script = ROOT / "benchmarks" / "timed_main.py"
    with (
        told(folder) as file,
        running(options.checkpoints, script) as address,
        chromium() as browser,
    ):
        page = new_page(browser)
        traffic = Traffic(page)
        page.goto(f"{address}/?sample={WARM}&variants={','.join(names)}")
        page.wait_for_function(FOLLOWED, arg=1 + len(names))
        click(page.get_by_text("Upload", exact=True).first)
        page.locator("input[type=file]").wait_for(state="attached")
        wait_until_idle(page)
        rows = []
        for number in range(options.repeats + 1):
            seconds = options.seconds + number / 100  # tells one upload's maps from another's
            clip = recording(folder / f"clip{number}.wav", seconds, shift=number / 10)
            traffic.restart()
            page.locator("input[type=file]").set_input_files(clip)
            seen = page.wait_for_function(SHOWN, arg=[seconds, len(names)]).json_value()
            wait_until_idle(page)
            page.wait_for_load_state("networkidle")
            rows.append(
                {
                    "seconds": seconds,
                    "maps": len(names),
                    "figures_and_text_bytes": traffic.pushed,
                    "compressed_bytes": traffic.compressed,
                    "sound_bytes": traffic.fetched,
                    "bytes": traffic.pushed + traffic.fetched,
                    "sent_bytes": traffic.compressed + traffic.fetched,
                    "after_decoding_seconds": seen - float(file.read_text().split()[-1]),
                }
            )
    return rows[1:]


def print_table(rows: list[dict], file) -> None:
    titles = ("seconds", "maps", "figures, text", "deflated", "sound", "sent", "on screen after")
    print("{:>8}{:>6}{:>15}{:>12}{:>12}{:>12}{:>17}".format(*titles), file=file)
    for row in rows:
        names = ("figures_and_text_bytes", "compressed_bytes", "sound_bytes", "sent_bytes")
        sizes = [row[name] / 1000 for name in names]
        line = "{:8.2f}{:6d}{:12.0f} kB{:9.0f} kB{:9.0f} kB{:9.0f} kB{:15.2f} s"
        taken = row["after_decoding_seconds"]
        print(line.format(row["seconds"], row["maps"], *sizes, taken), file=file)
    middle = statistics.median(row["after_decoding_seconds"] for row in rows)
    sent, whole = (max(row[name] for row in rows) / 1000 for name in ("sent_bytes", "bytes"))
    sizes = f"at most {sent:.0f} kB sent, {whole:.0f} kB unpacked"
    print(f"median {middle:.2f} s after decoding; {sizes}", file=file)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page_load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of the recording (default 10)")
    parser.add_argument("--mechanisms", nargs="+", help="default: the first six that are trained")
    parser.add_argument("--checkpoints", type=Path, help="folder (default: as everywhere)")
    parser.add_argument("--repeats", type=int, default=5, help="uploads that count (default 5)")
    report.add_option(parser)
    options = parser.parse_args()
    trained = [info.name for info in variants(options.checkpoints) if info.checkpoint]
    options.mechanisms = options.mechanisms or trained[:6]
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options, Path(folder))
    print_table(rows, report.words_to(options.json))
    report.write({"mechanisms": options.mechanisms, "rows": rows}, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
