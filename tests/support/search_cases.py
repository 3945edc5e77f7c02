"""Decoders whose best transcripts are known, and exhaustive search to compare with."""

from itertools import product
from typing import NamedTuple

import numpy as np
import torch

from models.attention import Sizes
from models.decoders.base import Decoder, DecoderStep
from models.decoders.lstm import DecoderOptions, build_decoder
from models.decoding.search import SearchOptions, decode
from models.text import BLANK, EOS, Alphabet

SMALL = Alphabet((BLANK, "a", "b", EOS))
LETTERS = Alphabet((BLANK, *"abcdefg", EOS))
DIM = 12


def tiny(mechanism: str = "location", alphabet: Alphabet = LETTERS, seed: int = 0, **options):
    """A decoder with random weights that are large enough for clear preferences."""
    torch.manual_seed(seed)
    sizes = Sizes(attention_dim=8, heads=2, channels=3, kernel=5, window=3)
    chosen = {"embedding_dim": 6, "units": 10, "context_residual": True, "attention": sizes}
    decoder = build_decoder(mechanism, len(alphabet), DIM, DecoderOptions(**chosen | options))
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return decoder.eval()


def speech(lengths=(12,), alphabet: Alphabet = LETTERS, seed: int = 0):
    """Encoded recordings, their lengths, and CTC log-probabilities."""
    torch.manual_seed(seed)
    encoded = torch.randn(len(lengths), max(lengths), DIM)
    ctc = (2 * torch.randn(len(lengths), max(lengths), len(alphabet))).log_softmax(-1)
    return encoded, torch.tensor(lengths), ctc


def rescored(decoder, encoded, lengths, hypothesis):
    """Log-probabilities (tokens,) and maps (heads, tokens, frames) with the tokens forced."""
    tokens = torch.tensor([hypothesis.tokens])
    with torch.no_grad():
        logits, weights = decoder(encoded, lengths, tokens)
    chosen = logits.log_softmax(-1).gather(2, tokens.unsqueeze(2))
    return chosen[0, :, 0].numpy(), weights[0].transpose(0, 1).numpy()


class Position(NamedTuple):
    """How many tokens were written."""

    number: torch.Tensor  # (batch,)


class Scripted(Decoder):
    """A decoder whose probabilities and maps are tables: the answer is known by construction.

    `probs` is (steps, tokens before, tokens); `maps` (tokens before, frames).
    """

    def __init__(self, probs, maps=None) -> None:
        super().__init__()
        self.logits = torch.tensor(np.array(probs), dtype=torch.float32).clamp_min(1e-9).log()
        self.vocabulary = self.logits.shape[-1]
        self.maps = None if maps is None else torch.tensor(maps, dtype=torch.float32)

    def begin(self, encoded, lengths):
        return encoded, Position(torch.zeros(len(encoded), dtype=torch.long))

    def step(self, previous, memory, state, intervention=None):
        number = state.number.clamp_max(len(self.logits) - 1)
        weights = torch.full(memory.shape[:2], 1 / memory.shape[1])
        if self.maps is not None:
            weights = self.maps[previous]
        logits = self.logits[number, previous]
        return DecoderStep(logits, weights.unsqueeze(1), Position(state.number + 1))


def run(decoder, options=None, frames: int = 6, alphabet: Alphabet = SMALL, **more):
    """The hypotheses of one recording decoded by a scripted decoder."""
    encoded = torch.zeros(1, frames, DIM)
    return decode(decoder, encoded, torch.tensor([frames]), alphabet, options, **more)[0]


def every_hypothesis(limit: int, alphabet: Alphabet = SMALL):
    """All complete token sequences: ended, or as long as the limit allows."""
    inner = range(len(alphabet) - 1)
    for size in range(limit):
        yield from ((*start, alphabet.eos) for start in product(inner, repeat=size))
    yield from product(inner, repeat=limit)


def exhaustive(decoder, encoded, lengths, score):
    """All complete hypotheses of 4 tokens at most and their scores, best first."""
    found = []
    for tokens in every_hypothesis(4):
        with torch.no_grad():
            logits, _ = decoder(encoded, lengths, torch.tensor([tokens]))
        log_probs = logits.log_softmax(-1)[0, range(len(tokens)), tokens]
        found.append((score(tokens, float(log_probs.double().sum())), tokens))
    return sorted(found, reverse=True)


def check_exhaustively(decoder, encoded, lengths, options, score, ctc=None):
    expected = exhaustive(decoder, encoded, lengths, score)[: options.nbest]
    found = decode(decoder, encoded, lengths, SMALL, options, ctc)[0]
    assert [each.tokens for each in found] == [tokens for _, tokens in expected]
    np.testing.assert_allclose([h.score for h in found], [s for s, _ in expected], atol=1e-4)


HUGE = SearchOptions(beam=300, nbest=5, length_normalised=False)


def chain(*rows):
    """Probabilities (steps, before, tokens) that do not depend on the token before."""
    return np.repeat(np.array(rows, float)[:, None], len(rows[0]), axis=1)
