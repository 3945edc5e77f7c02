"""The characters a recogniser writes, and their numbers.

Characters are Unicode code points after composition (NFC): é is one of them however it was typed.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

BLANK, EOS = "<blank>", "<eos>"
ENGLISH = (BLANK, " ", "'", *"abcdefghijklmnopqrstuvwxyz", EOS)


@dataclass(frozen=True)
class Alphabet:
    """An ordered set of output tokens, shared by CTC and every decoder.

    Index 0 is CTC's blank; the last index is ``<eos>``, which also starts a sentence, as in ESPnet.
    """

    tokens: tuple[str, ...] = ENGLISH  # blank first, end of sentence last

    def __post_init__(self) -> None:
        if self.tokens[:1] != (BLANK,) or self.tokens[-1:] != (EOS,):
            raise ValueError(f"an alphabet starts with {BLANK} and ends with {EOS}")
        if len(set(self.tokens)) != len(self.tokens):
            raise ValueError("an alphabet has every token once")

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def blank(self) -> int:
        return 0

    @property
    def eos(self) -> int:
        return len(self.tokens) - 1

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    def encode(self, text: str) -> list[int]:
        """Numbers of the characters of `text`; characters outside the alphabet are left out."""
        text = unicodedata.normalize("NFC", text)
        return [self._numbers[character] for character in text if character in self._numbers]

    def decode(self, numbers) -> str:
        """Text of a row of numbers, blank and end of sentence left out."""
        return "".join(self.tokens[n] for n in numbers if n not in (self.blank, self.eos))


def count_characters(texts: Iterable[str]) -> Counter[str]:
    """How often each character occurs, all white space counted as the space."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(unicodedata.normalize("NFC", " ".join(text.split())))
    return counts


def alphabet_of(counts: Mapping[str, int], least: int = 1) -> Alphabet:
    """The alphabet of a data set whose characters were counted.

    Characters that occur less than `least` times stay out: nothing can be learned about them. The
    others are ordered by code point, the space first whether it occurs or not. English text gives
    `ENGLISH`.
    """
    kept = {character for character, count in counts.items() if count >= least}
    return Alphabet((BLANK, *sorted(kept | {" "}), EOS))
