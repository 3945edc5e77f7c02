"""HTML and SVG from Jinja templates, in which everything is escaped that is not markup already.

The template of a module stands beside it: `cards.py` is filled into the macros of
`cards.html.jinja`. A macro returns `Markup`, a text that other macros do not escape again.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.environment import TemplateModule
from markupsafe import Markup

APP = Path(__file__).resolve().parent
ENDING = ".html.jinja"


class Macros:
    """The macros of the template beside a module, compiled when the first of them is called.

    >>> templates = Macros(__file__)  # in cards.py
    >>> templates.icon("check")
    Markup('<i class="attn-icon attn-icon-check" aria-hidden="true"></i>')
    """

    def __init__(self, module: str) -> None:
        self._template = Path(module).resolve().with_suffix(ENDING).relative_to(APP).as_posix()

    def __getattr__(self, name: str) -> Callable[..., Markup]:
        macro = getattr(_compiled(self._template), name)
        setattr(self, name, macro)  # found without this function from now on
        return macro


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(APP),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def _compiled(template: str) -> TemplateModule:
    return _environment().get_template(template).module
