"""Visitors who leave: soon after a page was closed, everything it brought is gone.

Streamlit keeps the session of a closed page, its uploads and the addresses of its sounds for two
minutes in case the connection comes back, and then until somebody else leaves. Here a thread ends
it after half a minute, and gives the memory back to the system.
"""

import ctypes
import gc
import logging
import threading
import time

import streamlit as st
from streamlit.runtime import Runtime, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

AFTER_SECONDS = 30.0  # without a page; a broken connection is mended before
EVERY_SECONDS = 5.0  # between two looks
LOG = logging.getLogger(__name__)


class Visitors:
    """Sessions by when their page was last seen to be open."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._seen: dict[str, float] = {}  # time.monotonic() by session
        self._lock = threading.Lock()
        self._left = False  # somebody left at the last look

    def note(self, session: str) -> None:
        """A page of this session was drawn."""
        with self._lock:
            self._seen[session] = time.monotonic()

    def look(self) -> None:
        """End the sessions that have had no page for long enough."""
        now = time.monotonic()
        with self._lock:
            for session in self._seen:
                if self._runtime.is_active_session(session):
                    self._seen[session] = now
            gone = [name for name, seen in self._seen.items() if now - seen > AFTER_SECONDS]
            for session in gone:
                del self._seen[session]
        for session in gone:
            self._end(session)
        if self._left:  # what they could download goes at the second call
            self._runtime.media_file_mgr.remove_orphaned_files()
            give_back_memory()
        self._left = bool(gone)

    def _end(self, session: str) -> None:
        loop = self._runtime._get_async_objs().eventloop  # sessions belong to its thread

        def end() -> None:
            if not self._runtime.is_active_session(session):  # it may be back just now
                self._runtime.close_session(session)

        loop.call_soon_threadsafe(end)


def give_back_memory() -> None:
    """Return freed memory to the system, where the C library (glibc) would keep it."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def watch() -> None:
    """Note that this session has a page; pages call it whenever they are drawn."""
    context = get_script_run_ctx()
    if context is not None and Runtime.exists():
        _visitors().note(context.session_id)


@st.cache_resource(show_spinner=False)
def _visitors() -> Visitors:
    visitors = Visitors(get_instance())
    threading.Thread(target=_look_for_ever, args=(visitors,), daemon=True).start()
    return visitors


def _look_for_ever(visitors: Visitors) -> None:
    while True:
        time.sleep(EVERY_SECONDS)
        try:
            visitors.look()
        except Exception:  # the next look may go well, and nobody else ends sessions
            LOG.exception("sessions without a page could not be ended")
