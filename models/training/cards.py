"""Measured scores in the cards of checkpoints: of the shipped seed, of other seeds, of controls.

``card.scores`` of a checkpoint holds

* the numbers measured with greedy decoding, by name (``kathleen_wer``, ``monotonicity``, ...);
* ``searches``: the same numbers for other ways of decoding, by a label (``beam 10, CTC 0.3``);
* ``seeds``: a list of such numbers, each with its ``seed`` and ``commit``, where several seeds were
  trained. Only the first one's weights are kept. ``mean`` and ``spread`` (sample standard
  deviation) of every number are computed from that list;
* ``joint``: the numbers of the end-to-end control, the same mechanism with its encoder trained
  along with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from models import recogniser
from models.checkpoint import Card, write_card
from models.corpora.utterance import TrainingError
from models.variant import CTC, VariantInfo

NESTED = ("searches", "seeds", "mean", "spread", "joint")
SAME = ("data", "updates", "updates_before", "batch_seconds")  # what may not differ between seeds

Numbers = Mapping[str, float]


def numbers(scores: Mapping[str, Any]) -> dict[str, float]:
    """The plain numbers among the scores of a card."""
    return {name: value for name, value in scores.items() if name not in NESTED}


def put_scores(measured: Mapping[str, Numbers], folder: Path, search: str = "") -> None:
    """Write what was measured into the cards; `search` names another decoding than greedy."""
    for info in _with_cards(folder):
        if info.name not in measured:
            continue
        scores, new_scores = dict(info.card.scores), dict(measured[info.name])
        if search:
            scores["searches"] = scores.get("searches", {}) | {search: new_scores}
        else:
            scores = new_scores | {name: scores[name] for name in NESTED if name in scores}
            own = info.card.training.get("seed")
            others = [
                seed_scores for seed_scores in scores.get("seeds", ()) if seed_scores["seed"] != own
            ]
            if others:
                scores = with_seeds(
                    scores, [_of_seed(replace(info.card, scores=new_scores)), *others]
                )
        _write(info, scores)


def merge_seeds(folder: Path, others: Sequence[Path]) -> list[str]:
    """Put the scores of other seeds into a folder's cards; returns the names that have some.

    Seeds that were merged before stay. Checkpoints of the first seed in the other folders, copied
    along, count for nothing.

    Parameters
    ----------
    folder
        The checkpoints of the first seed.
    others
        One checkpoint folder for each other seed, scored on the same recordings.

    Raises
    ------
    TrainingError
        Where two runs differ in more than their seed, so that their spread would mean nothing.
    """
    cards_of_seeds = [{info.name: info.card for info in _with_cards(other)} for other in others]
    merged = []
    for info in _with_cards(folder):
        own = info.card.training.get("seed")
        cards = [cards[info.name] for cards in cards_of_seeds if info.name in cards]
        cards = [card for card in cards if card.training.get("seed") != own]
        if info.name == CTC or not cards:
            continue  # the encoder below all seeds is the same one
        for card in cards:
            _compare(info.card, card)
        new = [_of_seed(card) for card in (info.card, *cards)]
        named = {seed_scores["seed"] for seed_scores in new}
        if len(named) < len(new):
            raise TrainingError(f"two runs of {info.name} have the same seed")
        kept = [
            seed_scores
            for seed_scores in info.card.scores.get("seeds", ())
            if seed_scores["seed"] not in named
        ]
        _write(info, with_seeds(info.card.scores, [*new, *kept]))
        merged.append(info.name)
    if not merged:
        raise TrainingError("no folder holds another seed of any checkpoint")
    return merged


def merge_control(folder: Path, control: Path) -> list[str]:
    """Put the scores of jointly trained decoders beside those of the shared encoder's.

    Raises
    ------
    TrainingError
        Where `control` holds no scored decoder that was trained with its encoder.
    """
    cards = {info.name: info.card for info in _with_cards(control) if info.name != CTC}
    cards = {name: card for name, card in cards.items() if card.training.get("joint") == name}
    merged = []
    for info in _with_cards(folder):
        card = cards.get(info.name)
        if card and numbers(card.scores):
            _write(info, dict(info.card.scores) | {"joint": _of_seed(card)})
            merged.append(info.name)
    if not merged:
        raise TrainingError(f"{control} holds no scored decoder that was trained with --joint")
    return merged


def with_seeds(scores: Mapping[str, Any], seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Scores with the list of seeds, and mean and spread of every number they share."""
    names = [name for name in numbers(scores) if all(name in seed_scores for seed_scores in seeds)]
    values = {name: [seed_scores[name] for seed_scores in seeds] for name in names}
    return dict(scores) | {
        "seeds": [dict(seed_scores) for seed_scores in seeds],
        "mean": {name: round(mean(values[name]), 4) for name in names},
        "spread": {name: round(stdev(values[name]), 4) for name in names},
    }


def _of_seed(card: Card) -> dict[str, Any]:
    return {
        "seed": card.training.get("seed"),
        "commit": card.training.get("commit", ""),
        **numbers(card.scores),
    }


def _compare(first: Card, other: Card) -> None:
    if first.encoder != other.encoder:
        raise TrainingError(f"the seeds of {first.name} were trained on different encoders")
    for name in SAME:
        if first.training.get(name) != other.training.get(name):
            raise TrainingError(
                f"the seeds of {first.name} differ in their {name.replace('_', ' ')}"
            )
    scored = first.scores.get("utterances"), other.scores.get("utterances")
    if scored[0] != scored[1] or not scored[0]:
        raise TrainingError(
            f"the seeds of {first.name} were not scored on the same recordings; "
            "run models.training.score on each folder first"
        )


def _with_cards(folder: Path) -> list[VariantInfo]:
    return [info for info in recogniser.variants(folder) if info.card and info.checkpoint]


def _write(info: VariantInfo, scores: dict[str, Any]) -> None:
    write_card(replace(info.card, scores=scores), info.checkpoint)
