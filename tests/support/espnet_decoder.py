"""ESPnet's RNN decoder beside ours with the same weights, for tests that compare the two."""

import torch
from espnet.nets.pytorch_backend.rnn.attentions import initial_att
from espnet.nets.pytorch_backend.rnn.decoders import Decoder as EspnetDecoder

from models.decoders.lstm import LSTMDecoder
from models.interop.espnet import attention_from_state

UNITS, ENCODER_DIM = 12, 10
ATYPES = (
    "noatt",
    "dot",
    "add",
    "location",
    "location2d",
    "location_recurrent",
    "coverage",
    "coverage_location",
    "multi_head_dot",
    "multi_head_add",
    "multi_head_loc",
    "multi_head_multi_res_loc",
)


def pair(
    atype: str, vocabulary: int, *, layers: int = 1, context_residual: bool = False, seed: int = 0
) -> tuple[EspnetDecoder, LSTMDecoder]:
    """ESPnet's decoder with random weights, and ours with the same ones."""
    torch.manual_seed(seed)
    sizes = {"eprojs": ENCODER_DIM, "dunits": UNITS, "aheads": 2, "adim": 8}
    sizes |= {"awin": 3, "aconv_chans": 3, "aconv_filts": 4}
    attention = initial_att(atype, *sizes.values())
    theirs = EspnetDecoder(
        ENCODER_DIM,
        vocabulary,
        "lstm",
        layers,
        UNITS,
        sos=vocabulary - 1,
        eos=vocabulary - 1,
        att=torch.nn.ModuleList([attention]),
        context_residual=context_residual,
    ).eval()
    for parameter in theirs.parameters():  # far from uniform outputs
        torch.nn.init.normal_(parameter, std=0.4)
    ours = LSTMDecoder(
        vocabulary,
        ENCODER_DIM,
        attention_from_state(atype, attention.state_dict(), **sizes),
        embedding_dim=UNITS,
        units=UNITS,
        layers=layers,
        context_residual=context_residual,
    ).eval()
    ours.embedding.load_state_dict(theirs.embed.state_dict())
    ours.cells.load_state_dict(theirs.decoder.state_dict())
    ours.output.load_state_dict(theirs.output.state_dict())
    return theirs, ours
