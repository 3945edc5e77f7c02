"""A presentation as one HTML page: what is shown in the dashboard, downloaded, and opened again.

The page draws itself from the set it carries; the same script steps through it wherever it is open.
"""

import base64
import gzip
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from app.charts.config import PLOT
from app.charts.curves import COLOURS
from app.markup.document import Document, html
from app.presentation import saved
from app.presentation.deck import PAGES, Deck
from app.templates import Macros
from app.theme import DARK, LIGHT, Palette
from app.theme.svg import color_filters

TEMPLATES = Macros(__file__)
HERE = Path(__file__).parent
PLAYER = HERE.parent / "components" / "player"
SETTINGS = HERE.parent.parent / ".streamlit" / "config.toml"
NAMES = {  # of Streamlit's theme settings in style sheets
    "primaryColor": "primary-color",
    "backgroundColor": "background-color",
    "secondaryBackgroundColor": "secondary-background-color",
    "textColor": "text-color",
    "borderColor": "border-color",
}


@dataclass(frozen=True)
class Setting:
    """How a presentation is shown, whatever is in it."""

    theme: str = "light"  # or "dark"; a key changes it
    home: str = ""  # address of the dashboard that links lead to; empty: no links


def render(deck: Deck, setting: Setting = Setting()) -> str:
    """The whole page: Plotly, slides and recordings inside, nothing to fetch."""
    template = Markup(_read("deck.html").replace("PLAYER", _player("html")))
    data = [("attnscope-plotly", _plotly()), (saved.MARK, saved.packed(deck))]
    body = TEMPLATES.body(color_filters(), template, data, Markup(_setting(setting)))
    style = f"{_colours()}\n{_player('css')}\n{_read('deck.css')}"
    scripts = (_script(),)
    return html(Document(deck.title, body, style, scripts, (get_plotlyjs(),), setting.theme))


def _setting(setting: Setting) -> str:
    """As JSON that cannot end the element it stands in."""
    known = {
        "home": setting.home.rstrip("/"),
        "pages": {name: {"path": path, "title": title} for name, (path, title) in PAGES.items()},
        "plot": PLOT,
        "dark": _dark(),
        "curves": dict(zip(COLOURS["light"], COLOURS["dark"], strict=True)),
    }
    return json.dumps(known).replace("<", "\\u003c")


def _dark() -> Mapping[str, object]:
    """What every light colour of a figure is in the dark."""
    names = [field.name for field in fields(Palette) if field.name not in ("name", "scale")]
    flat = {getattr(LIGHT, name): getattr(DARK, name) for name in names}
    return {"flat": flat, "scale": [list(stop) for stop in DARK.scale]}


@cache
def _plotly() -> str:
    """Plotly's own script, a third of its size."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()


@cache
def _script() -> str:
    """The dashboard's player, and what steps through the slides."""
    player = _player("js").replace("export default function mount", "function mount")
    return f"const mount = (() => {{\n{player}\nreturn mount\n}})()\n{_read('deck.js')}"


@cache
def _colours() -> str:
    """The dashboard's colours under the names its style sheets use."""
    theme = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["theme"]
    lines = "".join(
        f"--st-{name}: light-dark({theme['light'][key]}, {theme['dark'][key]}); "
        for key, name in NAMES.items()
    )
    return f":root {{ {lines}}}"


@cache
def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@cache
def _player(ending: str) -> str:
    return (PLAYER / f"player.{ending}").read_text(encoding="utf-8")
