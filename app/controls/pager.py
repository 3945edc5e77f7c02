"""Buttons that turn the pages of a list."""

import streamlit as st


def turn_pages(key: str, page: int, pages: int, what: str, position: str) -> None:
    """Draw buttons to the page before and the page after, and between them the position.

    Parameters
    ----------
    key
        Under which the session state has the number of the page.
    what
        Stands on a page, for the help of the buttons.
    position
        Which page of how many, as Markdown.
    """
    turns = (("Back", -1, "chevron_left", "before"), ("On", 1, "chevron_right", "after"))
    with st.container(horizontal=True, vertical_alignment="center"):
        for title, step, sign, side in turns:
            st.button(
                title,
                key=f"{key}_{title}",
                disabled=not 0 <= page + step < pages,
                on_click=st.session_state.update,
                args=({key: page + step},),
                icon=f":material/{sign}:",
                help=f"The {what} {side} these.",
            )
        st.markdown(position)
