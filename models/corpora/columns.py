"""Names under which data sets of the world write the same things, and what they mean.

Capitals, blanks, hyphens and units in brackets make no difference: ``Start (s)`` is ``start_s``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# what it is to us: names in use, best first
NAMES: Mapping[str, tuple[str, ...]] = {
    "path": (
        "path", "audio_filepath", "audio_file", "audio_path", "audio", "wav", "wav_filename",
        "wav_path", "wav_file", "file_name", "filename", "filepath", "file_path", "file",
    ),
    "text": (
        "text", "transcript", "transcription", "sentence", "txt", "wrd", "normalized_text",
        "raw_text", "reference",
    ),
    "id": ("id", "utt_id", "utterance_id", "uttid", "utt", "key", "segment_id"),
    "speaker": ("speaker", "speaker_id", "spk_id", "spk", "client_id", "speaker_name"),
    "corpus": ("corpus",),
    "split": ("split", "subset"),
    "seconds": ("seconds", "duration", "dur"),
    "offset": ("offset", "start", "begin", "start_time", "begin_time"),
    "end": ("end", "stop", "end_time", "stop_time"),
}  # fmt: skip
TIMES = ("seconds", "offset", "end")  # may be in other units: duration_ms, start_s, end_seconds
UNITS = {"": 1.0, "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3,
         "milliseconds": 1e-3}  # fmt: skip
# they say what to listen to in a way that is not read; the whole file would be another recording
REFUSED = ("start_sample", "end_sample", "frame_offset", "start_frame", "end_frame")
# they say something of the recording that is not used
UNUSED = ("channel", "channel_id", "channel_selector")


@dataclass(frozen=True)
class Columns:
    """What the names of a table or an object are to us."""

    known: dict[str, tuple[str, float]]  # ours: name in the file, and seconds of its unit
    refused: tuple[str, ...] = ()  # names that stand for parts in a way that is not read
    unused: tuple[str, ...] = ()  # names that are understood but not used
    extra: tuple[str, ...] = field(default=())  # all others


def read_columns(names: Sequence[str]) -> Columns:
    """What each of these names is. Of two for the same thing the better known is used."""
    plain = {name: _plain(name) for name in names}
    ranked: dict[str, list[tuple[int, str, float]]] = {}
    for name, spelled in plain.items():
        for ours, spellings in NAMES.items():
            for rank, spelling in enumerate(spellings):
                unit = _unit(spelled, spelling, ours in TIMES)
                if unit is not None:
                    ranked.setdefault(ours, []).append((rank, name, unit))
    chosen = {
        ours: min(candidates, key=lambda candidate: candidate[0])
        for ours, candidates in ranked.items()
    }
    known = {ours: (name, unit) for ours, (_, name, unit) in chosen.items()}
    used = {name for name, _ in known.values()}
    twice = [
        name for candidates in ranked.values() for _, name, _ in candidates if name not in used
    ]
    unused = [name for name, spelled in plain.items() if spelled in UNUSED]
    return Columns(
        known=known,
        refused=tuple(name for name, spelled in plain.items() if spelled in REFUSED),
        unused=tuple(dict.fromkeys([*twice, *unused])),
        extra=tuple(name for name in names if name not in used),
    )


def _plain(name: str) -> str:
    words = re.findall(r"[^\W_]+", name.casefold())
    return "_".join(words)


def _unit(spelled: str, name: str, timed: bool) -> float | None:
    """Seconds of the unit in which `spelled` gives `name`; None where it is something else."""
    if spelled == name:
        return 1.0
    rest = spelled.removeprefix(f"{name}_")
    return UNITS.get(rest) if timed and rest != spelled and rest else None
