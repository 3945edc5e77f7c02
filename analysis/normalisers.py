"""Named ways to make two texts comparable before their errors are counted."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType

from analysis.spelling import american

_APOSTROPHES = re.compile("[\u2018\u2019\u02bc\uff07`\u00b4]")
_FILLERS = frozenset({"uh", "um", "umm", "uhm", "hm", "hmm", "mm", "mmm", "mhm", "er", "erm"})
_TITLES = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "prof": "professor",
    "capt": "captain", "gov": "governor", "sgt": "sergeant", "rev": "reverend", "jr": "junior",
    "sr": "senior",
}  # fmt: skip
_WHOLE = {
    "won't": "will not", "can't": "can not", "cannot": "can not", "shan't": "shall not",
    "ain't": "ain't", "let's": "let us", "y'all": "you all", "ma'am": "madam",
    "gonna": "going to", "wanna": "want to", "gotta": "got to",
}  # fmt: skip
_ENDINGS = (
    ("n't", " not"),
    ("'re", " are"),
    ("'ve", " have"),
    ("'ll", " will"),
    ("'m", " am"),
    ("'d", " would"),
)
# only after these is 's a verb for certain; elsewhere it may be a possessive
_VERB_S = frozenset(
    {"it", "he", "she", "that", "what", "there", "here", "who", "where", "how", "when", "why"}
)
_PERFECT = frozenset({"been", "got", "had", "gone", "done", "become"})  # after "has", not "is"
_DIGITS = r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)"  # with or without commas between thousands
_CURRENCIES = {"$": "dollar", "£": "pound", "€": "euro"}
_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)  # fmt: skip
_TENS = (
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
_SCALES = ((1_000_000, "million"), (1000, "thousand"), (100, "hundred"))
_SCALE_NAMES = frozenset(name for _, name in _SCALES)
_NUMBER_WORDS = frozenset({*_UNITS, *_TENS})
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip


def none(text: str) -> str:
    """The text as it is; only outer and repeated spaces go, since words are split there."""
    return " ".join(text.split())


def basic(text: str) -> str:
    """Lower case; letters, digits and apostrophes inside words stay, the rest becomes space.

    Letters of any script, with their accents and vowel signs. Typographic apostrophes become plain
    ones; composed and decomposed accents, full-width letters and ligatures become the same letters;
    invisible marks inside words (soft hyphens, joiners, writing directions) go without a space.

    Examples
    --------
    >>> basic("  Don’t -- STOP, 'please'! ")
    "don't stop please"
    """
    # before, as some would come apart into a space and an accent, and after, as some only appear
    text = unicodedata.normalize("NFKC", _APOSTROPHES.sub("'", text)).lower()
    text = _APOSTROPHES.sub("'", unicodedata.normalize("NFKC", text))
    kept = "".join(_kept(character) for character in text)
    return " ".join(word for word in (w.strip("'") for w in kept.split()) if word)


def english(text: str) -> str:
    """`basic`, and English spellings of the same words made equal.

    - Contractions are opened: n't, 're, 've, 'll, 'm, 'd (as "would"), 's after pronouns and
      question words (as "is", or "has" before "been", "got", ...). Any other 's stays, since it may
      be a possessive.
    - Numbers are written out: whole ones below a billion, decimals, ordinals (21st), decades (80s),
      per cent, and sums of dollars, pounds and euros. Four digits from 1100 to 2099 without a comma
      are read as a year (nineteen ninety five; two thousand five). "And" within a number goes.
    - Titles are spelled out, fillers (uh, um, ...) left out.
    - British spellings become American ones (`analysis.spelling`).

    Not done: dates, Roman numerals, letters read one by one, homophones.

    Examples
    --------
    >>> english("Mr. Fox can't organise 21 %, um...")
    'mister fox can not organize twenty one percent'
    """
    words = [word for word in basic(_read_signs(text)).split() if word not in _FILLERS]
    pairs = pairwise([*words, ""])
    opened = " ".join(_english_word(*pair) for pair in pairs).split()
    return " ".join(
        american(word)
        for place, word in enumerate(opened)
        if not _inside_number(opened[max(place - 1, 0) : place + 2])
    )


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


def _kept(character: str) -> str:
    """The character where it is part of a word, nothing where it is invisible, else a space."""
    category = unicodedata.category(character)
    if character == "'" or category[0] in "LMN":
        return character
    return "" if category == "Cf" else " "


def _read_signs(text: str) -> str:
    """Signs that `basic` would drop, as they are read aloud."""
    text = text.replace("&", " and ").replace("%", " percent ")
    text = re.sub(
        rf"([$£€]) ?{_DIGITS}(?:\.([0-9]+))?((?: (?:hundred|thousand|million|billion)\b)?)",
        _money,
        text,
    )
    text = re.sub(rf"(?<![0-9.,]){_DIGITS}\.([0-9]+)(?![0-9.]*[0-9])", _decimal, text)
    return re.sub(
        r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?!,?[0-9])", lambda m: _cardinal(m[0]), text
    )


def _money(found: re.Match) -> str:
    sign, whole, rest, scale = found.groups()
    name = _CURRENCIES[sign] if whole == "1" and not rest and not scale else _CURRENCIES[sign] + "s"
    if rest and len(rest) == 2 and not scale:
        name = _CURRENCIES[sign] if whole == "1" else name
        return f" {_cardinal(whole)} {name} and {_cardinal(rest)} cents "
    amount = f"{_cardinal(whole)} point {_one_by_one(rest)}" if rest else _cardinal(whole)
    return f" {amount}{scale} {name} "


def _decimal(found: re.Match) -> str:
    whole, rest = found.groups()
    return f" {_cardinal(whole)} point {_one_by_one(rest)} "


def _one_by_one(digits: str) -> str:
    return " ".join(_UNITS[int(digit)] for digit in digits)


def _cardinal(digits: str) -> str:
    """A whole number that is no year; what is too long to be read stays as it is."""
    digits = digits.replace(",", "")
    return _number(int(digits)) if len(digits) <= 9 else digits


def _english_word(word: str, following: str) -> str:
    """One word opened into what it stands for, given the word after it."""
    if word in _WHOLE:
        return _WHOLE[word]
    if word in _TITLES:
        return _TITLES[word]
    if word[0].isdigit() and word.isascii():
        return _read_number(word)
    if word.endswith("'s") and word[:-2] in _VERB_S:
        return f"{word[:-2]} {'has' if following in _PERFECT else 'is'}"
    for ending, opened in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending):
            return word.removesuffix(ending) + opened
    return word


def _read_number(word: str) -> str:
    """Digits, ordinals and decades in words; anything else as it is."""
    digits, ending = re.fullmatch(r"([0-9]+)(.*)", word).groups()
    if len(digits) > 9 or str(int(digits)) != digits:
        return word
    value = int(digits)
    read = _year(value) if 1100 <= value <= 2099 else _number(value)
    if not ending:
        return read
    if ending in ("st", "nd", "rd", "th"):
        return _ending(_number(value), _ORDINALS, "th")
    if ending in ("s", "'s") and value % 10 == 0 and value >= 10:
        return _ending(read, {}, "s")
    return word


def _ending(read: str, irregular: Mapping[str, str], ending: str) -> str:
    """A number in words whose last word gets an ending (five: fifth, eighty: eighties)."""
    rest, _, last = read.rpartition(" ")
    stem = f"{last[:-1]}ie" if last.endswith("y") else last
    return f"{rest} {irregular.get(last, stem + ending)}".strip()


def _year(value: int) -> str:
    """A number from 1100 to 2099 as years are read."""
    century, year = divmod(value, 100)
    if 2000 <= value < 2010:
        return _number(value)
    if year == 0:
        return f"{_number(century)} hundred"
    return f"{_number(century)} {'oh ' if year < 10 else ''}{_number(year)}"


def _number(value: int) -> str:
    """A whole number below a billion in words, as it is read aloud (no "and")."""
    if value < 20:
        return _UNITS[value]
    if value < 100:
        rest = value % 10
        return _TENS[value // 10 - 2] + (f" {_UNITS[rest]}" if rest else "")
    base, name = next(scale for scale in _SCALES if value >= scale[0])
    rest = value % base
    return f"{_number(value // base)} {name}" + (f" {_number(rest)}" if rest else "")


def _inside_number(words: list[str]) -> bool:
    """Whether the middle one of three words is the "and" of "two hundred and five"."""
    return (
        len(words) == 3
        and words[1] == "and"
        and words[0] in _SCALE_NAMES
        and words[2] in _NUMBER_WORDS
    )
