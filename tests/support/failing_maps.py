"""Maps with known failures: edits of healthy scripts, so that their spans are known exactly.

Say these words again at the same time; leave those out; write something else here.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tests.support.maps import WORDS, Labelled, Look, Script, draw, healthy, random_look


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


def late(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """Words are passed over, and read after those that follow them: nothing is lost but order."""
    count = _words(script)
    first = int(rng.integers(1, count // 3))
    size = int(rng.integers(4, max(5, count // 4)))
    passed = script.rows_of(list(range(first, first + size)))
    ahead = script.rows_of(list(range(first + size, first + 2 * size)))
    before, rest = np.arange(passed[0]), np.arange(ahead[-1] + 1, len(script.tokens))
    mixed = take(script, np.concatenate([before, ahead, passed, rest]))
    row = len(before) + len(ahead)
    low, high = float(script.starts[passed[0]]), float(script.ends[passed[-1]])
    return labelled(mixed, "jump_back", row, row + len(passed), low, high)


def wandering(rng: np.random.Generator, look: Look, script: Script) -> Script:
    """Every row knows a place, but they follow each other in no order."""
    count = len(script.tokens)
    order = rng.permutation(count)
    mixed = replace(script, starts=script.starts[order], ends=script.ends[order])
    return labelled(mixed, "jump_back", 0, count, 0.0, script.seconds)


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
    "late": late,
    "wandering": wandering,
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
    count = int(rng.integers(36, 44) if "+" in name else rng.integers(14, 36))
    if rng.random() < 0.1:
        count += 40
    script = healthy(rng, look, count)
    return draw(rng, look, EDITS[name](rng, look, script))
