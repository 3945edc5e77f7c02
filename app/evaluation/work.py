"""What a worker does with a shard: read, stress, encode once, decode by every variant, assess.

A shard's result depends on the shard and the settings alone. Every worker computes on one thread:
more threads would sum in another order, and decoders are too small to gain from them.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from analysis.cli.console import printable
from app.comparison import Models, VariantResult, assess
from app.evaluation import maps, parquet
from app.evaluation.items import PLAIN, Item, Shard
from app.evaluation.parquet import DecodedItem
from app.evaluation.settings import Settings, same_checkpoints
from app.evaluation.store import BadItem, Part
from models.audio import AudioError, Recording
from models.corpora.recordings import load_utterance
from models.interop import external
from models.stress import stressed
from models.threads import one_thread
from models.variant import Encoded, VariantInfo

HELD_SECONDS = 300.0  # audio in memory at once
BATCH_SECONDS = 160.0  # padded audio decoded together
BATCH_ITEMS = 16
_OWN = os.environ.get(external.VARIABLE, "")  # recognisers known here before any run names its own


@dataclass(frozen=True, eq=False)
class Ready:
    """A recording that waits for its batch."""

    place: int  # in its shard
    item: Item
    recording: Recording


class Kept(NamedTuple):
    """What is written of a recording: a row and perhaps a map of every variant."""

    rows: list[dict[str, Any]]
    maps: list[dict[str, Any]]


@dataclass(frozen=True)
class Loaded:
    """The models of a process."""

    models: Models
    infos: tuple[VariantInfo, ...]  # of the variants of the run, in display order


@lru_cache(maxsize=1)
def _loaded(settings: Settings) -> Loaded:
    """The models, checked to be those of the run; loaded once in a process."""
    if settings.external:  # of this run, not of one that this process worked for before
        os.environ[external.VARIABLE] = "\n".join(filter(None, [settings.external, _OWN]))
    models = Models(Path(settings.folder) if settings.folder else None)
    infos = models.choose(settings.variants)
    same_checkpoints(settings, infos)
    for info in infos:
        models.variant(info.name)  # a damaged checkpoint is no recording's fault
    return Loaded(models, tuple(infos))


def decode_shard(shard: Shard, settings: Settings) -> Part:
    """Decode a shard's recordings by every variant; one that cannot be decoded is reported.

    Raises
    ------
    RunError
        Where this process has other checkpoints than the run.
    """
    with one_thread():  # workers share the cores, one each
        return _decode_shard(shard, settings, _loaded(settings))


def _decode_shard(shard: Shard, settings: Settings, loaded: Loaded) -> Part:
    kept: dict[int, Kept] = {}
    bad: dict[int, BadItem] = {}
    for held in _held(shard, settings, bad):
        for batch in batches(held):
            _decode_batch(batch, shard.number, settings, loaded, kept, bad)
    in_order = [kept[place] for place in sorted(kept)]
    return Part(
        number=shard.number,
        rows=parquet.write_rows(row for kept_item in in_order for row in kept_item.rows),
        maps=maps.write_maps(kept_item.maps for kept_item in in_order)
        if settings.keep_alignments
        else None,
        bad=tuple(bad[place] for place in sorted(bad)),
        items=len(in_order),
    )


def _held(shard: Shard, settings: Settings, bad: dict[int, BadItem]) -> Iterator[list[Ready]]:
    """Recordings of a shard, as many at a time as memory should hold."""
    held, seconds = [], 0.0
    for place, item in enumerate(shard.items):
        try:
            recording = open_item(item, settings)
        except AudioError as error:
            bad[place] = _bad(item, str(error))
            continue
        held.append(Ready(place, item, recording))
        seconds += recording.seconds
        if seconds >= HELD_SECONDS:
            yield held
            held, seconds = [], 0.0
    if held:
        yield held


def open_item(item: Item, settings: Settings) -> Recording:
    """An item's recording, stressed as it says.

    Raises
    ------
    AudioError
        Where a file cannot be used or the result is too long.
    """
    recordings = [load_utterance(recording, settings.max_seconds) for recording in item.utterances]
    if item.stress == PLAIN:
        return recordings[0]
    samples = stressed(
        [recording.samples for recording in recordings],
        item.stress,
        item.level,
        zlib.crc32(item.id.encode(errors="replace")),
        settings.gap,
    )
    warnings = tuple(dict.fromkeys(w for recording in recordings for w in recording.warnings))
    result = replace(recordings[0], samples=samples, warnings=warnings, name=printable(item.id))
    if result.seconds > settings.max_seconds:
        raise AudioError(
            f"{result.name} lasts {result.seconds:.0f} s, longer than the limit of "
            f"{settings.max_seconds:g} s; raise the limit with --max-seconds."
        )
    return result


def batches(ready: Sequence[Ready]) -> Iterator[list[Ready]]:
    """Recordings of similar length together, no more than fit."""
    batch: list[Ready] = []
    for ready_item in sorted(
        ready, key=lambda ready_item: (ready_item.recording.seconds, ready_item.place)
    ):
        padded = ready_item.recording.seconds * (len(batch) + 1)  # the longest comes last
        if batch and (len(batch) == BATCH_ITEMS or padded > BATCH_SECONDS):
            yield batch
            batch = []
        batch.append(ready_item)
    if batch:
        yield batch


def _decode_batch(
    batch: list[Ready],
    part: int,
    settings: Settings,
    loaded: Loaded,
    kept: dict[int, Kept],
    bad: dict[int, BadItem],
) -> None:
    """Decode a batch; where that fails, its recordings one by one, so that only one is lost."""
    try:
        kept |= _kept(batch, part, settings, loaded)
    except (ArithmeticError, IndexError, KeyError, MemoryError, RuntimeError, ValueError) as error:
        if len(batch) > 1:
            for ready_item in batch:
                _decode_batch([ready_item], part, settings, loaded, kept, bad)
            return
        reason = f"decoding failed ({type(error).__name__}: {error})"
        bad[batch[0].place] = _bad(batch[0].item, reason)


def _kept(batch: list[Ready], part: int, settings: Settings, loaded: Loaded) -> dict[int, Kept]:
    """What is written of every recording. Whole maps are gone before the next variant decodes."""
    started = perf_counter()
    encoded = _encode(batch, loaded)
    encode_seconds = (perf_counter() - started) / len(batch)
    kept = {ready_item.place: Kept([], []) for ready_item in batch}
    for results in _results(batch, encoded, settings, loaded):
        for ready_item, result in zip(batch, results, strict=True):
            decoded_item = DecodedItem(
                ready_item.item, ready_item.recording, result, encode_seconds
            )
            kept[ready_item.place].rows.append(parquet.row(decoded_item, settings.normalizer, part))
            if settings.keep_alignments:
                kept[ready_item.place].maps.append(
                    maps.row(ready_item.item.id, result.decoded.alignment)
                )
    return kept


def _encode(batch: list[Ready], loaded: Loaded) -> Encoded:
    return loaded.models.encode(*(ready_item.recording for ready_item in batch), infos=loaded.infos)


def _results(
    batch: list[Ready], encoded: Encoded, settings: Settings, loaded: Loaded
) -> Iterator[list[VariantResult]]:
    """One variant after the other: its results of all recordings."""
    for info in loaded.infos:
        variant = loaded.models.variant(info.name)
        model = loaded.models.language_model(settings.search)
        decodings = variant.decode(encoded, settings.search, model)
        yield [
            assess(
                info, variant, encoded, row, decoded, ready_item.item.reference, settings.normalizer
            )
            for row, (ready_item, decoded) in enumerate(zip(batch, decodings, strict=True))
        ]


def results_of(
    recording: Recording, settings: Settings, names: Sequence[str]
) -> tuple[VariantResult, ...]:
    """One recording by some variants of a run, as it was decoded there.

    Raises
    ------
    RunError, CheckpointError
        Where the checkpoints are not there or not those of the settings.
    """
    item = Item(recording.name, (), None)
    loaded = _loaded(settings)
    chosen = tuple(info for info in loaded.infos if info.name in names)
    batch, loaded = [Ready(0, item, recording)], Loaded(loaded.models, chosen)
    columns = _results(batch, _encode(batch, loaded), settings, loaded)
    return tuple(result for (result,) in columns)


def _bad(item: Item, error: str) -> BadItem:
    paths = "\n".join(str(utterance.path) for utterance in item.utterances)
    return BadItem(item.id, paths, item.stress, item.level, error)
