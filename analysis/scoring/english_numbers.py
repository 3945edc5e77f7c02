"""Numbers, sums of money, fractions and times of day in English words, as they are read aloud."""

import re
import unicodedata
from collections.abc import Mapping

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
NUMBER_WORDS = frozenset({*_UNITS, *_TENS, *_SCALE_NAMES})
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_PARTS = frozenset({2, 3, 4, 5, 6, 8, 10, 16, 32, 64})  # denominators; 9/11 and 24/7 are names
_VULGAR = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_VULGAR_FRACTION = re.compile(rf"([0-9]*) ?([{_VULGAR}])")
_FRACTION = re.compile(r"(?<![\w/.,:⁄])(?:([0-9]{1,9}) )?([0-9]{1,2})[/⁄]([0-9]{1,2})(?![\w/⁄])")
_CLOCK = re.compile(
    r"(?<![0-9:.,])([01]?[0-9]|2[0-4]):([0-5][0-9])(?![0-9:])(?: ?([ap])\.? ?m\b\.?)?",
    re.IGNORECASE,
)
_HALF_DAY = re.compile(r"(?<![0-9:.,])([0-9]{1,2}) ?([ap])\.? ?m\b\.?", re.IGNORECASE)
_HOURS = "|".join(_UNITS[1:13])
_PAST = re.compile(rf"\b(?:a |one )?(half|quarter) past ({_HOURS})\b")
_TO = re.compile(rf"\b(?:a |one )?quarter to ({_HOURS})\b")
_WORDS = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
_AND_A_HALF = re.compile(rf"\b({_WORDS}) and (?:a|one) half\b")


def read_signs(text: str) -> str:
    """Digits with signs, which have no meaning once the signs are gone, as they are read aloud."""
    text = re.sub(r"(?<=[0-9]) ?%", " percent ", text)
    text = re.sub(r"(?<=\w)&(?=\w)|(?<!\S)&(?!\S)", " and ", text)
    text = _CLOCK.sub(_time_of_day, text)
    text = _HALF_DAY.sub(lambda match: f" {_cardinal(match[1])} {match[2].lower()} m ", text)
    text = _VULGAR_FRACTION.sub(_vulgar_fraction, text)
    text = _FRACTION.sub(_fraction, text)
    text = re.sub(
        rf"([$£€]) ?{_DIGITS}(?:\.([0-9]+))?((?: (?:hundred|thousand|million|billion)\b)?)",
        _money,
        text,
    )
    text = re.sub(rf"(?<![0-9.,]){_DIGITS}\.([0-9]+)(?![0-9.]*[0-9])", _decimal, text)
    return re.sub(
        r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?!,?[0-9])", lambda m: _cardinal(m[0]), text
    )


def read_number(word: str) -> str:
    """Digits, ordinals and decades in words; anything else as it is."""
    parts = re.fullmatch(r"([0-9]+)(.*)", word)
    if parts is None:
        return word
    digits, ending = parts.groups()
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


def even_out(text: str) -> str:
    """Words for one number or time of day that can be said in several ways, in one of them.

    "two hundred and five" is "two hundred five", "two and a half" "two point five", "half past ten"
    "ten thirty", "per cent" "percent", "seven pm" "seven p m"; a half, quarter or fourth is "one
    half", "one quarter".
    """
    text = _PAST.sub(lambda m: f"{m[2]} {'thirty' if m[1] == 'half' else 'fifteen'}", text)
    text = _TO.sub(lambda m: f"{_UNITS[(_UNITS.index(m[1]) - 2) % 12 + 1]} forty five", text)
    text = _AND_A_HALF.sub(r"\1 point five", text)
    text = re.sub(r"\ba (half|quarter)\b", r"one \1", text)
    text = re.sub(r"\b(one) fourth\b", r"\1 quarter", text)
    text = re.sub(r"\b(three) fourths\b", r"\1 quarters", text)
    text = re.sub(r"\bper cent\b", "percent", text)
    text = re.sub(r"\bpm\b", "p m", text)
    text = re.sub(rf"\b({_HOURS}|thirty|fifteen|forty five|o'clock) am\b", r"\1 a m", text)
    numbers = "|".join((*_UNITS, *_TENS))
    return re.sub(rf"\b(hundred|thousand|million) and (?=(?:{numbers})\b)", r"\1 ", text)


def _time_of_day(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    half = f" {match[3].lower()} m" if match[3] else ""
    if minute:
        return f" {_number(hour)} {'oh ' if minute < 10 else ''}{_number(minute)}{half} "
    if half:
        return f" {_number(hour)}{half} "
    return f" {_number(hour)} {'o’clock' if 1 <= hour <= 12 else 'hundred'} "


def _vulgar_fraction(match: re.Match[str]) -> str:
    above, below = unicodedata.normalize("NFKC", match[2]).split("⁄")
    return _with_fraction(match[1], int(above), int(below))


def _fraction(match: re.Match[str]) -> str:
    above, below = int(match[2]), int(match[3])
    if not 0 < above < below or below not in _PARTS:
        return str(match[0])
    return _with_fraction(match[1] or "", above, below)


def _with_fraction(whole: str, above: int, below: int) -> str:
    if whole and (above, below) == (1, 2):
        return f" {_cardinal(whole)} point five "
    name = {2: "half", 4: "quarter"}.get(below) or _ending(_number(below), _ORDINALS, "th")
    fraction = f"{_number(above)} {name}{'s' if above > 1 else ''}"
    return f" {_cardinal(whole)} and {fraction} " if whole else f" {fraction} "


def _money(match: re.Match[str]) -> str:
    sign, whole, rest, scale = match.groups()
    name = _CURRENCIES[sign] if whole == "1" and not rest and not scale else _CURRENCIES[sign] + "s"
    if rest and len(rest) == 2 and not scale:
        name = _CURRENCIES[sign] if whole == "1" else name
        return f" {_cardinal(whole)} {name} and {_cardinal(rest)} cents "
    amount = f"{_cardinal(whole)} point {_one_by_one(rest)}" if rest else _cardinal(whole)
    return f" {amount}{scale} {name} "


def _decimal(match: re.Match[str]) -> str:
    whole, rest = match.groups()
    return f" {_cardinal(whole)} point {_one_by_one(rest)} "


def _one_by_one(digits: str) -> str:
    return " ".join(_UNITS[int(digit)] for digit in digits)


def _cardinal(digits: str) -> str:
    """A whole number that is no year; what is too long to be read stays as it is."""
    digits = digits.replace(",", "")
    return _number(int(digits)) if len(digits) <= 9 else digits


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
