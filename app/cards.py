"""What stands around the maps: verdict signs, headline, evidence. HTML, with everything escaped."""

from collections.abc import Sequence
from html import escape

from analysis.diagnosis import Diagnosis, Failure
from app.comparison import VariantResult
from app.theme import Sign, sign
from models.recogniser import VariantInfo


def icon(name: str) -> str:
    return f'<i class="attn-icon attn-icon-{name}" aria-hidden="true"></i>'


def badge(verdict: str) -> str:
    """A verdict as icon, words and colour."""
    shown = sign(verdict)
    return (
        f'<span class="attn-badge attn-{shown.level}" title="{escape(shown.help)}">'
        f"{icon(shown.icon)}{escape(shown.words)}</span>"
    )


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def head(info: VariantInfo, result: VariantResult | None) -> str:
    """Title of a card, two lines; without a result yet it keeps the same height."""
    rate, verdict = "", '<span class="attn-badge attn-none">…</span>'
    if result is not None:
        verdict = badge(result.diagnosis.verdict)
    if result is not None and result.score is not None:
        rate = (
            '<span class="attn-rate" title="word error rate on this recording">'
            f"<b>{percent(result.score.wer)}</b> WER</span>"
        )
    return (
        f'<div class="attn-head"><h3>{escape(info.title)}</h3>{rate}'
        f"{verdict}<code>{escape(info.name)}</code></div>"
    )


def waiting(text: str, height: int) -> str:
    """Where a map will be, as high as the map."""
    return f'<div class="attn-waiting" style="height:{height}px">{escape(text)}</div>'


def _evidence(failure: Failure) -> str:
    start, end = failure.seconds
    shown: Sign = sign(failure.kind)
    return (
        f'<li><button type="button" class="attn-evidence attn-{shown.level}" '
        f'data-from="{start:.2f}" data-to="{max(end, start + 0.3):.2f}" title="hear it">'
        f"{icon(shown.icon)}{escape(shown.words)} {start:.1f}–{end:.1f} s</button> "
        f"{escape(failure.explanation)}</li>"
    )


def evidence(diagnosis: Diagnosis) -> str:
    """The failures found, each a button that plays its stretch."""
    if not diagnosis.failures:
        return ""
    items = "".join(_evidence(failure) for failure in diagnosis.failures)
    return f'<ul class="attn-failures">{items}</ul>'


def recording_line(title: str, seconds: float, reference: str | None) -> str:
    """What is being listened to."""
    said = f"<p>“{escape(reference)}”</p>" if reference else ""
    return (
        '<header class="attn-recording">'
        f"<h1>{escape(title)}</h1><span>{seconds:.1f} s</span>{said}</header>"
    )


def headline(results: Sequence[VariantResult], chosen: int) -> str:
    """One sentence for the back of the room: who listened well, who did not, and how."""
    by_verdict: dict[str, list[VariantResult]] = {}
    for result in results:
        by_verdict.setdefault(result.diagnosis.verdict, []).append(result)
    healthy = by_verdict.pop("healthy", [])
    count = f"{len(healthy)} of {len(results)}" if len(results) == chosen else f"{len(healthy)}"
    parts = [f"<li>{badge('healthy')} <b>{count}</b></li>"]
    for verdict, failed in by_verdict.items():
        names = ", ".join(escape(result.info.title) for result in failed)
        parts.append(f"<li>{badge(verdict)} {names}</li>")
    return f'<ul class="attn-headline" aria-label="Verdicts">{"".join(parts)}</ul>'
