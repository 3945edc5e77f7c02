"""Alignment maps whose answer is known, because they were made from it.

A map is drawn from a *script*: which token listens where. Failures are edits of a healthy script
(say these words again at the same time; leave those out), so that their spans are known exactly.
How the script is drawn (pace, pauses, sharpness, noise, frames, heads) varies independently.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

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
    roughness: float = 1.0  # 0: the floor is even, 1: exponential noise
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
        roughness=float(rng.choice([0, 1.0])),
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
    second = rng.random(len(centres)) < look.bimodal
    elsewhere = rng.uniform(0, frames * look.frame_seconds, len(centres))
    rows = np.where(
        second[:, None], 0.65 * rows + 0.35 * _peaks(look, elsewhere, width, frames), rows
    )
    noise = look.roughness * rng.exponential(size=rows.shape) + (1 - look.roughness)
    noise = noise / noise.sum(axis=1, keepdims=True)
    even = 1.0 / frames * np.exp(0.05 * rng.normal(size=rows.shape))
    even = even / even.sum(axis=1, keepdims=True)
    unknown = flat[:, None] | (kind == "flat")
    rows = np.where(unknown, even, (1 - look.floor) * rows + look.floor * noise)
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


# --- failures: edits of a healthy script -------------------------------------------------------


def insert(script: Script, row: int, rows: Script) -> Script:
    """`rows` put before row `row`; recording and speech stay those of `script`."""
    return replace(
        script,
        tokens=script.tokens[:row] + rows.tokens + script.tokens[row:],
        starts=np.concatenate([script.starts[:row], rows.starts, script.starts[row:]]),
        ends=np.concatenate([script.ends[:row], rows.ends, script.ends[row:]]),
        word=np.concatenate([script.word[:row], np.full(len(rows.tokens), -1), script.word[row:]]),
    )


def take(script: Script, rows: np.ndarray) -> Script:
    """Only some rows of a script, in any order and as often as wanted."""
    return replace(
        script,
        tokens=tuple(script.tokens[row] for row in rows),
        starts=script.starts[rows],
        ends=script.ends[rows],
        word=script.word[rows],
    )


def other_text(
    rng: np.random.Generator, look: Look, count: int, around: Sequence[str] = ()
) -> tuple[str, ...]:
    """`count` tokens of random text that repeats nothing, nor the words `around` it."""
    text: list[str] = []
    recent = list(around) if look.words else "".join(around).split()
    while len(text) < count:
        word = str(rng.choice(WORDS))
        if word in recent:
            continue
        recent = [*recent[-20:], word]
        text += [word] if look.words else [*word, " "] if look.spaces else list(word)
    return tuple(text[:count])


def labelled(script: Script, kind: str, start: int, end: int, low: float, high: float) -> Script:
    """The script with one more known failure."""
    return replace(
        script,
        kinds=script.kinds | {kind},
        spans=script.spans | {kind: (start, end)},
        places=script.places | {kind: (low, high)},
    )


def _words(script: Script) -> int:
    return int(script.word.max()) + 1


def _with_space(script: Script, rows: np.ndarray) -> bool:
    return script.tokens[rows[-1]] == " "


def loop(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """One to four words written again two to eight times, listening to the same audio."""
    count = _words(script)
    size = int(rng.integers(1, 5))
    at_end = bool(rng.random() < 0.3)
    first = count - size if at_end else int(rng.integers(1, count - size))
    rows = script.rows_of(list(range(first, first + size)))
    copies = int(rng.integers(2, 9)) if size > 1 else int(rng.integers(3, 9))
    part = take(script, np.tile(rows, copies))
    drift = rng.normal(0, 0.01, copies).repeat(len(rows))
    part = replace(part, starts=part.starts + drift, ends=part.ends + drift)
    if at_end and not _with_space(script, rows) and look.spaces and not look.words:
        gap = replace(take(script, rows[-1:]), tokens=(" ",))
        pieces = [
            gap if i % 2 == 0 else take(part, np.arange(len(rows))) for i in range(2 * copies)
        ]
        grown = script
        for piece in pieces:
            grown = insert(grown, len(grown.tokens), piece)
        end = len(grown.tokens)
    else:
        end = int(rows[-1]) + 1 + len(part.tokens)
        grown = insert(script, int(rows[-1]) + 1, part)
    low, high = float(script.starts[rows[0]]), float(script.ends[rows[-1]])
    grown = labelled(grown, "loop", int(rows[0]), end, low, high)
    if at_end and rng.random() < 0.5:
        grown = replace(grown, ended=False, kinds=grown.kinds | {"runaway"})
    return grown


def stuck_loop(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """A word, or a single character, written again and again while attention does not move."""
    word = int(rng.integers(1, _words(script)))
    rows = script.rows_of([word])
    if not look.words and rng.random() < 0.5:
        rows = rows[:1]
    copies = int(rng.integers(5, 12))
    part = take(script, np.tile(rows, copies))
    place = float(script.ends[rows[-1]])
    part = replace(
        part, starts=np.full(len(part.tokens), place), ends=np.full(len(part.tokens), place)
    )
    row = int(rows[-1]) + 1
    grown = insert(script, row, part)
    return labelled(
        grown, "loop", int(rows[0]), row + len(part.tokens), float(script.starts[rows[0]]), place
    )


def stall(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """Other text is written while attention rests."""
    word = int(rng.integers(1, _words(script)))
    row = int(script.rows_of([word])[-1]) + 1
    count = int(rng.integers(6, 14)) if look.words else int(rng.integers(10, 40))
    place = float(script.ends[row - 1])
    part = Script(
        other_text(rng, look, count, script.tokens[max(0, row - 30) : row + 30]),
        np.full(count, place), np.full(count, place), np.full(count, -1), (), 0.0,
    )  # fmt: skip
    return labelled(insert(script, row, part), "stall", row, row + count, place, place)


def _left_out(rng: np.random.Generator, look: Look, script: Script) -> float:
    """Seconds of speech that are surely missed if not listened to."""
    return float(rng.uniform(1.0, 2.5)) + 3 * look.pace * (5 if look.words else 1)


def skip(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """Words in the middle that nobody listened to."""
    count = _words(script)
    first = int(rng.integers(1, max(2, count // 2)))
    wanted, last = _left_out(rng, look, script), first
    spoken = np.array([token != " " for token in script.tokens])

    def missing(last: int) -> np.ndarray:
        return script.rows_of(list(range(first, last + 1)))

    def seconds(rows: np.ndarray) -> float:
        return float((script.ends - script.starts)[rows][spoken[rows]].sum())

    while last < count - 2 and seconds(missing(last)) < wanted:
        last += 1
    rows = missing(last)
    low, high = float(script.starts[rows[0]]), float(script.ends[rows[spoken[rows]][-1]])
    kept = take(script, np.setdiff1d(np.arange(len(script.tokens)), rows))
    return labelled(kept, "skip", int(rows[0]) - 1, int(rows[0]) + 1, low, high)


def early_stop(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """The last words are missing."""
    wanted, first = _left_out(rng, look, script), _words(script) - 1
    present = np.unique(script.word)
    least = max([2, *(present[1:][np.diff(present) > 1] + 3)])  # not into a skip
    spoken = np.array([token != " " for token in script.tokens])
    length = (script.ends - script.starts) * spoken
    while first > least and length[script.word >= first].sum() < wanted:
        first -= 1
    kept = take(script, np.flatnonzero(script.word < first))
    low, high = float(script.starts[script.word >= first][0]), float(script.ends[-1])
    end = len(kept.tokens)
    return labelled(kept, "early_stop", end - 1, end, low, high)


def runaway(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """The decoder writes on after the recording is over, and never ends."""
    count = int(rng.integers(10, 40))
    last = float(script.ends[-1])
    places = rng.uniform(max(0.0, last - 0.5), last, count)
    part = Script(
        other_text(rng, look, count, script.tokens[-30:]),
        places,
        places,
        np.full(count, -1),
        (),
        0.0,
    )
    row = len(script.tokens)
    grown = labelled(insert(script, row, part), "runaway", row, row + count, last, last)
    return replace(grown, ended=False, also=frozenset({"stall", "jump_back"}))


def reversed_time(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """The first token listens to the end and the last to the beginning."""
    mirrored = tuple((script.seconds - b, script.seconds - a) for a, b in script.speech)
    done = labelled(script, "reversed", 0, len(script.tokens), 0.0, script.seconds)
    return replace(done, backwards=True, speech=mirrored)


def diffuse(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """No row has a place."""
    count = len(script.tokens)
    done = labelled(script, "diffuse", 0, count, 0.0, script.seconds)
    return replace(done, flat=(0, count))


def jump_back(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """Attention goes back one to five seconds and reads again, but writes something else."""
    back = float(rng.uniform(1.0, 4.0)) + 2 * look.pace * (5 if look.words else 1)
    row = int(rng.integers(len(script.tokens) // 2, len(script.tokens) - 1))
    place = script.starts[row] - back
    first = int(np.abs(script.starts[:row] - place).argmin())
    again = np.arange(first, row)
    if rng.random() < 0.4:  # only a part of it, then on where it was
        again = again[: max(5, len(again) // 2)]
    part = replace(
        take(script, again),
        tokens=other_text(rng, look, len(again), script.tokens[max(0, first - 30) : row + 30]),
    )
    low, high = float(script.starts[again[0]]), float(script.ends[again[-1]])
    return labelled(insert(script, row, part), "jump_back", row, row + len(again), low, high)


def genuine(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """One to three words said two to five times: text repeats and attention moves on."""
    size, copies = int(rng.integers(1, 4)), int(rng.integers(2, 6))
    names = [str(word) for word in rng.choice(WORDS, 12 + size, replace=False)]
    first = int(rng.integers(2, 8))
    if copies == 2 and not look.words and not look.spaces:
        copies = 3
    said = names[:first] + names[first : first + size] * copies + names[first + size :]
    made = healthy(rng, look, len(said), said)
    rows = made.rows_of(list(range(first, first + size * copies)))
    return replace(
        made,
        notes=frozenset({"genuine_repetition"}),
        spans={"genuine_repetition": (int(rows[0]), int(rows[-1]) + 1)},
    )


EDITS: dict[str, Callable[[np.random.Generator, Look, Script], Script]] = {
    "healthy": lambda rng, look, script: script,
    "genuine": genuine,
    "loop": loop,
    "stuck_loop": stuck_loop,
    "stall": stall,
    "skip": skip,
    "early_stop": early_stop,
    "runaway": runaway,
    "reversed": reversed_time,
    "diffuse": diffuse,
    "jump_back": jump_back,
    "loop+early_stop": lambda rng, look, script: loop_once(
        rng, look, early_stop(rng, look, script)
    ),
    "skip+early_stop": lambda rng, look, script: early_stop(rng, look, skip(rng, look, script)),
    "skip+stall": lambda rng, look, script: stall_late(rng, look, skip(rng, look, script)),
}


def stall_late(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """A stall at the last word."""
    last = take(script, np.arange(len(script.tokens)))
    last = replace(last, word=np.where(last.word == last.word.max(), 1, 0))
    return replace(stall(rng, look, last), word=np.zeros(1, int))


def loop_once(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """A loop in the first half that is left again."""
    half = int(rng.integers(1, max(2, _words(script) // 2)))
    rows = script.rows_of([half, half + 1])
    copies = int(rng.integers(2, 6))
    part = take(script, np.tile(rows, copies))
    grown = insert(script, int(rows[-1]) + 1, part)
    end = int(rows[-1]) + 1 + len(part.tokens)
    low, high = float(script.starts[rows[0]]), float(script.ends[rows[-1]])
    return labelled(grown, "loop", int(rows[0]), end, low, high)


def make(seed: int | tuple[int, ...], name: str, look: Look | None = None) -> Labelled:
    """A map with the named failure, drawn at random; the same seed gives the same map."""
    rng = np.random.default_rng(seed)
    look = look or random_look(rng)
    script = healthy(rng, look, int(rng.integers(36, 44) if "+" in name else rng.integers(14, 36)))
    return draw(rng, look, EDITS[name](rng, look, script))
