"""From a page about a set to one of its recordings in Compare."""

import streamlit as st

from app.controls import decoding, mechanisms, recording
from app.data import runs
from app.data.runs import Run, RunRecording
from app.evaluation.settings import Settings
from app.links import compare as compare_links
from models.recogniser import variants


def open_in_compare(run: Run, name: str, variant: str | None = None) -> None:
    """Show a recording of a run in Compare, decoded as the run did; does not return.

    Parameters
    ----------
    name
        Of the recording, as in the results.
    variant
        The mechanism that led there.
    """
    from app.views.compare import page as compare_page  # that page knows nothing of this one

    settings = Settings.from_json(runs.settings(run))
    trained = [info.name for info in variants() if info.checkpoint]
    chosen = tuple(variant_name for variant_name in trained if variant_name in settings.variants)
    view = compare_links.View(
        variants=None if list(chosen) == trained else chosen or None,
        options=settings.search,
        normalizer=settings.normalizer,
        run=run.name,
        utterance=name,
        look=variant,
    )
    recording.turn_to(RunRecording(run, name, variant))
    decoding.forget()
    mechanisms.forget()
    st.session_state.normalizer = view.normalizer
    st.session_state.view = view
    st.switch_page(
        st.Page(compare_page.page, title="Compare", url_path="compare", default=True),
        query_params=compare_links.write(view),
    )
