"""Which mechanisms: pills by family."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app.controls.initial import initial
from models.variant import VariantInfo

FAMILIES = {"ctc": "CTC", "espnet": "ESPnet"}


def restore(infos: Sequence[VariantInfo], wanted: Sequence[str] | None) -> None:
    """Choose the wanted mechanisms (None: all that are trained) where nothing is chosen yet."""
    for family, members in by_family(infos).items():
        names = [info.name for info in members if info.checkpoint]
        chosen = [name for name in names if wanted is None or name in wanted]
        initial(f"family {family}", chosen)


def forget() -> None:
    """Let the controls take their values from `restore` when they are drawn next."""
    for name in [key for key in st.session_state if str(key).startswith("family ")]:
        del st.session_state[name]


def by_family(infos: Sequence[VariantInfo]) -> dict[str, list[VariantInfo]]:
    """Variants grouped by family, in their order."""
    families: dict[str, list[VariantInfo]] = {}
    for info in infos:
        families.setdefault(info.family, []).append(info)
    return families


def family_title(family: str) -> str:
    return FAMILIES.get(family, family.capitalize())


def _set_families(names: Mapping[str, list[str]]) -> None:
    for family, members in names.items():
        st.session_state[f"family {family}"] = members


def choose(infos: Sequence[VariantInfo]) -> tuple[str, ...]:
    """Draw the pills and say which mechanisms are chosen, in their order."""
    families = by_family(infos)
    trained = {
        family: [info.name for info in members if info.checkpoint]
        for family, members in families.items()
    }
    everything, nothing = st.columns(2)
    everything.button(
        "All",
        on_click=_set_families,
        args=(trained,),
        width="stretch",
        help="Choose every mechanism that has been trained.",
    )
    nothing.button(
        "None",
        on_click=_set_families,
        args=({family: [] for family in families},),
        width="stretch",
        help="Clear the choice.",
    )
    chosen: set[str] = set()
    for family, names in trained.items():
        if names:
            titles = {info.name: info.title for info in families[family]}
            chosen.update(_family(family, names, titles))
    _untrained([info for info in infos if not info.checkpoint])
    return tuple(info.name for info in infos if info.name in chosen)


def _family(family: str, names: list[str], titles: Mapping[str, str]) -> list[str]:
    return st.pills(
        family_title(family),
        names,
        key=f"family {family}",
        persist_state="session",
        selection_mode="multi",
        help=" \n".join(f"`{name}`: {titles[name]}  " for name in names),
    )


def _untrained(infos: Sequence[VariantInfo]) -> None:
    if infos:
        st.caption(
            "Not trained yet: " + ", ".join(f"`{info.name}`" for info in infos),
            help="These mechanisms are implemented but have no checkpoint, so they cannot decode.",
        )
