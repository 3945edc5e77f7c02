"""What stands around the maps: verdict signs, headline, evidence."""

from collections.abc import Sequence

from markupsafe import Markup

from analysis.alignment import Alignment
from analysis.diagnosis import Diagnosis, Failure, Note
from analysis.scoring.errors import Score
from app.comparison import VariantResult
from app.formatting import inserted, percent
from app.templates import Macros
from app.theme import NOTES, Sign, sign
from models.variant import VariantInfo

TEMPLATES = Macros(__file__)
LISTED = 3  # findings shown at once in a card
RATE = "word error rate on this recording"
NAMED = 3  # names shown beside a count; the cards below name all


def badge(verdict: str, alignment: Alignment | None = None) -> Markup:
    """A verdict as icon, words and colour; its alignment tells whether there was speech."""
    speech: bool | None = True
    if alignment is not None:
        speech = None if alignment.speech is None else bool(alignment.speech.any())
    return TEMPLATES.badge(sign(verdict, speech))


def word_error_rate(rate: float | None) -> Markup:
    """A word error rate in percent."""
    return TEMPLATES.word_error_rate(percent(rate, 0))


def rated(score: Score) -> str:
    """The word error rate; where the reference has no words, how many were written."""
    return word_error_rate(score.wer) if score.words.reference else inserted(score)


def head(info: VariantInfo, result: VariantResult | None) -> Markup:
    """Title of a card, two lines; without a result yet it keeps the same height."""
    if result is None:
        return TEMPLATES.head(info, TEMPLATES.unknown_badge(), "", RATE)
    verdict = badge(result.diagnosis.verdict, result.decoded.alignment)
    return TEMPLATES.head(info, verdict, rated(result.score) if result.score else "", RATE)


def waiting(text: str, height: int) -> Markup:
    """Where a map will be, as high as the map."""
    return TEMPLATES.waiting(text, height)


def _finding(finding: Failure | Note, shown: Sign) -> Markup:
    start, end = finding.seconds
    return TEMPLATES.finding(shown, start, end, finding.explanation or shown.help)


def evidence(diagnosis: Diagnosis) -> Markup:
    """Failures and notes, failures first, each with a button that plays its stretch."""
    items = [_finding(failure, sign(failure.kind)) for failure in diagnosis.failures]
    items += [_finding(note, NOTES[note.kind]) for note in diagnosis.notes if note.kind in NOTES]
    unknown = [note.explanation for note in diagnosis.notes if note.kind not in NOTES]
    items += map(TEMPLATES.whole_note, unknown)
    return TEMPLATES.findings(items[:LISTED], items[LISTED:]) if items else Markup("")


def recording_line(title: str, seconds: float, reference: str | None) -> Markup:
    """Name, length and reference of a recording."""
    return TEMPLATES.recording_line(title, seconds, reference)


def heading(title: str, sentence: str) -> Markup:
    """Title of a page about a whole set; `sentence` may be markup."""
    return TEMPLATES.heading(title, sentence)


def head_title(name: str, role: str) -> Markup:
    """Title of the card of one head."""
    return TEMPLATES.head_title(name, role)


def headline(results: Sequence[VariantResult], chosen: int) -> Markup:
    """One line for the back of the room: how many listened well, how many did not, and how."""
    verdicts = dict.fromkeys(["healthy", *(result.diagnosis.verdict for result in results)])
    return TEMPLATES.headline([_count(verdict, results, chosen) for verdict in verdicts])


def _count(verdict: str, results: Sequence[VariantResult], chosen: int) -> Markup:
    """How many share a verdict; who, where the line has room for it."""
    sharing = [result for result in results if result.diagnosis.verdict == verdict]
    names = [result.info.name for result in sharing]
    alignments = [result.decoded.alignment for result in sharing or results]
    shown = badge(verdict, alignments[0] if alignments else None)
    count = f"{len(names)} of {chosen}" if verdict == "healthy" else f"{len(names)}"
    return TEMPLATES.headline_item(shown, count, ", ".join(names), 0 < len(names) <= NAMED)
