"""Numbers and counts as people read them; a value that is undefined is a dash."""

from analysis.scoring.errors import Score

NONE = "–"


def percent(share: float | None, places: int = 1, none: str = NONE) -> str:
    """A share, such as an error rate, in percent."""
    return none if share is None else f"{100 * share:.{places}f} %"


def number(value: float | None, places: int = 2, none: str = NONE) -> str:
    """A number with so many decimal places."""
    return none if value is None else f"{value:.{places}f}"


def inserted(score: Score) -> str:
    """How many words were inserted, where the reference has none and there is no error rate."""
    count = score.words.insertions
    return f"{count} word{'' if count == 1 else 's'} inserted"
