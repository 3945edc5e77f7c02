"""NIST's CTM: a line per word with its time, as sclite and Kaldi read it."""

from collections.abc import Iterable

from analysis.formats.timed import TimedText, identifier, spoken


def ctm(transcripts: Iterable[TimedText], channel: str = "1") -> str:
    """``recording channel start duration word [probability]``, sorted by recording and time.

    Spaces within a word, which the format cannot hold, become underscores.
    """
    lines = []
    for transcript in transcripts:
        name = identifier(transcript.name)
        for word in sorted(spoken(transcript.words), key=lambda word: word.start):
            length = max(0.0, word.end - word.start)
            text = "_".join(word.text.split())
            fields = [name, channel, f"{word.start:.3f}", f"{length:.3f}", text]
            if word.probability is not None:
                fields.append(f"{word.probability:.4f}")
            lines.append(((name, word.start), " ".join(fields)))
    return "".join(f"{line}\n" for _, line in sorted(lines, key=lambda pair: pair[0]))
