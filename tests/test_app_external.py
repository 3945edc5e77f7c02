"""The dashboard with other toolkits' recognisers that its operator has named."""

import pytest
from streamlit.testing.v1 import AppTest

from app.data import sample_run
from models.interop import external
from tests.support.pages import MAIN, html_of, maps_of, without_errors
from tests.test_app_closer import closer, figures
from tests.test_interop_external import pointers, toolkits  # noqa: F401

THEIRS = {"their-rnn", "their-whisper"}


@pytest.fixture
def named(library, pointers):  # noqa: F811
    """One sample; our tiny checkpoints with an ESPnet model and a Whisper beside them."""


def test_they_stand_among_the_mechanisms_with_maps_of_their_own(named):
    page = AppTest.from_file(MAIN, default_timeout=120)
    page.query_params["variants"] = "dot,their-rnn,their-whisper"
    page.run()
    assert without_errors(page)
    assert set(maps_of(page)) == {"dot", *THEIRS}
    shown = html_of(page)
    assert "Their RNN" in shown
    groups = {group.key for group in page.get("button_group") if group.key}
    assert {"family espnet", "family whisper"} <= groups


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_they_can_be_looked_at_closer(named, name):
    page = AppTest.from_function(closer, default_timeout=120)
    page.query_params["variant"] = name
    page.run()
    assert without_errors(page)
    drawn = figures(page)
    assert {"spectrogram", "map"} <= set(drawn)
    assert ("anatomy" in drawn) == (name == "their-rnn")  # Whisper has no single step


def test_an_address_cannot_name_a_file(named, tmp_path):
    page = AppTest.from_file(MAIN, default_timeout=120)
    page.query_params["variants"] = f"dot,whisper:{tmp_path / 'mini'}"
    page.run()
    assert without_errors(page)
    assert set(maps_of(page)) == {"dot"}


def test_a_public_name_is_no_file_and_stops_no_page(library, use_checkpoints, monkeypatch):
    monkeypatch.setenv(external.VARIABLE, "whisper:openai/whisper-tiny")
    first = sample_run.place()
    assert sample_run.place() == first
    monkeypatch.setenv(external.VARIABLE, "")
    assert sample_run.place() != first
