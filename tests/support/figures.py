"""Figures and the player of a page in a browser: places on them, their axes, the sound."""

from typing import Any

from playwright.sync_api import Locator, Page

from tests.support.dashboard import wait_until_idle


def plot(page: Page, name: str) -> Locator:
    return page.locator(f".st-key-{name} .js-plotly-plot")


def spot(page: Page, name: str, seconds: float, row: float) -> tuple[float, float]:
    """Pixels of a moment and a row on a figure of an idle page, ready for the mouse."""
    wait_until_idle(page)
    figure = plot(page, name)
    figure.scroll_into_view_if_needed()
    inside = figure.evaluate(
        """(figure, [seconds, row]) => {
            const { xaxis, yaxis } = figure._fullLayout
            const frame = figure.getBoundingClientRect()
            return [frame.left + xaxis._offset + xaxis.d2p(seconds),
                    frame.top + yaxis._offset + yaxis.d2p(row)]
        }""",
        [seconds, row],
    )
    return inside[0], inside[1]


def audio(page: Page, what: str) -> Any:
    return page.evaluate(f"document.querySelector('.st-key-listen_audio audio').{what}")


def wait_for_audio(page: Page, condition: str) -> None:
    page.wait_for_function(
        f"(() => {{ const a = document.querySelector('.st-key-listen_audio audio');"
        f" return {condition} }})()"
    )


def ranges_of(page: Page, name: str) -> list[float]:
    """Ends of a figure's horizontal axis."""
    return plot(page, name).evaluate("f => f._fullLayout.xaxis.range")
