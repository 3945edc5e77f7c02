"""HTML of a view, reduced to what views consist of.

A presentation may come from anybody, and what pages show is kept as HTML. Nothing but the elements,
classes and attributes named here is written again; everything else is left out, and text is text.
"""

import re
from html import escape
from html.parser import HTMLParser

TAGS = frozenset(
    ("article", "b", "blockquote", "br", "button", "caption", "code", "del", "details", "div", "em",
     "figcaption", "figure", "h1", "h3", "header", "i", "img", "ins", "li", "mark", "p", "small",
     "span", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul", "wbr")
)  # fmt: skip
VOID = frozenset(("br", "img", "wbr"))
SILENT = frozenset(("script", "style", "svg", "math", "template", "iframe", "object", "noscript"))
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


def clean(html: str) -> str:
    """The same without anything that could act, and well formed."""
    cleaner = _Cleaner()
    cleaner.feed(html)
    cleaner.close()
    return cleaner.result()


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open: list[tuple[str, str]] = []  # element as it came, as it was written
        self.silent = 0  # how deep inside elements that are left out with all they hold

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self.silent += 1
        if self.silent or tag not in TAGS:
            return
        kept = {name: value for name, value in attrs if _fits(name, value)}
        # Only what can be heard can be pressed: what led to another page leads nowhere here.
        written = "span" if tag == "button" and "data-from" not in kept else tag
        if written == "button":
            kept["type"] = "button"
        said = "".join(f' {name}="{escape(value)}"' for name, value in kept.items())
        self.parts.append(f"<{written}{said}>")
        if tag not in VOID:
            self.open.append((tag, written))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self.silent = max(0, self.silent - 1)
        if self.silent or tag not in (came for came, _ in self.open):
            return
        came = ""
        while came != tag:
            came, written = self.open.pop()
            self.parts.append(f"</{written}>")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(escape(data, quote=False))

    def result(self) -> str:
        return "".join(self.parts) + "".join(f"</{each}>" for _, each in reversed(self.open))


def _fits(name: str, value: str | None) -> bool:
    pattern = ATTRIBUTES.get(name)
    return pattern is not None and value is not None and pattern.fullmatch(value) is not None
