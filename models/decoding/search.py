"""Greedy and beam search for every decoder, batched over hypotheses and over recordings.

How hypotheses are compared
---------------------------
While they grow, by their total: the sum over tokens of
``(1 - ctc_weight) log p_decoder + ctc_weight log p_CTC``, where CTC's share of a token is the
growth of the prefix probability, plus the coverage term, plus what a language model says:
``lm_weight log p_LM`` and a bonus for every word. All hypotheses of a step are equally long.

Ended hypotheses of different lengths are compared by that total plus `length_penalty` per token, as
ESPnet does. With nothing else than the decoder, short transcripts win such a comparison, since
every further token costs something, so that wide beams get worse (Murray & Chiang 2018, arXiv
1808.10006). Therefore, unless CTC or a length penalty resists, the total is divided by the number
of tokens (`length_normalised`).

The search of a recording is over when no hypothesis is left, when the length limit is reached, or
when growing hypotheses cannot win any more. Without bonus per token that is exact: totals only
fall, so the search stops when `nbest` ended hypotheses are above all growing ones. With a bonus the
growing ones must be `MARGIN` worse, as in ESPnet's end detection. Totals per token can rise again,
in the limit by a loop that is sure of itself, so there the search stops as soon as an ended
hypothesis is above all growing ones.

With a beam of 1 the one hypothesis always takes its best token: greedy search. Joint decoding looks
only at tokens the decoder finds likely, `CTC_CANDIDATES` beams of them (all, if CTC alone decides).
In greedy search that is one, so there a CTC weight below 1 changes no text, as in ESPnet.

The coverage term counts the frames whose attention, summed over the tokens so far, exceeds
`coverage_threshold`: a frame pays once, so listening to it again gains nothing. (The logarithmic
penalty of Wu et al. 2016 asks for every frame, in speech also for the silent ones.) A window is
laid around the frame where the mean of all maps was highest at the step before; the first step
is treated as if that had been the recording's first frame.

References
----------
Watanabe et al., "Hybrid CTC/Attention Architecture for End-to-End Speech Recognition", IEEE JSTSP
2017: joint decoding and end detection. Chorowski & Jaitly 2016 (arXiv 1612.02695): coverage.
Chorowski et al. 2015 (arXiv 1506.07503): sharpening and windowing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.attention import Intervention, gather
from models.decoders.base import Decoder
from models.decoding.backpointers import Backpointers, Place, together
from models.decoding.ctc import PrefixScorer, PrefixState
from models.decoding.hypothesis import Hypothesis
from models.decoding.language_model import Fusion, LanguageModel
from models.decoding.options import SearchOptions
from models.memory import MEASURING, available_bytes, require
from models.text import Alphabet

CTC_CANDIDATES = 1.5  # tokens per hypothesis that CTC scores, in beams (as in ESPnet)
MARGIN = 10.0  # nats growing hypotheses must be behind if tokens earn a bonus (as in ESPnet)
PRUNE_EVERY = 64  # steps between two clean-ups of maps that no hypothesis needs any more

__all__ = ["Hypothesis", "SearchOptions", "decode"]


def decode(
    decoder: Decoder,
    encoded: Tensor,
    lengths: Tensor,
    alphabet: Alphabet,
    options: SearchOptions | None = None,
    ctc_log_probs: Tensor | None = None,
    frame_seconds: float = 0.04,
    language_model: LanguageModel | None = None,
) -> list[list[Hypothesis]]:
    """Transcribe a batch of recordings.

    The decoder is used in evaluation mode and left in the mode it was in.

    Parameters
    ----------
    encoded, lengths
        (recordings, frames, dim) padded encoder output and (recordings,) its valid frames.
    ctc_log_probs
        (recordings, frames, vocabulary), for joint decoding.
    frame_seconds
        Seconds per frame, for the window.
    language_model
        For shallow fusion; looked at only with a weight for it.

    Returns
    -------
    list of list of Hypothesis
        For each recording its hypotheses, best first: at least one, at most `options.nbest`.

    Raises
    ------
    ValueError
        If a CTC weight is asked for without `ctc_log_probs`, or a language model's without one of
        the same alphabet.
    """
    options = options or SearchOptions()
    if options.ctc_weight > 0 and ctc_log_probs is None:
        raise ValueError("joint decoding needs the CTC log-probabilities of the encoder")
    if not len(encoded):
        return []
    fusion = Fusion.of(language_model, alphabet, options.lm_weight, options.word_bonus)
    with torch.inference_mode(), _evaluating(decoder):
        scorer = None
        if options.ctc_weight > 0:
            scorer = PrefixScorer(ctc_log_probs, lengths, alphabet.blank, alphabet.eos)
        return _Search(
            decoder, encoded, lengths, alphabet.eos, options, scorer, fusion, frame_seconds
        ).run()


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards every module within is in its own mode again."""
    modes = [(submodule, submodule.training) for submodule in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for submodule, training in modes:
            submodule.training = training


class _Growing(NamedTuple):
    """What is known of every growing hypothesis; `gather` re-orders it."""

    state: Any  # the decoder's
    previous: Tensor  # (hypotheses,) last token
    peak: Tensor | None  # (hypotheses,) frame at which the last mean map was highest, for windows
    heard: Tensor | None  # (hypotheses, frames) attention so far, for coverage
    prefix: PrefixState | None  # for joint decoding
    written: Tensor | None  # (hypotheses,) the language model's state, for fusion


class _Ended(NamedTuple):
    place: Place
    score: float
    by_itself: bool


class _Search:
    """One search: a grid of recordings that are not finished, each with `beam` slots.

    Empty slots have the score minus infinity; what is computed for them is never looked at.
    """

    def __init__(
        self, decoder, encoded, lengths, eos, options, scorer, fusion, frame_seconds
    ) -> None:
        self.decoder, self.options, self.eos = decoder, options, eos
        self.scorer, self.fusion = scorer, fusion
        self.frames, self.width = lengths.tolist(), encoded.shape[1]
        limits = np.floor(options.max_length_ratio * np.array(self.frames))
        self.limits = np.maximum(1, limits)  # (recordings,) tokens
        window = [seconds / frame_seconds for seconds in options.window or ()]
        self.reach = [round(min(frames, self.width)) for frames in window]
        self.recordings = list(range(len(encoded)))  # those not finished, by row of the grid
        self.ended: list[list[_Ended]] = [[] for _ in self.recordings]
        self.found: list[list[Hypothesis]] = [[] for _ in self.recordings]
        self.history = Backpointers()
        self.length = 0  # tokens of every growing hypothesis
        self.room = available_bytes()

        beam, device = options.beam, encoded.device
        memory, state = decoder.begin(encoded, lengths)
        rows = torch.arange(len(encoded), device=device).repeat_interleave(beam)
        self.offered, self.memory = memory, decoder.repeat(memory, beam)
        covers = options.coverage_penalty != 0
        start = fusion.initial_state(len(rows)) if fusion else None
        self.growing = _Growing(
            state=gather(state, rows),
            previous=torch.full_like(rows, eos),
            peak=None if options.window is None else torch.zeros_like(rows),
            heard=torch.zeros(len(rows), encoded.shape[1], device=device) if covers else None,
            prefix=scorer.initial_state(beam) if scorer else None,
            written=None if start is None else torch.as_tensor(start, device=device),
        )
        self.scores = torch.full((len(encoded), beam), -torch.inf, device=device).double()
        self.scores[:, 0] = 0.0

    def run(self) -> list[list[Hypothesis]]:
        while self.recordings:
            self._grow()
            best = self._take_ended()
            self._finish([row for row, score in enumerate(best) if self._over(row, score)])
            if self.recordings and self.length % PRUNE_EVERY == 0:
                self.history.prune(self._places())
        return self.found

    def _grow(self) -> None:
        """Every hypothesis one token longer."""
        before = self.growing
        step = self.decoder.step(before.previous, self.memory, before.state, self._intervention())
        log_probs = step.logits.float().log_softmax(-1).double()  # (hypotheses, vocabulary)
        grown, gains, prefixes = before._replace(state=step.state), log_probs, None
        if self.scorer is not None:
            prefixes = self.scorer.score(before.prefix)
            gains = self._joint(log_probs, prefixes - before.prefix.score.unsqueeze(1))
        if before.heard is not None:
            grown = grown._replace(heard=before.heard + step.weights.mean(1))
            gains = gains + (self._coverage(grown) - self._coverage(before)).unsqueeze(1)
        if self.fusion is not None:
            said = self.fusion.gains(before.written.cpu().numpy(), before.previous.cpu().numpy())
            gains = gains + torch.as_tensor(said, device=gains.device)
        if before.peak is not None:
            grown = grown._replace(peak=step.weights.mean(1).argmax(-1))

        rows, parents, tokens = self._choose(gains)
        if self.options.beam > 1:
            grown = gather(grown, rows)
        if prefixes is not None:
            prefix = self.scorer.extend(grown.prefix, tokens, prefixes[rows, tokens])
            grown = grown._replace(prefix=prefix)
        if self.fusion is not None:
            written = self.fusion.advance(grown.written.cpu().numpy(), tokens.cpu().numpy())
            grown = grown._replace(written=torch.as_tensor(written, device=tokens.device))
        self.growing = grown._replace(previous=tokens)
        chosen = log_probs[rows, tokens]
        self.history.add(self.recordings, parents, tokens, chosen, step.weights, step.global_mass)
        self.length += 1
        self._check_room(step.weights)

    def _check_room(self, maps: Tensor) -> None:
        """See that there is memory for the maps: those kept, a hypothesis each, and measuring one.

        Raises
        ------
        MemoryError
            Where going on might end the process.
        """
        whole = self.length * maps[0].nbytes  # of one hypothesis
        needed = self.history.bytes + (len(self.frames) + MEASURING) * whole
        require(needed, self.room, f"the maps of {self.length} tokens")

    def _intervention(self) -> Intervention | None:
        options = self.options
        if options.window is None:
            return None if options.temperature == 1.0 else Intervention(options.temperature)
        (back, ahead), peak = self.reach, self.growing.peak.unsqueeze(1)
        frames = torch.arange(self.width, device=peak.device)
        near = (frames >= peak - back) & (frames <= peak + ahead)
        return Intervention(options.temperature, near)

    def _joint(self, log_probs: Tensor, ctc: Tensor) -> Tensor:
        """Gain of each token; of those the decoder finds unlikely minus infinity, as in ESPnet."""
        weight = self.options.ctc_weight
        gains = (1.0 - weight) * log_probs + weight * ctc
        candidates = int(CTC_CANDIDATES * self.options.beam)
        if weight == 1.0 or candidates >= log_probs.shape[1]:
            return gains
        least = log_probs.topk(candidates).values[:, -1:]
        return gains.masked_fill(log_probs < least, -torch.inf)

    def _coverage(self, growing: _Growing) -> Tensor:
        """Bonus (hypotheses,) for the frames that were listened to."""
        frames = (growing.heard > self.options.coverage_threshold).sum(-1)
        return self.options.coverage_penalty * frames.double()

    def _choose(self, gains: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The best of all tokens of all hypotheses of a recording.

        Returns rows of the parents in the grid (hypotheses,), their slots (recordings, beam) and
        tokens (hypotheses,).
        """
        recordings, beam = self.scores.shape
        totals = (self.scores.view(-1, 1) + gains).view(recordings, -1)
        self.scores, best = totals.topk(beam)
        parents = best // gains.shape[1]
        first = torch.arange(0, recordings * beam, beam, device=best.device).unsqueeze(1)
        return (first + parents).flatten(), parents, (best % gains.shape[1]).flatten()

    def _take_ended(self) -> list[float]:
        """Take hypotheses that are complete out of the grid.

        These are those that wrote the end of sentence and, at the length limit, all. Returns the
        best score left for each recording in the grid.
        """
        scores = self.scores.cpu().numpy()
        ending = self.history.steps[-1].tokens == self.eos  # (recordings, beam)
        limited = self.limits[self.recordings] <= self.length
        leaving = (ending | limited[:, None]) & (scores > -np.inf)
        if not leaving.any():
            return scores.max(1).tolist()
        for row, slot in np.argwhere(leaving).tolist():
            number = self.recordings[row]
            place = Place(self.length - 1, number, slot)
            score = self._final(float(scores[row, slot]))
            self.ended[number].append(_Ended(place, score, bool(ending[row, slot])))
        gone = torch.from_numpy(leaving).to(self.scores.device)
        self.scores = self.scores.masked_fill(gone, -torch.inf)
        return np.where(leaving, -np.inf, scores).max(1).tolist()

    def _final(self, total: float) -> float:
        """Score by which a hypothesis of the present length is compared with others."""
        score = total + self.options.length_penalty * self.length
        return score / self.length if self.options.normalised else score

    def _over(self, row: int, best: float) -> bool:
        """Whether no growing hypothesis of the recording, `best` at most, can still be wanted."""
        number, options = self.recordings[row], self.options
        if best == -np.inf or self.length >= self.limits[number]:
            return True
        ended = self.ended[number]
        rank = 1 if options.normalised else options.nbest
        if len(ended) < rank:
            return False
        bonus = max(options.length_penalty, options.coverage_penalty, options.word_bonus) > 0
        margin = MARGIN if bonus and not options.normalised else 0.0
        worst = sorted((hypothesis.score for hypothesis in ended), reverse=True)[rank - 1]
        return worst >= self._final(best) + margin

    def _finish(self, rows: list[int]) -> None:
        """Collect the results of finished recordings and take them out of the grid."""
        if not rows:
            return
        for row in rows:
            number = self.recordings[row]
            self.found[number] = [self._hypothesis(ended) for ended in self._best(number)]
        kept = [row for row in range(len(self.recordings)) if row not in rows]
        self.recordings = [self.recordings[row] for row in kept]
        if not kept:
            return
        kept = torch.tensor(kept, device=self.scores.device)
        slots = torch.arange(self.options.beam, device=kept.device)
        hypotheses = (kept.unsqueeze(1) * len(slots) + slots).flatten()
        self.offered = gather(self.offered, kept)
        self.memory = self.decoder.repeat(self.offered, self.options.beam)
        self.growing = gather(self.growing, hypotheses)
        self.scores = self.scores[kept]
        if self.scorer is not None:
            self.scorer = self.scorer.select(kept)

    def _best(self, number: int) -> list[_Ended]:
        ended = sorted(self.ended[number], key=lambda hypothesis: -hypothesis.score)
        return ended[: self.options.nbest]

    def _hypothesis(self, ended: _Ended) -> Hypothesis:
        trace = self.history.trace(ended.place)
        frames = self.frames[ended.place.recording]
        return Hypothesis(
            tokens=trace.tokens,
            log_probs=trace.log_probs,
            weights=together([step[:, :frames] for step in trace.maps]),
            ended=ended.by_itself,
            score=ended.score,
            global_mass=None if trace.global_mass is None else together(list(trace.global_mass)),
        )

    def _places(self) -> Iterator[Place]:
        """Hypotheses whose history may still be asked for."""
        for row, slot in (self.scores > -torch.inf).nonzero().tolist():
            yield Place(self.length - 1, self.recordings[row], slot)
        for number in self.recordings:
            yield from (ended.place for ended in self._best(number))
