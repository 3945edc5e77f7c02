"""``compare``: decode recordings by every attention mechanism."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.cli.arguments import add_command, add_json
from analysis.cli.console import check_output, encodable, note, printable, write_json
from app.cli.arguments import add_decoding
from app.cli.common import chosen_variants, note_without_effect, search_options

if TYPE_CHECKING:
    from app.comparison import ClipResult, Models
    from models.variant import VariantInfo


def add(commands) -> None:
    """Add the subcommand."""
    command = add_command(
        commands,
        "compare",
        "decode recordings by every attention mechanism, with verdicts and errors",
        "  python -m app compare samples/spoken_repetition.ogg\n"
        "  python -m app compare talk.wav --text 'what was said' --variants dot,location\n"
        "  python -m app compare *.flac --json out.json --save-alignments maps/\n",
        run,
    )
    command.add_argument("clips", nargs="+", metavar="CLIP", help="recordings")
    command.add_argument(
        "--text", metavar="REF", help="what was said in the (only) clip: gives WER"
    )
    add_decoding(command)
    add_json(command)
    command.add_argument(
        "--save-alignments",
        type=Path,
        metavar="DIR",
        help="write every attention map to DIR/CLIP.VARIANT.npz",
    )
    command.add_argument(
        "--html",
        type=Path,
        metavar="OUT",
        help="write one HTML file with maps, texts and sound, which opens offline",
    )
    command.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="write transcripts with times, tables or figures to this folder",
    )
    command.add_argument(
        "--formats",
        default="ctm,textgrid,srt,vtt,json,csv",
        metavar="LIST",
        help="what --export writes: npz, textgrid, srt, vtt, json, ctm, kaldi, sclite, csv, "
        "parquet, svg, pdf, png, or all (default %(default)s)",
    )


def run(options: Namespace) -> bool:
    """Decode every clip by every chosen variant; an unreadable clip does not stop the rest."""
    from analysis.scoring.normalisers import described
    from app import comparison
    from app.cli import report, text_tables
    from app.comparison import Models
    from app.export import clips as clip_export
    from models.audio import AudioError

    if options.text is not None and len(options.clips) > 1:
        options.command.error("--text belongs to one clip; compare the clips one by one")
    models, search = Models(), search_options(options)
    infos = chosen_variants(options, models)  # before any clip is read
    models.language_model(search)
    note_without_effect(search, infos)
    check_output(options.json)
    formats = _export_formats(options)
    report.check_output(options.html)
    if options.save_alignments:
        options.save_alignments.mkdir(parents=True, exist_ok=True)
    clips, errors, complete, stems = [], [], True, clip_export.stems(options.clips)
    for number, path in enumerate(options.clips, 1):
        note(f"[{number}/{len(options.clips)}] {printable(path)}")
        try:
            clip = _compare_clip(path, infos, options, models)
        except AudioError as error:
            errors.append({"path": encodable(path), "error": str(error)})
            note(f"attnscope: {error}")
            continue
        clips.append(clip)
        complete = complete and len(clip.variants) == len(infos)
        if options.save_alignments:
            _save_alignments(clip, options.save_alignments, stems[number - 1])
        if not options.json:
            print(text_tables.clip(clip), flush=True)
    if options.json:
        write_json(comparison.to_json(clips) | ({"errors": errors} if errors else {}), options.json)
    if options.html and clips:
        report.save_clips(clips, options.html)
        note(f"wrote {printable(str(options.html))}")
    if options.export and clips:
        _export(clips, options.export, formats)
    if options.text is not None:
        note(f"word errors after the normaliser {described(options.normalizer)}")
    return complete and not errors


def _compare_clip(
    path: str, infos: Sequence[VariantInfo], options: Namespace, models: Models
) -> ClipResult:
    """The clip by every variant that had enough memory for it."""
    from app import comparison
    from models.audio import load

    recording = load(path, max_seconds=options.max_seconds)

    def failed(info: VariantInfo, error: MemoryError) -> None:
        note(f"attnscope: {comparison.too_large(info.name, recording.seconds)} ({error})")

    results = []
    for result in comparison.compare(
        recording, infos, search_options(options), options.text,
        models=models, normalizer=options.normalizer, failed=failed,
    ):  # fmt: skip
        note(f"  {result.info.name}: {result.decoded.decode_seconds:.2f} s")
        results.append(result)
    return comparison.ClipResult(
        recording, encodable(path), options.text, tuple(results), options.normalizer
    )


def _save_alignments(clip: ClipResult, folder: Path, stem: str) -> None:
    for result in clip.variants:
        result.decoded.alignment.save(folder / f"{stem}.{result.info.name}.npz")


def _export_formats(options: Namespace) -> tuple[str, ...]:
    """Formats to write; an unknown one is wrong usage, a missing program an early error."""
    from app.export import clips as clip_export

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
    from app.export import clips as clip_export

    stems = clip_export.stems([clip.path for clip in clips])
    items = [clip_export.Exported(stem, clip) for stem, clip in zip(stems, clips, strict=True)]
    files = clip_export.write(items, folder, formats)
    note(f"wrote {len(files)} files to {printable(str(folder))}")
