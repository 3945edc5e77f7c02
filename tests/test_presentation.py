"""Presentations without a page: what is kept of HTML, and files that come from anybody."""

import base64
import gzip
import json
import random
import re
from dataclasses import asdict
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from app import charts
from app.markup.document import Document, html, opus
from app.presentation import Deck, Panel, SavedError, Setting, Slide, Sound, read, render, saved
from app.presentation.clean import ATTRIBUTES, TAGS, clean
from app.presentation.deck import MOST
from app.presentation.page import _setting
from app.presentation.thumb import thumb
from app.theme import DARK, LIGHT
from tests.fuzz import damaged
from tests.support.recordings import hum
from tests.test_report import HOSTILE, alignment_of, links_of, offline


def figure(tokens: str = "ab") -> str:
    return charts.attention_map(alignment_of(list(tokens)), seconds=1.0, palette=LIGHT).to_json()


def deck(*titles: str) -> Deck:
    """Slides with a map and a sound."""
    sound = Sound("abc", opus(hum(0.3)), 0.3)
    panel = Panel("dot", "<h3>Dot</h3>", figure(), '<p class="attn-text">words</p>')
    return Deck("Thursday").added(
        *(Slide(each, (panel,), "compare", (("sample", "x"),), sound, "look") for each in titles)
    )


def carried(page: str) -> dict:
    """The set inside a page."""
    return json.loads(gzip.decompress(base64.b64decode(saved.ELEMENT.search(page.encode())[1])))


def file_of(found: object) -> bytes:
    """A page that carries something else."""
    text = base64.b64encode(gzip.compress(json.dumps(found).encode())).decode()
    return f'<script type="application/gzip" id="attnscope-set">{text}</script>'.encode()


# --- slides in order


@given(some.lists(some.tuples(some.integers(0, 6), some.integers(-3, 3)), max_size=12))
def test_moving_slides_loses_and_doubles_none(moves):
    found = Deck().added(*(Slide(str(n), (), "scores", ()) for n in range(6)))
    for key, by in moves:
        before = [slide.key for slide in found.slides]
        found = found.moved(key, by)
        after = [slide.key for slide in found.slides]
        assert sorted(after) == list(range(6))
        if key < 6:
            assert after.index(key) == min(5, max(0, before.index(key) + by))
            before.remove(key)
            after.remove(key)
            assert before == after


def test_keys_stay_those_of_their_slides():
    found = deck("a", "b", "c").removed(1).added(Slide("d", (), "scores", None))
    assert [(slide.title, slide.key) for slide in found.slides] == [("a", 0), ("c", 2), ("d", 3)]
    assert found.edited(2, caption="new").slides[1].caption == "new"
    assert len(found.added(*[found.slides[0]] * 99).slides) == MOST


# --- HTML that is kept


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("<p>a &amp; b</p>", "<p>a &amp; b</p>"),
        ('<p class="attn-text" onclick="x()">a</p>', '<p class="attn-text">a</p>'),
        ('<p class="other">a</p>', "<p>a</p>"),
        ("a<script>alert(1)</script>b", "ab"),
        ("<svg><script>x</script><g>y</g></svg>z", "z"),
        ("<a href='javascript:x'>link</a>", "link"),
        ('<img src="x" onerror="y">', "<img>"),
        ('<img src="data:image/png;base64,QUI=">', '<img src="data:image/png;base64,QUI=">'),
        ('<img src="data:image/svg+xml,x">', "<img>"),
        ('<button data-pick="x" title="t">5</button>', '<span title="t">5</span>'),
        ('<button data-from="1.5" data-to="x">5</button>',
         '<button data-from="1.5" type="button">5</button>'),
        ('<b style="--share:0.5">1</b>', '<b style="--share:0.5">1</b>'),
        ('<b style="--share:0.5;background:url(x)">1</b>', "<b>1</b>"),
        ("<td>1</td>", "1"),  # outside of a table it is none
        ("<p>open <b>both", "<p>open <b>both</b></p>"),
        ("</b>never opened", "never opened"),
        ("<b><i>crossed</b></i>", "<b><i>crossed</i></b>"),
        ("<!-- x --><?php y ?><!doctype html>z", "z"),
        ("&lt;script&gt;", "&lt;script&gt;"),
    ],
)  # fmt: skip
def test_what_is_kept_of_html(given_, kept):
    assert clean(given_) == kept


class Seen(HTMLParser):
    """Elements and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        self.attributes += attrs


PIECES = some.sampled_from(
    ["<", ">", "</", "/>", "script", "p", "svg", "b", "button", " on=", 'class="attn-x"', "=", '"',
     "'", "&", "&lt;", "<!--", "-->", "<![CDATA[", "style", "title=", "\x00", "a", " "]
)  # fmt: skip


@settings(max_examples=300)
@given(some.one_of(some.text(), some.lists(PIECES, max_size=30).map("".join)))
def test_nothing_but_what_is_named_survives(text):
    kept = clean(text)
    seen = Seen()
    seen.feed(kept)
    seen.close()
    assert seen.tags <= TAGS
    for name, value in seen.attributes:
        assert name == "type" or ATTRIBUTES[name].fullmatch(value)
    assert clean(kept) == kept


# --- the page


def test_a_page_carries_everything_and_fetches_nothing():
    found = deck("one", "two")
    page = render(found, Setting("dark", "http://localhost:8501/"))
    assert offline(page)
    assert 'data-theme="dark"' in page
    assert len(carried(page)["sounds"]) == 1
    back = read(page.encode())
    assert [(each.title, each.address, each.sound) for each in back.slides] == [
        (each.title, each.address, each.sound) for each in found.slides
    ]
    panel = back.slides[0].panels[0]
    assert json.loads(panel.figure) == json.loads(found.slides[0].panels[0].figure)
    assert (panel.head, panel.body) == ("<h3>Dot</h3>", '<p class="attn-text">words</p>')
    assert read(render(back).encode()) == back


def test_nothing_in_a_page_is_taken_for_markup():
    panel = Panel(HOSTILE, HOSTILE, figure(), f"<p>{HOSTILE}</p>")
    found = Deck(HOSTILE).added(
        Slide(HOSTILE, (panel,), "compare", ((HOSTILE, HOSTILE),), None, HOSTILE)
    )
    page = render(found)
    assert "alert(1)" not in re.sub(r"<title>.*?</title>", "", page)
    tags = links_of(page)
    plain = links_of(render(Deck("x")))
    assert (tags.tags, tags.names) == (plain.tags, plain.names)
    slide = carried(page)["slides"][0]
    assert slide["title"] == slide["caption"] == HOSTILE
    for part in (slide["panels"][0]["head"], slide["panels"][0]["body"]):
        seen = Seen()
        seen.feed(part)
        assert seen.tags <= {"p", "img"}
        assert seen.attributes == []


def test_only_the_scripts_of_a_page_may_run():
    page = html(Document("t", "<p>x</p>", "", ("let a = 1",), ("let b = 2",)))
    policy = re.search(r'Policy" content="([^"]*)"', page)[1]
    assert policy.count("'sha256-") == 2
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]
    with pytest.raises(ValueError, match="end early"):
        html(Document("t", "", "", ("'</script>'",)))


def test_a_small_picture_for_every_slide():
    assert "data:image/png" in thumb(deck("one").slides[0])
    assert "<b>2</b>" in thumb(Slide("x", (Panel("a", figure=figure()),) * 2, "compare", None))
    assert "<img" not in thumb(Slide("x", (Panel("a", body="table"),), "scores", None))


# --- files that come from anybody


def test_thousands_of_damaged_files_are_read_or_refused():
    whole = render(deck("one", "two")).encode()
    start = whole.index(b'id="attnscope-set"') - 60
    content = whole[start : whole.index(b"</script>", start) + 9]
    rng = random.Random(5)
    outcomes = {True: 0, False: 0}
    for _ in range(1_500):
        try:
            outcomes[isinstance(read(damaged(content, rng)), Deck)] += 1
        except SavedError:
            outcomes[False] += 1
    assert outcomes[False] > 1_000


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=2) | some.dictionaries(some.text(max_size=3), inner),
    max_leaves=4,
)
GOOD = carried(render(deck("one")))


def places(found, path=()):
    """Paths of everything inside."""
    yield path
    for key, each in found.items() if isinstance(found, dict) else ():
        yield from places(each, (*path, key))
    for key, each in enumerate(found if isinstance(found, list) else ()):
        yield from places(each, (*path, key))


@settings(max_examples=80)
@given(some.sampled_from(list(places(GOOD))[1:]), VALUES)
def test_any_value_in_the_wrong_place_is_read_or_refused(path, value):
    found = json.loads(json.dumps(GOOD))
    inside = found
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    try:
        back = read(file_of(found))
    except SavedError:
        return
    assert saved.packed(back)
    for slide in back.slides:
        thumb(slide)
        slide.link("http://here")


def with_figure(change) -> bytes:
    found = json.loads(json.dumps(GOOD))
    change(found["slides"][0]["panels"][0]["figure"])
    return file_of(found)


@pytest.mark.parametrize(
    "change",
    [
        lambda figure: figure["layout"].update(images=[{"source": "http://x/y.png"}]),
        lambda figure: figure["layout"].update(template={"layout": {"images": []}}),
        lambda figure: figure["data"].append({"type": "scattermap"}),
        lambda figure: figure["data"].clear(),
        lambda figure: figure["data"].append({"type": "heatmap", "nonsense": 1}),
        lambda figure: figure.update(frames=[]),
        lambda figure: figure["layout"].update(height="tall"),
    ],
)
def test_figures_that_are_not_ours_are_refused(change):
    with pytest.raises(SavedError, match="damaged"):
        read(with_figure(change))


def test_other_files_and_versions_are_named():
    with pytest.raises(SavedError, match="not a presentation"):
        read(b"<html></html>")
    with pytest.raises(SavedError, match="another version"):
        read(file_of(GOOD | {"version": 99}))
    with pytest.raises(SavedError, match="more than 60"):
        read(file_of(GOOD | {"slides": GOOD["slides"] * 61}))


def test_a_small_file_that_unpacks_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(saved, "BYTES", 3_000_000)
    text = base64.b64encode(gzip.compress(b" " * 3_000_001))
    assert len(text) < 10_000
    with pytest.raises(SavedError, match="more than 3 MB"):
        read(b'<script type="application/gzip" id="attnscope-set">' + text + b"<")


def test_html_in_a_file_is_cleaned_when_it_is_opened():
    found = json.loads(json.dumps(GOOD))
    found["slides"][0]["panels"][0]["body"] = '<p onclick="x" class="attn-a">a</p>'
    assert read(file_of(found)).slides[0].panels[0].body == '<p class="attn-a">a</p>'


@pytest.mark.parametrize(
    "body",
    [
        "<script>b</script>",
        "<p onclick=x>a</p>",
        "<!-- a -->",
        "<b>" * 100_000 + "</i>" * 400_000,
        "<!--" * 400_000,
        "<![CDATA[" * 200_000,
        "<div>" * 300_000,
        "<b></b>" * 200_000,
        "<p>" + "".join(f'<b title="{n}">' for n in range(1_000)) + "</p><p>x</p>" * 9_000,
        "<b><i></b></i>",
        "<b>",
        "</b>",
        "<b" + " a" * 900_000,
        '<b title="' * 90_000,
        "<table><tr><td>" * 20 + "</td></tr></table>" * 20,
    ],
)
def test_html_that_no_view_consists_of_is_refused_in_little_time(body):
    found = json.loads(json.dumps(GOOD))
    found["slides"][0]["panels"][0]["body"] = body
    with pytest.raises(SavedError, match="damaged"):
        read(file_of(found))


def test_a_set_that_takes_more_memory_than_its_text_is_refused():
    found = GOOD | {"slides": [[]] * 3_000_000}
    with pytest.raises(SavedError, match="damaged"):
        read(file_of(found))


def test_every_colour_of_a_figure_has_one_for_the_dark():
    setting = _setting(Setting())
    flat = json.loads(setting)["dark"]["flat"]
    for name, light in asdict(LIGHT).items():
        if name not in ("name", "scale"):
            assert flat[light] == getattr(DARK, name)
