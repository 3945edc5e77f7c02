"""Items of a stress run: every recording as it is, and under every stress at every level."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from app.evaluation.items import Item
from models.stress import STRESSES, said

Levels = Mapping[str, Sequence[float]]  # of each stress, by name


def stressed_items(items: Callable[[], Iterator[Item]], levels: Levels) -> Iterator[Item]:
    """The items, then all of them under one stress and level after the other.

    Every level of a joining stress has the same recordings: they are taken in blocks as large as
    the highest level, a block being of one corpus, and each block is cut into groups. What is left
    over at a corpus's end is left out, at every level. So WER at all lengths is over the same words
    (where levels divide each other, as 1, 2, 4, 8 do).

    Parameters
    ----------
    items
        Gives the plain items anew each time.
    levels
        What to do, as `models.stress.STRESSES` names it.
    """
    yield from items()
    for name, of_stress in levels.items():
        for level in of_stress:
            if STRESSES[name].joins:
                yield from _joined(items(), name, int(level), int(max(of_stress)))
            else:
                yield from (_alone(item, name, level) for item in items())


def _alone(item: Item, name: str, level: float) -> Item:
    reference = None if item.reference is None else said(item.reference, name, level)
    return replace(
        item, id=f"{item.id} [{name} {level:g}]", reference=reference, stress=name, level=level
    )


def _joined(items: Iterator[Item], name: str, count: int, block: int) -> Iterator[Item]:
    waiting: dict[str, list[Item]] = {}
    for item in items:
        held = waiting.setdefault(item.utterances[0].corpus, [])
        held.append(item)
        if len(held) == block:
            yield from _groups(held, name, count)
            held.clear()


def _groups(block: Sequence[Item], name: str, count: int) -> Iterator[Item]:
    for start in range(0, len(block) - count + 1, count):
        group = block[start : start + count]
        known = all(item.reference is not None for item in group)
        yield Item(
            id=f"{group[0].id} [{name} {count}]",
            utterances=tuple(utterance for item in group for utterance in item.utterances),
            reference=" ".join(item.reference for item in group) if known else None,
            stress=name,
            level=float(count),
        )
