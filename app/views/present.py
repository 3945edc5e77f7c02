"""Present: views collected from any page, in order, full-screen, and as one file."""

from urllib.parse import urlsplit

import streamlit as st

from app.components.stage import stage
from app.controls import collect
from app.export import clips as clip_export
from app.markup import cards
from app.markup.markdown import escape_markdown
from app.presentation import Deck, SavedError, Setting, Slide, read, render, session
from app.presentation import figures as pictures
from app.presentation.deck import LONGEST_CAPTION, LONGEST_TITLE, PAGES
from app.presentation.saved import FILE_MB
from app.presentation.thumb import numbered
from app.theme import palette
from app.views import progress as progress_view

WHAT = "What you collect on the other pages, in your order, for the reading group."


def page() -> None:
    """Draw the page."""
    deck = session.deck()
    st.html(cards.heading("Present", WHAT))
    _problem()
    if not deck.slides:
        _invite()
        return
    html = _page_of(deck)
    stage(html, palette(st.context.theme.type), st.session_state.get("present_at", 0))
    _files(deck, html)
    st.subheader("Slides", anchor="slides")
    for place, slide in enumerate(deck.slides):
        _slide(slide, place, len(deck.slides))
    _open("Add the slides of another presentation")


def _home() -> str:
    """Address of this dashboard; empty where nobody says it."""
    url = st.context.url
    parts = urlsplit(url) if isinstance(url, str) else None
    return f"{parts.scheme}://{parts.netloc}" if parts and parts.netloc else ""


def _page_of(deck: Deck) -> str:
    """The presentation's page, made again only when something in it changed."""
    setting = Setting("dark" if st.context.theme.type == "dark" else "light", _home())
    made = st.session_state.get("present_made")
    if made is None or made[0] is not deck or made[1] != setting:
        made = (deck, setting, render(deck, setting))
        st.session_state.present_made = made
    return made[2]


def _problem() -> None:
    """What was wrong with the last file, until something else happens."""
    if text := st.session_state.pop("present_problem", None):
        st.error(escape_markdown(text), icon=":material/error:")


def _invite() -> None:
    st.info(
        f"There are no slides yet. Press “{collect.LABEL}” on any other page: what you see there "
        "becomes a slide, with its maps, its transcripts and its sound.",
        icon=collect.ICON,
    )
    _undo()
    _open("Open a presentation")


# --- files


def _files(deck: Deck, html: str) -> None:
    st.session_state.setdefault("present_title", deck.title)
    st.text_input(
        "Title of the presentation",
        key="present_title",
        max_chars=LONGEST_TITLE,
        width=560,
        on_change=_rename,
        help="Names the files; the window of the exported page shows it.",
    )
    content = html.encode()
    with st.container(key="present_files", horizontal=True, vertical_alignment="center"):
        st.download_button(
            f"Download the presentation ({len(content) / 1e6:.1f} MB)",
            content,
            file_name=f"{clip_export.file_stem(deck.title)}.html",
            mime="text/html",
            key="present_download",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
            help="One HTML file with maps, sound and everything else inside: it opens in any "
            "browser without a network, and here again to go on with it.",
        )
        _figures_button(deck)
        _undo()
        _clear(deck)
    _drawing(deck)


def _rename() -> None:
    title = " ".join(st.session_state.present_title.split())
    deck = session.deck()
    session.keep(Deck(title or Deck().title, deck.slides))


def _figures_button(deck: Deck) -> None:
    drawn = st.session_state.get("present_figures")
    if drawn is not None and drawn[0] == deck.slides:
        st.download_button(
            f"Download the figures ({len(drawn[1]) / 1e6:.1f} MB)",
            drawn[1],
            file_name=f"{clip_export.file_stem(deck.title)}-figures.zip",
            mime="application/zip",
            key="present_figures_download",
            icon=":material/folder_zip:",
            on_click="ignore",
            help="Every figure as SVG, PDF and PNG, named by its slide.",
        )
        return
    st.button(
        "Draw the figures",
        key="present_draw",
        icon=":material/image:",
        disabled=not deck.figures,
        help=f"Draws each of the {deck.figures} figures as SVG, PDF and PNG, to be downloaded as "
        "one archive; this takes some seconds for each slide.",
    )


def _drawing(deck: Deck) -> None:
    """Draw all figures where that was asked for; anything pressed meanwhile stops it."""
    if not st.session_state.get("present_draw"):
        return
    place, drawn = st.empty(), []
    total = sum(any(panel.figure for panel in slide.panels) for slide in deck.slides)
    bar = progress_view.busy(place, "present_stop", True, "Stop drawing; nothing is kept.")
    try:
        bar.progress(0.0, text="Starting the browser that draws")
        for drawing in pictures.draw(deck):
            drawn.append(drawing)
            text = f"{escape_markdown(drawing.title)} · slide {len(drawn)} of {total} is drawn"
            bar.progress(len(drawn) / total, text=text)
    except clip_export.ExportError as error:
        place.error(escape_markdown(_sentence(str(error))), icon=":material/error:")
        return
    st.session_state.present_figures = (deck.slides, pictures.archive(drawn))
    st.rerun()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _undo() -> None:
    if session.undoable():
        st.button(
            "Undo",
            key="present_undo",
            icon=":material/undo:",
            on_click=_undone,
            help="Take back the last removal or the last file that was opened.",
        )


def _undone() -> None:
    session.undo()
    st.session_state.present_title = session.deck().title


def _clear(deck: Deck) -> None:
    st.button(
        "Remove all",
        key="present_clear",
        icon=":material/delete_sweep:",
        on_click=session.keep,
        args=(Deck(deck.title),),
        kwargs={"undo": True},
        help="Takes all slides away; Undo brings them back.",
    )


def _open(label: str) -> None:
    """Slides of a file, put after those that are there."""
    turn = st.session_state.setdefault("present_turn", 0)  # a file that was read is forgotten
    st.file_uploader(
        label,
        type=["html", "htm"],
        key=f"present_file_{turn}",
        max_upload_size=FILE_MB,
        on_change=_opened,
        args=(f"present_file_{turn}",),
        help="An HTML file that this page made. Its slides are put after those that are there; "
        "everything in it is checked, and nothing of it leaves this session.",
    )


def _opened(key: str) -> None:
    file, state = st.session_state.get(key), st.session_state
    if file is None:
        return
    state.present_turn += 1
    try:
        opened = read(file.getvalue())
    except SavedError as error:
        state.present_problem = f"{file.name} cannot be opened: {error}"
        return
    deck = session.deck()
    title = deck.title if deck.slides else opened.title
    changed = Deck(title, deck.slides).added(*opened.slides)
    session.keep(changed, undo=True)
    state.present_title, state.present_at = title, len(deck.slides)
    left_out = len(deck.slides) + len(opened.slides) - len(changed.slides)
    if left_out:
        state.present_problem = f"There was no room for the last {left_out} slides of {file.name}."


# --- slides


def _slide(slide: Slide, place: int, count: int) -> None:
    with st.container(key=f"present_slide_{slide.key}", border=True):
        left, right = st.columns([1, 5])
        with left:
            st.html(numbered(slide, place + 1))
        with right:
            _words(slide, place)
            _buttons(slide, place, count)


def _words(slide: Slide, place: int) -> None:
    title, caption = f"present_title_{slide.key}", f"present_caption_{slide.key}"
    st.session_state.setdefault(title, slide.title)
    st.session_state.setdefault(caption, slide.caption)
    st.text_input(
        f"Title of slide {place + 1}",
        key=title,
        max_chars=LONGEST_TITLE,
        on_change=_edit,
        args=(slide.key, "title", title, place),
        label_visibility="collapsed",
        placeholder="Title",
        help="The large line on the slide.",
    )
    st.text_area(
        f"Caption of slide {place + 1}",
        key=caption,
        max_chars=LONGEST_CAPTION,
        height=80,
        on_change=_edit,
        args=(slide.key, "caption", caption, place),
        label_visibility="collapsed",
        placeholder="Caption: what should people look at?",
        help="Stands under the title.",
    )


def _edit(key: int, field: str, widget: str, place: int) -> None:
    session.keep(session.deck().edited(key, **{field: st.session_state[widget].strip()}))
    st.session_state.present_at = place


def _buttons(slide: Slide, place: int, count: int) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        _button("up", slide, ":material/arrow_upward:", "One place earlier.", place == 0)
        _button("down", slide, ":material/arrow_downward:", "One place later.", place == count - 1)
        _button("remove", slide, ":material/delete:", "Take this slide away; Undo brings it back.")
        link, name = slide.link(_home()), PAGES[slide.page][1]
        if link is None:
            st.caption(f"from {name}; a recording of your own cannot be linked", width="content")
            return
        st.link_button(
            f"Open in {name}",
            link,
            type="tertiary",
            icon=":material/open_in_new:",
            help="The page this came from, as it was, in another window.",
        )


def _button(name: str, slide: Slide, icon: str, help_: str, disabled: bool = False) -> None:
    st.button(
        "",
        key=f"present_{name}_{slide.key}",
        icon=icon,
        disabled=disabled,
        on_click=_change,
        args=(name, slide.key),
        help=help_,
    )


def _change(name: str, key: int) -> None:
    deck = session.deck()
    if name == "remove":
        session.keep(deck.removed(key), undo=True)
    else:
        session.keep(deck.moved(key, -1 if name == "up" else 1))
