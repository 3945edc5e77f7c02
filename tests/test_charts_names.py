"""Names of framed failures: in or beside their frames, none over another where there is room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.charts.label_placement import LETTER, LINE, name_places

BOXES = {  # of frames (left, top, right, bottom) with the corners their names take, in pixels
    "one": ([(0, 0, 100, 100)], ["top right"]),
    "far apart": ([(0, 0, 90, 50), (0, 80, 90, 150)], ["top right", "bottom left"]),
    "the same": (
        [(0, 0, 100, 100)] * 4, ["top right", "bottom left", "top left", "bottom right"]
    ),
    # The second prefers the corner below at the left, where the third's first choice lies.
    "side by side": (
        [(0, 0, 40, 60), (0, 0, 100, 100), (0, 80, 60, 160)],
        ["top right", "bottom left", "bottom right"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BOXES)
def test_names_take_different_corners(case):
    boxes, corners = BOXES[case]
    places = name_places(boxes, ["loop"] * len(boxes))
    assert [place.corner for place in places] == corners
    assert not any(place.outside for place in places)


@pytest.mark.parametrize(
    ("top", "bottom", "corner"), [(100, 110, "top left"), (5, 12, "bottom left")]
)
def test_the_name_of_a_low_frame_stands_beside_it(top, bottom, corner):
    (place,) = name_places([(10, top, 60, bottom)], ["skip"])
    assert (place.corner, place.outside) == (corner, True)


def test_two_low_frames_at_one_place_are_named_apart():
    one, other = name_places([(10, 100, 200, 110)] * 2, ["skip", "loop"])
    assert one.corner != other.corner


def drawn(box, name, place):
    """Where a name is: left, top, right, bottom."""
    left, top, right, bottom = box
    side, end = place.corner.split()
    x = left if end == "left" else right - LETTER * len(name)
    inside = {"top": top, "bottom": bottom - LINE}
    beside = {"top": top - LINE, "bottom": bottom}
    y = (beside if place.outside else inside)[side]
    return x, y, x + LETTER * len(name), y + LINE


sizes = st.tuples(*[st.integers(0, 300)] * 2, *[st.integers(60, 300)] * 2)


@given(sizes, sizes)
def test_two_large_frames_never_have_their_names_in_one_place(one, other):
    boxes = [(x, y, x + wide, y + high) for x, y, wide, high in (one, other)]
    names = ["loop", "skip"]
    first, second = map(drawn, boxes, names, name_places(boxes, names))
    apart = first[2] <= second[0] or second[2] <= first[0]
    assert apart or first[3] <= second[1] or second[3] <= first[1]
