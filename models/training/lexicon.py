"""A pronunciation lexicon for the auxiliary phone CTC: one ``word<TAB>phone phone ...`` a line.

Any lexicon in that form will do (CMUdict, for one). This command makes one with the G2P of
hibari-tts (PyPI, Apache-2.0) for the words of manifests:

    python -m models.training.lexicon manifest.tsv other.tsv --out lexicon.tsv
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.scoring.normalisers import normalise
from models.corpora.corpus import read_transcribed
from models.corpora.utterance import TrainingError, text_lines

MARKS = set("“” ˈˌ ː͡‍.,;:!?-")  # stress, length and punctuation carry little for a recogniser


def read_lexicon(path: Path) -> dict[str, list[str]]:
    """Phones of every word in a lexicon file.

    Raises
    ------
    TrainingError
        Where the file cannot be read, or a line has another form.
    """
    pronunciations = {}
    for number, line in text_lines(Path(path)):
        word, tab, phones = line.partition("\t")
        if not tab:
            raise TrainingError(f"{path} line {number} is not a word, a tab and its phones")
        pronunciations[word] = phones.split()
    return pronunciations


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        write_lexicon(options.manifests, options.out)
    except (TrainingError, OSError) as error:
        print(f"lexicon: {error}", file=sys.stderr)
        return 1
    return 0


def write_lexicon(manifests: Sequence[Path], out: Path) -> None:
    """Write the phones of all words of some manifests.

    Raises
    ------
    TrainingError
        Where hibari-tts is not installed, or a manifest cannot be read.
    """
    try:
        from hibari.g2p import G2P
    except ModuleNotFoundError:
        raise TrainingError("hibari-tts is not installed: pip install hibari-tts") from None

    speak = G2P()
    texts = (normalise(row.text) for manifest in manifests for row in read_transcribed(manifest))
    words = sorted({word for text in texts for word in text.split()})
    with out.open("w", encoding="utf-8") as file:
        for word in words:
            phones = [phone for phone in speak(word.strip("'")) if phone not in MARKS]
            if phones:
                file.write(f"{word}\t{' '.join(phones)}\n")


if __name__ == "__main__":
    sys.exit(main())
