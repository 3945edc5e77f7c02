"""From a page about a set to one of its recordings in Compare."""

import streamlit as st

from app import links, runs
from app.controls import decoding, mechanisms, recording
from app.evaluation.settings import Settings
from app.runs import Heard, Run
from models.recogniser import variants


def turn_to(run: Run, name: str, variant: str | None = None) -> None:
    """Show a recording of a run in Compare, decoded as the run did; does not return.

    Parameters
    ----------
    name
        Of the recording, as in the results.
    variant
        The mechanism that led there.
    """
    from app.views import compare  # that page knows nothing of this one

    settings = Settings.from_json(runs.settings(run))
    trained = [info.name for info in variants() if info.checkpoint]
    chosen = tuple(each for each in trained if each in settings.variants)
    view = links.View(
        variants=None if list(chosen) == trained else chosen or None,
        options=settings.search,
        normalizer=settings.normalizer,
        run=run.name,
        utterance=name,
        look=variant,
    )
    recording.turn_to(Heard(run, name, variant))
    decoding.forget()
    mechanisms.forget()
    st.session_state.normalizer = view.normalizer
    st.session_state.view = view
    st.switch_page(
        st.Page(compare.page, title="Compare", url_path="compare", default=True),
        query_params=links.write(view),
    )
