"""What is minimised, and what is measured on dev, for the encoder and for a decoder."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.scoring.errors import pool, score
from models.decoding import search
from models.encoders.base import Encoder, EncoderLayers, valid
from models.text import Alphabet
from models.training.batches import Batch

CONDITIONS = 0.3  # share of the loss
VIEWS = 2  # of every utterance, where the CTC of both is to agree


class CTCObjective(nn.Module):
    """CTC loss of the encoder (Graves et al. 2006), with a phone CTC on an inner layer.

    The CTCs of a conditioned encoder's inner layers have `CONDITIONS` of the loss together. With a
    `consistency` above 0 every batch must hold its utterances twice (`VIEWS`), and that much of how
    far the two spellings are apart is added to every CTC (`disagreement`).
    """

    def __init__(
        self,
        encoder: Encoder,
        alphabet: Alphabet,
        lexicon: dict[str, list[str]],
        consistency: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.alphabet, self.lexicon = encoder, alphabet, lexicon
        self.consistency = consistency
        phones = sorted({phone for word in lexicon.values() for phone in word})
        self.phones = {phone: number for number, phone in enumerate(phones, 1)}

    def forward(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """Loss a token of one batch, scalar."""
        return self.loss(batch, self.encoder.all_layers(batch.features, batch.lengths))

    def loss(self, batch: Batch, heard: EncoderLayers) -> Tensor:
        """As `forward`, where the encoder has been run."""
        spelt = [
            self._spelling(logits, heard.lengths, batch)
            for logits in (self.encoder.ctc(heard.encoded), *heard.letters)
        ]
        loss, inner = spelt[0], spelt[1:]
        if self.phones:
            targets = [self._pronounce(text) for text in batch.texts]
            sizes = torch.tensor([len(target) for target in targets])
            padded = nn.utils.rnn.pad_sequence(targets, batch_first=True)
            logits = self.encoder.phone_ctc(heard.inner)
            loss = 0.7 * loss + 0.3 * self._ctc(logits, heard.lengths, padded, sizes)
        if inner:
            loss = (1 - CONDITIONS) * loss + CONDITIONS * sum(inner) / len(inner)
        return loss

    def _spelling(self, logits: Tensor, lengths: Tensor, batch: Batch) -> Tensor:
        loss = self._ctc(logits, lengths, batch.targets, batch.target_lengths)
        if not self.consistency:
            return loss
        tokens = batch.target_lengths.sum().clamp_min(1) / VIEWS
        return loss + self.consistency * disagreement(logits, lengths).sum() / tokens

    def _pronounce(self, text: str) -> Tensor:
        words = (self.lexicon.get(word, ()) for word in text.split())
        return torch.tensor(
            [self.phones[phone] for word in words for phone in word], dtype=torch.long
        )

    def _ctc(self, logits: Tensor, lengths: Tensor, targets: Tensor, sizes: Tensor) -> Tensor:
        log_probs = logits.float().log_softmax(-1).transpose(0, 1)  # (frames, batch, vocabulary)
        losses = functional.ctc_loss(
            log_probs, targets, lengths, sizes, blank=self.alphabet.blank,
            reduction="none", zero_infinity=True,
        )  # fmt: skip
        return losses.sum() / sizes.sum().clamp_min(1)

    @torch.inference_mode()
    def transcribe(self, batch: Batch) -> list[str]:
        """Greedy CTC transcripts."""
        encoded, lengths = self.encoder(batch.features, batch.lengths)
        best = self.encoder.ctc(encoded).argmax(-1)  # (batch, frames)
        rows = zip(best, lengths.tolist(), strict=True)
        return [self.alphabet.decode(row[:n].unique_consecutive().tolist()) for row, n in rows]


def disagreement(logits: Tensor, lengths: Tensor) -> Tensor:
    """How far two views of the same utterances are spelt apart, in nats.

    Consistency-regularised CTC (Yao et al. 2024, arXiv 2410.05101): where one view is masked the
    other is not, so that each learns from what only the other could hear.

    Parameters
    ----------
    logits : (2 * utterances, frames, vocabulary), first every utterance's one view, then the other
    lengths : (2 * utterances,) valid frames, alike in both views

    Returns
    -------
    (utterances,) mean of both Kullback-Leibler divergences, summed over valid frames; each view is
    drawn to the other as it stands.
    """
    one, other = logits.float().log_softmax(-1).chunk(VIEWS)  # (utterances, frames, vocabulary)
    apart = sum(
        functional.kl_div(drawn, fixed.detach(), reduction="none", log_target=True).sum(-1)
        for drawn, fixed in ((one, other), (other, one))
    )
    return (apart * valid(lengths[: len(one)], one.shape[1])).sum(-1) / VIEWS


class DecoderObjective(nn.Module):
    """Label-smoothed cross entropy of an attention decoder on frozen encoder outputs.

    A few previous characters are replaced at random in training: a decoder that has only ever seen
    correct histories does not recover from its own mistakes.
    """

    def __init__(
        self,
        decoder: nn.Module,
        alphabet: Alphabet,
        smoothing: float = 0.05,
        replace: float = 0.06,
    ) -> None:
        super().__init__()
        self.decoder, self.alphabet = decoder, alphabet
        self.smoothing, self.replace = smoothing, replace

    def forward(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """Loss a token of one batch, scalar. ``batch.features`` are encoder outputs."""
        rows, eos = len(batch.targets), self.alphabet.eos
        targets = functional.pad(batch.targets, (0, 1))  # (batch, tokens + 1)
        targets[torch.arange(rows), batch.target_lengths] = eos
        inputs = functional.pad(targets[:, :-1], (1, 0), value=eos)
        other = torch.from_numpy(rng.integers(1, eos, inputs.shape))
        chosen = torch.from_numpy(rng.random(inputs.shape) < self.replace)
        chosen[:, 0] = False
        inputs = torch.where(chosen, other, inputs)
        logits, _ = self.decoder(batch.features, batch.lengths, targets, inputs=inputs)
        place = torch.arange(targets.shape[1])
        ignored = torch.where(place > batch.target_lengths[:, None], -100, targets)
        return functional.cross_entropy(
            logits.float().flatten(0, 1), ignored.flatten(), label_smoothing=self.smoothing
        )

    def transcribe(self, batch: Batch) -> list[str]:
        """Greedy transcripts."""
        rows = search.decode(
            self.decoder, batch.features, batch.lengths, self.alphabet, search.SearchOptions()
        )
        return [self.alphabet.decode(row[0].tokens) for row in rows]


class JointObjective(nn.Module):
    """Encoder and decoder trained together, with CTC's share of the loss `weight`.

    Watanabe et al., "Hybrid CTC/Attention Architecture for End-to-End Speech Recognition", IEEE
    JSTSP 2017. CTC keeps the encoder from waiting for an attention that has not found its way yet.
    """

    def __init__(self, ctc: CTCObjective, attention: DecoderObjective, weight: float) -> None:
        super().__init__()
        self.ctc, self.attention, self.weight = ctc, attention, weight

    @property
    def encoder(self) -> Encoder:
        return self.ctc.encoder

    @property
    def decoder(self) -> nn.Module:
        return self.attention.decoder

    def forward(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """Loss a token of one batch of log-mel features, scalar."""
        heard = self.encoder.all_layers(batch.features, batch.lengths)
        encoded = replace(batch, features=heard.encoded.float(), lengths=heard.lengths)
        attention = self.attention(encoded, rng)
        return self.weight * self.ctc.loss(batch, heard) + (1 - self.weight) * attention

    @torch.inference_mode()
    def transcribe(self, batch: Batch) -> list[str]:
        """Greedy transcripts of the decoder; CTC has no part in them."""
        encoded, lengths = self.encoder(batch.features, batch.lengths)
        return self.attention.transcribe(replace(batch, features=encoded, lengths=lengths))


def error_rates(
    objective: nn.Module, batches: Iterator[Batch], normalizer: str = "basic"
) -> dict[str, float]:
    """Pooled word and character error rates of greedy transcripts, as fractions.

    A rate is left out where the references are empty.
    """
    scores = []
    for batch in batches:
        hypotheses = objective.transcribe(batch)
        pairs = zip(batch.texts, hypotheses, strict=True)
        scores += [score(*pair, normalizer) for pair in pairs]
    pooled = pool(scores)
    rates = {"wer": pooled.wer, "cer": pooled.cer}
    return {name: rate for name, rate in rates.items() if rate is not None}
