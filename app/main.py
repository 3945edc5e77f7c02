"""The dashboard: ``python -m app`` or ``streamlit run app/main.py``."""

import sys
from pathlib import Path

import streamlit as st

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:  # Streamlit puts only this file's own folder there
    sys.path.insert(0, ROOT)

from app.data import visitors  # noqa: E402
from app.presentation import session  # noqa: E402
from app.theme import ICON, style_sheet  # noqa: E402
from app.views import present, scores, yours  # noqa: E402
from app.views.closer import page as closer_page  # noqa: E402
from app.views.compare import page as compare_page  # noqa: E402
from app.views.failures import page as failures_page  # noqa: E402
from app.views.stress import page as stress_page  # noqa: E402


def main() -> None:
    """Draw the chosen page."""
    st.set_page_config(
        page_title="AttnScope",
        page_icon=ICON,
        layout="wide",
        initial_sidebar_state="auto",
        menu_items={"About": "AttnScope shows how attention-based speech recognisers listen."},
    )
    visitors.watch()
    st.html(f"<style>{style_sheet()}</style>")
    pages = [
        st.Page(compare_page.page, title="Compare", icon=":material/compare:", url_path="compare",
                default=True),
        st.Page(closer_page.page, title="Look closer", icon=":material/zoom_in:",
                url_path="closer"),
        st.Page(failures_page.page, title="Failures", icon=":material/report:",
                url_path="failures"),
        st.Page(scores.page, title="Scores", icon=":material/leaderboard:", url_path="scores"),
        st.Page(stress_page.page, title="Stress lab", icon=":material/fitness_center:",
                url_path="stress"),
        st.Page(yours.page, title="Your attention", icon=":material/upload_file:",
                url_path="yours"),
        st.Page(present.page, title=_present(), icon=":material/co_present:", url_path="present"),
    ]  # fmt: skip
    st.navigation(pages, position="top").run()


def _present() -> str:
    """The page's name with the number of slides, so that adding one is seen everywhere."""
    count = len(session.deck().slides)
    return f"Present ({count})" if count else "Present"


main()
