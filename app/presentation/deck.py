"""A presentation: slides in order, each a view as it was when it was collected."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from urllib.parse import urlencode

TITLE = "What attention does"  # until somebody writes a better one
MOST = 60  # slides
LONGEST_TITLE, LONGEST_CAPTION = 160, 600  # characters
PAGES = {  # where a view can come from: address of the page, its name
    "compare": ("", "Compare"),
    "closer": ("closer", "Look closer"),
    "failures": ("failures", "Failures"),
    "scores": ("scores", "Scores"),
    "stress": ("stress", "Stress lab"),
    "yours": ("yours", "Your attention"),
}


@dataclass(frozen=True)
class Panel:
    """One part of a slide."""

    name: str  # plain text: of files and for those who do not see it
    head: str = ""  # HTML above the figure
    figure: str = ""  # Plotly's JSON in light colours; empty: there is none
    body: str = ""  # HTML under the figure


@dataclass(frozen=True)
class Sound:
    """A recording to be heard with a slide; slides of the same one share it."""

    digest: str  # of the samples
    content: bytes  # Ogg/Opus
    seconds: float


@dataclass(frozen=True)
class Slide:
    """One view."""

    title: str
    panels: tuple[Panel, ...]
    page: str  # where it was collected, one of PAGES
    address: tuple[tuple[str, str], ...] | None  # of that page; None: it cannot be linked
    sound: Sound | None = None
    caption: str = ""
    key: int = -1  # within its deck, for as long as it is there

    def link(self, home: str) -> str | None:
        """Address of the view in a dashboard."""
        if self.address is None:
            return None
        query = f"?{urlencode(self.address)}" if self.address else ""
        return f"{home.rstrip('/')}/{PAGES[self.page][0]}{query}"


@dataclass(frozen=True)
class Deck:
    """All slides. Every change gives another deck."""

    title: str = TITLE
    slides: tuple[Slide, ...] = ()

    @property
    def sounds(self) -> Mapping[str, Sound]:
        """Every recording once, by its digest."""
        return {slide.sound.digest: slide.sound for slide in self.slides if slide.sound}

    @property
    def figures(self) -> int:
        return sum(bool(panel.figure) for slide in self.slides for panel in slide.panels)

    def added(self, *slides: Slide) -> "Deck":
        """With more slides at the end, as many as there is room for."""
        room = slides[: max(0, MOST - len(self.slides))]
        free = count(1 + max((slide.key for slide in self.slides), default=-1))
        new = tuple(replace(slide, key=next(free)) for slide in room)
        return replace(self, slides=self.slides + new)

    def removed(self, key: int) -> "Deck":
        return replace(self, slides=tuple(slide for slide in self.slides if slide.key != key))

    def moved(self, key: int, by: int) -> "Deck":
        """With a slide so many places later; it stops at both ends."""
        slides = list(self.slides)
        places = [place for place, slide in enumerate(slides) if slide.key == key]
        for place in places:
            slides.insert(max(0, place + by), slides.pop(place))
        return replace(self, slides=tuple(slides))

    def edited(self, key: int, **changes: str) -> "Deck":
        """With another title or caption of a slide."""
        slides = (replace(slide, **changes) if slide.key == key else slide for slide in self.slides)
        return replace(self, slides=tuple(slides))
