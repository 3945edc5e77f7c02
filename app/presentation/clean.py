"""HTML of a view, reduced to what views consist of.

A presentation may come from anybody, and what pages show is kept as HTML. Nothing but the elements,
classes and attributes named here is written again; everything else is left out, and text is text.
"""

import re

import nh3

TAGS = frozenset(
    ("article", "b", "blockquote", "br", "button", "caption", "code", "del", "details", "div", "em",
     "figcaption", "figure", "h1", "h3", "header", "i", "img", "ins", "li", "mark", "p", "small",
     "span", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul", "wbr")
)  # fmt: skip
VOID = frozenset(("br", "img", "wbr"))
SILENT = frozenset(("script", "style", "svg", "math", "template", "iframe", "object", "noscript"))
MAX_ELEMENTS = 50_000  # of one part of a slide
MAX_NESTING = 40  # elements inside each other; ours reach about ten
NUMBER = r"-?\d{1,7}(?:\.\d{1,6})?"
ATTRIBUTES = {  # what each may say; anything else is left out
    "class": re.compile(r"attn-[\w -]*", re.ASCII),
    "title": re.compile(r".{0,1000}", re.DOTALL),
    "aria-label": re.compile(r".{0,1000}", re.DOTALL),
    "aria-hidden": re.compile("true|false"),
    "alt": re.compile(r".{0,1000}", re.DOTALL),
    "scope": re.compile("row|col"),
    "data-from": re.compile(NUMBER),
    "data-to": re.compile(NUMBER),
    "style": re.compile(rf"(?:(?:--share|left|top|width|height):\s*{NUMBER}%?(?:px)?;?\s*){{1,5}}"),
    "src": re.compile(r"data:image/png;base64,[A-Za-z0-9+/]+={0,2}"),
}
_TAG = re.compile(r'<(/?)([a-z][a-z0-9]*)((?: [a-z-]+="[^"<>]*")*)>')
_BUTTON = re.compile(r"<button([^>]*)>(.*?)</button>", re.DOTALL)


def clean(html: str) -> str:
    """The same without anything that could act, and well formed.

    The HTML parser needs time and memory that grow with the square of badly nested elements, so
    HTML from anybody is for `check_form` first.
    """
    return _BUTTON.sub(_pressed, _CLEANER.clean(html))


def check_form(html: str) -> None:
    """See that HTML is written as `clean` writes it, in time that grows with its length.

    Raises
    ------
    ValueError
        Where it has other elements, elements that are not properly nested, or too many of them.
    """
    opened: list[str] = []
    place, count = html.find("<"), 0
    while place >= 0:
        tag = _TAG.match(html, place)
        count += 1
        if tag is None or tag[2] not in TAGS or count > 2 * MAX_ELEMENTS:
            raise ValueError("other HTML than views consist of, or too much of it")
        if not tag[1]:
            if tag[2] not in VOID:
                opened.append(tag[2])
        elif tag[3] or not opened or opened.pop() != tag[2]:
            raise ValueError("elements that cross each other")
        if len(opened) > MAX_NESTING:
            raise ValueError("elements inside each other without end")
        place = html.find("<", tag.end())
    if opened:
        raise ValueError("elements that do not end")


def _kept(_tag: str, name: str, value: str) -> str | None:
    pattern = ATTRIBUTES.get(name)
    return value if pattern and pattern.fullmatch(value) else None


def _pressed(button: re.Match[str]) -> str:
    """Only what can be heard can be pressed: what led to another page leads nowhere here."""
    attributes, inside = button.groups()
    if "data-from=" in attributes:
        return f'<button{attributes} type="button">{inside}</button>'
    return f"<span{attributes}>{inside}</span>"


_CLEANER = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(SILENT),
    attributes={"*": set(ATTRIBUTES)},
    attribute_filter=_kept,
    link_rel=None,
    url_schemes={"data"},
)
