"""Where the names of framed failures stand, so that none covers another."""

from collections.abc import Sequence
from dataclasses import dataclass

LINE, LETTER = 15.0, 6.5  # pixels of a name: its height, and the width of a letter
LOW_FRAME = 22.0  # pixels under which a frame cannot hold its own name
CORNERS = ("top right", "bottom left", "top left", "bottom right")
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Place:
    """A corner of a frame."""

    corner: str  # one of `CORNERS`
    outside: bool  # above or below the frame instead of in it


def name_places(frames: Sequence[Box], names: Sequence[str]) -> list[Place]:
    """A place for each frame's name: the first that is free, else the one that covers least.

    A frame of few rows cannot hold its name: it stands above it then, or below it where the map has
    no room above. The first frames prefer different corners.

    Parameters
    ----------
    frames
        Left, top, right and bottom in pixels, from the upper left corner of the map.
    names
        As many; a letter counts as `LETTER` pixels.

    Raises
    ------
    ValueError
        Where there are not as many names as frames.
    """
    taken: list[Box] = []
    chosen_places = []
    for number, (frame, name) in enumerate(zip(frames, names, strict=True)):
        _, top, _, bottom = frame
        outside = bottom - top < LOW_FRAME
        turned = [CORNERS[(number + n) % len(CORNERS)] for n in range(len(CORNERS))]
        if outside:
            sides = ("top", "bottom") if top >= LOW_FRAME else ("bottom",)
            turned = [f"{side} {end}" for side in sides for end in ("left", "right")]
        boxes = {corner: _name_box(frame, name, corner, outside) for corner in turned}
        best = min(turned, key=lambda corner: sum(_shared(boxes[corner], box) for box in taken))
        taken.append(boxes[best])
        chosen_places.append(Place(best, outside))
    return chosen_places


def _name_box(frame: Box, name: str, corner: str, outside: bool) -> Box:
    left, top, right, bottom = frame
    above, at_right = corner.startswith("top"), corner.endswith("right")
    x = right - LETTER * len(name) if at_right else left
    y = top - LINE * outside if above else bottom - LINE * (not outside)
    return x, y, x + LETTER * len(name), y + LINE


def _shared(one: Box, other: Box) -> float:
    """Area that two boxes have in common."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)
