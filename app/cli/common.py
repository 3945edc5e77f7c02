"""Variants and decoding options of the commands that decode."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

from analysis.cli.console import note
from models.decoding.options import SearchOptions, decoding_options, without_effect

if TYPE_CHECKING:
    from app.comparison import Models
    from models.variant import VariantInfo


def chosen_variants(options: Namespace, models: Models) -> list[VariantInfo]:
    """The variants of ``--variants``, in display order; an unknown name is wrong usage.

    Raises
    ------
    CheckpointError
        Where one has no checkpoint, or none has.
    """
    from models.checkpoint import CheckpointError
    from models.interop import external
    from models.recogniser import checkpoint_folder

    if options.variants == "all":
        return models.choose()
    try:
        names = external.adopt(external.split(options.variants), checkpoint_folder())
    except CheckpointError as error:
        options.command.error(str(error))
    known = [info.name for info in models.infos()]
    if not names:
        options.command.error(f"--variants names none; there are: {', '.join(known)}")
    for name in names:
        if name not in known:
            options.command.error(f"there is no variant {name!r}; there are: {', '.join(known)}")
    return models.choose(names)


def search_options(options: Namespace) -> SearchOptions:
    """The decoding options of the command line."""
    return SearchOptions(
        **{option.name: getattr(options, option.name) for option in decoding_options()}
    )


def note_without_effect(search: SearchOptions, infos: Iterable[VariantInfo]) -> None:
    """Say which decoding options change nothing, and what they need."""
    for sentence in without_effect(search, {info.family for info in infos}):
        note(f"attnscope: {sentence}")
