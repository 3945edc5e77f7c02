"""The file a presentation is kept in: its own HTML page, which carries everything it shows.

Whoever opens the page sees the slides; whoever gives it back to the dashboard can go on with them.
So what is read here may come from anybody, and everything in it is checked.
"""

import base64
import binascii
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import plotly.graph_objects as go
import soundfile
from msgspec import Meta

from app.presentation.clean import check_form, clean
from app.presentation.deck import (
    LONGEST_CAPTION,
    LONGEST_TITLE,
    MOST,
    PAGES,
    Deck,
    Panel,
    Slide,
    Sound,
)
from models import schema
from models.schema import SchemaError

VERSION = 1
MARK = "attnscope-set"  # id of the element that carries the set
ELEMENT = re.compile(rb'<script type="application/gzip" id="attnscope-set">([A-Za-z0-9+/=\s]*)<')
FILE_MB = 50
BYTES = 150_000_000  # of a set once it is unpacked
PANELS = 60  # of one slide
TRACES = {"heatmap", "scatter", "bar"}  # what our figures consist of
FETCHING = {"images", "source", "src", "href", "map", "mapbox", "geo", "templateitemname"}
NOT_OURS = "it is not a presentation of AttnScope: choose an HTML file that Present downloaded."
DAMAGED = "the presentation is damaged: download it again where it was made."


class SavedError(ValueError):
    """A file is no presentation; the message is one sentence for the user."""


def packed(deck: Deck) -> str:
    """The set as text for `MARK`: base64 of gzipped JSON."""
    sounds = {
        digest: {"seconds": sound.seconds, "audio": base64.b64encode(sound.content).decode()}
        for digest, sound in deck.sounds.items()
    }
    slides = ",".join(_slide_json(slide) for slide in deck.slides)
    head = json.dumps({"attnscope": "presentation", "version": VERSION, "title": deck.title})
    text = f'{head[:-1]}, "sounds": {json.dumps(sounds)}, "slides": [{slides}]}}'
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def _slide_json(slide: Slide) -> str:
    """Figures are JSON already and stay as they are."""
    panels = ",".join(
        f'{{"name": {json.dumps(panel.name)}, "head": {json.dumps(clean(panel.head))}, '
        f'"body": {json.dumps(clean(panel.body))}, "figure": {panel.figure or "null"}}}'
        for panel in slide.panels
    )
    rest = json.dumps(
        {
            "title": slide.title,
            "caption": slide.caption,
            "page": slide.page,
            "address": None if slide.address is None else dict(slide.address),
            "sound": slide.sound.digest if slide.sound else None,
        }
    )
    return f'{rest[:-1]}, "panels": [{panels}]}}'


def read(content: bytes) -> Deck:
    """The presentation in a file.

    Raises
    ------
    SavedError
        If it is not one, or anything in it is not as this module writes it.
    """
    element = ELEMENT.search(content)
    if element is None:
        raise SavedError(NOT_OURS)
    try:
        return _deck(schema.values_of(_unpacked(element[1]), BYTES))
    except SavedError:
        raise
    except SchemaError as error:
        raise SavedError(_damaged(str(error))) from None
    # Many unrelated errors, and Plotly's own.
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError,
            zlib.error, binascii.Error, soundfile.SoundFileError) as error:  # fmt: skip
        raise SavedError(DAMAGED) from error


def _damaged(where: str) -> str:
    return DAMAGED.replace("damaged", f"damaged ({where})")


def _unpacked(text: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    content = unpacker.decompress(base64.b64decode(text, validate=True), BYTES)
    if unpacker.unconsumed_tail:
        raise SavedError(f"the presentation holds more than {BYTES // 10**6} MB: split it.")
    if not unpacker.eof:
        raise SavedError(DAMAGED)
    return content


@dataclass(frozen=True)
class _Panel:
    name: Annotated[str, Meta(max_length=500)]
    head: Annotated[str, Meta(max_length=100_000)]
    figure: dict[str, Any] | None
    body: Annotated[str, Meta(max_length=2_000_000)]


@dataclass(frozen=True)
class _Slide:
    title: Annotated[str, Meta(max_length=LONGEST_TITLE)]
    caption: Annotated[str, Meta(max_length=LONGEST_CAPTION)]
    page: Literal[tuple(PAGES)]
    address: (
        dict[Annotated[str, Meta(max_length=100)], Annotated[str, Meta(max_length=2_000)]] | None
    )
    sound: str | None
    panels: Annotated[tuple[_Panel, ...], Meta(min_length=1, max_length=PANELS)]


@dataclass(frozen=True)
class _Sound:
    seconds: schema.Seconds
    audio: str  # base64


@dataclass(frozen=True)
class _Set:
    """What a page carries."""

    title: Annotated[str, Meta(max_length=LONGEST_TITLE)]
    sounds: dict[Annotated[str, Meta(max_length=100)], _Sound]
    slides: tuple[_Slide, ...]


def _deck(values: Any) -> Deck:
    if not isinstance(values, dict) or values.get("attnscope") != "presentation":
        raise SavedError(NOT_OURS)
    if values.get("version") != VERSION:
        raise SavedError("it was made by another version of AttnScope, which has to open it.")
    slides = values.get("slides")
    if isinstance(slides, list) and len(slides) > MOST:
        raise SavedError(f"it has more than {MOST} slides: split it.")
    content = schema.convert(values, _Set)
    sounds = {digest: _sound(digest, sound) for digest, sound in content.sounds.items()}
    return Deck(content.title).added(
        *(_slide(f"slides[{number}]", slide, sounds) for number, slide in enumerate(content.slides))
    )


def _sound(digest: str, sound: _Sound) -> Sound:
    content = base64.b64decode(sound.audio, validate=True)
    info = soundfile.info(io.BytesIO(content))
    if info.format != "OGG" or not math.isclose(info.duration, sound.seconds, abs_tol=0.2):
        raise SavedError(_damaged("a recording is another than it says"))
    return Sound(digest, content, sound.seconds)


def _slide(place: str, slide: _Slide, sounds: Mapping[str, Sound]) -> Slide:
    if slide.sound is not None and slide.sound not in sounds:
        raise SavedError(_damaged(f"{place}.sound is not among the recordings"))
    panels = (
        _panel(f"{place}.panels[{number}]", panel) for number, panel in enumerate(slide.panels)
    )
    return Slide(
        slide.title,
        tuple(panels),
        slide.page,
        None if slide.address is None else tuple(slide.address.items()),
        None if slide.sound is None else sounds[slide.sound],
        slide.caption,
    )


def _panel(place: str, panel: _Panel) -> Panel:
    try:
        return Panel(panel.name, _html(panel.head), _figure(panel.figure), _html(panel.body))
    # Many unrelated errors, and Plotly's own.
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise SavedError(_damaged(f"{place} is not what a view consists of")) from error


def _html(text: str) -> str:
    check_form(text)
    return clean(text)


def _figure(figure: Any) -> str:
    """A figure that Plotly accepts and that fetches nothing."""
    if figure is None:
        return ""
    if not isinstance(figure, dict) or set(figure) - {"data", "layout"} or _fetches(figure):
        raise ValueError("not a figure of ours")
    kinds = [trace.get("type", "scatter") for trace in figure["data"]]
    if not kinds or not TRACES.issuperset(kinds):
        raise ValueError("not a figure of ours")
    if not _described(figure["layout"].get("meta")):
        raise ValueError("not a figure of ours")
    go.Figure(figure)  # refuses what it does not know
    return json.dumps(figure, allow_nan=False)


def _described(meta: Any) -> bool:
    """Whether a figure says of itself what ours do, and in a way the player understands."""
    if not isinstance(meta, dict) or not isinstance(meta.get("kind"), str):
        return False
    tokens, peaks = meta.get("tokens", []), meta.get("peaks", [])
    words = meta.get("words", tokens)
    texts = all(isinstance(text, str) for text in (*tokens, *words))
    numbers = all(isinstance(peak, int | float) for peak in peaks)
    return texts and numbers and len(words) == len(tokens)


def _fetches(node: Any) -> bool:
    if isinstance(node, dict):
        return any(name in FETCHING or _fetches(child) for name, child in node.items())
    return isinstance(node, list) and any(_fetches(child) for child in node)
