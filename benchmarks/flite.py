"""Speech whose word times are known exactly: flite prints when each phone it made ends.

flite (Debian package `flite`) says which phones it spoke, but not to which word they belong. That
is found by asking it for the phones of every word by itself and aligning the two rows of phones: a
word said in a sentence keeps most of its phones ("the" may be dh ah or dh iy), and pauses belong to
no word.
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.scoring.normalisers import basic
from analysis.timing.word_times import Timed

VOICES = ("slt", "rms", "awb", "kal16")
SENTENCES = (
    "The old man walked slowly along the river to the mill.",
    "She bought seven apples, two lemons, and a loaf of brown bread.",
    "Nobody told me that the last train leaves before ten.",
    "When the rain had stopped, the children ran out to play.",
    "Please put the blue box behind the kitchen door.",
    "His brother painted the garden fence in the summer.",
    "We have never seen so many birds on the lake.",
    "If you are tired, sit down and drink some water.",
    "The doctor asked him how long his hand had been hurting.",
    "Every window in the house was open, but nobody was home.",
    "A small dog followed us all the way to the station.",
    "I think the answer is wrong, although I cannot say why.",
    "They carried the heavy table up three flights of stairs.",
    "Her letter arrived on Monday, a week after she came back.",
    "The teacher wrote a long word on the board and smiled.",
    "Far away, beyond the hills, a church bell began to ring.",
)
PAUSE = "pau"
_VOWELS = frozenset(
    ["aa", "ae", "ah", "ao", "aw", "ax", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw"]
)


@dataclass(frozen=True)
class Phone:
    """A phone and when it was said."""

    name: str
    start: float  # seconds
    end: float


def speak(text: str, voice: str, file: Path) -> tuple[Timed, ...]:
    """Write a sentence read by a voice to a file; times of its words."""
    spelled = basic(text).split()
    said = parse_durations(_flite(voice, text, "-psdur", "-o", str(file)))
    alone = parse_words(_flite(voice, " ".join(f"{w}." for w in spelled), "-ps", "-o", "none"))
    if len(alone) != len(spelled):
        raise ValueError(f"flite read {len(alone)} words, not {len(spelled)}: {text}")
    return known_words(spelled, alone, said)


def parse_durations(output: str) -> list[Phone]:
    """Phones from what ``-psdur`` prints: name and end time in seconds of each."""
    phones: list[Phone] = []
    for name, end in re.findall(r"(\S+):(\d+\.\d+)", output):
        phones.append(Phone(name, phones[-1].end if phones else 0.0, float(end)))
    return phones


def parse_words(output: str) -> list[list[str]]:
    """Phones of each word from what ``-ps`` prints for words that are sentences of their own."""
    parts = re.split(rf"\b{PAUSE}\b", output)
    return [part.split() for part in parts if part.split()]


def known_words(
    spelled: Sequence[str], alone: Sequence[Sequence[str]], said: Sequence[Phone]
) -> tuple[Timed, ...]:
    """Times of words whose first and last phone were found in the sentence; others are left out."""
    owner = [number for number, phones in enumerate(alone) for _ in phones]
    expected = [phone for phones in alone for phone in phones]
    spoken = [phone for phone in said if phone.name != PAUSE]
    match = _matched(expected, [phone.name for phone in spoken])
    words = []
    for number, text in enumerate(spelled):
        first = owner.index(number)
        last = first + len(alone[number]) - 1
        if match[first] is not None and match[last] is not None:
            times = spoken[match[first]].start, spoken[match[last]].end
            words.append(Timed(text, *times, (number, number + 1)))
    return tuple(words)


def _matched(expected: Sequence[str], spoken: Sequence[str]) -> list[int | None]:
    """For every expected phone the spoken one that stands for it (edit distance)."""
    cost = np.zeros((len(expected) + 1, len(spoken) + 1))
    cost[:, 0], cost[0] = np.arange(len(expected) + 1), np.arange(len(spoken) + 1)
    for i, wanted in enumerate(expected):
        for j, got in enumerate(spoken):
            change = cost[i, j] + _difference(wanted, got)
            cost[i + 1, j + 1] = min(change, cost[i, j + 1] + 1, cost[i + 1, j] + 1)
    match: list[int | None] = [None] * len(expected)
    i, j = len(expected), len(spoken)
    while i and j:
        if cost[i, j] == cost[i - 1, j - 1] + _difference(expected[i - 1], spoken[j - 1]):
            i, j = i - 1, j - 1
            match[i] = j
        elif cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return match


def _difference(wanted: str, got: str) -> float:
    """A vowel may be reduced to another one; a vowel for a consonant is no match."""
    if wanted == got:
        return 0.0
    return 0.5 if (wanted in _VOWELS) == (got in _VOWELS) else 2.5


def _flite(voice: str, text: str, *options: str) -> str:
    command = ["flite", "-voice", voice, "-t", text, *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
