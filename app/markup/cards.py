"""What stands around the maps: verdict signs, headline, evidence. HTML, with everything escaped."""

from collections.abc import Sequence
from html import escape

from analysis.alignment import Alignment
from analysis.diagnosis import Diagnosis, Failure, Note
from analysis.scoring.errors import Score
from app.comparison import VariantResult
from app.formatting import inserted, percent
from app.theme import NOTES, Sign, sign
from models.variant import VariantInfo

LISTED = 3  # findings shown at once in a card
RATE = "word error rate on this recording"
NAMED = 3  # names shown beside a count; the cards below name all


def icon(name: str) -> str:
    return f'<i class="attn-icon attn-icon-{name}" aria-hidden="true"></i>'


def badge(verdict: str, alignment: Alignment | None = None) -> str:
    """A verdict as icon, words and colour; the map it is of knows whether there was speech."""
    speech: bool | None = True
    if alignment is not None:
        speech = None if alignment.speech is None else bool(alignment.speech.any())
    shown = sign(verdict, speech)
    return (
        f'<span class="attn-badge attn-{shown.level}" title="{escape(shown.help)}">'
        f"{icon(shown.icon)}{escape(shown.words)}</span>"
    )


def rated(score: Score) -> str:
    """The word error rate; where the reference has no words, how many were written."""
    return f"<b>{percent(score.wer, 0)}</b> WER" if score.words.reference else inserted(score)


def head(info: VariantInfo, result: VariantResult | None) -> str:
    """Title of a card, two lines; without a result yet it keeps the same height."""
    verdict, rate = '<span class="attn-badge attn-none">…</span>', "<span></span>"
    if result is not None:
        verdict = badge(result.diagnosis.verdict, result.decoded.alignment)
    if result is not None and result.score is not None:
        rate = f'<span class="attn-rate" title="{RATE}">{rated(result.score)}</span>'
    title = escape(info.title)
    return (
        f'<div class="attn-head"><h3 title="{title} · {escape(info.paper)}">{title}</h3>{verdict}'
        f"<code>{escape(info.name)}</code>{rate}</div>"
    )


def waiting(text: str, height: int) -> str:
    """Where a map will be, as high as the map."""
    return f'<div class="attn-waiting" style="height:{height}px">{escape(text)}</div>'


def _evidence(found: Failure | Note, shown: Sign) -> str:
    start, end = found.seconds
    return (
        f'<li><button type="button" class="attn-evidence attn-{shown.level}" '
        f'data-from="{start:.2f}" data-to="{max(end, start + 0.3):.2f}" title="hear it">'
        f"{icon(shown.icon)}{escape(shown.words)} {start:.1f}–{end:.1f} s</button> "
        f"{escape(found.explanation or shown.help)}</li>"
    )


def evidence(diagnosis: Diagnosis) -> str:
    """What was found, failures first, each with a button that plays its stretch."""
    items = [_evidence(failure, sign(failure.kind)) for failure in diagnosis.failures]
    items += [_evidence(note, NOTES[note.kind]) for note in diagnosis.notes if note.kind in NOTES]
    unknown = [note.explanation for note in diagnosis.notes if note.kind not in NOTES]
    items += [f"<li>{escape(sentence)}</li>" for sentence in unknown]
    if not items:
        return ""
    shown, more = items[:LISTED], items[LISTED:]
    rest = f"<details><summary>{len(more)} more</summary><ul>{''.join(more)}</ul></details>"
    return f'<div class="attn-failures"><ul>{"".join(shown)}</ul>{rest if more else ""}</div>'


def recording_line(title: str, seconds: float, reference: str | None) -> str:
    """What is being listened to."""
    said = f'<p title="{escape(reference)}">“{escape(reference)}”</p>' if reference else ""
    return (
        '<header class="attn-recording">'
        f"<h1>{escape(title)}</h1><span>{seconds:.1f} s</span>{said}</header>"
    )


def heading(title: str, sentence: str) -> str:
    """What a page about a whole set is about; `sentence` is HTML."""
    return f'<header class="attn-recording"><h1>{escape(title)}</h1><p>{sentence}</p></header>'


def headline(results: Sequence[VariantResult], chosen: int) -> str:
    """One line for the back of the room: how many listened well, how many did not, and how."""
    verdicts = dict.fromkeys(["healthy", *(result.diagnosis.verdict for result in results)])
    items = "".join(_count(verdict, results, chosen) for verdict in verdicts)
    return f'<ul class="attn-headline" aria-label="Verdicts">{items}</ul>'


def _count(verdict: str, results: Sequence[VariantResult], chosen: int) -> str:
    """How many share a verdict; who, where the line has room for it."""
    found = [result for result in results if result.diagnosis.verdict == verdict]
    names = [result.info.name for result in found]
    alignments = [result.decoded.alignment for result in found or results]
    shown = badge(verdict, alignments[0] if alignments else None)
    everybody = escape(", ".join(names))
    count = f"{len(names)} of {chosen}" if verdict == "healthy" else f"{len(names)}"
    listed = f"<span>{everybody}</span>" if 0 < len(names) <= NAMED else ""
    return f'<li title="{everybody}">{shown} <b>{count}</b> {listed}</li>'
