"""A report as one HTML file: nothing in it is fetched, and everything from outside is escaped."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from app.charts.png import data_uri
from app.formatting import percent
from app.markup.cards import badge
from app.markup.document import Document, html, opus
from app.markup.transcript import LEGEND, transcript
from app.report.content import Case, Report, ReportVariant
from app.report.drawings import attention_map
from app.report.tables import failures, pairs, scores, stresses
from app.theme.svg import color_filters

HERE = Path(__file__).parent
NO_MAP = "The map was not kept, and the recording could not be decoded again."


def render(report: Report) -> str:
    """The whole file."""
    sections = list(_sections(report))
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title, _ in sections)
    links = links if len(sections) > 1 else ""
    body = "".join(
        f'<section id="{name}"><h2>{escape(title)}</h2>{content}</section>'
        for name, title, content in sections
    )
    body = (
        f"{color_filters()}<h1>{escape(report.title)}</h1>{_facts(report)}<nav>{links}</nav>{body}"
        "<footer>Made by AttnScope. Attention shows where a decoder looked, which is about half of "
        "what its output depends on (Papi et al. 2025, arXiv 2509.18010).</footer>"
    )
    return html(Document(report.title, body, _read("report.css"), (_read("report.js"),)))


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _facts(report: Report) -> str:
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in report.facts
    )
    return f'<dl class="facts">{facts}</dl>'


def _sections(report: Report) -> Iterator[tuple[str, str, str]]:
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
        shown = "".join(_case(case, report) for case in report.cases)
        lead = (
            '<p class="lead">Tokens read downwards, time across; dashed frames mark what went '
            "wrong. Where there is sound, click a map or a word to hear that moment.</p>"
        )
        scored = any(case.reference is not None for case in report.cases)
        yield "recordings", report.cases_title, lead + (LEGEND if scored else "") + shown
    if report.errors:
        yield "unreadable", "Not decoded", _errors(report)


def _case(case: Case, report: Report) -> str:
    said = f"<blockquote>“{escape(case.reference)}”</blockquote>" if case.reference else ""
    sound = ""
    if case.samples is not None:
        source = data_uri(opus(case.samples), "audio/ogg")
        sound = f'<audio controls preload="metadata" src="{source}"></audio>'
    warnings = "".join(f"<br><small>{escape(warning)}</small>" for warning in case.warnings)
    heard = "".join(_variant(each, case, report) for each in case.variants)
    return (
        f'<article class="case"><header><h3>{escape(case.title)}</h3>'
        f"<span>{case.seconds:.1f} s</span></header>{said}{sound}{warnings}"
        f'<div class="heard">{heard}</div></article>'
    )


def _variant(variant: ReportVariant, case: Case, report: Report) -> str:
    title = report.titles.get(variant.name, variant.name)
    rate = "" if variant.wer is None else f"<span><b>{percent(variant.wer)}</b> WER</span>"
    verdict = badge(variant.verdict, variant.alignment)
    remark = f"<em>{escape(variant.remark)}</em>" if variant.remark else ""
    text = transcript(variant.alignment, variant.text, case.reference, report.normalizer)
    if variant.alignment is None:
        drawn = f"<p><small>{NO_MAP}</small></p>" if report.summary else ""
    else:
        drawn = attention_map(variant.alignment, variant.failures, case.seconds)
    return (
        f"<article><header><h3>{escape(title)}</h3>{verdict}{rate}{remark}</header>"
        f"{text}{drawn}</article>"
    )


def _errors(report: Report) -> str:
    rows = "".join(
        f'<tr><th>{escape(name)}</th><td class="wrap">{escape(error)}</td></tr>'
        for name, error in report.errors
    )
    more = f"<p>and {report.more_errors:,} more: errors.csv</p>" if report.more_errors else ""
    return f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>{more}'
