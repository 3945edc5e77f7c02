"""How fast recordings are decoded: every mechanism, greedy and beam search, one and many at once.

    python -m benchmarks.search                       # a table
    python -m benchmarks.search --json out.json       # the same numbers for machines
    python -m benchmarks.search --espnet --beams 10   # beside ESPnet's own beam search

The weights are random and the end of sentence is made impossible, so that every run takes the same
number of steps: `--characters` per second of speech. RTFx is seconds of speech per second of
decoding (wall time), without the encoder. With ``--espnet`` both decoders have the same weights and
decode the same recording; ESPnet decodes one at a time.
"""

import argparse
import json
import logging
import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial

import torch

from models.attention import Sizes
from models.decoder import Decoder, DecoderOptions, LSTMDecoder
from models.registry import build, decoders
from models.search import SearchOptions, decode
from models.text import Alphabet
from models.transformer import TransformerOptions

ALPHABET = Alphabet()
FRAMES_PER_SECOND, ENCODER_DIM = 25, 512
ESPNET_TYPES = {"equal": "noatt", "additive": "add"}  # the others are called as ours
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
                yield row(mechanism, "attnscope", count, beam, weight, taken, options.seconds)


def row(mechanism, decoder, count, beam, weight, taken, seconds) -> dict:
    return {
        "mechanism": mechanism,
        "decoder": decoder,
        "recordings": count,
        "beam": beam,
        "ctc_weight": weight,
        "seconds": taken[0],
        "cpu_seconds": taken[1],
        "rtfx": count * seconds / taken[0],
    }


def espnet_pair(mechanism: str, options: argparse.Namespace):
    """ESPnet's decoder with random weights, and ours with the same ones."""
    from espnet.nets.pytorch_backend.rnn.attentions import initial_att
    from espnet.nets.pytorch_backend.rnn.decoders import Decoder

    from models.interop.espnet import attention_from_state

    torch.manual_seed(0)
    atype, units, end = ESPNET_TYPES.get(mechanism, mechanism), options.units, ALPHABET.eos
    ours = Sizes(attention_dim=options.attention_dim)
    heads = ours.heads if atype.startswith("multi_head") else 1
    sizes = {"eprojs": ENCODER_DIM, "dunits": units, "aheads": heads}
    sizes |= {"adim": ours.attention_dim // heads, "awin": ours.window}
    sizes |= {"aconv_chans": ours.channels, "aconv_filts": ours.kernel // 2}
    attention = initial_att(atype, *sizes.values())
    modules = torch.nn.ModuleList([attention])
    theirs = Decoder(
        ENCODER_DIM, end + 1, "lstm", 1, units, end, end, modules, context_residual=True
    ).eval()
    torch.nn.init.normal_(theirs.output.weight, std=0.5)  # clear favourites, so no ties to break
    torch.nn.init.constant_(theirs.output.bias[end], NEVER)
    ours = LSTMDecoder(
        end + 1,
        ENCODER_DIM,
        attention_from_state(atype, attention.state_dict(), **sizes),
        embedding_dim=units,
        units=units,
        context_residual=True,
    ).eval()
    ours.embedding.load_state_dict(theirs.embed.state_dict())
    ours.cells.load_state_dict(theirs.decoder.state_dict())
    ours.output.load_state_dict(theirs.output.state_dict())
    return theirs, ours


def compare(mechanism: str, options: argparse.Namespace) -> Iterator[dict]:
    """Rows of ESPnet's beam search and of ours, same weights and recording."""
    theirs, ours = espnet_pair(mechanism, options)
    encoded, lengths, ctc = recordings(1, options.seconds)
    ratio = options.characters / FRAMES_PER_SECOND
    for beam in options.beams:
        names = {"beam_size": beam, "nbest": 1, "penalty": 0.0, "lm_weight": 0.0}
        names |= {"ctc_weight": options.ctc_weight, "maxlenratio": ratio, "minlenratio": 0.0}
        asked = SearchOptions(beam, ratio, ctc_weight=options.ctc_weight, length_normalised=False)
        search = torch.no_grad()(theirs.recognize_beam)
        actions = {
            "espnet": partial(search, encoded[0], ctc[0], Namespace(**names), ALPHABET.tokens),
            "attnscope": partial(decode, ours, encoded, lengths, ALPHABET, asked, ctc),
        }
        for name, action in actions.items():
            taken = seconds_of(action, options.repeats)
            yield row(mechanism, name, 1, beam, options.ctc_weight, taken, options.seconds)
        tokens = tuple(map(int, actions["espnet"]()[0]["yseq"][1:-1]))
        if tokens != actions["attnscope"]()[0][0].tokens:
            print(f"{mechanism}: the two found different transcripts", file=sys.stderr)


def table(rows: Iterator[dict], file) -> list[dict]:
    """Print rows as they come, with the speed-up over the row of ESPnet before, and keep them."""
    titles = ("mechanism", "decoder", "recordings", "beam", "ctc_weight", "wall", "cpu", "rtfx")
    print("{:25}{:11}{:>11}{:>5}{:>11}{:>9}{:>12}{:>7}".format(*titles), file=file)
    kept = []
    for each in rows:
        line = "{:25}{:11}{:11d}{:5d}{:11.1f}{:9.3f}{:12.3f}{:7.0f}".format(*each.values())
        if kept and kept[-1]["decoder"] == "espnet":
            wall, processor = (kept[-1][key] / each[key] for key in ("seconds", "cpu_seconds"))
            line += f"   {wall:.1f}x, {processor:.1f}x of processor"
        print(line, flush=True, file=file)
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
    parser.add_argument("--characters", type=float, default=15.0, help="a second (default 15)")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16], help="recordings at once")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 5, 10])
    parser.add_argument("--ctc-weight", type=float, default=0.3, help="for beams (default 0.3)")
    parser.add_argument("--units", type=int, default=256, help="of the decoder (default 256)")
    parser.add_argument("--attention-dim", type=int, default=128, help="default 128")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the median counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--espnet", action="store_true", help="compare with ESPnet's beam search")
    parser.add_argument("--json", metavar="OUT", help="write the rows there, - for standard output")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable(logging.CRITICAL)  # ESPnet logs every step
    names = options.mechanisms
    if options.espnet:  # its decoder does not pass the previous output to forward attention
        from models.interop.espnet.attention import ESPNET_TYPES as known

        names = [name for name in names if ESPNET_TYPES.get(name, name) in known]
        names = [name for name in names if not name.startswith("forward")]
    how = compare if options.espnet else measure
    file = sys.stderr if options.json == "-" else sys.stdout
    measured = table((each for name in names for each in how(name, options)), file)
    if options.json:
        text = json.dumps({"schema": 1, "threads": options.threads, "rows": measured}, indent=1)
        if options.json == "-":
            print(text)
        else:
            with open(options.json, "w", encoding="utf-8") as file:
                file.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
