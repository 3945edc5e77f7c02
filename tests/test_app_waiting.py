"""How long work on a page is said to take."""

import time

import pytest

from app.views.waiting import Progress


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
