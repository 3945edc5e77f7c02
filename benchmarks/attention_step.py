"""Microseconds per attention step: every mechanism beside ESPnet's module with the same weights.

    python -m benchmarks.attention_step [--frames 250] [--json OUT|-]

Each is run over whole utterances (keys prepared before the clock starts), so that what grows with
the history counts; the median over repeats is shown. `espnet` must be installed.
"""

import argparse
import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from espnet.nets.pytorch_backend.rnn import attentions as espnet

from benchmarks import report
from models.interop.espnet import ESPNET_TYPES, attention_from_state

ENCODER_DIM, QUERY_DIM, PREVIOUS_DIM = 512, 320, 128
ATTENTION_DIM, HEADS, WINDOW, CHANNELS, TAPS_BESIDE = 256, 4, 5, 10, 15  # 31 taps


@dataclass(frozen=True)
class Timing:
    """One mechanism at one batch size."""

    name: str  # ESPnet's --atype
    batch: int  # utterances or hypotheses
    ours: float  # microseconds per step
    espnet: float  # microseconds per step


def espnet_module(atype: str, adim: int) -> torch.nn.Module:
    """ESPnet's module in the sizes above."""
    filters = (CHANNELS, TAPS_BESIDE)
    if atype == "forward":
        return espnet.AttForward(ENCODER_DIM, QUERY_DIM, adim, *filters)
    if atype == "forward_ta":
        return espnet.AttForwardTA(ENCODER_DIM, QUERY_DIM, adim, *filters, PREVIOUS_DIM)
    return espnet.initial_att(atype, ENCODER_DIM, QUERY_DIM, HEADS, adim, WINDOW, *filters)


def per_step(run: Callable[[], None], steps: int, repeats: int) -> float:
    """Median microseconds per step of a function that takes `steps` steps."""
    seconds = []
    for _ in range(repeats + 1):  # the first one warms up
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:]) / steps * 1e6


def measure(atype: str, batch: int, frames: int, steps: int, repeats: int) -> Timing:
    """Time both implementations of `atype` on the same input."""
    adim = ATTENTION_DIM // HEADS if atype.startswith("multi_head") else ATTENTION_DIM
    module = espnet_module(atype, adim)
    ours = attention_from_state(
        atype,
        module.state_dict(),
        eprojs=ENCODER_DIM,
        dunits=QUERY_DIM,
        adim=adim,
        aheads=HEADS,
        awin=WINDOW,
        aconv_chans=CHANNELS,
        aconv_filts=TAPS_BESIDE,
        odim=PREVIOUS_DIM if atype == "forward_ta" else None,
    )
    encoded, lengths = torch.randn(batch, frames, ENCODER_DIM), [frames] * batch
    queries = torch.randn(steps, batch, QUERY_DIM)
    extra = (torch.randn(batch, PREVIOUS_DIM),) if atype == "forward_ta" else ()
    whole_queries = torch.stack([torch.cat([query, *extra], 1) for query in queries])
    memory = ours.prepare(encoded, torch.tensor(lengths))
    module.reset()
    module(encoded, lengths, queries[0], None, *extra)  # prepares its keys

    def step_ours() -> None:
        state = ours.initial_state(memory)
        for query in whole_queries:
            state = ours(query, memory, state).state

    def step_espnet() -> None:
        state = None
        for query in queries:
            _, state = module(encoded, lengths, query, state, *extra)

    with torch.inference_mode():
        timing = per_step(step_ours, steps, repeats), per_step(step_espnet, steps, repeats)
    return Timing(atype, batch, *timing)


def table(timings: list[Timing]) -> str:
    """Aligned text, a line per mechanism and batch size."""
    lines = [f"{'mechanism':26}{'batch':>6}{'ours us':>10}{'espnet us':>11}{'ratio':>7}"]
    for t in timings:
        ratio = t.espnet / t.ours
        lines.append(f"{t.name:26}{t.batch:6}{t.ours:10.0f}{t.espnet:11.0f}{ratio:7.1f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 10, 40])
    parser.add_argument("--frames", type=int, default=250, help="40 ms each (default 250: 10 s)")
    parser.add_argument("--steps", type=int, default=20, help="steps per utterance")
    parser.add_argument("--repeats", type=int, default=3, help="utterances; the median counts")
    parser.add_argument("--threads", type=int, default=1)
    report.add_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)  # ESPnet warns about tracing at every first step
    sizes = (options.frames, options.steps, options.repeats)
    timings = [measure(t, batch, *sizes) for t in ESPNET_TYPES for batch in options.batch]
    print(table(timings), file=report.words_to(options.json))
    settings = {key: value for key, value in vars(options).items() if key != "json"}
    report.write({"settings": settings, "timings": [asdict(t) for t in timings]}, options.json)


if __name__ == "__main__":
    main()
