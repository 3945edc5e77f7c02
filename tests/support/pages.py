"""Pages without a browser: what Streamlit's AppTest shows, and how its controls are set."""

import json
from collections.abc import Collection
from pathlib import Path

from streamlit.testing.v1 import AppTest

MAIN = str(Path(__file__).resolve().parents[2] / "app" / "main.py")


def maps_of(page: AppTest) -> dict[str, dict]:
    """Attention maps of a page by the name of their variant, as Plotly's JSON."""
    figures = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    metas = [(figure["layout"]["meta"], figure) for figure in figures]
    return {meta["variant"]: figure for meta, figure in metas if meta["kind"] == "map"}


def html_of(page: AppTest) -> str:
    """All HTML of a page."""
    return "\n".join(element.value for element in page.get("html"))


def without_errors(page: AppTest) -> bool:
    """Whether a page shows neither an exception nor an error."""
    return not page.exception and not page.error


def choose(page: AppTest, names: Collection[str]) -> None:
    """Set the pills so that exactly these variants are chosen."""
    for group in page.get("button_group"):
        if group.key and group.key.startswith("family "):
            group.set_value([name for name in group.options if name in names])


def choose_source(page: AppTest, source: str) -> None:
    """Choose where the recording comes from."""
    page.query_params["variants"] = "ctc"
    page.run()
    page.button_group(key="source").set_value(source)
    page.run()


def upload(page: AppTest, content: bytes, name: str = "mine.wav") -> AppTest:
    """Upload a recording, decoded by CTC alone."""
    choose_source(page, "Upload")
    page.file_uploader[0].set_value((name, content, "audio/wav"))
    return page.run()
