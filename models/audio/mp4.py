"""MP4 and QuickTime files: what FFmpeg must not be asked to believe."""

from models.audio.marks import MP4, find, kind, mark
from models.audio.view import View

INDEX = (mark(b"moov", 0, rb"moov"), mark(b"moof", 0, rb"moof"))
FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"pnot", b"udta", b"ediw", b"wide", b"free", b"junk",
               b"pict", b"skip", b"uuid", b"prfl")  # by which FFmpeg knows a file # fmt: skip
# Boxes that state a number of samples, for each of which FFmpeg makes an entry in memory.
COUNTS = (mark(b"stsz", 0, rb"stsz\0\0\0\0.{8}"), mark(b"trun", 0, rb"trun[\0\1]....{4}"))


def lacks_index(view: View) -> bool:
    """Whether this is an MP4 file without its index (``moov``) or that of a fragment."""
    return kind(view) is MP4 and not any(next(find(view, box), None) for box in INDEX)


def is_absurd(view: View) -> bool:
    """Whether a box of an MP4 file announces more samples than the file has bytes."""
    return view.at(4, 4) in FIRST_BOXES and any(
        int.from_bytes(content[-4:]) > view.size for box in COUNTS for _, content in find(view, box)
    )
