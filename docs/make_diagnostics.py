"""Pictures of docs/diagnostics.md: a good and a bad case of every number, made by the code itself.

    python -m docs.make_diagnostics

Every map is drawn from a script that says which word listens where; every number and span in a
picture is what `analysis` answers for that map.
"""

import base64
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image

from analysis.alignment import Alignment
from analysis.diagnosis import METRICS, diagnose
from analysis.failures.failure import Failure, Note
from analysis.heads.cross_attention import role
from analysis.heads.self_attention import self_heads
from analysis.metrics.diagonality import monotonic_path
from analysis.timing.forced_alignment import alignment_error_ms
from tests.support.failing_maps import EDITS
from tests.support.maps import Look, draw, healthy

FOLDER = Path(__file__).resolve().parent / "images" / "diagnostics"
FRAME = 0.04  # seconds
WIDTH, ROW = 270, 11  # of a panel and of a token's row, in pixels
LEFT, TOP, BELOW = 62, 24, 24  # room for words, title and time
LINE = 14  # of the caption, in pixels
TEXT = "she read the first page of the old book and then slept"
SENTENCE = TEXT.split()
PLACES = (0.3, 0.62, 0.84, 1.06, 1.42, 1.7, 1.86, 2.04, 2.36, 2.7, 2.96, 3.34)
SECONDS = 3.7
DARK, PAPER, ACCENT = np.array([17, 58, 102]), np.array([255, 255, 255]), "#c2410c"


@dataclass(frozen=True)
class Panel:
    """One map with what is said about it."""

    title: str
    alignment: Alignment
    caption: tuple[str, ...] = ()  # lines below
    found: tuple[Failure | Note, ...] = ()  # spans to mark
    path: bool = False  # draw the best monotonic path
    times: tuple[float, ...] = ()  # where words were really said, to be marked


def listened(
    places: Sequence[float],
    words: Sequence[str] = SENTENCE,
    width: float = 0.07,
    seconds: float = SECONDS,
    **optional,
) -> Alignment:
    """A map whose rows listen around the given seconds."""
    times = (np.arange(round(seconds / FRAME)) + 0.5) * FRAME
    rows = np.exp(-(((times - np.asarray(places)[:, None]) / width) ** 2) / 2) + 2e-4
    optional = {"speech": np.ones(rows.shape[1], bool)} | optional  # somebody speaks all the time
    return Alignment.from_arrays(rows / rows.sum(axis=1, keepdims=True), words, FRAME, **optional)


def speech_between(start: float, end: float, seconds: float = SECONDS) -> np.ndarray:
    times = (np.arange(round(seconds / FRAME)) + 0.5) * FRAME
    return (times >= start) & (times < end)


def measured(title: str, alignment: Alignment, names: Sequence[str], **drawn) -> Panel:
    """A panel with the values of some metrics."""
    lines = tuple(f"{name} {_value(METRICS[name](alignment))}" for name in names)
    return Panel(title, alignment, lines, **drawn)


def _value(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


def metric_pictures() -> dict[str, list[Panel]]:
    """A good and a bad case of every metric."""
    good = listened(PLACES)
    back = listened([*PLACES[:7], *PLACES[2:7]])
    wide = listened(PLACES, width=0.6)
    order = np.random.default_rng(4).permutation(len(PLACES))
    mixed = listened([PLACES[i] for i in order])
    paused = [*PLACES[:6], *(place + 2.2 for place in PLACES[6:])]
    silence = ~speech_between(1.95, 3.95, 5.9)
    pause = listened(paused, seconds=5.9, speech=silence)
    hole = listened([*PLACES[:4], *(3.0 + 0.09 * i for i in range(8))])
    order_names = ("monotonicity", "forward_share", "backward_seconds")
    band, sharp = ("diagonality", "path_diagonality"), ("focus", "entropy", "width_seconds")
    heard = ("coverage", "skipped_seconds")
    said = np.array(PLACES)
    late = listened(said + np.where(np.arange(len(said)) > 5, 0.3, 0.02))
    loop = [*SENTENCE[:3], *["the", "first", "page"] * 3]
    looped = listened([*PLACES[:5], *PLACES[2:5], *PLACES[2:5], 1.8], loop)
    again = ["no"] * 4 + list(SENTENCE[4:])
    return {
        "order": [
            measured("in order", good, order_names),
            measured("goes back once", back, order_names),
            measured("time-reversed", listened(PLACES[::-1]), order_names),
        ],
        "diagonality": [
            measured("even speech", good, band, path=True),
            measured("a pause: only the path follows", pause, band, path=True),
            measured("no order", mixed, band, path=True),
        ],
        "sharpness": [
            measured("sharp", good, sharp),
            measured("wide", wide, sharp),
            measured("sharp, but in no order", mixed, sharp),
        ],
        "coverage": [
            measured("all heard", good, heard),
            measured("a pause is no hole", pause, heard),
            measured("1.5 s that nobody heard", hole, heard),
        ],
        "rereading": [
            measured("said again", listened(PLACES, again), ("reread_seconds", "repeated_tokens")),
            measured("written again", looped, ("reread_seconds", "repeated_tokens")),
        ],
        "alignment_error": [
            _error("where the words are", listened(said + 0.02), said),
            _error("late from the middle on", late, said),
        ],
        "rate": [
            measured("usual", good, ("tokens_per_second",)),
            measured(
                "made up",
                listened(np.linspace(0.3, 3.4, 36), [f"word{i % 9}{i}" for i in range(36)]),
                ("tokens_per_second",),
            ),
        ],
    }


def _error(title: str, alignment: Alignment, said: np.ndarray) -> Panel:
    error = alignment_error_ms(alignment, token_seconds=said)
    line = f"alignment_error_ms {error:.0f}"
    return Panel(title, alignment, (line,), times=tuple(said.tolist()))


FAILURES = {
    "loop": "loop",
    "stall": "stall",
    "skip": "skip",
    "early_stop": "early_stop",
    "runaway": "runaway",
    "reversed": "reversed",
    "diffuse": "diffuse",
    "jump_back": "jump_back",
    "jump_back (passed over, then read)": "late",
    "jump_back (no order at all)": "wandering",
    "genuine_repetition (a note)": "genuine",
    "healthy": "healthy",
}


LONGER = ("skip", "early_stop")  # of which some words must be left


def failure_pictures() -> dict[str, list[Panel]]:
    """One map of every kind, with the evidence that is found in it."""
    look = Look(words=True, unevenness=0.2, floor=0.04, eos="none", width=0.06)
    panels = []
    for title, name in FAILURES.items():
        rng = np.random.default_rng(5)
        script = EDITS[name](rng, look, healthy(rng, look, 20 if name in LONGER else 14))
        alignment = draw(rng, look, script).alignment
        found = diagnose(alignment)
        spans = (*found.failures, *found.notes)
        lines = [line for each in spans[:1] for line in _wrapped(each.explanation)]
        panels.append(Panel(title, alignment, tuple(lines), spans))
    return {f"failures-{n + 1}": panels[3 * n : 3 * n + 3] for n in range(len(panels) // 3)}


def head_pictures() -> dict[str, list[Panel]]:
    """Roles of heads that look at audio, and of heads that look at each other."""
    rng = np.random.default_rng(1)
    heads = {
        "aligner": listened(PLACES),
        "local": listened(PLACES, width=0.7),
        "global": listened(rng.permutation(PLACES)),
        "reversed": listened(PLACES[::-1]),
        "sink": listened(np.full(12, 0.06)),
        "diffuse": listened(PLACES, width=40.0),
    }
    cross = []
    for name, alignment in heads.items():
        found, sentence = role(alignment)
        cross.append(Panel(found, alignment, tuple(_wrapped(sentence))))
        if found != name:
            raise ValueError(f"the picture of {name!r} is of a head that is called {found!r}")
    return {"heads-1": cross[:3], "heads-2": cross[3:], "self-attention": _self_panels(rng)}


def _self_panels(rng: np.random.Generator) -> list[Panel]:
    size = len(SENTENCE)
    seen = np.tril(np.ones((size, size)))
    distance = np.arange(size) - np.arange(size)[:, None]
    patterns = {
        "previous": 6.0 * (distance == -1) + 0.05,
        "local": np.exp(-((distance / 2.0) ** 2)),
        "sink": 4.0 * (np.arange(size) == 0) + 0.1 + 0 * distance,
    }
    panels = []
    for name, pattern in patterns.items():
        weights = pattern * seen * (1 + 0.1 * rng.random((size, size)))
        weights /= weights.sum(axis=1, keepdims=True)
        (head,) = self_heads(weights[None, None], causal=True)
        if head.role != name:
            raise ValueError(f"the picture of {name!r} is of a head that is called {head.role!r}")
        alignment = Alignment.from_arrays(weights, SENTENCE, 1.0)
        panels.append(Panel(head.role, alignment, tuple(_wrapped(head.evidence))))
    return panels


def _wrapped(sentence: str, most: int = 52) -> list[str]:
    lines = [""]
    for word in sentence.split():
        if len(lines[-1]) + len(word) >= most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def picture(panels: Sequence[Panel]) -> str:
    """Panels side by side as one SVG."""
    step = LEFT + WIDTH + 18
    rows = max(len(panel.alignment.tokens) for panel in panels)
    lines = max(len(panel.caption) for panel in panels)
    height = TOP + rows * ROW + BELOW + lines * LINE + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{step * len(panels)}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="9" fill="#334155">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * step},0)">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel) -> list[str]:
    alignment = panel.alignment
    count = len(alignment.tokens)
    height, scale = count * ROW, WIDTH / alignment.frames
    parts = [
        f'<text x="{LEFT}" y="14" font-size="12" font-weight="600" fill="#0f172a">'
        f"{escape(panel.title)}</text>",
        f'<image x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{height}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{_heat(alignment.map)}"/>',
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{height}" fill="none" '
        'stroke="#94a3b8"/>',
    ]
    for row, token in enumerate(alignment.tokens):
        y = TOP + row * ROW + 9
        parts.append(f'<text x="{LEFT - 5}" y="{y}" text-anchor="end">{escape(token)}</text>')
    parts += _time_axis(alignment, TOP + height)
    parts += [_mark(alignment, found, scale) for found in panel.found]
    if panel.path:
        points = monotonic_path(alignment)
        line = " ".join(
            f"{LEFT + (frame + 0.5) * scale:.1f},{TOP + (row + 0.5) * ROW:.1f}"
            for row, frame in enumerate(points)
        )
        parts.append(f'<polyline points="{line}" fill="none" stroke="{ACCENT}"/>')
    for row, seconds in enumerate(panel.times):
        x = LEFT + seconds / alignment.frame_seconds * scale
        y = TOP + row * ROW
        parts.append(f'<path d="M{x:.1f} {y}v{ROW}" stroke="{ACCENT}" stroke-width="2"/>')
    below = TOP + height + BELOW
    parts += [
        f'<text x="{LEFT}" y="{below + 8 + number * LINE}" font-size="11">{escape(line)}</text>'
        for number, line in enumerate(panel.caption)
    ]
    return parts


def _time_axis(alignment: Alignment, y: float) -> list[str]:
    """Seconds under the map, and where speech is, if that is known."""
    scale = WIDTH / alignment.seconds
    step = max(1, round(alignment.seconds / 5))
    unit = "" if alignment.frame_seconds == 1 else " s"
    parts = [
        f'<text x="{LEFT + second * scale:.1f}" y="{y + 16}" text-anchor="middle">'
        f"{second}{unit}</text>"
        for second in range(0, int(alignment.seconds) + 1, step)
    ]
    if alignment.speech is not None:
        edges = np.flatnonzero(np.diff(alignment.speech, prepend=False, append=False))
        pairs = edges.reshape(-1, 2) * WIDTH / alignment.frames
        parts += [
            f'<rect x="{LEFT + a:.1f}" y="{y + 2}" width="{b - a:.1f}" height="3" fill="#0d9488"/>'
            for a, b in pairs
        ]
    return parts


def _mark(alignment: Alignment, found: Failure | Note, scale: float) -> str:
    """A frame around the rows and seconds of a finding."""
    (first, last), (start, end) = found.tokens, found.seconds
    x, width = start / alignment.frame_seconds * scale, (end - start) / FRAME * scale
    colour = "#0d9488" if isinstance(found, Note) else ACCENT
    return (
        f'<rect x="{LEFT + x:.1f}" y="{TOP + first * ROW}" width="{max(width, 3):.1f}" '
        f'height="{(last - first) * ROW}" fill="{colour}" fill-opacity="0.08" stroke="{colour}"/>'
        f'<text x="{LEFT + x + 3:.1f}" y="{TOP + first * ROW - 2}" fill="{colour}" '
        f'font-weight="600">{found.kind}</text>'
    )


def _heat(weights: np.ndarray) -> str:
    """A map as a PNG of 64 shades, in base64; rows are scaled by the strongest of all."""
    share = np.sqrt(weights / weights.max())  # small weights stay visible
    shades = np.round(share * 63).astype(np.uint8)
    image = Image.fromarray(shades, mode="P")
    ramp = PAPER + (DARK - PAPER) * np.linspace(0, 1, 64)[:, None]
    image.putpalette(ramp.astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, bits=6)
    return base64.b64encode(file.getvalue()).decode()


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    makers: tuple[Callable[[], dict[str, list[Panel]]], ...]
    makers = (metric_pictures, failure_pictures, head_pictures)
    total = 0
    for make in makers:
        for name, panels in make().items():
            text = picture(panels)
            total += len(text)
            (FOLDER / f"{name}.svg").write_text(text, encoding="utf-8")
            print(f"{name}.svg", file=sys.stderr)
    print(f"{total / 1000:.0f} KB in {FOLDER.relative_to(FOLDER.parents[2])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
