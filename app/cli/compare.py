"""What the subcommands do: each takes the parsed options and tells whether all went well."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from analysis.alignment import AlignmentError
from analysis.diagnosis import diagnose as examine
from analysis.io import toolkits
from app import comparison
from app.cli import report as report_command
from app.cli import text_tables
from app.comparison import ClipResult, Models, too_large
from app.export import clips as clip_export
from models.audio import AudioError, load, plain
from models.checkpoint import CheckpointError
from models.decoding.search import SearchOptions
from models.interop import external
from models.recogniser import checkpoint_folder
from models.variant import VariantInfo


class CommandError(Exception):
    """The command cannot go on; the message is one sentence for the user."""


def compare(options: Namespace) -> bool:
    """Decode every clip by every chosen variant; an unreadable clip does not stop the rest."""
    models = Models()
    names = variant_names(options, models)
    models.choose(names)  # a missing checkpoint stops the command before any clip is read
    models.language_model(search_options(options))
    note_idle(search_options(options))
    check_output(options.json)
    formats = _export_formats(options)
    report_command.check(options.html)
    if options.save_alignments:
        options.save_alignments.mkdir(parents=True, exist_ok=True)
    clips, failed, missing, stems = [], [], 0, clip_export.stems(options.clips)
    for number, path in enumerate(options.clips, 1):
        note(f"[{number}/{len(options.clips)}] {plain(path)}")
        try:
            clip, without = _compare_clip(path, names, options, models)
        except AudioError as error:
            failed.append({"path": _text(path), "error": str(error)})
            note(f"attnscope: {error}")
            continue
        clips.append(clip)
        missing += without
        if options.save_alignments:
            _save_alignments(clips[-1], options.save_alignments, stems[number - 1])
        if not options.json:
            print(text_tables.clip(clips[-1]), flush=True)
    if options.json:
        errors = {"errors": failed} if failed else {}
        write_json(comparison.to_json(clips) | errors, options.json)
    if options.html and clips:
        report_command.save_clips(clips, options.html)
        note(f"wrote {plain(str(options.html))}")
    if options.export and clips:
        _export(clips, options.export, formats)
    return not failed and not missing


def diagnose(options: Namespace) -> bool:
    """Examine alignment files; one that cannot be read is reported among the others."""
    check_output(options.json)
    asked = toolkits.ReadOptions(options.frame_seconds, options.renormalise)
    reports = []
    for path in options.files:
        try:
            alignment = toolkits.read(path, options=asked)
        except AlignmentError as error:
            reports.append({"file": _text(path), "error": str(error)})
            note(f"attnscope: {plain(path)}: {error}")
            continue
        diagnosis = examine(alignment)
        reports.append({"file": _text(path), **diagnosis.to_json()})
        if not options.json:
            print(text_tables.diagnosis(plain(path), diagnosis), flush=True)
    if options.json:
        write_json({"schema": comparison.SCHEMA, "files": reports}, options.json)
    return not any("error" in report for report in reports)


def variants(options: Namespace) -> bool:
    """List every variant there is, trained or not."""
    check_output(options.json)
    infos = Models().infos()
    ours = [info.name for info in infos if not info.own_encoder]
    for problem in external.problems(checkpoint_folder(), ours):
        note(f"attnscope: {problem}")
    if options.json:
        listed = [_variant(info) for info in infos]
        write_json({"schema": comparison.SCHEMA, "variants": listed}, options.json)
    else:
        print(text_tables.variants(infos))
    return True


def variant_names(options: Namespace, models: Models) -> list[str] | None:
    """The variants asked for, None for all; an unknown name is wrong usage."""
    if options.variants == "all":
        return None
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
    return names


def _compare_clip(
    path: str, names: list[str] | None, options: Namespace, models: Models
) -> tuple[ClipResult, int]:
    """The clip by every variant, and how many of them had too little memory for it."""
    recording = load(path, max_seconds=options.max_seconds)
    results, without = [], []

    def failed(info: VariantInfo, error: MemoryError) -> None:
        without.append(info)
        note(f"attnscope: {too_large(info.name, recording.seconds)} ({error})")

    for result in comparison.compare(
        recording, names, search_options(options), options.text,
        models=models, normalizer=options.normalizer, failed=failed,
    ):  # fmt: skip
        note(f"  {result.info.name}: {result.decoded.decode_seconds:.2f} s")
        results.append(result)
    clip = ClipResult(recording, _text(path), options.text, tuple(results), options.normalizer)
    return clip, len(without)


def search_options(options: Namespace) -> SearchOptions:
    """How to search, as the command line says."""
    return SearchOptions(
        beam=options.beam,
        ctc_weight=options.ctc_weight,
        lm_weight=options.lm_weight,
        word_bonus=options.word_bonus,
        temperature=options.temperature,
        window=options.window,
        max_length_ratio=options.max_length_ratio,
        length_penalty=options.length_penalty,
        coverage_penalty=options.coverage_penalty,
    )


def note_idle(search: SearchOptions) -> None:
    """Say which options were given in vain, since greedy search does not weigh hypotheses."""
    given = {
        "--ctc-weight": 0 < search.ctc_weight < 1,
        "--length-penalty": search.length_penalty,
        "--coverage-penalty": search.coverage_penalty,
    }
    idle = [flag for flag, value in given.items() if value]
    if search.beam == 1 and idle:
        note(f"attnscope: {', '.join(idle)}: no effect in greedy search; add --beam 2 or more")


def _save_alignments(clip: ClipResult, folder: Path, stem: str) -> None:
    for result in clip.variants:
        result.decoded.alignment.save(folder / f"{stem}.{result.info.name}.npz")


def _export_formats(options: Namespace) -> tuple[str, ...]:
    """What is to be written; an unknown format is wrong usage, a missing program an early error."""
    try:
        formats = clip_export.parse_formats(options.formats)
    except clip_export.ExportError as error:
        options.command.error(str(error))
    if options.export:
        clip_export.check(formats)
        options.export.mkdir(parents=True, exist_ok=True)
        if "sclite" in formats and options.text is None:
            note("attnscope: sclite: nothing to write without knowing what was said; add --text")
    return formats


def _export(clips: Sequence[ClipResult], folder: Path, formats: Sequence[str]) -> None:
    stems = clip_export.stems([clip.path for clip in clips])
    items = [clip_export.Exported(stem, clip) for stem, clip in zip(stems, clips, strict=True)]
    files = clip_export.write(items, folder, formats)
    note(f"wrote {len(files)} files to {plain(str(folder))}")


def _variant(info: VariantInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "family": info.family,
        "title": info.title,
        "paper": info.paper,
        "parameters": info.parameters,
        "checkpoint": str(info.checkpoint) if info.checkpoint else None,
        "card": asdict(info.card) if info.card else None,
    }


def check_output(out: str | None) -> None:
    """Complain about an output file now rather than after minutes of decoding.

    A file that is there and is not JSON is never replaced: in ``--json a.wav b.wav`` the first name
    is the output, which is hardly what was meant.
    """
    if out in (None, "-"):
        return
    path = Path(out)
    if path.is_dir() or not path.parent.is_dir():
        raise CommandError(f"{plain(out)} cannot be written: it is a folder, or has none to be in")
    if path.exists() and path.open("rb").read(1) not in (b"", b"{"):
        raise CommandError(f"{plain(out)} is there and is not JSON; choose another name for --json")


def write_json(values: dict[str, Any], out: str) -> None:
    text = json.dumps(values, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    if out == "-":
        sys.stdout.write(text)
    else:
        Path(out).write_text(text, encoding="utf-8")
        note(f"wrote {plain(out)}")


def note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _text(path: str) -> str:
    """A path as JSON can hold it: undecodable bytes become question marks."""
    return path.encode(errors="replace").decode()
