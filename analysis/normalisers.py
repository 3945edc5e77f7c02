"""Named ways to make two texts comparable before their errors are counted."""

import re
import unicodedata
from collections.abc import Callable
from types import MappingProxyType

_FILLERS = frozenset({"uh", "um", "uhm", "hmm", "mm", "mhm", "er", "erm"})
_TITLES = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "prof": "professor"}
_WHOLE = {"won't": "will not", "can't": "can not", "cannot": "can not", "shan't": "shall not"}
_ENDINGS = (
    ("n't", " not"),
    ("'re", " are"),
    ("'ve", " have"),
    ("'ll", " will"),
    ("'m", " am"),
    ("'d", " would"),
)
_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)  # fmt: skip
_TENS = (
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip


def none(text: str) -> str:
    """The text as it is; only outer and repeated spaces go, since words are split there."""
    return " ".join(text.split())


def basic(text: str) -> str:
    """Lower case; letters, digits and apostrophes inside words stay, the rest becomes space.

    Letters of any script. Typographic apostrophes become plain ones; composed and decomposed
    accents become the same.

    Examples
    --------
    >>> basic("  Don’t -- STOP, 'please'! ")
    "don't stop please"
    """
    text = unicodedata.normalize("NFC", text).lower()
    text = re.sub("[\u2018\u2019\u02bc\uff07`\u00b4]", "'", text)
    kept = "".join(c if c == "'" or unicodedata.category(c)[0] in "LMN" else " " for c in text)
    return " ".join(word for word in (w.strip("'") for w in kept.split()) if word)


def english(text: str) -> str:
    """`basic`, and English spellings of the same words made equal.

    Contractions are opened (n't, 're, 've, 'll, 'm, 'd as "would"; 's is left, since it may be
    "is", "has" or a possessive), whole numbers up to a million written out, titles spelled, "&" and
    "%" read, and fillers (uh, um, ...) left out. Deliberately modest: no British or American
    spelling, no dates, no sums of money.

    Examples
    --------
    >>> english("Mr. Fox can't pay 21 %, um...")
    'mister fox can not pay twenty one percent'
    """
    text = text.replace("&", " and ").replace("%", " percent ")
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    words = (_english_word(word) for word in basic(text).split() if word not in _FILLERS)
    return " ".join(words)


NORMALISERS: MappingProxyType[str, Callable[[str], str]] = MappingProxyType(
    {"none": none, "basic": basic, "english": english}
)


def normalise(text: str, normalizer: str = "basic") -> str:
    """`text` after the named normaliser: "none", "basic" or "english".

    Raises
    ------
    ValueError
        If there is no normaliser of this name.
    """
    if normalizer not in NORMALISERS:
        raise ValueError(f"there is no normaliser {normalizer!r}; known: {', '.join(NORMALISERS)}")
    return NORMALISERS[normalizer](text)


def _english_word(word: str) -> str:
    if word in _WHOLE:
        return _WHOLE[word]
    if word in _TITLES:
        return _TITLES[word]
    if word.isascii() and word.isdigit() and len(word) <= 6 and str(int(word)) == word:
        return _number(int(word))
    for ending, opened in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending):
            return word.removesuffix(ending) + opened
    return word


def _number(value: int) -> str:
    """A whole number below a million in words, as it is read aloud (no "and")."""
    if value < 20:
        return _UNITS[value]
    if value < 100:
        rest = value % 10
        return _TENS[value // 10 - 2] + (f" {_UNITS[rest]}" if rest else "")
    base, name = (1000, "thousand") if value >= 1000 else (100, "hundred")
    rest = value % base
    return f"{_number(value // base)} {name}" + (f" {_number(rest)}" if rest else "")
