"""CTC decoding, the alignment of what it decoded, and prefix scores for joint decoding.

All probabilities are natural logarithms. Frames are attention frames, one row of `log_probs` each.

References
----------
Graves et al., "Connectionist Temporal Classification", ICML 2006: the lattice and its posteriors.
Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional
Recurrent DNNs", 2014 (arXiv 1408.2873): prefix beam search.
Watanabe et al., "Hybrid CTC/Attention Architecture for End-to-End Speech Recognition", IEEE JSTSP
2017: prefix scores.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.decoding.hypothesis import IMPOSSIBLE, Hypothesis
from models.decoding.language_model import Fusion
from models.decoding.prefixes import FusedPrefixes, Prefixes
from models.memory import MEASURING, available_bytes, require

PRUNED = 200.0  # lattice states this far (in nats) under a frame's best are not followed
LOWEST = -1000.0  # log-probabilities are cut here, so that sums over frames stay finite


def greedy(log_probs: np.ndarray, blank: int = 0, eos: int | None = None) -> Hypothesis:
    """The best path: the likeliest token of every frame, repetitions merged, blanks dropped.

    Parameters
    ----------
    log_probs
        (frames, vocabulary).
    blank, eos
        Index of the blank, and of a token that must not be written (an attention decoder's end of
        sentence has a column in the shared vocabulary, but CTC needs none).

    Returns
    -------
    Hypothesis
        See `align` for its `log_probs`, `weights` and `score`; `ended` is true, since CTC reads to
        the end of the recording.
    """
    path = _without(log_probs, eos).argmax(-1)
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    return align(log_probs, [int(token) for token in path[starts] if token != blank], blank)


def prefix_beam(
    log_probs: np.ndarray,
    blank: int = 0,
    eos: int | None = None,
    *,
    beam: int = 10,
    nbest: int = 1,
    fusion: Fusion | None = None,
) -> list[Hypothesis]:
    """The likeliest transcripts, summed over their paths, best first (prefix beam search).

    Parameters
    ----------
    log_probs, blank, eos
        As for `greedy`.
    beam
        Prefixes kept after every frame.
    nbest
        Transcripts returned, at most `beam`.
    fusion
        A language model: prefixes are kept and transcripts ordered by the sum of CTC's
        log-probability and what it adds, the end of the sentence included. It needs `eos`.
    """
    allowed = _without(log_probs, eos).astype(np.float64)
    prefixes = Prefixes() if fusion is None else FusedPrefixes(fusion, eos)
    # Of each prefix: its number, log-probability ending in its last token, and ending in a blank.
    kept, token_end, blank_end = np.array([0]), np.array([-np.inf]), np.array([0.0])
    for frame in allowed:
        kept, token_end, blank_end = _advance(
            prefixes, frame, kept, token_end, blank_end, blank, beam
        )
    totals = np.logaddexp(token_end, blank_end) + prefixes.whole(kept)
    best = kept[np.argsort(-totals, kind="stable")[:nbest]]
    hypotheses = [align(log_probs, prefixes.tokens(prefix), blank) for prefix in best]
    added = prefixes.whole(best).tolist()
    hypotheses = [replace(h, score=h.score + a) for h, a in zip(hypotheses, added, strict=True)]
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)


def _advance(prefixes, frame, kept, token_end, blank_end, blank, beam):
    """Prefixes kept after one more frame (vocabulary,), with their two log-probabilities."""
    last = np.array([prefixes.last[p] for p in kept])
    total = np.logaddexp(token_end, blank_end)
    grown = total[:, None] + frame  # (prefixes, vocabulary)
    grown[:, blank] = -np.inf
    real = last >= 0  # a token can follow itself only after a blank
    grown[real, last[real]] = blank_end[real] + frame[last[real]]

    stay_blank = total + frame[blank]
    stay_token = np.where(real, token_end + frame[last], -np.inf)
    place = {prefix: i for i, prefix in enumerate(kept)}
    for i, prefix in enumerate(kept):
        parent = place.get(prefixes.parent[prefix])
        if parent is not None:  # one transcript reached in two ways
            stay_token[i] = np.logaddexp(stay_token[i], grown[parent, last[i]])
            grown[parent, last[i]] = -np.inf

    count = len(kept)
    written = prefixes.written(kept)
    staying = np.logaddexp(stay_blank, stay_token) + written
    growing = (grown.T + written).T + prefixes.gains(kept)
    scores = np.concatenate((staying, growing.ravel()))
    best = np.argsort(-scores, kind="stable")[:beam]
    best = best[scores[best] > -np.inf]
    stay, new = best[best < count], best[best >= count] - count
    rows, tokens = np.divmod(new, len(frame))
    return (
        np.concatenate((kept[stay], prefixes.extend(kept[rows], tokens))),
        np.concatenate((stay_token[stay], grown[rows, tokens])),
        np.concatenate((stay_blank[stay], np.full(len(new), -np.inf))),
    )


def align(log_probs: np.ndarray, tokens: Sequence[int], blank: int = 0) -> Hypothesis:
    """Where CTC heard each token of a transcript: its occupation posterior over the frames.

    The lattice of Graves et al. has a state for every token of the transcript and for the blank
    before, between and after them. The forward and backward probabilities of a token's own state
    give the posterior that this token, at this place in the transcript, is being said in a frame.
    Two equal letters are two states, so they do not share mass as the raw posteriors would.

    Parameters
    ----------
    log_probs
        (frames, vocabulary).
    tokens
        The transcript, without blanks.

    Returns
    -------
    Hypothesis
        `weights` (1, tokens, frames), rows normalised to sum to 1. `log_probs` of token l is
        the log-probability that the transcript goes on with it after the tokens before it.
        `score` is the transcript's log-probability over all its paths.

    Raises
    ------
    ValueError
        If the transcript needs more frames than there are.
    MemoryError
        If its map is too large.
    """
    cells = len(tokens) * len(log_probs)
    require(4 * cells * (1 + MEASURING), available_bytes(), f"the maps of {len(tokens)} tokens")
    log_probs = np.maximum(np.asarray(log_probs, np.float64), LOWEST)
    needed = len(tokens) + sum(a == b for a, b in pairwise(tokens))
    if needed > len(log_probs):
        raise ValueError(f"{needed} frames are needed, the recording has {len(log_probs)}")
    lattice = _Lattice(log_probs, tokens, blank)
    rows, score, prefixes = lattice.forward(PRUNED)
    if score == -np.inf:  # so unlikely that its only paths were pruned
        rows, score, prefixes = lattice.forward(np.inf)
    weights = lattice.posterior(rows, score)
    weights /= weights.sum(-1, keepdims=True)
    weights.flags.writeable = False  # so that nobody needs a copy
    return Hypothesis(
        tokens=tuple(tokens),
        log_probs=np.diff(prefixes, prepend=0.0).astype(np.float32),
        weights=weights[None],
        ended=True,
        score=float(score),
    )


class _Row(NamedTuple):
    """Forward log-probabilities of the states followed in one frame, a contiguous range."""

    first: int  # the range's first state
    values: np.ndarray  # (states followed,)

    def between(self, begin: int, end: int) -> np.ndarray:
        """Values of the states from `begin` to `end`, -inf where none is followed."""
        scores = np.full(end - begin, -np.inf)
        low, high = max(begin, self.first), min(end, self.first + len(self.values))
        if low < high:
            scores[low - begin : high - begin] = self.values[low - self.first : high - self.first]
        return scores


class _Lattice:
    """States blank, token 0, blank, token 1, ..., blank, and how paths move through them."""

    def __init__(self, log_probs: np.ndarray, tokens: Sequence[int], blank: int) -> None:
        self.log_probs = log_probs  # (frames, vocabulary)
        self.labels = np.full(2 * len(tokens) + 1, blank)
        self.labels[1::2] = tokens
        # From the state two before: only into a token that differs from the token before it.
        self.skips = np.full(len(self.labels) + 2, -np.inf)
        self.skips[3:-2:2][self.labels[3::2] != self.labels[1:-2:2]] = 0.0

    def forward(self, pruned: float) -> tuple[list[_Row], float, np.ndarray]:
        """A row per frame, the transcript's log-probability, and that of each of its prefixes."""
        states = len(self.labels)
        prefixes = np.full(states // 2, -np.inf)
        row, rows = _Row(0, np.zeros(1)), []  # as if a blank had come before
        for frame in self.log_probs:
            end = min(row.first + len(row.values) + 2, states)
            span = slice(row.first, end)
            before = row.between(row.first - 2, end)
            emitted = frame[self.labels[span]]
            arriving = np.logaddexp(before[1:-1], before[:-2] + self.skips[span]) + emitted
            now = np.logaddexp(before[2:] + emitted, arriving)
            odd = 1 - row.first % 2
            places = slice((row.first + odd) // 2, end // 2)
            prefixes[places] = np.logaddexp(prefixes[places], arriving[odd::2])
            followed = np.flatnonzero(now > now.max() - pruned)
            kept = slice(followed[0], followed[-1] + 1)
            row = _Row(row.first + followed[0], now[kept])
            rows.append(row)
        return rows, np.logaddexp.reduce(row.between(states - 2, states)), prefixes

    def posterior(self, rows: list[_Row], score: float) -> np.ndarray:
        """Posterior (tokens, frames) of being in each token's state."""
        states = len(self.labels)
        posterior = np.zeros((states // 2, len(rows)), np.float32)
        # What follows: of each state in the next frame, that frame's and all later ones' share.
        following = None
        for number in range(len(rows) - 1, -1, -1):
            first, values = rows[number]
            end = first + len(values)
            if following is None:  # a path ends in the last token or in the blank after it
                future = _Row(states - 2, np.zeros(2)).between(first, end)
            else:
                after = following.between(first, end + 2)
                skipping = after[2:] + self.skips[first + 2 : end + 2]
                future = np.logaddexp(np.logaddexp(after[:-2], after[1:-1]), skipping)
            odd = 1 - first % 2
            places = slice((first + odd) // 2, end // 2)
            posterior[places, number] = np.exp(values + future - score)[odd::2]
            following = _Row(first, future + self.log_probs[number][self.labels[first:end]])
        return posterior


class PrefixState(NamedTuple):
    """CTC's knowledge of one prefix per hypothesis; a tree of batch-first tensors."""

    # (hypotheses, 2, frames + 1): log-probability that the first t frames say just the prefix,
    # ending in any way, and ending in a blank.
    ends: Tensor
    last: Tensor  # (hypotheses,) last token, the blank for the empty prefix
    score: Tensor  # (hypotheses,) log-probability of all transcripts that begin with the prefix


class PrefixScorer:
    r"""Prefix probabilities of many hypotheses at once, for joint CTC/attention decoding.

    With :math:`\phi_t` the probability that the first t frames say the prefix g (ending in a blank
    if g ends in c), the prefix probability of g followed by c is

    .. math:: \psi(g c) = \sum_t \phi_{t-1} \, p_t(c)

    which is one matrix product for all tokens c of all hypotheses. Only hypotheses that are kept
    need the two recursions over frames, :math:`r_t = (r_{t-1} + \phi_{t-1}) p_t`. They are linear,
    so with :math:`P_t = p_1 \cdots p_t` their solution is a running sum,
    :math:`r_t = P_t \sum_{s \le t} \phi_{s-1} / P_{s-1}`, and no Python loop over frames is left.

    Hypotheses come in a grid: those of one recording lie together, equally many for each.

    Parameters
    ----------
    log_probs
        (recordings, frames, vocabulary).
    lengths
        (recordings,) frames of each recording.
    blank, eos
        Indices of the blank and of the end of sentence.

    References
    ----------
    Watanabe et al. 2017, algorithm 2; the definitions are those of ESPnet's `CTCPrefixScore`.
    """

    def __init__(self, log_probs: Tensor, lengths: Tensor, blank: int, eos: int) -> None:
        self.blank, self.eos = blank, eos
        log_probs = log_probs.double().clamp_min(LOWEST)
        padding = torch.arange(log_probs.shape[1], device=log_probs.device) >= lengths.unsqueeze(1)
        log_probs = log_probs.masked_fill(padding.unsqueeze(2), IMPOSSIBLE)
        log_probs[..., blank].masked_fill_(padding, 0.0)  # so that the last frame is a real one
        self.probs = log_probs.exp()  # (recordings, frames, vocabulary)
        # Log P_t with a leading 0, one row per token: (recordings, vocabulary, frames + 1)
        self.products = F.pad(log_probs.cumsum(1).transpose(1, 2), (1, 0))

    def select(self, recordings: Tensor) -> "PrefixScorer":
        """The scorer of some of the recordings, by index."""
        chosen = object.__new__(PrefixScorer)
        chosen.blank, chosen.eos = self.blank, self.eos
        chosen.probs, chosen.products = self.probs[recordings], self.products[recordings]
        return chosen

    def initial_state(self, hypotheses: int) -> PrefixState:
        """The empty prefix, for that many hypotheses of each recording."""
        silent = self.products[:, self.blank].repeat_interleave(hypotheses, 0)
        last = torch.full((len(silent),), self.blank, device=silent.device)
        return PrefixState(torch.stack((silent, silent), 1), last, silent.new_zeros(len(silent)))

    def score(self, state: PrefixState) -> Tensor:
        """Log-probability (hypotheses, vocabulary) of each prefix followed by each token.

        For the end of sentence it is that of the prefix being the whole transcript. For the blank,
        which is no token, and where the recording is too short, it is `IMPOSSIBLE`.
        """
        said = state.ends[..., :-1]  # (hypotheses, 2, frames)
        peak = said.amax(2, keepdim=True).clamp_min_(IMPOSSIBLE)
        grid = (said - peak).exp_().view(len(self.probs), -1, said.shape[2])
        sums = (grid @ self.probs).view(len(said), 2, -1)  # (hypotheses, 2, vocabulary)
        scores = sums.log_().add_(peak)
        scores, after_blank = scores.unbind(1)
        last = state.last.unsqueeze(1)  # only after a blank can the last token come again
        scores.scatter_(1, last, after_blank.gather(1, last))
        scores[:, self.blank] = IMPOSSIBLE
        scores[:, self.eos] = state.ends[:, 0, -1]
        return scores.clamp_min_(IMPOSSIBLE)  # finite, so that differences between scores are

    def extend(self, state: PrefixState, tokens: Tensor, scores: Tensor) -> PrefixState:
        """State after `tokens` (hypotheses,), whose new prefix scores (hypotheses,) are known.

        What follows a prefix that is `IMPOSSIBLE` is so, too.
        """
        grid = tokens.view(len(self.products), -1)
        rows = torch.arange(len(grid), device=tokens.device).unsqueeze(1)
        repeated = (tokens == state.last).unsqueeze(1)
        said = torch.where(repeated, state.ends[:, 1], state.ends[:, 0])
        said = said.masked_fill((scores <= IMPOSSIBLE).unsqueeze(1), -torch.inf)
        token_end = _recur(said, self.products[rows, grid].flatten(0, 1))
        silence = self.products[:, None, self.blank].expand(-1, grid.shape[1], -1).flatten(0, 1)
        blank_end = _recur(token_end, silence)
        ends = torch.stack((torch.logaddexp(token_end, blank_end), blank_end), 1)
        return PrefixState(ends, tokens, scores)


def _recur(entering: Tensor, products: Tensor) -> Tensor:
    """Log of r_t = (r_{t-1} + entering_{t-1}) p_t from r_0 = 0, all (hypotheses, frames + 1)."""
    sums = torch.logcumsumexp((entering - products)[:, :-1], 1)
    return F.pad(sums.add_(products[:, 1:]), (1, 0), value=-torch.inf)


def _without(log_probs: np.ndarray, token: int | None) -> np.ndarray:
    """The same log-probabilities with one token made impossible."""
    if token is None:
        return log_probs
    kept = np.array(log_probs)
    kept[:, token] = -np.inf
    return kept
