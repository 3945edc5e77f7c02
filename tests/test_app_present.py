"""Present on screen: views collected from every page, their order, words and files."""

import io
import json
import sys
import zipfile

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.data import runs
from app.presentation import Deck, Panel, Slide, read, render
from app.presentation import figures as pictures
from app.presentation.clean import clean
from app.presentation.deck import MOST
from tests.support.evaluated_runs import real_run
from tests.support.pages import without_errors
from tests.support.recordings import tone
from tests.test_app_yours import npz

HOSTILE = "<script>alert(1)</script>\"'&"


def pages():
    """One page, and Present once the session says so, as AppTest runs a function's source."""
    import importlib

    import streamlit as st

    name = "present" if st.session_state.get("on_present") else st.session_state["page"]
    module = importlib.import_module(f"app.views.{name}")
    if hasattr(module, "__path__"):  # a folder of modules
        module = importlib.import_module(f"app.views.{name}.page")
    module.page()


@pytest.fixture
def start(checkpoints, library, monkeypatch):
    """Makes a session that begins on a page."""
    monkeypatch.setenv("ATTNSCOPE_CHECKPOINTS", str(checkpoints))
    st.cache_resource.clear()
    st.cache_data.clear()

    def started(name: str, **address: str) -> AppTest:
        page = AppTest.from_function(pages, default_timeout=120)
        page.session_state["page"] = name
        page.query_params.update(address)
        return page

    return started


def slide(title: str, **more) -> Slide:
    return Slide(title, (Panel("text", body=f"<p>{title}</p>"),), "scores", (), **more)


def shown(page: AppTest, *slides: Slide) -> AppTest:
    """The page Present with these slides."""
    page.session_state["present_deck"] = Deck().added(*slides)
    page.session_state["on_present"] = True
    return page.run()


def deck_of(page: AppTest) -> Deck:
    return page.session_state["present_deck"]


def titles(page: AppTest) -> list[str]:
    return [each.title for each in deck_of(page).slides]


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click()
    page.run()
    assert not page.exception
    return page


def add_buttons(page: AppTest) -> list[str]:
    return [each.key for each in page.button if (each.key or "").startswith("add_")]


def kinds(slide: Slide) -> list[str]:
    figures = [json.loads(panel.figure) for panel in slide.panels if panel.figure]
    return [figure["layout"]["meta"]["kind"] for figure in figures]


def same(deck: Deck, other: Deck) -> bool:
    """Whether two decks show the same; figures by value, HTML as it is written."""

    def plain(deck: Deck) -> list:
        return [
            (each.title, each.caption, each.page, each.address, each.sound,
             [(p.name, clean(p.head), clean(p.body), json.loads(p.figure or "null"))
              for p in each.panels])
            for each in deck.slides
        ]  # fmt: skip

    return deck.title == other.title and plain(deck) == plain(other)


# --- collecting


def test_maps_of_compare_become_slides_with_sound_words_and_link(start):
    page = start("compare", variants="dot,location")
    page.run()
    press(page, "add_maps")
    press(page, "add_maps_location")
    both, one = deck_of(page).slides
    assert kinds(both) == ["spectrogram", "map", "map"]
    assert kinds(one) == ["spectrogram", "map"]
    assert (both.title, one.title) == ("A buzz", "A buzz: Location-aware")
    assert both.caption == "“no no no”"
    assert dict(both.address) == {"sample": "buzz", "variants": "dot,location"}
    assert both.link("http://here:1/") == "http://here:1/?sample=buzz&variants=dot%2Clocation"
    assert both.sound is one.sound
    assert both.sound.seconds == pytest.approx(1.0)
    for panel in both.panels[1:]:
        assert "attn-badge" in panel.head
        assert "attn-text" in panel.body
        figure = json.loads(panel.figure)
        assert figure["data"][0]["z"]["dtype"] == "u1"
        assert len(figure["layout"]["meta"]["words"]) == len(figure["layout"]["meta"]["tokens"])
    assert page.toast[-1].value.startswith("Added: A buzz\\: Location-aware")
    assert "2 slides" in page.toast[-1].value
    assert same(read(render(deck_of(page)).encode()), deck_of(page))


def test_an_upload_is_collected_but_not_linked(start):
    page = start("compare", variants="dot")
    page.run()
    page.button_group(key="source").set_value("Upload")
    page.run()
    page.file_uploader[0].set_value(("<b>mine</b>.wav", tone(), "audio/wav"))
    page.run()
    press(page, "add_maps")
    (only,) = deck_of(page).slides
    assert only.address is None
    assert only.link("http://here") is None
    assert only.title == "<b>mine</b>.wav"


@pytest.mark.parametrize("variant", ["location", "multi_head_loc", "transformer"])
def test_every_part_of_look_closer_can_be_collected(start, variant):
    page = start("closer", variant=variant)
    page.run()
    if variant == "location":
        page.multiselect(key="if_dropped").set_value(["location"])
        page.run()
    for key in add_buttons(page):
        press(page, key)
    found = {slide.title: kinds(slide) for slide in deck_of(page).slides}
    assert all(each[0] == "spectrogram" for each in found.values())
    drawn = {kind for each in found.values() for kind in each}
    expected = {"location": {"anatomy", "output"}, "multi_head_loc": {"anatomy", "output"}}
    assert {"map", *expected.get(variant, set())} <= drawn
    if variant == "location":
        assert any("what if from step 1 on: without location" in title for title in found)
    assert same(read(render(deck_of(page)).encode()), deck_of(page))


def test_curves_and_maps_of_the_stress_lab(start):
    page = start("stress", variants="dot", levels="2", at="plain")
    page.run()
    for key in ("add_curves", "add_maps"):
        press(page, key)
    curves, maps = deck_of(page).slides
    assert kinds(curves) == ["curves", "curves"]
    assert "attn-badge" in curves.panels[-1].body
    assert kinds(maps) == ["spectrogram", "map"]
    assert maps.page == "stress"
    assert maps.title == "A buzz: as it is"
    assert same(read(render(deck_of(page)).encode()), deck_of(page))


@pytest.fixture(scope="module")
def evaluated(checkpoints, tmp_path_factory):
    folder = tmp_path_factory.mktemp("present")
    real_run(folder / "corpus", checkpoints, folder / "runs" / "hums")
    return folder / "runs"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scores", [["interval"], [], [], ["scatter"]]),
        ("failures", [[], []]),
    ],
)
def test_figures_and_tables_of_a_set(start, evaluated, monkeypatch, name, expected):
    monkeypatch.setenv(runs.FOLDER, str(evaluated))
    page = start(name, run="hums")
    page.run()
    assert without_errors(page)
    for key in add_buttons(page):
        press(page, key)
    slides = deck_of(page).slides
    assert [kinds(slide) for slide in slides] == expected
    assert all("hums" in slide.title for slide in slides)
    back = read(render(deck_of(page)).encode())
    assert same(back, deck_of(page))
    assert "<b>oh</b>" not in "".join(panel.body for each in back.slides for panel in each.panels)


def test_maps_of_other_toolkits(start):
    page = start("yours")
    page.run()
    files = [("mine.npz", npz(), "application/zip")]
    page.file_uploader(key="yours_files").set_value(files)
    page.run()
    press(page, "add_yours")
    (only,) = deck_of(page).slides
    assert kinds(only) == ["map"]
    assert only.sound is None
    assert only.address is None


def test_a_full_presentation_takes_no_more_and_says_so(start):
    page = start("compare", variants="dot")
    page.session_state["present_deck"] = Deck().added(*[slide("x")] * (MOST + 5))
    page.run()
    press(page, "add_maps")
    assert len(deck_of(page).slides) == MOST
    assert page.toast[-1].value.startswith("The presentation is full")


# --- the page


def test_an_empty_presentation_says_what_to_do(start):
    page = start("present")
    page.run()
    assert without_errors(page)
    assert "Add to presentation" in page.info[0].value
    assert [each.label for each in page.file_uploader] == ["Open a presentation"]


def test_order_words_removal_and_undo(start):
    page = shown(start("present"), slide("one"), slide("two"), slide("three"))
    assert without_errors(page)
    press(page, "present_down_0")
    assert titles(page) == ["two", "one", "three"]
    press(page, "present_up_2")
    assert titles(page) == ["two", "three", "one"]
    assert page.button(key="present_up_1").disabled
    assert page.button(key="present_down_0").disabled
    page.text_area(key="present_caption_2").set_value(f"look {HOSTILE}")
    page.text_input(key="present_title_2").set_value(HOSTILE)
    page.run()
    edited = deck_of(page).slides[1]
    assert (edited.title, edited.caption) == (HOSTILE, f"look {HOSTILE}")
    press(page, "present_remove_2")
    assert titles(page) == ["two", "one"]
    press(page, "present_undo")
    assert titles(page) == ["two", HOSTILE, "one"]
    press(page, "present_clear")
    assert titles(page) == []
    assert page.info
    press(page, "present_undo")
    assert titles(page) == ["two", HOSTILE, "one"]


def test_slides_survive_other_pages(start):
    page = shown(start("compare", variants="dot"), slide("kept", caption="as it is"))
    page.session_state["on_present"] = False
    page.run()
    page.session_state["on_present"] = True
    page.run()
    assert page.text_input(key="present_title_0").value == "kept"
    assert page.text_area(key="present_caption_0").value == "as it is"


def test_the_download_is_the_presentation_and_opens_again(start):
    page = shown(start("present"), slide("one", caption=HOSTILE), slide("two"))
    page.text_input(key="present_title").set_value("Thursday & more")
    page.run()
    html = page.session_state["present_made"][2]
    download = page.get("download_button")[0]
    assert download.label.startswith("Download the presentation")
    assert "Thursday &amp; more · AttnScope</title>" in html
    again = start("present")
    again.run()
    again.file_uploader[0].set_value(("Thursday.html", html.encode(), "text/html"))
    again.run()
    assert without_errors(again)
    assert same(deck_of(again), deck_of(page))
    again.file_uploader[0].set_value(("Thursday.html", html.encode(), "text/html"))
    again.run()
    assert titles(again) == ["one", "two"] * 2
    assert len({each.key for each in deck_of(again).slides}) == 4
    press(again, "present_undo")
    assert titles(again) == ["one", "two"]


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\x00\xff" * 99])
def test_a_file_that_is_no_presentation_is_refused_in_one_sentence(start, content):
    page = shown(start("present"), slide("mine"))
    page.file_uploader[0].set_value(("what.html", content, "text/html"))
    page.run()
    assert not page.exception
    assert page.error[0].value.startswith("what.html cannot be opened\\: ")
    assert titles(page) == ["mine"]
    page.run()
    assert not page.error


def test_every_control_has_help(start):
    page = shown(start("present"), slide("one"))
    press(page, "present_remove_0")
    press(page, "present_undo")
    found = ("button", "download_button", "text_input", "text_area", "file_uploader", "link_button")
    controls = [control for kind in found for control in page.get(kind)]
    assert len(controls) >= 10
    assert [control for control in controls if not control.proto.help] == []


# --- figures


def figure() -> str:
    from app import charts
    from app.theme import LIGHT
    from tests.test_report import alignment_of

    return charts.attention_map(alignment_of(list("ab")), seconds=1.0, palette=LIGHT).to_json()


def test_figures_are_drawn_in_three_formats_named_by_slide(start):
    drawing = Slide("A <b>/ slide", (Panel("dot", figure=figure()), Panel("words")), "compare", ())
    page = shown(start("present"), slide("only words"), drawing)
    press(page, "present_draw")
    assert not page.error
    content = page.session_state["present_figures"][1]
    files = zipfile.ZipFile(io.BytesIO(content))
    starts = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}
    assert sorted(files.namelist()) == sorted(f"02-A_b_slide.1-dot.{each}" for each in starts)
    for ending, first in starts.items():
        assert files.read(f"02-A_b_slide.1-dot.{ending}").startswith(first)
    labels = [each.label for each in page.get("download_button")]
    assert any(label.startswith("Download the figures") for label in labels)
    press(page, "present_remove_0")  # what was drawn is not what is there any more
    labels = [each.label for each in page.get("download_button")]
    assert not any(label.startswith("Download the figures") for label in labels)


def test_without_the_tool_that_draws_one_sentence_says_what_to_install(start, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaleido", None)
    drawing = Slide("one", (Panel("dot", figure=figure()),), "compare", ())
    page = shown(start("present"), drawing)
    press(page, "present_draw")
    assert "requirements-figures" in page.error[0].value
    assert "present_figures" not in page.session_state


def test_slides_without_figures_have_nothing_to_draw(start):
    page = shown(start("present"), slide("only words"))
    assert page.button(key="present_draw").disabled
    assert list(pictures.draw(Deck().added(slide("x")))) == []
