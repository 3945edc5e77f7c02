"""A pronunciation lexicon for the auxiliary phone CTC: one ``word<TAB>phone phone ...`` a line.

Any lexicon in that form will do (CMUdict, for one). This command makes one with the G2P of
hibari-tts (PyPI, Apache-2.0) for the words of manifests:

    python -m models.training.lexicon manifest.tsv other.tsv --out lexicon.tsv
"""

import argparse
import sys
from pathlib import Path

from models.training.corpus import read_manifest

MARKS = set("“” ˈˌ ː͡‍.,;:!?-")  # stress, length and punctuation carry little for a recogniser


def read_lexicon(path: Path) -> dict[str, list[str]]:
    """Phones of every word in a lexicon file."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return {word: phones.split() for word, phones in (line.split("\t") for line in lines)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)

    from hibari.g2p import G2P

    speak = G2P()
    texts = (row.text for manifest in options.manifests for row in read_manifest(manifest))
    words = sorted({word for text in texts for word in text.split()})
    with options.out.open("w", encoding="utf-8") as file:
        for word in words:
            phones = [phone for phone in speak(word.strip("'")) if phone not in MARKS]
            if phones:
                file.write(f"{word}\t{' '.join(phones)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
