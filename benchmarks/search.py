"""How fast recordings are decoded: every mechanism, greedy and beam search, one and many at once.

    python -m benchmarks.search                       # a table
    python -m benchmarks.search --json out.json       # the same numbers for machines

The weights are random and the end of sentence is made impossible, so that every run takes the same
number of steps: `--characters` per second of speech. RTFx is seconds of speech per second of
decoding (wall time), without the encoder. ``python -m benchmarks.speed`` compares with ESPnet.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch

from benchmarks import report
from models.attention import Sizes
from models.decoders.base import Decoder
from models.decoders.lstm import DecoderOptions
from models.decoders.registry import build, decoders
from models.decoders.transformer import TransformerOptions
from models.decoding.search import SearchOptions, decode
from models.text import Alphabet

ALPHABET = Alphabet()
FRAMES_PER_SECOND, ENCODER_DIM = 25, 512
NEVER = -1e4  # bias of the end of sentence


def recordings(count: int, seconds: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random encoder output, its lengths, and CTC log-probabilities mostly of the blank."""
    frames = round(seconds * FRAMES_PER_SECOND)
    torch.manual_seed(0)
    logits = 3 * torch.randn(count, frames, len(ALPHABET))
    logits[..., ALPHABET.blank] += 6
    encoded = torch.randn(count, frames, ENCODER_DIM)
    return encoded, torch.full((count,), frames), logits.log_softmax(-1)


def random_decoder(mechanism: str, options: argparse.Namespace) -> Decoder:
    torch.manual_seed(0)
    lstm = DecoderOptions(
        embedding_dim=options.units,  # as ESPnet has it
        units=options.units,
        context_residual=True,
        attention=Sizes(attention_dim=options.attention_dim),
    )
    sizes = {DecoderOptions: lstm, TransformerOptions: TransformerOptions()}
    chosen = sizes[decoders()[mechanism].options]
    decoder = build(mechanism, len(ALPHABET), ENCODER_DIM, chosen).eval()
    torch.nn.init.constant_(decoder.output.bias[ALPHABET.eos], NEVER)
    return decoder


def seconds_of(action: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median wall and processor seconds of some runs, after one to warm up.

    Processor time is what to compare on a machine that has other work.
    """
    action()
    wall, processor = [], []
    for _ in range(repeats):
        started, busy = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - started)
        processor.append(time.process_time() - busy)
    return statistics.median(wall), statistics.median(processor)


def measure(mechanism: str, options: argparse.Namespace) -> Iterator[dict]:
    """One row per batch size, beam and CTC weight."""
    decoder = random_decoder(mechanism, options)
    ratio = options.characters / FRAMES_PER_SECOND
    for count in options.batch:
        encoded, lengths, ctc = recordings(count, options.seconds)
        for beam in options.beams:
            for weight in sorted({0.0, options.ctc_weight if beam > 1 else 0.0}):
                asked = SearchOptions(beam=beam, ctc_weight=weight, max_length_ratio=ratio)
                action = partial(decode, decoder, encoded, lengths, ALPHABET, asked, ctc)
                taken = seconds_of(action, options.repeats)
                yield row(mechanism, count, beam, weight, taken, options.seconds)


def row(mechanism, count, beam, weight, taken, seconds) -> dict:
    return {
        "mechanism": mechanism,
        "recordings": count,
        "beam": beam,
        "ctc_weight": weight,
        "seconds": taken[0],
        "cpu_seconds": taken[1],
        "rtfx": count * seconds / taken[0],
    }


def table(rows: Iterator[dict], file) -> list[dict]:
    """Print rows as they come and keep them."""
    titles = ("mechanism", "recordings", "beam", "ctc_weight", "wall", "cpu", "rtfx")
    print("{:25}{:>11}{:>5}{:>11}{:>9}{:>12}{:>7}".format(*titles), file=file)
    kept = []
    for each in rows:
        line = "{:25}{:11d}{:5d}{:11.1f}{:9.3f}{:12.3f}{:7.0f}"
        print(line.format(*each.values()), flush=True, file=file)
        kept.append(each)
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mechanisms", nargs="+", default=list(decoders()), help="default: all")
    parser.add_argument("--seconds", type=float, default=10.0, help="of speech (default 10)")
    parser.add_argument("--characters", type=float, default=12.0, help="a second (default 12)")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16], help="recordings at once")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 5, 10])
    parser.add_argument("--ctc-weight", type=float, default=0.3, help="for beams (default 0.3)")
    parser.add_argument("--units", type=int, default=256, help="of the decoder (default 256)")
    parser.add_argument("--attention-dim", type=int, default=128, help="default 128")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the median counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    report.add_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = (each for name in options.mechanisms for each in measure(name, options))
    measured = table(rows, report.words_to(options.json))
    report.write({"threads": options.threads, "rows": measured}, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
