"""Kaldi's ``text`` file: a line per utterance, its name and its words."""

from collections.abc import Iterable

from .timed import TimedText, identifier, one_line


def kaldi_text(transcripts: Iterable[TimedText]) -> str:
    """``recording word word ...``, sorted by name in byte order as Kaldi's tools ask."""
    lines = [
        " ".join([identifier(transcript.name), *one_line(transcript.text).split()])
        for transcript in transcripts
    ]
    lines.sort(key=lambda line: line.partition(" ")[0].encode())
    return "".join(f"{line}\n" for line in lines)
