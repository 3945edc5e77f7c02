"""Named ways to make two texts comparable before their errors are counted."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from types import MappingProxyType

from .american_spelling import american
from .english_numbers import even_out, read_number, read_signs
from .marks import without_marks

_APOSTROPHES = re.compile("[\u2018\u2019\u201b\u02bc\u2032\u055a\u05f3\uff07`\u00b4]")
# Unicode's default-ignorable characters: soft hyphen, joiners, directions, variation selectors, ...
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_VULGAR = re.compile(r"(?<=[0-9])(?=[¼½¾⅐-⅞])")  # a number before a fraction: 2½ is not 21/2
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


def none(text: str) -> str:
    """The text as it is; only outer and repeated spaces go, since words are split there."""
    return " ".join(text.split())


def basic_with_marks(text: str) -> str:
    """Lower case; letters, digits and apostrophes inside words stay, the rest becomes space.

    Letters of any script, with their accents and vowel signs. Typographic apostrophes become plain
    ones; composed and decomposed accents, full-width letters and ligatures become the same letters;
    invisible marks inside words (soft hyphens, joiners, writing directions) go without a space.
    Turkish capitals keep their dots: İ becomes i, and in a text that has İ or ı, I becomes ı.

    Examples
    --------
    >>> basic_with_marks("  Don’t -- STOP, 'please'! ")
    "don't stop please"
    """
    text = _VULGAR.sub(" ", text)
    # before, as some would come apart into a space and an accent, and after, as some only appear
    text = _lower(unicodedata.normalize("NFKC", _APOSTROPHES.sub("'", _IGNORABLE.sub("", text))))
    text = _APOSTROPHES.sub("'", _IGNORABLE.sub("", unicodedata.normalize("NFKC", text)))
    kept = "".join(_kept(character) for character in text)
    return " ".join(word for word in (w.strip("'") for w in kept.split()) if word)


def basic(text: str) -> str:
    """`basic_with_marks` of the text without marks (`analysis.scoring.marks`), as ``[noise]``.

    Examples
    --------
    >>> basic("[noise] Don’t <unk> STOP")
    "don't stop"
    """
    return basic_with_marks(without_marks(text))


def english_with_marks(text: str) -> str:
    """`basic_with_marks`, and English spellings of the same words made equal.

    - Contractions are opened: n't, 're, 've, 'll, 'm, 'd (as "would"), 's after pronouns and
      question words (as "is", or "has" before "been", "got", ...). Any other 's stays, since it may
      be a possessive.
    - Numbers are written out: whole ones below a billion, decimals, ordinals (21st), decades (80s),
      per cent, fractions (2½, 3/4), times of day (10:30 pm; half past ten), and sums of dollars,
      pounds and euros. Four digits from 1100 to 2099 without a comma are read as a year (nineteen
      ninety five; two thousand five). "And" within a number goes.
    - Titles are spelled out, fillers (uh, um, ...) left out.
    - British spellings become American ones (`analysis.scoring.american_spelling`).

    Not done: dates, Roman numerals, letters read one by one, homophones.

    Examples
    --------
    >>> english_with_marks("Mr. Fox can't organise 21 %, um...")
    'mister fox can not organize twenty one percent'
    """
    words = basic_with_marks(read_signs(text)).split()
    words = [word for word in words if word not in _FILLERS]
    pairs = pairwise([*words, ""])
    opened = " ".join(_english_word(*pair) for pair in pairs)
    return " ".join(american(word) for word in even_out(opened).split())


def english(text: str) -> str:
    """`english_with_marks` of the text without marks (`analysis.scoring.marks`), as ``[noise]``."""
    return english_with_marks(without_marks(text))


def whisper_english(text: str) -> str:
    """Whisper's normaliser of English (Radford et al. 2022, arXiv 2212.04356, appendix C).

    The Open ASR Leaderboard counts errors after it. It writes numbers in digits, opens
    contractions, and leaves out fillers and everything in brackets. From the package
    ``whisper-normalizer``.

    Examples
    --------
    >>> whisper_english("Mr. Fox can't organise twenty-one percent (laughter)")
    'mister fox can not organize 21%'
    """
    return " ".join(_whisper()(text).split())


@cache
def _whisper() -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer  # optional

    normalise: Callable[[str], str] = EnglishTextNormalizer()
    return normalise


NORMALISERS: MappingProxyType[str, Callable[[str], str]] = MappingProxyType(
    {
        "none": none,
        "basic": basic,
        "english": english,
        "basic-with-marks": basic_with_marks,
        "english-with-marks": english_with_marks,
    }
    | ({"whisper-english": whisper_english} if find_spec("whisper_normalizer") else {})
)
_KEEP_MARKS = frozenset({"none", "basic-with-marks", "english-with-marks"})


def described(normalizer: str) -> str:
    """The name of a normaliser and what it does with marks, to stand beside an error rate.

    Examples
    --------
    >>> described("basic")
    '“basic”, marks left out'
    """
    return f"“{normalizer}”, marks {'counted' if normalizer in _KEEP_MARKS else 'left out'}"


def normalise(text: str, normalizer: str = "basic") -> str:
    """`text` after the named normaliser, one of `NORMALISERS`.

    Raises
    ------
    ValueError
        If there is no normaliser of this name.
    """
    if normalizer not in NORMALISERS:
        if normalizer == "whisper-english":
            raise ValueError("the normaliser whisper-english needs the package whisper-normalizer")
        raise ValueError(f"there is no normaliser {normalizer!r}; known: {', '.join(NORMALISERS)}")
    return NORMALISERS[normalizer](text)


def _lower(text: str) -> str:
    """Lower case; the dotted and the dotless i of Turkish stay two letters.

    Without a language the text itself tells: I is the capital of ı where İ or ı is there too, but
    not standing alone, as in English.
    """
    if "İ" in text or "ı" in text:
        text = re.sub(r"(?<=\w)I|I(?=\w)", "ı", text).replace("İ", "i")
    return text.lower().replace("i\u0307", "i")  # the dot that other programs leave


def _kept(character: str) -> str:
    """The character where it is part of a word, nothing where it is invisible, else a space."""
    category = unicodedata.category(character)
    if character == "'" or category[0] in "LMN":
        return character
    return "" if category == "Cf" else " "


def _english_word(word: str, following: str) -> str:
    """One word opened into what it stands for, given the word after it."""
    if word in _WHOLE:
        return _WHOLE[word]
    if word in _TITLES:
        return _TITLES[word]
    if word[0].isdigit() and word.isascii():
        return read_number(word)
    if word.endswith("'s") and word[:-2] in _VERB_S:
        return f"{word[:-2]} {'has' if following in _PERFECT else 'is'}"
    for ending, opened in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending):
            return word.removesuffix(ending) + opened
    return word
