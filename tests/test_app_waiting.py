"""How long work on a page is said to take, stopping it and going on, and turning its pages."""

import time

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.data import decoding
from app.views.progress import Progress
from models.decoding.search import SearchOptions
from tests.support.pages import MAIN, choose, maps_of, upload
from tests.support.recordings import tone


@pytest.fixture
def page(use_checkpoints, library):
    """Compare, before its first run."""
    st.cache_resource.clear()
    st.cache_data.clear()
    return AppTest.from_file(MAIN, default_timeout=120)


class Bar:
    def progress(self, share: float, text: str) -> None:
        self.share, self.text = share, text


@pytest.mark.parametrize(
    ("done", "elapsed", "said"),
    [
        (0, 9.0, "dot · 1 of 4"),  # nothing to tell from
        (1, 0.5, "dot · 2 of 4"),  # hardly any
        (1, 4.0, "dot · 2 of 4 · about 12 s left"),
        (3, 400.0, "dot · 4 of 4 · about 2 min left"),
        (4, 10.0, "dot · 4 of 4"),
    ],
)
def test_what_is_left_is_told_from_what_was_heard(monkeypatch, done, elapsed, said):
    bar = Bar()
    progress = Progress(bar, 0, 4, audio=8.0, started=time.monotonic())
    for _ in range(done):
        progress.add(2.0)
    now = progress.started + elapsed
    monkeypatch.setattr(time, "monotonic", lambda: now)
    progress.show("dot")
    assert (bar.share, bar.text) == (done / 4, said)


def pages_of_three():
    """Some pages to turn, as AppTest runs a function's source."""
    import streamlit as st

    from app.controls.pager import turn_pages

    st.session_state.setdefault("at", 0)
    turn_pages("at", st.session_state.at, 3, "texts", f"page {st.session_state.at}")


def test_pages_are_turned_from_the_first_to_the_last_and_back():
    page = AppTest.from_function(pages_of_three, default_timeout=60).run()
    seen = []
    for title in ("On", "On", "Back", "Back"):
        seen.append([page.button(key=f"at_{name}").disabled for name in ("Back", "On")])
        page.button(key=f"at_{title}").click().run()
        seen.append(page.markdown[0].value)
    assert seen == [
        [True, False], "page 1", [False, False], "page 2",
        [False, True], "page 1", [False, False], "page 0",
    ]  # fmt: skip


def test_stop_keeps_what_is_finished_and_continue_goes_on(page):
    page.query_params["variants"] = "ctc"
    page.run()
    request = decoding.Request(
        decoding.digest_of(decoding.audio.load(tone(), name="buzz")), SearchOptions()
    )
    page.session_state["stopped"] = request
    choose(page, ["ctc", "location"])
    page.run()
    assert "Stopped after 1 of 2" in page.markdown[0].value
    assert list(maps_of(page)) == ["ctc"]
    next(button for button in page.button if button.label == "Continue").click()
    page.run()
    assert set(maps_of(page)) == {"ctc", "location"}


def test_another_recording_goes_on_and_a_stopped_one_stays_stopped(page):
    first, second = tone(0.8), tone(1.2)
    upload(page, first)
    request = decoding.Request(
        decoding.digest_of(decoding.audio.load(first, name="mine.wav")), SearchOptions()
    )
    page.session_state["stopped"] = request
    choose(page, ["ctc", "location"])
    page.run()
    for content, drawn in ((first, {"ctc"}), (second, {"ctc", "location"}), (first, {"ctc"})):
        page.file_uploader[0].set_value(("mine.wav", content, "audio/wav"))
        page.run()
        assert set(maps_of(page)) == drawn
        stopped = [text.value for text in page.markdown if "Stopped after 1 of 2" in text.value]
        assert bool(stopped) == (content == first)
