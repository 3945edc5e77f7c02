"""What a CTC prefix beam search has written so far, and what a language model thinks of it."""

import numpy as np

from models.decoding.language_model import Fusion


class Prefixes:
    """Numbers for token sequences: 0 is the empty one, each other is a known one plus a token."""

    def __init__(self) -> None:
        self.parent, self.last = [-1], [-1]
        self._numbers: dict[tuple[int, int], int] = {}

    def extend(self, prefixes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Numbers of prefixes, each with one more token."""
        return np.array(list(map(self._extend, prefixes.tolist(), tokens.tolist())), np.int64)

    def _extend(self, prefix: int, token: int) -> int:
        number = self._numbers.setdefault((prefix, token), len(self.parent))
        if number == len(self.parent):
            self.parent.append(prefix)
            self.last.append(token)
        return number

    def tokens(self, prefix: int) -> list[int]:
        """The tokens of a prefix in order."""
        reversed_tokens = []
        while prefix:
            reversed_tokens.append(self.last[prefix])
            prefix = self.parent[prefix]
        return reversed_tokens[::-1]

    def written(self, prefixes: np.ndarray) -> np.ndarray | float:
        """What counts for the prefixes besides CTC: nothing."""
        return 0.0

    def gains(self, prefixes: np.ndarray) -> np.ndarray | float:
        """What the next token adds to that."""
        return 0.0

    def whole(self, prefixes: np.ndarray) -> np.ndarray:
        """What counts for the prefixes as whole transcripts."""
        return np.zeros(len(prefixes))


class FusedPrefixes(Prefixes):
    """Prefixes that a language model scores, each once, as they come up."""

    def __init__(self, fusion: Fusion, eos: int) -> None:
        super().__init__()
        self.fusion, self.eos = fusion, eos
        self._states = fusion.initial_state(1)  # (prefixes,)
        self._written = np.zeros(1)  # (prefixes,)
        self._gains = fusion.gains(self._states, np.array([eos]))  # (prefixes, vocabulary)

    def extend(self, prefixes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        known = len(self.parent)
        numbers = super().extend(prefixes, tokens)
        new = numbers >= known  # in order, since no prefix comes twice
        if new.any():
            parents, tokens = prefixes[new], tokens[new]
            states = self.fusion.advance(self._states[parents], tokens)
            written = self._written[parents] + self._gains[parents, tokens]
            self._states = np.concatenate((self._states, states))
            self._written = np.concatenate((self._written, written))
            self._gains = np.concatenate((self._gains, self.fusion.gains(states, tokens)))
        return numbers

    def written(self, prefixes: np.ndarray) -> np.ndarray:
        return self._written[prefixes]

    def gains(self, prefixes: np.ndarray) -> np.ndarray:
        return self._gains[prefixes]

    def whole(self, prefixes: np.ndarray) -> np.ndarray:
        return self._written[prefixes] + self._gains[prefixes, self.eos]
