"""Decoding options, the same on every page that decodes: a control for each of the table's."""

from typing import Any

import streamlit as st

from app.controls.initial import initial
from models.decoding.options import Option, SearchOptions, Value, decoding_options


def restore(options: SearchOptions) -> None:
    """Give every control that has no value yet the one from `options`."""
    for option in decoding_options():
        value = getattr(options, option.name)
        if option.usual is None:
            initial(option.address, value)
        else:
            initial(_switch(option), value is not None)
            initial(option.address, value or option.usual)


def forget() -> None:
    """Let the controls take their values from `restore` when they are drawn next."""
    for option in decoding_options():
        for key in (option.address, _switch(option)):
            st.session_state.pop(key, None)


def choose() -> SearchOptions:
    """Draw the controls; returns the options they say.

    An option that has no effect beside those above it cannot be moved, and counts as its default.
    """
    options = SearchOptions()
    for option in decoding_options():
        idle = bool(option.needs) and option.enough is None and bool(option.unmet(options))
        value = _control(option, idle)
        if not idle:
            options = _with(options, option, value)
    return options


def _with(options: SearchOptions, option: Option, value: Value) -> SearchOptions:
    return SearchOptions(**vars(options) | {option.name: value})


def _control(option: Option, idle: bool) -> Value:
    if option.usual is None:
        return _slider(option, idle)
    on = st.toggle(
        option.label,
        key=_switch(option),
        persist_state="session",
        help=option.tooltip,
        disabled=idle,
    )
    return _slider(option, idle) if on else None


def _slider(option: Option, idle: bool) -> Value:
    named: dict[str, Any] = {
        "key": option.address,
        "persist_state": "session",
        "help": option.tooltip,
        "disabled": idle,
    }
    value = st.session_state[option.address]
    if option.stops:
        stops = sorted({*option.stops, value})
        return st.select_slider(option.title, stops, format_func="{:g}".format, **named)
    # a run that is opened may have searched beyond the range of pages
    ends = value if option.parts else (value,)
    low, high = min(option.range[0], *ends), max(option.range[1], *ends)
    return st.slider(option.title, low, high, step=option.kind(option.step), **named)


def _switch(option: Option) -> str:
    """Key of the control that switches an option on."""
    return f"{option.address}_on"
