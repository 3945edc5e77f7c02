"""Alignment maps whose answer is known, because they were made from it.

A map is drawn from a *script*: which token listens where. How it is drawn (pace, pauses, sharpness,
noise, frames, heads) varies independently. Failures are edits of a script, in
`tests.support.failing_maps`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.alignment import Alignment

_TEXT = (
    "a about after again all also any as at back because before between big boat bring bridge but "
    "call children city clear cold come country day dinner door early every evening far farmer "
    "field find first fish for four friend from garden give good great green hello here hill home "
    "house in is it keep kettle kind last later letter light like little long make market middle "
    "money morning mother much music narrow never night no of off old on open orange other our "
    "over paper people plan play quiet rain really river road round school see seven she silver "
    "sing sleep small smooth snow so some soon spell stone story street summer sun table tell "
    "that the there they thing three through tomorrow town travel tree under until valley very "
    "village wait walk water well were what wheel when where white wind winter with wonder wood "
    "yellow you "
)
WORDS = tuple(_TEXT.split())


@dataclass(frozen=True)
class Look:
    """How a script is drawn."""

    frame_seconds: float = 0.04
    words: bool = False  # tokens are words, not characters
    spaces: bool = True  # characters come with spaces between words
    pace: float = 0.07  # seconds per character
    unevenness: float = 0.3  # standard deviation of the logarithm of durations
    pauses: float = 0.1  # probability of a pause after a word
    longest_pause: float = 1.0  # seconds
    margins: tuple[float, float] = (0.1, 0.1)  # silence before and after, seconds
    width: float = 0.05  # standard deviation of a row, seconds
    shape: str = "gauss"  # "gauss", "laplace", "box" or "late" (a tail to the past)
    floor: float = 0.05  # share of every row spread over all frames
    roughness: bool = True  # the floor is exponential noise; otherwise it is even
    jitter: float = 0.01  # standard deviation of places, seconds
    lag: float = 0.0  # attention is this late, seconds
    strays: float = 0.0  # share of rows that listen somewhere else
    vague: float = 0.0  # share of rows that are flat
    bimodal: float = 0.0  # share of rows with a smaller second peak elsewhere
    mask: bool = True  # speech activity is given
    heads: tuple[str, ...] = ("aligner",)  # "aligner", "wide", "sink", "flat"
    layers: int = 1
    eos: str = "end"  # row of <eos>: "end", "flat" or "none"


@dataclass(frozen=True)
class Script:
    """Which token listens where: one entry per row of the map, and what the recording holds."""

    tokens: tuple[str, ...]
    starts: np.ndarray  # (tokens,) seconds
    ends: np.ndarray  # (tokens,) seconds
    word: np.ndarray  # (tokens,) number of the word; a space belongs to the word before
    speech: tuple[tuple[float, float], ...]  # spoken stretches, seconds
    seconds: float
    kinds: frozenset[str] = frozenset()  # failures that were put in
    also: frozenset[str] = frozenset()  # that may be found as well, being true
    notes: frozenset[str] = frozenset()
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)  # rows of each kind
    places: dict[str, tuple[float, float]] = field(default_factory=dict)  # seconds of each kind
    ended: bool | None = True
    flat: tuple[int, int] = (0, 0)  # rows without a place
    backwards: bool = False

    def rows_of(self, words: Sequence[int]) -> np.ndarray:
        return np.flatnonzero(np.isin(self.word, words))


@dataclass(frozen=True)
class Labelled:
    """A drawn map and its answer."""

    alignment: Alignment
    script: Script
    look: Look


def random_look(rng: np.random.Generator) -> Look:
    """A look from the whole range of what recognisers produce."""
    words = bool(rng.random() < 0.35)
    mask = bool(rng.random() < 0.75)
    frame = float(rng.choice([0.02, 0.03, 0.04, 0.06, 0.08]))
    noisy = rng.random() < 0.3
    many = rng.random() < 0.25
    others = [str(kind) for kind in rng.choice(["aligner", "wide", "sink", "flat"], 3)]
    widest = 0.25 if words else 0.15
    return Look(
        frame_seconds=frame,
        words=words,
        spaces=bool(rng.random() < 0.85),
        pace=float(rng.uniform(0.045, 0.13)),
        unevenness=float(rng.uniform(0.1, 0.5)),
        pauses=float(rng.choice([0, 0.1, 0.25])),
        longest_pause=float(rng.uniform(0.3, 2.5)) if mask else 0.25,
        margins=tuple(float(m) for m in rng.uniform(0, 1.0 if mask else 0.3, 2)),
        width=float(np.exp(rng.uniform(np.log(0.008), np.log(widest)))),
        shape=str(rng.choice(["gauss", "laplace", "box", "late"])),
        floor=float(rng.choice([0, 0.02, 0.1, 0.3])),
        roughness=bool(rng.random() < 0.5),
        jitter=float(rng.choice([0, 0.01, 0.02])),
        lag=float(rng.uniform(-0.05, 0.15)),
        strays=0.04 if noisy else 0.0,
        vague=0.06 if noisy else 0.0,
        bimodal=0.1 if noisy else 0.0,
        mask=mask,
        heads=("aligner", *others) if many else ("aligner",),
        layers=2 if many and rng.random() < 0.5 else 1,
        eos=str(rng.choice(["end", "flat", "none"])),
    )


def healthy(rng: np.random.Generator, look: Look, count: int, said: Sequence[str] = ()) -> Script:
    """A script that reads `count` random words (or those `said`) once, in order."""
    names = list(said)
    while len(names) < count:
        word = str(rng.choice(WORDS))
        if word not in names[-3:]:
            names.append(word)
    tokens, starts, ends, number = [], [], [], []
    speech, time = [], look.margins[0]
    begun = time
    for index, name in enumerate(names):
        pieces = [name] if look.words else list(name)
        for piece in pieces:
            length = look.pace * len(piece) * float(np.exp(rng.normal(0, look.unevenness)))
            if look.words:
                length = max(length, 1.5 * look.pace)
            tokens.append(piece)
            starts.append(time)
            time += length
            ends.append(time)
            number.append(index)
        paused = index + 1 < len(names) and rng.random() < look.pauses
        gap = float(rng.uniform(0.2, max(0.2, look.longest_pause))) if paused else 0.0
        if not look.words and look.spaces and index + 1 < len(names):
            length = max(gap, 0.3 * look.pace)
            tokens.append(" ")
            starts.append(time)
            ends.append(time + length)
            number.append(index)
            gap = length
        if paused:
            speech.append((begun, time))
            begun = time + gap
        time += gap
    speech.append((begun, time))
    return Script(
        tuple(tokens),
        np.array(starts),
        np.array(ends),
        np.array(number),
        tuple(speech),
        time + look.margins[1],
    )


def draw(rng: np.random.Generator, look: Look, script: Script) -> Labelled:
    """The map of a script, with its voice activity, heads and end of sentence."""
    frames = max(4, round(script.seconds / look.frame_seconds))
    centres = (script.starts + script.ends) / 2 + look.lag
    centres = centres + rng.normal(0, look.jitter, len(centres))
    if script.backwards:
        centres = script.seconds - centres
    tokens, flat = list(script.tokens), np.zeros(len(centres) + 1, bool)
    flat[: len(centres)] = rng.random(len(centres)) < look.vague
    flat[script.flat[0] : script.flat[1]] = True
    stray = rng.random(len(centres)) < look.strays
    centres = np.where(stray, rng.uniform(0, script.seconds, len(centres)), centres)
    if look.eos != "none" and script.ended is not False:
        tokens.append("<eos>")
        centres = np.append(centres, script.seconds - look.frame_seconds)
        flat[-1] = look.eos == "flat"
    flat = flat[: len(centres)]
    maps = [
        [_head(rng, look, kind, centres, flat, frames) for kind in look.heads]
        for _ in range(look.layers)
    ]
    alignment = Alignment.from_arrays(
        np.array(maps) if look.layers > 1 else np.array(maps[0]) if look.heads[1:] else maps[0][0],
        tokens,
        look.frame_seconds,
        speech=_mask(look, script, frames) if look.mask else None,
        ended=script.ended,
    )
    return Labelled(alignment, script, look)


def _mask(look: Look, script: Script, frames: int) -> np.ndarray:
    times = (np.arange(frames) + 0.5) * look.frame_seconds
    spoken = np.zeros(frames, bool)
    for start, end in script.speech:
        spoken |= (times >= start) & (times < end)
    return spoken


def _head(
    rng: np.random.Generator,
    look: Look,
    kind: str,
    centres: np.ndarray,
    flat: np.ndarray,
    frames: int,
) -> np.ndarray:
    """(tokens, frames) weights of one head of the given kind."""
    if kind == "sink":
        centres = np.full(len(centres), rng.uniform(0, frames * look.frame_seconds))
    width = 8 * look.width + 0.3 if kind == "wide" else look.width
    rows = _peaks(look, centres, width, frames)
    second = np.flatnonzero(rng.random(len(centres)) < look.bimodal)
    elsewhere = rng.uniform(0, frames * look.frame_seconds, len(second))
    rows[second] = 0.65 * rows[second] + 0.35 * _peaks(look, elsewhere, width, frames)
    if look.floor:
        noise = rng.exponential(size=rows.shape) if look.roughness else np.ones(rows.shape)
        rows = (1 - look.floor) * rows + look.floor * noise / noise.sum(axis=1, keepdims=True)
    unknown = flat | (kind == "flat")
    rows[unknown] = np.exp(0.05 * rng.normal(size=(unknown.sum(), frames)))
    return rows / rows.sum(axis=1, keepdims=True)


def _peaks(look: Look, centres: np.ndarray, width: float, frames: int) -> np.ndarray:
    times = (np.arange(frames) + 0.5) * look.frame_seconds
    centres = np.clip(centres, times[0], times[-1])
    far = (times - centres[:, None]) / max(width, 0.3 * look.frame_seconds)
    if look.shape == "laplace":
        rows = np.exp(-np.abs(far) * 1.4)
    elif look.shape == "box":
        rows = 1 / (1 + np.exp(np.minimum(4 * (np.abs(far) - 1.5), 80)))
    elif look.shape == "late":
        rows = np.exp(-(np.where(far > 0, 1.6 * far, -0.7 * far) ** 2) / 2)
    else:
        rows = np.exp(-(far**2) / 2)
    return rows / rows.sum(axis=1, keepdims=True)
