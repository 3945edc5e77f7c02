"""The sizing table of docs/scale.md: ``python docs/make_sizing.py``.

Decoding costs what the checkpoints' cards say (RTFx, measured on dev data by
``python -m models.training.score``). Reading, the encoder and the assessment (verdicts, metrics,
errors) are measured here on the short sample clips, in processor seconds of one thread.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from app.comparison import Models, assess  # noqa: E402
from docs.tables import markdown, replace_between_marks  # noqa: E402
from models.audio import load  # noqa: E402

DOCUMENT = ROOT / "docs" / "scale.md"
HOURS = (1, 10, 100, 1_000, 10_000)
SHORT_SECONDS = 20  # clips up to here are like utterances of a corpus
NAMED = ("location", "ctc")  # what is measured; assessment costs much the same for all


def measure() -> tuple[float, float, float]:
    """Processor seconds a second of speech costs: to read, to encode, and to assess one variant."""
    torch.set_num_threads(1)
    models = Models()
    paths = sorted((ROOT / "samples").glob("*.ogg"))
    clips = [clip for clip in map(load, paths) if clip.seconds <= SHORT_SECONDS]
    started = time.process_time()
    read = sum(load(path).seconds for path in paths)
    reading = (time.process_time() - started) / read
    infos = models.choose(NAMED)
    models.encode(clips[0])  # loads
    encoding = assessing = 0.0
    for clip in clips:
        started = time.process_time()
        encoded = models.encode(clip)
        encoding += time.process_time() - started
        for info in infos:
            variant = models.variant(info.name)
            (decoded,) = variant.decode(encoded)
            started = time.process_time()
            assess(info, variant, encoded, 0, decoded, "what was said", "basic")
            assessing += time.process_time() - started
    speech = sum(clip.seconds for clip in clips)
    return reading, encoding / speech, assessing / speech / len(infos)


def main() -> None:
    """Write the table."""
    reading, encoding, assessing = measure()
    cards = [info for info in Models().choose() if info.card and info.card.scores.get("rtfx")]
    decoding = {info.name: 1 / info.card.scores["rtfx"] for info in cards}
    choices = {
        "encoder and one mechanism (`location`)": ["location"],
        f"all {len(cards)} variants": list(decoding),
    }
    rows = [["", *(f"{hours:,} h of speech" for hours in HOURS)]]
    for title, names in choices.items():
        cost = reading + encoding + sum(decoding[name] + assessing for name in names)
        rows.append([title, *(_hours(hours * cost) for hours in HOURS)])
    table = markdown(rows)
    slowest, fastest = (1000 * pick(decoding.values()) for pick in (max, min))
    said = (
        f"Core hours, greedy decoding. A second of speech costs {1000 * reading:.1f} ms of "
        f"reading, {1000 * encoding:.1f} ms of the encoder, and for each variant "
        f"{1000 * assessing:.1f} ms of assessment and "
        f"{fastest:.1f} to {slowest:.1f} ms of decoding (the cards' RTFx)."
    )
    page = DOCUMENT.read_text(encoding="utf-8")
    page = replace_between_marks(page, "sizing", f"{table}\n\n{said}")
    DOCUMENT.write_text(page, encoding="utf-8")
    print(table, said, sep="\n\n")


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}" if hours >= 0.1 else f"{hours:.2f}"


if __name__ == "__main__":
    main()
