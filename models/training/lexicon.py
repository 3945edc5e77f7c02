"""A pronunciation lexicon for the auxiliary phone CTC: one ``word<TAB>phone phone ...`` a line.

Any lexicon in that form will do (CMUdict, for one). This command makes one with the G2P of
hibari-tts (PyPI, Apache-2.0) for the words of manifests:

    python -m models.training.lexicon manifest.tsv other.tsv --out lexicon.tsv
"""

import argparse
import sys
from pathlib import Path

from analysis.normalisers import normalise
from models.training.corpus import read_manifest
from models.training.utterance import TrainingError, text_lines

MARKS = set("“” ˈˌ ː͡‍.,;:!?-")  # stress, length and punctuation carry little for a recogniser


def read_lexicon(path: Path) -> dict[str, list[str]]:
    """Phones of every word in a lexicon file.

    Raises
    ------
    TrainingError
        Where the file cannot be read, or a line has another form.
    """
    found = {}
    for number, line in text_lines(Path(path)):
        word, tab, phones = line.partition("\t")
        if not tab:
            raise TrainingError(f"{path} line {number} is not a word, a tab and its phones")
        found[word] = phones.split()
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)

    from hibari.g2p import G2P

    speak = G2P()
    texts = (
        normalise(row.text) for manifest in options.manifests for row in read_manifest(manifest)
    )
    words = sorted({word for text in texts for word in text.split()})
    with options.out.open("w", encoding="utf-8") as file:
        for word in words:
            phones = [phone for phone in speak(word.strip("'")) if phone not in MARKS]
            if phones:
                file.write(f"{word}\t{' '.join(phones)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
