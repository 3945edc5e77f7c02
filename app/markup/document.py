"""HTML files that open anywhere without a network: one shell for reports and presentations.

The policy in the file's head lets nothing be fetched and runs no script but those written here,
each named by its hash; so even text that slipped through as markup could do nothing.
"""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from markupsafe import Markup

from app.templates import Macros
from app.theme import style_sheet
from models.audio import SAMPLE_RATE

TEMPLATES = Macros(__file__)
BLOCK = 60 * SAMPLE_RATE  # samples given to the encoder at once: it puts them on its stack


@dataclass(frozen=True)
class Document:
    """What a file says and does."""

    title: str  # plain text
    body: Markup
    style: str  # CSS, after the pages' own
    scripts: tuple[str, ...]  # run in this order
    later: tuple[str, ...] = ()  # code that those scripts add to the page themselves
    theme: str = ""  # "light" or "dark"; empty: the style sheet decides


def html(document: Document) -> str:
    """The whole file."""
    policy = Markup(_policy((*document.scripts, *document.later)))
    style = Markup(f"{style_sheet()}\n{document.style}")
    scripts = [Markup(_script(code)) for code in document.scripts]
    return str(TEMPLATES.document(document, policy, style, scripts)) + "\n"


def _script(code: str) -> str:
    if "</script" in code.lower():
        raise ValueError("a script would end early")
    return code


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
        for code in scripts
    )
    return (
        "default-src 'none'; img-src data: blob:; media-src data: blob:; "
        f"style-src 'unsafe-inline'; script-src {hashes}"
    )


def opus(samples: np.ndarray) -> bytes:
    """Samples (n,) as an Ogg/Opus file: about 4 kB a second, played by every browser of today."""
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", SAMPLE_RATE, channels=1, format="OGG", subtype="OPUS"
    ) as writer:
        for first in range(0, len(samples), BLOCK):
            writer.write(samples[first : first + BLOCK])
    return file.getvalue()
