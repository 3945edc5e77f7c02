"""What sessions keep in memory: bounded in bytes together, and gone when they end."""

import gc
import io
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from streamlit.byte_util import config_max_cache_data_size_to_bytes

from app.data import decoding, visitors
from app.data.decoding import Budget
from models.audio import Recording
from tests.support.dashboard import ROOT
from tests.support.recordings import hum

BYTES = 1_000


def result(size: int = BYTES) -> SimpleNamespace:
    """Stands for a result whose alignment takes `size` bytes."""
    half = np.zeros(size // 2, np.uint8)
    return SimpleNamespace(
        decoded=SimpleNamespace(alignment=SimpleNamespace(weights=half, map=half))
    )


def test_the_stores_of_all_sessions_stay_within_their_budget():
    budget = Budget(limit=10 * BYTES)
    stores = [budget.store() for _ in range(50)]
    for number, store in enumerate(stores):
        for name in range(3):
            store.put((f"recording {number}", None, name), result())
            assert budget.bytes <= budget.limit
    assert stores[-1].bytes == 3 * BYTES  # who is there now has everything
    assert stores[0].bytes == 0  # who was quiet longest has nothing
    stores[-3].get(("x",))
    stores[-1].put(("another", None, 0), result(4 * BYTES))
    assert [store.bytes for store in stores[-3:]] == [3 * BYTES, 0, 7 * BYTES]


def test_one_session_may_go_beyond_the_budget_and_what_it_kept_goes_with_it():
    budget = Budget(limit=BYTES)
    store = budget.store()
    store.put(("long", None, 0), result(5 * BYTES))
    assert budget.bytes == store.bytes == 5 * BYTES  # it would be decoded again and again
    del store
    gc.collect()
    assert budget.bytes == 0


def test_cached_recordings_and_sounds_have_a_limit_of_all_sessions_together():
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    limit = config_max_cache_data_size_to_bytes(settings["server"]["maxCacheDataSize"])
    assert limit is not None
    assert limit <= 600_000_000


class Runtime:
    """Streamlit's, as far as it is asked here."""

    def __init__(self, *sessions: str) -> None:
        self.active = set(sessions)
        self.closed: list[str] = []
        self.swept = 0
        self.media_file_mgr = SimpleNamespace(remove_orphaned_files=self._sweep)

    def is_active_session(self, session: str) -> bool:
        return session in self.active

    def close_session(self, session: str) -> None:
        self.closed.append(session)

    def _get_async_objs(self) -> SimpleNamespace:
        return SimpleNamespace(
            eventloop=SimpleNamespace(call_soon_threadsafe=lambda function: function())
        )

    def _sweep(self) -> None:
        self.swept += 1


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(visitors, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def test_sessions_end_when_they_have_had_no_page_for_long_enough(clock):
    runtime = Runtime("here", "closed", "broken")
    watched = visitors.Visitors(runtime)
    for session in ("here", "closed", "broken"):
        watched.note(session)
    runtime.active -= {"closed", "broken"}
    clock.seconds += visitors.AFTER_SECONDS - 1
    watched.look()
    runtime.active |= {"broken"}  # its connection came back
    clock.seconds += 2
    watched.look()
    assert (runtime.closed, runtime.swept) == (["closed"], 0)
    watched.look()
    assert runtime.swept == 1  # also what could be downloaded
    clock.seconds += 10 * visitors.AFTER_SECONDS
    watched.look()
    assert runtime.closed == ["closed"]


def test_a_session_that_comes_back_as_it_is_ended_stays(clock):
    runtime = Runtime()
    watched = visitors.Visitors(runtime)
    watched.note("late")
    answers = iter([False, True])
    runtime.is_active_session = lambda _: next(answers)
    clock.seconds += visitors.AFTER_SECONDS + 1
    watched.look()
    assert runtime.closed == []


def test_what_is_gone_is_within_a_minute():
    """The README promises a minute."""
    assert visitors.AFTER_SECONDS + 4 * visitors.EVERY_SECONDS <= 60


def test_the_same_recording_has_another_address_for_everybody():
    recording = Recording(hum(0.2), 16_000, (), "hum")
    first, second = (decoding.sound.__wrapped__("digest", recording) for _ in range(2))
    assert first != second
    for content in (first, second):
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        assert rate == 16_000
        np.testing.assert_allclose(samples, recording.samples, atol=1e-4)
