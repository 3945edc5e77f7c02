"""Measured tables inside documents: each stands between two marks, and none of it is typed."""

from pathlib import Path


def write_between(path: Path, name: str, text: str) -> None:
    """Put `text` between the marks ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->`` of a file.

    Raises
    ------
    ValueError
        If the file does not have both marks.
    """
    begin, end = (f"<!-- {name}: {which} -->" for which in ("begin", "end"))
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{path.name} has no marks {begin} and {end}")
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")
