"""NIST's CTM: a line per word with its time, as sclite and Kaldi read it."""

from collections.abc import Iterable

from .timed import SHORTEST, TimedText, full_width, identifier, in_order, spoken


def ctm(transcripts: Iterable[TimedText], channel: str = "1") -> str:
    """``recording channel start duration word [probability]``, sorted by recording and time.

    Words are put in order first, so that each lasts at least a thousandth of a second and lies
    within the recording: sclite leaves out what lies beyond. Spaces within a word, which the format
    cannot hold, become underscores; what sclite would read as a mark becomes its full-width twin:
    ``;`` (an attribute, or a comment), ``@`` (nothing), ``<ALT_BEGIN>``, ``(word)`` (may be left
    out).
    """
    lines = []
    for transcript in transcripts:
        name = identifier(transcript.name)
        for word in in_order(spoken(transcript.words), transcript.seconds):
            length = max(SHORTEST, word.end - word.start)
            text = _neutral("_".join(word.text.split()))
            fields = [name, channel, f"{word.start:.3f}", f"{length:.3f}", text]
            if word.probability is not None:
                fields.append(f"{word.probability:.4f}")
            lines.append(((name, word.start), " ".join(fields)))
    return "".join(f"{line}\n" for _, line in sorted(lines, key=lambda pair: pair[0]))


def _neutral(word: str) -> str:
    """The word without what sclite reads as a mark."""
    word = word.replace(";", "；")
    if word == "@" or word.startswith("<ALT") or (word[0] == "(" and word[-1] == ")"):
        return full_width(word)
    return word
