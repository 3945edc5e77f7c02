"""A Transformer decoder small enough to test, and speech for it."""

from dataclasses import replace

import torch

from models.decoders.transformer import TransformerDecoder, TransformerOptions
from models.text import BLANK, EOS, Alphabet

ALPHABET = Alphabet((BLANK, *"abcdef", EOS))
DIM, FRAMES, TOKENS = 12, 11, 5
TINY = TransformerOptions(dim=16, heads=2, encoder_layers=2, decoder_layers=3, inner=24)
MAPS = TINY.decoder_layers * TINY.heads


def tiny(seed: int = 0, **changes) -> TransformerDecoder:
    torch.manual_seed(seed)
    decoder = TransformerDecoder(len(ALPHABET), DIM, replace(TINY, **changes))
    for parameter in decoder.parameters():  # large enough for clear preferences
        torch.nn.init.normal_(parameter, std=0.4)
    return decoder.eval()


def speech(lengths=(FRAMES, 7, 3), seed: int = 1):
    torch.manual_seed(seed)
    encoded = torch.randn(len(lengths), max(lengths), DIM)
    return encoded, torch.tensor(lengths), torch.randint(1, len(ALPHABET), (len(lengths), TOKENS))


def walk(decoder, encoded, lengths, targets, intervention=None):
    """The steps that write `targets`, each with its state."""
    memory, state = decoder.begin(encoded, lengths)
    previous, steps = torch.full((len(targets),), ALPHABET.eos), []
    for target in targets.t():
        steps.append(decoder.step(previous, memory, state, intervention))
        previous, state = target, steps[-1].state
    return steps
