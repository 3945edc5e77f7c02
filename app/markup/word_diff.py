"""Reference over hypothesis, word by word, with what differs marked, never by colour alone."""

from itertools import groupby

from markupsafe import Markup

from analysis.scoring.errors import edit_alignment, normalise
from app.templates import Macros

TEMPLATES = Macros(__file__)
LETTERS = {"substitute": "S", "delete": "D", "insert": "I"}
NOTHING = "∗∗∗"


def aligned(reference: str, text: str, normalizer: str, *, only_wrong: bool) -> Markup:
    """Pairs of words with S, D or I under those that differ.

    Parameters
    ----------
    only_wrong
        Leave out stretches of right words; their number stands in their place.
    """
    edits = edit_alignment(normalise(reference, normalizer), normalise(text, normalizer))
    parts = []
    for right, of_stretch in groupby(edits, key=lambda edit: edit.op == "equal"):
        stretch = list(of_stretch)
        if right and only_wrong:
            parts.append(TEMPLATES.right(len(stretch)))
        else:
            parts += [TEMPLATES.pair(edit, NOTHING, LETTERS.get(edit.op, "")) for edit in stretch]
    return TEMPLATES.aligned(parts)
