"""The tables of ``checkpoints/README.md``, made from the cards: none of it is typed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.io.files import write
from models import recogniser
from models.variant import VariantInfo

MARKS = ("<!-- table of the cards: begin -->", "<!-- table of the cards: end -->")
NEAR = "characters_within_80_ms"
TITLES = {
    "searches": "With a search for the best transcript instead of greedy decoding (WER / CER):",
    "joint": "End-to-end control: the same mechanism with an encoder trained along with it "
    "(WER / CER; the column *shared* repeats the row above):",
}


def tables(folder: Path) -> str:
    """All cards as Markdown tables."""
    infos = [info for info in recogniser.variants(folder) if info.card]
    corpora = sorted({k[:-4] for i in infos for k in i.card.scores if k.endswith("_wer")})
    sections = [_markdown([_main_head(corpora), *(_main_row(info, corpora) for info in infos)])]
    for name, make in (("searches", _searches), ("joint", _joint)):
        if rows := make([info for info in infos if name in info.card.scores], corpora):
            sections += [TITLES[name], _markdown(rows)]
    return "\n\n".join(sections)


def write_tables(folder: Path) -> None:
    """Replace the tables in the folder's ``README.md``, between the two marks."""
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else "\n".join(MARKS)
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    write(readme, f"{before}{MARKS[0]}\n{tables(folder)}\n{MARKS[1]}{after}".encode())


def _main_head(corpora: Sequence[str]) -> list[str]:
    rates = [f"{corpus} WER / CER" for corpus in corpora]
    near = [f"{corpus} within 80 ms" for corpus in corpora]
    aligned = [*near, "monotonicity", "diagonality", "failures", "RTFx"]
    made = ["seeds", "fp16 MB", "updates", "hours", "data", "commit"]
    return ["mechanism", "parameters", *rates, *aligned, *made]


def _main_row(info: VariantInfo, corpora: Sequence[str]) -> list[str]:
    scores, training = info.card.scores, info.card.training
    seeds = [seed_scores["seed"] for seed_scores in scores.get("seeds", ())] or [
        training.get("seed", "-")
    ]
    return [
        f"`{info.name}`",
        f"{info.parameters:,}" if info.parameters else "-",
        *(_pair(scores, corpus) for corpus in corpora),
        *(_cell(scores, f"{corpus}_{NEAR}", _percent) for corpus in corpora),
        _cell(scores, "monotonicity", _plain),
        _cell(scores, "diagonality", _plain),
        _cell(scores, "failure_rate", _percent),
        f"{scores['rtfx']:.0f}" if "rtfx" in scores else "-",
        ", ".join(str(seed) for seed in seeds),
        f"{info.checkpoint.stat().st_size / 1e6:.1f}",
        _updates(training),
        f"{training.get('hours', 0):.2f}",
        ", ".join(training.get("data", ())) or "-",
        training.get("commit") or "-",
    ]


def _updates(training: Mapping[str, Any]) -> str:
    """Those of the last training, and before them those of the weights it started from."""
    before, last = training.get("updates_before", 0), training.get("updates", 0)
    return f"{before:,} + {last:,}" if before else f"{last:,}"


def _searches(infos: Sequence[VariantInfo], corpora: Sequence[str]) -> list[list[str]]:
    labels = sorted({label for info in infos for label in info.card.scores["searches"]})
    if not labels:
        return []
    rows = [["mechanism", *(f"{corpus}, {label}" for label in labels for corpus in corpora)]]
    for info in infos:
        searches = info.card.scores["searches"]
        cells = [_pair(searches.get(label, {}), corpus) for label in labels for corpus in corpora]
        rows.append([f"`{info.name}`", *cells])
    return rows


def _joint(infos: Sequence[VariantInfo], corpora: Sequence[str]) -> list[list[str]]:
    if not infos:
        return []
    heads = [f"{corpus}, {kind}" for corpus in corpora for kind in ("shared", "end to end")]
    rows = [["mechanism", *heads, "within 80 ms", "failures", "seed", "commit"]]
    for info in infos:
        scores, joint = info.card.scores, info.card.scores["joint"]
        pairs = [_pair(score_set, corpus) for corpus in corpora for score_set in (scores, joint)]
        near = _cell(joint, NEAR, _percent)
        failures = _cell(joint, "failure_rate", _percent)
        made = [str(joint.get("seed", "-")), joint.get("commit") or "-"]
        rows.append([f"`{info.name}`", *pairs, near, failures, *made])
    return rows


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


def _pair(scores: Mapping[str, Any], corpus: str) -> str:
    """Word and character error rate."""
    return " / ".join(_cell(scores, f"{corpus}_{kind}", _percent) for kind in ("wer", "cer"))


def _cell(scores: Mapping[str, Any], name: str, shown: Callable[[float], str]) -> str:
    """A number; mean and spread where several seeds were trained."""
    if name in scores.get("mean", {}):
        value, spread = shown(scores["mean"][name]), shown(scores["spread"][name])
        return f"{value.removesuffix(' %')} ± {spread}"
    return shown(scores[name]) if name in scores else "-"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _plain(value: float) -> str:
    return f"{value:.2f}"
