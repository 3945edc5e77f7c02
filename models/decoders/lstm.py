"""The LSTM decoder that turns what an attention mechanism listened to into characters."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.attention.base import Attention, Intervention, Shared, Sizes, build, mechanisms
from models.decoders.base import Decoder, DecoderStep
from models.decoders.packed import Packed
from models.schema import Layers, Size

TABLE = 256  # tokens up to which what they add to the gates is computed before the first step


class Gates(NamedTuple):
    """The first layer's weights in the form in which a step needs them."""

    recurrent: Packed  # (4 units, context + units), of context and state
    written: Tensor | None  # (vocabulary, 4 units), of each token; None: computed at every step


class DecoderState(NamedTuple):
    """Everything an `LSTMDecoder` remembers between steps."""

    hidden: tuple[Tensor, ...]  # (batch, units) of each layer
    cell: tuple[Tensor, ...]  # (batch, units) of each layer
    attention: Any  # the mechanism's own state
    gates: Shared  # of `Gates`


@dataclass(frozen=True)
class DecoderOptions:
    """Sizes of an `LSTMDecoder` and of its attention."""

    embedding_dim: Size = 128  # size of a character's embedding
    units: Size = 320  # LSTM units in each layer
    layers: Layers = 1  # LSTM layers; the first one's state is the query
    dropout: float = 0.0  # on embeddings, on the query and between layers
    context_residual: bool = False  # the output also sees the context
    attention: Sizes = field(default_factory=Sizes)  # each mechanism takes those it needs


def build_decoder(
    mechanism: str, vocabulary: int, encoder_dim: int, options: DecoderOptions | None = None
) -> "LSTMDecoder":
    """An untrained decoder with the attention mechanism of that name.

    Raises
    ------
    ValueError
        If no mechanism of that name is registered, or a size does not suit it.
    """
    options = options or DecoderOptions()
    info = mechanisms().get(mechanism)
    extra = options.embedding_dim if info and info.wants_previous_output else 0
    sizes = replace(options.attention, previous_dim=options.embedding_dim)
    return LSTMDecoder(
        vocabulary,
        encoder_dim,
        build(mechanism, encoder_dim, options.units + extra, sizes),
        embedding_dim=options.embedding_dim,
        units=options.units,
        layers=options.layers,
        dropout=options.dropout,
        context_residual=options.context_residual,
    )


class LSTMDecoder(Decoder):
    r"""Attention decoder with the equations of ESPnet's RNN decoder.

    .. math::
        c_l, \alpha_l = \mathrm{Attend}(h_{l-1}),\quad
        h_l = \mathrm{LSTM}([\mathrm{emb}(y_{l-1}); c_l], h_{l-1}),\quad
        p(y_l) = \mathrm{softmax}(W [h_l; c_l] + b)

    :math:`h` is the first layer's state in the query and the top layer's in the output; the output
    sees :math:`c_l` only with `context_residual`. A mechanism with ``wants_previous_output`` gets
    the query :math:`[h_{l-1}; \mathrm{emb}(y_{l-1})]`.

    Parameters
    ----------
    vocabulary
        Number of tokens; the last one starts and ends a sentence.
    encoder_dim
        Size of an encoded frame.
    attention
        The mechanism, built for the query described above.

    References
    ----------
    Chorowski et al., "Attention-Based Models for Speech Recognition", 2015 (arXiv 1506.07503);
    Watanabe et al., "ESPnet: End-to-End Speech Processing Toolkit", 2018 (arXiv 1804.00015).
    """

    def __init__(
        self,
        vocabulary: int,
        encoder_dim: int,
        attention: Attention,
        *,
        embedding_dim: int = 128,
        units: int = 320,
        layers: int = 1,
        dropout: float = 0.0,
        context_residual: bool = False,
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.encoder_dim = encoder_dim
        self.context_residual = context_residual
        self.attention = attention
        self.embedding = nn.Embedding(vocabulary, embedding_dim)
        first = embedding_dim + attention.context_dim
        self.cells = nn.ModuleList(
            nn.LSTMCell(units if layer else first, units) for layer in range(layers)
        )
        self.output = nn.Linear(units + context_residual * attention.context_dim, vocabulary)
        self.dropout = nn.Dropout(dropout)
        for cell in self.cells:
            _initialise(cell)

    def begin(self, encoded: Tensor, lengths: Tensor) -> tuple[Any, DecoderState]:
        memory = self.attention.prepare(encoded, lengths)
        zeros = encoded.new_zeros(len(encoded), self.cells[0].hidden_size, dtype=torch.float32)
        zeros = (zeros,) * len(self.cells)
        written = None
        if self.vocabulary <= TABLE and not self.training:  # else there is dropout on embeddings
            written = self._written(self.embedding.weight)
        gates = Shared(Gates(Packed(self._recurrent()), written))
        return memory, DecoderState(zeros, zeros, self.attention.initial_state(memory), gates)

    def repeat(self, memory: Any, times: int) -> Any:
        return self.attention.repeat(memory, times)

    def _recurrent(self) -> Tensor:
        """(4 units, context + units): from context and state to the first layer's gates."""
        first, size = self.cells[0], self.embedding.embedding_dim
        return torch.cat((first.weight_ih[:, size:], first.weight_hh), 1)

    def _written(self, embedded: Tensor) -> Tensor:
        """(..., 4 units): what tokens (..., embedding) add to the first layer's gates."""
        first, size = self.cells[0], self.embedding.embedding_dim
        return F.linear(embedded, first.weight_ih[:, :size], first.bias_ih + first.bias_hh)

    def step(
        self,
        previous: Tensor,
        memory: Any,
        state: DecoderState,
        intervention: Intervention | None = None,
    ) -> DecoderStep:
        embedded = self.dropout(self.embedding(previous))  # (batch, embedding)
        context, weights, attended = self._attend(embedded, memory, state, intervention)
        gates: Gates = state.gates.value
        if gates.written is None:
            written = self._written(embedded)
        else:
            written = F.embedding(previous, gates.written)
        heard = gates.recurrent(torch.cat((context, state.hidden[0]), -1))  # (batch, 4 units)
        state = self._recur((heard + written).chunk(4, -1), state)._replace(attention=attended)
        return DecoderStep(self.output(self._top(state, context)), weights, state)

    def forward(
        self, encoded: Tensor, lengths: Tensor, targets: Tensor, inputs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Every step's output when the previous tokens are given (teacher forcing).

        Parameters
        ----------
        encoded, lengths
            (batch, frames, dim) and (batch,), as for `begin`.
        targets
            (batch, length) tokens to predict, end of sentence included; negative where ignored.
        inputs
            (batch, length) previous tokens, `shift_right(targets)` unless given: for replacing some
            of them at random.

        Returns
        -------
        tuple of Tensor
            Logits (batch, length, vocabulary) and weights (batch, length, heads, frames).
        """
        inputs = self.shift_right(targets) if inputs is None else inputs
        device = encoded.device.type
        half = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        # Autocast would cast weights, keys and values anew at every step, which costs more than it
        # saves: only the largest product runs in half precision, its weights cast once.
        with torch.autocast(device, enabled=False):
            return self._force(encoded, lengths, inputs, half or torch.float32)

    def _force(
        self, encoded: Tensor, lengths: Tensor, inputs: Tensor, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        memory, state = self.begin(encoded, lengths)
        embedded = self.dropout(self.embedding(inputs.t()))  # (length, batch, embedding)
        # Only context and state change from step to step; the embeddings' share is done at once.
        written, recurrent = self._written(embedded), self._recurrent().t().to(dtype)

        tops, maps = [], []
        for embedded_now, written_now in zip(embedded.unbind(), written.unbind(), strict=True):
            context, weights, attended = self._attend(embedded_now, memory, state, None)
            heard = torch.cat((context, state.hidden[0]), -1).to(dtype)
            gates = (written_now + heard @ recurrent).chunk(4, -1)
            state = self._recur(gates, state)._replace(attention=attended)
            tops.append(self._top(state, context))
            maps.append(weights)
        return self.output(torch.stack(tops, 1)), torch.stack(maps, 1)

    def query(self, previous: Tensor, state: DecoderState) -> Tensor:
        """What the attention is asked (batch, query_dim) after the tokens `previous` (batch,)."""
        return self._query(self.embedding(previous), state)

    def _query(self, embedded: Tensor, state: DecoderState) -> Tensor:
        query = self.dropout(state.hidden[0])
        if self.attention.wants_previous_output:
            query = torch.cat((query, embedded), -1)
        return query

    def _attend(self, embedded: Tensor, memory: Any, state: DecoderState, intervention):
        return self.attention(self._query(embedded, state), memory, state.attention, intervention)

    def _recur(self, gates: Iterable[Tensor], state: DecoderState) -> DecoderState:
        """All layers one step further, given the first layer's four sums (batch, units)."""
        hidden, cell = _lstm(gates, state.cell[0])
        hiddens, cells = [hidden], [cell]
        upper = tuple(self.cells)[1:]
        for layer, before, kept in zip(upper, state.hidden[1:], state.cell[1:], strict=True):
            gates = F.linear(self.dropout(hidden), layer.weight_ih, layer.bias_ih)
            gates = gates + F.linear(before, layer.weight_hh, layer.bias_hh)
            hidden, cell = _lstm(gates.chunk(4, -1), kept)
            hiddens.append(hidden)
            cells.append(cell)
        return state._replace(hidden=tuple(hiddens), cell=tuple(cells))

    def _top(self, state: DecoderState, context: Tensor) -> Tensor:
        """What the output layer sees (batch, units [+ context])."""
        top = self.dropout(state.hidden[-1])
        return torch.cat((top, context), -1) if self.context_residual else top


def _lstm(gates: Iterable[Tensor], cell: Tensor) -> tuple[Tensor, Tensor]:
    """New hidden and cell state from the summed gates, in the order of `torch.nn.LSTMCell`.

    The cell stays float32 under autocast: it sums over the whole sentence.
    """
    into, forget, candidate, out = gates
    cell = forget.sigmoid() * cell + into.sigmoid() * candidate.tanh()
    return out.sigmoid() * cell.tanh(), cell


def _initialise(cell: nn.LSTMCell) -> None:
    """Orthogonal recurrence and a forget gate that starts open (Jozefowicz et al. 2015)."""
    units = cell.hidden_size
    with torch.no_grad():
        for gate in cell.weight_hh.chunk(4):
            nn.init.orthogonal_(gate)
        cell.bias_ih.zero_()
        cell.bias_hh.zero_()
        cell.bias_ih[units : 2 * units] = 1.0
