"""The button that puts a view into the presentation, the same on every page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from app.markup.markdown import escape_markdown
from app.presentation import Panel, Slide, Sound, session
from app.presentation.deck import LONGEST_CAPTION, LONGEST_TITLE, MOST

ICON, LABEL = ":material/add_to_queue:", "Add to presentation"


@dataclass(frozen=True)
class Found:
    """What a page has to show."""

    title: str
    panels: Sequence[Panel]
    sound: Sound | None = None
    caption: str = ""


def button(
    key: str,
    build: Callable[[], Found],
    what: str,
    page: str,
    *,
    linked: bool = True,
    label: str = LABEL,
) -> None:
    """Draw the button.

    Parameters
    ----------
    key
        Of the button, without its first part.
    build
        Makes the view; called only when the button is pressed.
    what
        Is collected, for the help: "these maps".
    page
        One of `app.presentation.deck.PAGES`.
    linked
        Whether the page's address shows the view again; an upload's does not.
    label
        A shorter one where there are many; those stand back.
    """
    st.button(
        label,
        key=f"add_{key}",
        icon=ICON,
        type="secondary" if label == LABEL else "tertiary",
        on_click=_add,
        args=(key, build, page, linked),
        help=f"Keep {what} as a slide, as it is now. The Present page puts slides in order, shows "
        "them full-screen and makes one file of them.",
    )
    if note := st.session_state.pop(f"added_{key}", None):
        st.toast(note, icon=":material/co_present:")


def _add(key: str, build: Callable[[], Found], page: str, linked: bool) -> None:
    """Collect the view; what came of it is said where the button is, as fragments need it."""
    collected = build()
    address = tuple(st.query_params.to_dict().items()) if linked else None
    title, caption = (
        _short(collected.title, LONGEST_TITLE),
        _short(collected.caption, LONGEST_CAPTION),
    )
    slide = Slide(title, tuple(collected.panels), page, address, collected.sound, caption)
    if session.collect(slide):
        count = len(session.deck().slides)
        slides = "1 slide" if count == 1 else f"{count} slides"
        note = f"Added: {escape_markdown(title)}. The presentation has {slides}."
    else:
        note = f"The presentation is full: it has {MOST} slides."
    st.session_state[f"added_{key}"] = note


def _short(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
