"""Recognisers of other toolkits that the operator of this AttnScope has named.

They are named in two places, both outside the reach of any page:

- ``external/NAME.json`` in the folder of checkpoints, such as
  ``{"toolkit": "espnet", "config": "config.yaml", "weights": "valid.acc.ave.pth"}`` or
  ``{"toolkit": "whisper", "model": "openai/whisper-tiny"}``; paths count from that file;
- ``$ATTNSCOPE_EXTERNAL``, specifications such as ``espnet:CONFIG,WEIGHTS`` and
  ``whisper:PATH_OR_NAME``, one a line or with ``;`` between them. ``--variants`` of the command
  line takes the same specifications.

Nothing is loaded, and no toolkit imported, before such a variant is asked for.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from models import schema
from models.checkpoint import CheckpointError
from models.schema import SchemaError

VARIABLE = "ATTNSCOPE_EXTERNAL"
FOLDER = "external"
MAX_BYTES = 10_000  # of a file that names a recogniser
_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"espnet": ("config", "weights"), "whisper": ("model",)}
)
_TITLES = {"espnet": "ESPnet", "whisper": "Whisper"}
_PAPERS = {
    "espnet": "Watanabe et al. 2018, arXiv 1804.00015",
    "whisper": "Radford et al. 2022, arXiv 2212.04356",
}


@dataclass(frozen=True)
class External:
    """A recogniser that is not ours, by where it lies."""

    name: str  # of the variant: letters, digits, - and _
    toolkit: str  # "espnet" or "whisper"
    sources: tuple[str, ...]  # configuration and weights, or a model's folder or public name
    title: str = field(compare=False)  # for people

    @property
    def weights(self) -> Path:
        """File or folder of its weights, or its public name."""
        return Path(self.sources[-1])

    @property
    def paper(self) -> str:
        return _PAPERS[self.toolkit]


def listed(folder: Path) -> list[External]:
    """All that are named for a folder of checkpoints, one of each name; see also `problems`."""
    recognisers: dict[str, External] = {}
    for recogniser in _named(folder):
        if isinstance(recogniser, External):
            recognisers.setdefault(recogniser.name, recogniser)
    return list(recognisers.values())


def problems(folder: Path, taken: Collection[str] = ()) -> list[str]:
    """Why some of the files and specifications name no recogniser that is listed, a sentence each.

    They are not of the form above, or their name is that of another, or one of the `taken` ones.
    """
    sentences: list[str] = []
    first: dict[str, External] = {}
    for recogniser in _named(folder):
        if isinstance(recogniser, CheckpointError):
            sentences.append(str(recogniser))
        elif (
            recogniser.name in taken or first.setdefault(recogniser.name, recogniser) != recogniser
        ):
            sentences.append(f"two recognisers are called {recogniser.name}; rename one")
    return list(dict.fromkeys(sentences))


def _named(folder: Path) -> Iterator["External | CheckpointError"]:
    yield from _in_files(folder)
    yield from _in_variable()


def _in_files(folder: Path) -> Iterator["External | CheckpointError"]:
    for path in sorted((folder / FOLDER).glob("[!.]*.json")):  # macOS leaves ._NAME.json
        try:
            yield read(path)
        except CheckpointError as error:
            yield error


def _in_variable() -> Iterator["External | CheckpointError"]:
    for specification in re.split(r"[;\n]", os.environ.get(VARIABLE, "")):
        if specification.strip():
            try:
                yield parse(specification.strip())
            except CheckpointError as error:
                yield error


@dataclass(frozen=True)
class _Named:
    """The content of a file that names a recogniser."""

    toolkit: Literal["espnet", "whisper"]
    config: schema.Text = ""
    weights: schema.Text = ""
    model: schema.Text = ""
    title: schema.Text | None = None


def read(path: Path) -> External:
    """The recogniser that a file names.

    Raises
    ------
    CheckpointError
        Where the file is not of the form above.
    """
    try:
        named = schema.read(path, _Named, MAX_BYTES)
        sources = [getattr(named, name) for name in _FIELDS[named.toolkit]]
        if not all(sources):
            raise SchemaError("a file is not named")
    except (OSError, SchemaError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(
            f"{path.name} does not name a recogniser ({said}): it needs "
            '"toolkit": "espnet" with "config" and "weights", or "whisper" with "model"'
        ) from None
    title = named.title or f"{_TITLES[named.toolkit]}: {path.stem}"
    beside = tuple(str(_beside(path.parent, source, named.toolkit)) for source in sources)
    _check_files(named.toolkit, beside)
    return External(_slug(path.stem), named.toolkit, beside, title[:80])


def _beside(folder: Path, source: str, toolkit: str) -> Path | str:
    """A path that counts from a folder; a model's public name stays as it is."""
    path = folder / Path(source).expanduser()
    return path if toolkit == "espnet" or path.exists() else source


def parse(specification: str) -> External:
    """The recogniser of ``espnet:CONFIG,WEIGHTS`` or ``whisper:PATH_OR_NAME``.

    Raises
    ------
    CheckpointError
        Where it is neither.
    """
    toolkit, _, rest = specification.partition(":")
    sources = tuple(part.strip() for part in rest.split(",") if part.strip())
    if toolkit not in _FIELDS or len(sources) != len(_FIELDS[toolkit]):
        raise CheckpointError(
            f"{specification!r} is neither espnet:CONFIG,WEIGHTS nor whisper:PATH_OR_NAME"
        )
    sources = tuple(str(_beside(Path.cwd(), source, toolkit)) for source in sources)
    _check_files(toolkit, sources)
    # an experiment's folder tells more than "config" or "model"
    place = Path(sources[0])
    stem = place.parent.name if toolkit == "espnet" else place.name
    name = _slug(stem if stem.startswith(toolkit) else f"{toolkit}-{stem}")
    title = f"{_TITLES[toolkit]}: {stem.removeprefix(f'{toolkit}-')}"
    return External(name, toolkit, sources, title[:80])


def _check_files(toolkit: str, sources: Sequence[str]) -> None:
    for source in sources if toolkit == "espnet" else ():
        if not Path(source).is_file():
            raise CheckpointError(f"{Path(source).name}: there is no such file of an ESPnet model")


def _slug(text: str) -> str:
    """`text` as a variant's name: safe in files, addresses and style sheets."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "external"


def split(names: str) -> list[str]:
    """A comma-separated list of variants; the comma of ``espnet:CONFIG,WEIGHTS`` parts nothing."""
    parts = [part.strip() for part in names.split(",")]
    pieces: list[str] = []
    while parts:
        part = parts.pop(0)
        if part.startswith("espnet:") and parts:
            part = f"{part},{parts.pop(0)}"
        if part:
            pieces.append(part)
    return pieces


def adopt(names: Sequence[str], folder: Path) -> list[str]:
    """Names of variants; specifications are remembered for this process and those it starts.

    Raises
    ------
    CheckpointError
        Where a specification is not one, or two would have one name: of them, or one of them and a
        file in the folder of checkpoints.
    """
    files = {
        recogniser.name: recogniser
        for recogniser in _in_files(folder)
        if isinstance(recogniser, External)
    }
    chosen: dict[str, External | None] = {}
    for name in names:
        external = parse(name) if ":" in name else None
        name = external.name if external else name
        if external and (chosen.get(name) or files.get(name)) not in (None, external):
            raise CheckpointError(f"two recognisers would be called {name}; rename a folder")
        chosen[name] = chosen.get(name) or external
    known = os.environ.get(VARIABLE, "").split("\n")
    added = [
        f"{recogniser.toolkit}:{','.join(recogniser.sources)}"
        for recogniser in chosen.values()
        if recogniser
    ]
    if added:
        os.environ[VARIABLE] = "\n".join(dict.fromkeys(filter(None, [*added, *known])))
    return list(chosen)


def load(external: External) -> Any:
    """The variant itself, `models.variant.Variant`.

    Raises
    ------
    CheckpointError
        Where it cannot be used.
    """
    return _LOADERS[external.toolkit](external)


def _espnet(external: External) -> Any:
    from models.interop.espnet import load_rnn_model

    return load_rnn_model(*external.sources, name=external.name)


def _whisper(external: External) -> Any:
    from models.interop import whisper

    return whisper.load(*external.sources, name=external.name)


_LOADERS: Mapping[str, Callable[[External], Any]] = MappingProxyType(
    {"espnet": _espnet, "whisper": _whisper}
)
