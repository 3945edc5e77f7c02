r"""A character n-gram language model, and shallow fusion with it.

The model is a trie: the path from the root to a node spells an n-gram, read forward, and the node
holds the probability of its last character after the others. A context is a node, too. After a
context h that never was followed by the character c, the context without its first character is
asked:

.. math::
    p(c \mid h) = \begin{cases} p_{hc} & \text{if the trie has } hc \\
                  \gamma_h \, p(c \mid h') & \text{otherwise} \end{cases}

Only the :math:`p_{hc}` are stored, in steps of `STEP`; the weights :math:`\gamma_h` follow from
them, since the probabilities of all characters must sum to 1. So rounding and pruning a model
cannot make it lose mass.

References
----------
Katz, "Estimation of Probabilities from Sparse Data for the Language Model Component of a Speech
Recognizer", IEEE TASSP 1987: backing off. Gulcehre et al. 2015 (arXiv 1503.03535): shallow fusion.
Hannun et al. 2014 (arXiv 1408.2873): the word bonus. `models.training.language_model` estimates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as save_arrays

from analysis.io.files import write
from models.checkpoint import Card, CheckpointError, read_card, write_card
from models.decoding.hypothesis import IMPOSSIBLE
from models.text import Alphabet

STEP = 1 / 16  # nats between two costs that can be stored
SPARE = 1e-3  # mass kept for unseen characters where rounding would leave none


@dataclass(frozen=True, eq=False)
class Trie:
    """The n-grams of a model by length, sorted, without the root: what a checkpoint holds."""

    characters: np.ndarray  # (nodes,) number of each n-gram's last character
    costs: np.ndarray  # (nodes,) uint8, its -log p in units of STEP
    children: np.ndarray  # (some of the nodes + 1,) how many n-grams continue the root, node 1, ...


class LanguageModel:
    """Log-probabilities of the next character, for many contexts at once.

    A state is the number of a trie node: the longest context the model knows. States are plain
    integers, so hypotheses carry them in an array.

    Parameters
    ----------
    alphabet
        Its end of sentence starts and ends sentences here, too; its blank is never written.
    trie
        See `Trie`.

    Raises
    ------
    ValueError
        If the arrays are not a trie that knows every character of the alphabet.
    """

    def __init__(self, alphabet: Alphabet, trie: Trie) -> None:
        self.alphabet, self.trie, self.size = alphabet, trie, len(alphabet)
        nodes = len(trie.characters) + 1
        self._characters = np.concatenate(([0], trie.characters))
        self._children = np.zeros(nodes, np.int64)
        self._children[: len(trie.children)] = trie.children[:nodes]
        self._first = 1 + np.cumsum(self._children) - self._children  # first child of each node
        self._parents = _parents(self._children, trie, self.size)  # of nodes 1, 2, ...
        self._keys = self._parents * self.size + trie.characters  # ascending
        self._log_probs = np.concatenate(([0.0], -STEP * trie.costs))
        self._backoffs = np.zeros(nodes)  # log gamma
        self._backoffs[0] = IMPOSSIBLE
        self._shorter = np.zeros(nodes, np.int64)  # longest shorter context that is continued
        self._weigh()
        self.start = int(self.advance(np.array([0]), np.array([alphabet.eos]))[0])

    def log_probs(self, states: np.ndarray) -> np.ndarray:
        """Log-probability (hypotheses, vocabulary) of each next token; the blank is `IMPOSSIBLE`.

        Parameters
        ----------
        states
            (hypotheses,), `start` before the first token.
        """
        chain = [states]
        while chain[-1].any():
            chain.append(self._shorter[chain[-1]])
        scores = np.full((len(states), self.size), IMPOSSIBLE)
        for contexts in reversed(chain):  # from the root to the longest context
            scores += self._backoffs[contexts, None]
            rows, nodes = self._continuations(contexts)
            scores[rows, self._characters[nodes]] = self._log_probs[nodes]
        return np.maximum(scores, IMPOSSIBLE)

    def advance(self, states: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """States (hypotheses,) after one more token (hypotheses,) each; a blank forgets all."""
        return self._known(self._walk(states, tokens)[0])

    def score(self, tokens: Sequence[int]) -> float:
        """Log-probability of a whole sentence of tokens, its end included."""
        state, total = np.array([self.start]), 0.0
        for token in [*tokens, self.alphabet.eos]:
            total += float(self.log_probs(state)[0, token])
            state = self.advance(state, np.array([token]))
        return total

    def _walk(self, contexts: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The n-gram that ends each context continued by a token, and the token's log-probability.

        The root (0) where the token is no character at all.
        """
        contexts, nodes_reached = contexts.copy(), np.zeros(len(contexts), np.int64)
        log_probs, pending = np.zeros(len(contexts)), np.arange(len(contexts))
        while len(pending):
            context = contexts[pending]
            keys = context * self.size + tokens[pending]
            places = np.searchsorted(self._keys, keys)
            hit = self._keys[np.minimum(places, len(self._keys) - 1)] == keys
            nodes = np.where(hit, places + 1, 0)
            log_probs[pending] += np.where(hit, self._log_probs[nodes], self._backoffs[context])
            nodes_reached[pending] = nodes
            pending = pending[~hit & (context > 0)]
            contexts[pending] = self._shorter[contexts[pending]]
        return nodes_reached, log_probs

    def _known(self, nodes: np.ndarray) -> np.ndarray:
        """The nodes themselves where they are continued, otherwise a shorter context."""
        return np.where(self._children[nodes] > 0, nodes, self._shorter[nodes])

    def _continuations(self, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All children of the contexts, as places in `contexts` and nodes."""
        counts = self._children[contexts]
        rows = np.repeat(np.arange(len(contexts)), counts)
        offsets = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self._first[contexts][rows] + offsets

    def _weigh(self) -> None:
        """Fill in the weights and the shorter contexts, from short n-grams to long ones."""
        total = np.logaddexp.reduce(self._log_probs[1 : self._first[1]])
        self._log_probs[1 : self._first[1]] -= total
        begin, end = 1, int(self._first[1])  # contexts of one length
        while begin < end:
            first, last = int(self._first[begin]), int(self._first[end - 1])
            last += int(self._children[end - 1])
            parents, characters = self._parents[first - 1 : last - 1], self._characters[first:last]
            suffixes, lower = self._walk(self._shorter[parents], characters)
            self._shorter[first:last] = self._known(suffixes)
            seen = np.bincount(parents - begin, np.exp(self._log_probs[first:last]), end - begin)
            complete = self._children[begin:end] == self.size - 1
            excess = np.where(complete | (seen > 1 - SPARE), seen / (1 - SPARE * ~complete), 1.0)
            self._log_probs[first:last] -= np.log(excess)[parents - begin]
            unseen = 1 - np.bincount(parents - begin, np.exp(lower), end - begin)
            rest = np.where(complete, 1.0, (1 - seen / excess) / np.where(complete, 1.0, unseen))
            self._backoffs[begin:end] = np.log(rest)
            begin, end = first, last


class Fusion:
    """What a language model adds to the score of every token: shallow fusion.

    Parameters
    ----------
    model
        The language model.
    weight
        Factor of its log-probabilities.
    word_bonus
        Nats for every word, paid with its first letter, since a language model prefers few words.
    """

    def __init__(self, model: LanguageModel, weight: float, word_bonus: float = 0.0) -> None:
        self.model, self.weight = model, weight
        alphabet = model.alphabet
        letters = np.array([token not in (alphabet.tokens[0], " ") for token in alphabet.tokens])
        letters[alphabet.eos] = False
        self._bonus = word_bonus * letters  # (vocabulary,)
        self._between = ~letters  # (vocabulary,) after these a letter begins a word

    @classmethod
    def of(
        cls, model: LanguageModel | None, alphabet: Alphabet, weight: float, word_bonus: float
    ) -> "Fusion | None":
        """Fusion for a recogniser of that alphabet, None where the weight is 0.

        Raises
        ------
        CheckpointError
            If a weight was chosen without a model, or for one that writes other characters.
        """
        if weight == 0:
            return None
        if model is None:
            raise CheckpointError("a language model weight needs a language model")
        if model.alphabet != alphabet:
            raise CheckpointError("the language model writes other characters than the recogniser")
        return cls(model, weight, word_bonus)

    def initial_state(self, hypotheses: int) -> np.ndarray:
        """States (hypotheses,) before the first token."""
        return np.full(hypotheses, self.model.start)

    def gains(self, states: np.ndarray, previous: np.ndarray) -> np.ndarray:
        """What each next token adds (hypotheses, vocabulary), after `previous` (hypotheses,)."""
        starting = self._between[previous][:, None]
        return self.weight * self.model.log_probs(states) + starting * self._bonus

    def advance(self, states: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """States (hypotheses,) after one more token (hypotheses,) each."""
        return self.model.advance(states, tokens)


def save(model: LanguageModel, path: Path, card: Card) -> None:
    """Write a model's trie and its card."""
    arrays = {name: np.ascontiguousarray(array) for name, array in vars(model.trie).items()}
    write(path, save_arrays(arrays))
    write_card(card, path)


def load(path: Path) -> LanguageModel:
    """A model and its alphabet, from a trie and the card beside it.

    Raises
    ------
    CheckpointError
        Where one of both is missing, damaged or not what it should be.
    """
    try:
        tensors = load_file(path)
    except (FileNotFoundError, IsADirectoryError):
        raise CheckpointError(f"there is no language model {path.name}; train it first") from None
    except SafetensorError:
        raise CheckpointError(f"{path.name} is not a safetensors file") from None
    alphabet = Alphabet(read_card(path).alphabet)
    try:
        return LanguageModel(alphabet, _checked(Trie(**tensors)))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path.name} holds no language model: {error}") from None


def _checked(trie: Trie) -> Trie:
    for name, array in vars(trie).items():
        if array.ndim != 1 or array.dtype.kind != "u" or array.dtype.itemsize > 4:
            raise ValueError(f"{name} is not a row of small unsigned numbers")
    return trie


def _parents(children: np.ndarray, trie: Trie, size: int) -> np.ndarray:
    """Parent of every node but the root; refuses what is no trie."""
    nodes = len(trie.characters)
    if len(trie.costs) != nodes or children.sum() != nodes or len(trie.children) > nodes + 1:
        raise ValueError("its arrays do not belong together")
    parents = np.repeat(np.arange(nodes + 1), children)
    ordered = np.diff(parents * size + trie.characters) > 0
    if (parents > np.arange(nodes)).any() or not ordered.all():
        raise ValueError("its n-grams are not in order")
    if not np.array_equal(trie.characters[: children[0]], np.arange(1, size)):
        raise ValueError("it does not know every character")
    if (trie.characters >= size).any() or (trie.characters == 0).any():
        raise ValueError("it has characters outside its alphabet")
    return parents
