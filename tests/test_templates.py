"""HTML is made by templates, which escape everything that is not markup already."""

import re
from pathlib import Path

import pytest
from markupsafe import Markup

from app.templates import ENDING, Macros, _environment
from app.theme import sign

APP = Path(__file__).resolve().parent.parent / "app"
TEMPLATES = sorted(path.relative_to(APP).as_posix() for path in APP.rglob(f"*{ENDING}"))
HOSTILE = '<img src=x onerror="a()">\'&'
ESCAPED = "&lt;img src=x onerror=&#34;a()&#34;&gt;&#39;&amp;"


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_compiles_and_belongs_to_a_module(template):
    _environment().get_template(template)
    assert (APP / template.removesuffix(ENDING)).with_suffix(".py").is_file()


def test_a_text_is_escaped_once_and_markup_is_not():
    macros = Macros(APP / "markup" / "cards.py")
    inner = macros.word_error_rate(HOSTILE)
    assert inner == f"<b>{ESCAPED}</b> WER"
    assert macros.heading(HOSTILE, inner) == (
        f'<header class="attn-recording"><h1>{ESCAPED}</h1><p><b>{ESCAPED}</b> WER</p></header>'
    )
    assert isinstance(inner, Markup)
    assert ESCAPED in macros.badge(sign(HOSTILE))


def test_nothing_is_escaped_by_hand():
    """A text that somebody forgets to escape is markup; a template forgets none."""
    by_hand = re.compile(r"\bescape\(|import escape\b|\|\s*safe\b|autoescape false")
    files = [*APP.rglob("*.py"), *APP.rglob(f"*{ENDING}")]
    assert [path for path in files if by_hand.search(path.read_text(encoding="utf-8"))] == []


def test_tags_are_written_in_templates():
    """No f-string makes an element, but for the hover texts of figures, which are Plotly's."""
    tag = re.compile(r"""f(?P<quote>["']).*</?[a-z][a-z0-9]*[ >]""")
    known = {"clean.py", "main.py"}  # what is cleaned is written again; the style sheet
    found = [
        f"{path.relative_to(APP)}: {line.strip()}"
        for path in APP.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if tag.search(line) and path.parent.name != "charts" and path.name not in known
    ]
    assert found == []
