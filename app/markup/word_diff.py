"""What was said over what was written, word by word: HTML, escaped, never by colour alone."""

from html import escape
from itertools import groupby

from analysis.scoring.errors import Edit, edit_alignment, normalise

LETTERS = {"substitute": "S", "delete": "D", "insert": "I"}
NOTHING = "∗∗∗"


def aligned(reference: str, text: str, normalizer: str, *, only_wrong: bool) -> str:
    """Pairs of words with S, D or I under those that differ.

    Parameters
    ----------
    only_wrong
        Leave out stretches of right words; their number stands in their place.
    """
    edits = edit_alignment(normalise(reference, normalizer), normalise(text, normalizer))
    found = []
    for right, of_stretch in groupby(edits, key=lambda edit: edit.op == "equal"):
        stretch = list(of_stretch)
        if right and only_wrong:
            words = "word" if len(stretch) == 1 else "words"
            found.append(f'<span class="attn-edit-right">{len(stretch)} {words} right</span>')
        else:
            found += [_pair(edit) for edit in stretch]
    names = '<span class="attn-edit attn-edit-names"><b>REF</b><b>HYP</b><i></i></span>'
    return f'<div class="attn-edits">{names}{"".join(found)}</div>'


def _pair(edit: Edit) -> str:
    letter = LETTERS.get(edit.op, "")
    return (
        f'<span class="attn-edit attn-edit-{edit.op}"><span>{escape(edit.ref) or NOTHING}</span>'
        f"<span>{escape(edit.hyp) or NOTHING}</span><i>{letter}</i></span>"
    )
