"""A report as one HTML file; nothing in it is fetched."""

from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from app.charts.png import data_uri
from app.formatting import percent
from app.markup.cards import badge
from app.markup.document import Document, html, opus
from app.markup.transcript import legend, transcript
from app.report.content import Case, Report, ReportVariant
from app.report.drawings import attention_map
from app.report.tables import failures, pairs, scores, stresses
from app.templates import Macros
from app.theme.svg import color_filters

TEMPLATES = Macros(__file__)
HERE = Path(__file__).parent


def render(report: Report) -> str:
    """The whole file."""
    sections = list(_sections(report))
    body = TEMPLATES.body(color_filters(), report.title, report.facts, sections)
    return html(Document(report.title, body, _read("report.css"), (_read("report.js"),)))


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _sections(report: Report) -> Iterator[tuple[str, str, Markup]]:
    """Name, title and content of every part there is something to say in."""
    if report.summary:
        summary = report.summary
        yield "scores", "Scores", scores(summary, report.titles)
        if summary["pairs"]:
            yield "significance", "Is the difference real?", pairs(summary)
        yield "failures", "Failures", failures(summary)
        if summary["stresses"]:
            yield "stresses", "Under stress", stresses(summary)
    if report.cases:
        scored = any(case.reference is not None for case in report.cases)
        cases = [_case(case, report) for case in report.cases]
        content = TEMPLATES.recordings(legend() if scored else "", cases)
        yield "recordings", report.cases_title, content
    if report.errors:
        content = TEMPLATES.errors(report.errors, report.more_errors)
        yield "unreadable", "Not decoded", content


def _case(case: Case, report: Report) -> Markup:
    sound = "" if case.samples is None else data_uri(opus(case.samples), "audio/ogg")
    variants = [_variant(variant, case, report) for variant in case.variants]
    return TEMPLATES.case(case, sound, variants)


def _variant(variant: ReportVariant, case: Case, report: Report) -> Markup:
    alignment, drawn = variant.alignment, ""
    if alignment is not None:
        drawn = attention_map(alignment, variant.failures, case.seconds)
    return TEMPLATES.variant(
        report.titles.get(variant.name, variant.name),
        badge(variant.verdict, alignment),
        "" if variant.wer is None else percent(variant.wer),
        variant.remark,
        transcript(alignment, variant.text, case.reference, report.normalizer),
        drawn,
        alignment is None and bool(report.summary),
    )
