"""How a run decodes: what must be the same when it resumes, and what every worker is told."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.evaluation.record import RunRecord
from models import checkpoint, schema
from models.decoding.search import SearchOptions
from models.interop import external
from models.recogniser import LANGUAGE_MODEL, checkpoint_folder
from models.schema import SchemaError
from models.variant import VariantInfo

SCHEMA = 1
MEANINGS = {  # what is said of a setting that differs from the run's
    "source": "the recordings",
    "items": "the recordings",
    "variants": "the variants",
    "search": "the search options",
    "normalizer": "the normaliser",
    "max_seconds": "--max-seconds",
    "keep_alignments": "--keep-alignments",
    "gap": "--gap",
    "checkpoints": "the checkpoints",
    "schema": "the version of AttnScope",
}


class RunError(ValueError):
    """A run cannot start, go on or be read; the message is one sentence for the user."""


@dataclass(frozen=True)
class Settings:
    """What determines the results of an item, and nothing else."""

    variants: tuple[str, ...]  # in display order
    search: SearchOptions = field(default_factory=SearchOptions)
    normalizer: str = "basic"
    max_seconds: float = 600.0  # longer recordings are refused
    keep_alignments: bool = False  # store the maps as well
    gap: float = 0.0  # seconds of quiet between recordings that a stress joins
    folder: str | None = None  # checkpoints, None: where every command looks
    checkpoints: tuple[tuple[str, str], ...] = ()  # name and fingerprint of each one used
    external: str = ""  # other toolkits' recognisers named on the command line, for the workers

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Settings":
        """The settings of a run again, from its ``run.json``.

        Raises
        ------
        RunError
            Naming what in it is missing or of another kind.
        """
        try:
            record = schema.convert(values, RunRecord)
        except SchemaError as error:
            raise RunError(f"run.json is damaged ({error}); use another --out") from None
        return cls(
            variants=record.variants,
            search=record.search,
            normalizer=record.normalizer,
            max_seconds=record.max_seconds,
            keep_alignments=record.keep_alignments,
            gap=record.gap,
            checkpoints=tuple(record.checkpoints.items()),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, without places: the same checkpoints may lie elsewhere."""
        values = asdict(self)
        del values["folder"], values["external"]
        search = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.search).items()}
        return values | {
            "schema": SCHEMA,
            "variants": list(self.variants),
            "checkpoints": dict(self.checkpoints),
            "search": search,
        }


def fingerprints(
    infos: list[VariantInfo], folder: Path | None, *, language_model: bool = False
) -> tuple[tuple[str, str], ...]:
    """Name and fingerprint of the checkpoints of encoder, variants and, if used, language model."""
    paths = _paths(infos, folder)
    if language_model:
        paths["language model"] = (checkpoint_folder(folder) / LANGUAGE_MODEL,)
    return tuple((name, checkpoint.identity(*of_one)) for name, of_one in paths.items())


def versions(
    infos: list[VariantInfo], folder: Path | None
) -> tuple[tuple[str, tuple[checkpoint.Version, ...]], ...]:
    """What tells that `fingerprints` may be others, without reading a checkpoint."""
    paths = _paths(infos, folder)
    return tuple((name, checkpoint.version(*of_one)) for name, of_one in paths.items())


def _paths(infos: list[VariantInfo], folder: Path | None) -> dict[str, tuple[Path, ...]]:
    """What each variant is made of, and the encoder, if one of them has none of its own."""
    folder = checkpoint_folder(folder)
    named = {recogniser.name: recogniser.sources for recogniser in external.listed(folder)}
    paths = {}
    if not all(info.own_encoder for info in infos):
        paths["encoder"] = (folder / "encoder.safetensors",)
    for info in infos:
        sources = named[info.name] if info.own_encoder else (info.checkpoint,)
        paths[info.name] = tuple(map(Path, sources))
    return paths


def same_checkpoints(settings: Settings, infos: list[VariantInfo]) -> None:
    """Refuse to work with other weights than the run's.

    Raises
    ------
    RunError
        Naming the checkpoints that differ.
    """
    folder = Path(settings.folder) if settings.folder else None
    current = dict(fingerprints(infos, folder, language_model=settings.search.lm_weight > 0))
    other = [name for name, value in settings.checkpoints if current.get(name) != value]
    if other:
        raise RunError(
            f"process {os.getpid()} has other checkpoints than the run for {', '.join(other)}: "
            "give every worker the same checkpoint folder"
        )


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two records of settings, in words; empty where nothing does."""
    keys = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    return ", ".join(dict.fromkeys(MEANINGS.get(key, key) for key in keys))
