"""One visual language for every page: colours, verdict signs and the page's style sheet.

The sequential palette runs through yellow, green and blue with strictly changing lightness, so it
reads the same with every colour vision and in grey print. On a dark page it runs the other way:
little attention is always the colour of the page.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

ICON = str(Path(__file__).parent / "icon.svg")  # of the browser tab; served from here, not fetched
Scale = tuple[tuple[float, str], ...]

LIGHT_SCALE: Scale = (
    (0.00, "#fbfcfa"),
    (0.06, "#eef6df"),
    (0.20, "#c7e9b4"),
    (0.40, "#7fcdbb"),
    (0.55, "#41b6c4"),
    (0.70, "#1d91c0"),
    (0.82, "#225ea8"),
    (0.92, "#253494"),
    (1.00, "#081d58"),
)
DARK_SCALE: Scale = (
    (0.00, "#12191e"),
    (0.10, "#16284a"),
    (0.25, "#1f4a8f"),
    (0.45, "#1d7fb5"),
    (0.60, "#35a9bd"),
    (0.75, "#74c9b6"),
    (0.88, "#c2e7b0"),
    (1.00, "#fdfdd3"),
)


@dataclass(frozen=True)
class Palette:
    """Colours of one theme, for figures drawn in Python (the page itself follows Streamlit's)."""

    name: str  # "light" or "dark"
    scale: Scale  # sequential: share of the maximum, colour
    ink: str  # text and axes
    muted: str  # tick labels, units
    grid: str  # lines that only help the eye
    path: str  # the attention path over a map
    forced: str  # when every token was said, by forced alignment
    failure: str  # outline of a failure's evidence
    speech: str  # stretches with speech
    paper: str  # behind a figure


LIGHT = Palette(
    name="light",
    scale=LIGHT_SCALE,
    ink="#1c2a31",
    muted="#52646d",
    grid="#d9e0e0",
    path="#d97706",
    forced="#7c3aed",
    failure="#be123c",
    speech="#0f766e",
    paper="#fbfcfa",
)
DARK = Palette(
    name="dark",
    scale=DARK_SCALE,
    ink="#e6edee",
    muted="#a3b4bb",
    grid="#2b3940",
    path="#fb923c",
    forced="#c4b5fd",
    failure="#fb7185",
    speech="#5eead4",
    paper="#12191e",
)


def palette(name: str | None) -> Palette:
    """The palette of Streamlit's theme type (`st.context.theme.type`); light when unknown."""
    return DARK if name == "dark" else LIGHT


@dataclass(frozen=True)
class Sign:
    """How a verdict is shown: never by colour alone."""

    words: str  # what a newcomer reads
    icon: str  # class of the icon in page.css
    level: str  # "good", "bad" or "odd": colour class in page.css
    help: str  # one sentence saying what it means


SIGNS: dict[str, Sign] = {
    "healthy": Sign("healthy", "check", "good", "Attention moved once through all of the speech."),
    "loop": Sign(
        "loop", "loop", "bad", "The same words were written again while re-reading audio."
    ),
    "stall": Sign("stall", "pause", "odd", "Attention stood still while the text went on."),
    "skip": Sign("skip", "skip", "bad", "Speech in the middle that no token listened to."),
    "early_stop": Sign("early stop", "stop", "bad", "The text ended before the speech did."),
    "runaway": Sign(
        "runaway", "runaway", "bad", "The decoder never ended and hit the length limit."
    ),
    "reversed": Sign("reversed", "reverse", "bad", "Attention ran backwards through time."),
    "diffuse": Sign("diffuse", "diffuse", "odd", "No token knew where it was listening."),
    "jump_back": Sign(
        "jump back", "back", "odd", "Attention returned to audio it had already read."
    ),
}

NOTHING_SAID = "No speech was found in the recording, so there is nothing to judge."
SPEECH_UNKNOWN = "Nothing went wrong in what is known; which audio is speech is not."
NOTES = {  # of kinds that have a place; the others are about the whole map
    "genuine_repetition": Sign(
        "really repeated", "check", "good", "Words that were spoken more than once."
    ),
    "unheard": Sign("unheard", "back", "odd", "Audio that may or may not have been speech."),
}


def sign(verdict: str, speech: bool | None = True) -> Sign:
    """The sign of a verdict or failure kind; an unknown kind is shown by its own name.

    That none was found means nothing without `speech` in the recording, and less where it is not
    known (None); the help says so.
    """
    shown = SIGNS.get(verdict) or Sign(verdict.replace("_", " "), "back", "odd", "")
    if speech or verdict != "healthy":
        return shown
    return replace(shown, help=SPEECH_UNKNOWN if speech is None else NOTHING_SAID)


@cache
def style_sheet() -> str:
    """The page's CSS, and the colours of what lies over maps, which the player's legend shows."""
    names = ("path", "forced", "failure", "speech")
    colours = "".join(
        f"--attn-{name}: light-dark({getattr(LIGHT, name)}, {getattr(DARK, name)}); "
        for name in names
    )
    page = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    on_primary = f"light-dark({LIGHT.paper}, {DARK.paper})"  # Streamlit writes white on any colour
    button = f"button[data-testid=stBaseButton-primary] {{ color: {on_primary}; }}"
    return f":root {{ {colours}}}\n{button}\n{page}"
