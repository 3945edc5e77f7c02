"""Recognisers trained with ESPnet: their attention modules and whole RNN models as ours."""

from models.interop.espnet.attention import ESPNET_TYPES, attention_from_state
from models.interop.espnet.model import EspnetVariant, load_rnn_model

__all__ = ["ESPNET_TYPES", "EspnetVariant", "attention_from_state", "load_rnn_model"]
