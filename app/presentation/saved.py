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
from typing import Any

import plotly.graph_objects as go
import soundfile

from analysis.io.json_document import parse
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
    found = ELEMENT.search(content)
    if found is None:
        raise SavedError(NOT_OURS)
    try:
        return _deck(parse(_unpacked(found[1]), BYTES))
    except SavedError:
        raise
    # Many unrelated errors, and Plotly's own.
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError,
            zlib.error, binascii.Error, soundfile.SoundFileError) as error:  # fmt: skip
        raise SavedError(DAMAGED) from error


def _unpacked(text: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    content = unpacker.decompress(base64.b64decode(text, validate=True), BYTES)
    if unpacker.unconsumed_tail:
        raise SavedError(f"the presentation holds more than {BYTES // 10**6} MB: split it.")
    if not unpacker.eof:
        raise SavedError(DAMAGED)
    return content


def _deck(found: Any) -> Deck:
    if found["attnscope"] != "presentation":
        raise SavedError(NOT_OURS)
    if found["version"] != VERSION:
        raise SavedError("it was made by another version of AttnScope, which has to open it.")
    if len(found["slides"]) > MOST:
        raise SavedError(f"it has more than {MOST} slides: split it.")
    sounds = {digest: _sound(str(digest), each) for digest, each in found["sounds"].items()}
    title = _text(found["title"], LONGEST_TITLE)
    return Deck(title).added(*(_slide(each, sounds) for each in found["slides"]))


def _text(value: Any, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError("not a text, or too long")
    value.encode()  # half a surrogate could not be written again
    return value


def _sound(digest: str, found: Any) -> Sound:
    content = base64.b64decode(found["audio"], validate=True)
    info = soundfile.info(io.BytesIO(content))
    seconds = float(found["seconds"])
    if info.format != "OGG" or not math.isclose(info.duration, seconds, abs_tol=0.2):
        raise ValueError("another sound than it says")
    return Sound(_text(digest, 100), content, seconds)


def _slide(found: Any, sounds: Mapping[str, Sound]) -> Slide:
    page, address = found["page"], found["address"]
    if page not in PAGES or not 0 < len(found["panels"]) <= PANELS:
        raise ValueError("not a view")
    if address is not None:
        address = tuple((_text(name, 100), _text(value, 2_000)) for name, value in address.items())
    return Slide(
        _text(found["title"], LONGEST_TITLE),
        tuple(_panel(each) for each in found["panels"]),
        page,
        address,
        None if found["sound"] is None else sounds[found["sound"]],
        _text(found["caption"], LONGEST_CAPTION),
    )


def _panel(found: Any) -> Panel:
    return Panel(
        _text(found["name"], 500),
        _html(found["head"], 100_000),
        _figure(found["figure"]),
        _html(found["body"], 2_000_000),
    )


def _html(value: Any, longest: int) -> str:
    text = _text(value, longest)
    check_form(text)
    return clean(text)


def _figure(found: Any) -> str:
    """A figure that Plotly accepts and that fetches nothing."""
    if found is None:
        return ""
    if not isinstance(found, dict) or set(found) - {"data", "layout"} or _fetches(found):
        raise ValueError("not a figure of ours")
    kinds = [trace.get("type", "scatter") for trace in found["data"]]
    if not kinds or not TRACES.issuperset(kinds):
        raise ValueError("not a figure of ours")
    if not _described(found["layout"].get("meta")):
        raise ValueError("not a figure of ours")
    go.Figure(found)  # refuses what it does not know
    return json.dumps(found, allow_nan=False)


def _described(meta: Any) -> bool:
    """Whether a figure says of itself what ours do, and in a way the player understands."""
    if not isinstance(meta, dict) or not isinstance(meta.get("kind"), str):
        return False
    tokens, peaks = meta.get("tokens", []), meta.get("peaks", [])
    words = meta.get("words", tokens)
    texts = all(isinstance(text, str) for text in (*tokens, *words))
    numbers = all(isinstance(peak, int | float) for peak in peaks)
    return texts and numbers and len(words) == len(tokens)


def _fetches(found: Any) -> bool:
    if isinstance(found, dict):
        return any(name in FETCHING or _fetches(each) for name, each in found.items())
    return isinstance(found, list) and any(_fetches(each) for each in found)
