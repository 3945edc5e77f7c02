"""Results as files for other programs: transcripts with times, tables and figures."""

import json
import logging
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio

from analysis.formats import subtitles
from analysis.formats.ctm import ctm
from analysis.formats.kaldi_text import kaldi_text
from analysis.formats.sclite import sclite
from analysis.formats.textgrid import textgrid
from analysis.formats.timed import JOINERS, TimedText, identifier
from analysis.formats.transcript import timed_text
from analysis.formats.whisper_json import whisper_json
from analysis.io.files import write as write_whole
from app.charts.attention import attention_map
from app.comparison import ClipResult, VariantResult
from app.theme import palette
from models.names import told_apart

FIGURES = ("svg", "pdf", "png")
FIGURE_SIZE = (1200, 450)  # pixels, before the scale
FIGURE_SCALE = 2  # of png: sharp in print

PER_RESULT: Mapping[str, tuple[str, Callable[[TimedText], str]]] = MappingProxyType(
    {  # format: file ending and writer
        "textgrid": ("TextGrid", textgrid),
        "srt": ("srt", subtitles.srt),
        "vtt": ("vtt", subtitles.vtt),
        "json": ("json", lambda text: json.dumps(whisper_json(text), ensure_ascii=False, indent=2)),
        "ctm": ("ctm", lambda text: ctm([text])),
    }
)
_PER_VARIANT = ("kaldi", "sclite")
_TABLES = ("csv", "parquet")
WORD_COLUMNS = ("variant", "word", "start", "end", "probability")
FORMATS = ("npz", *PER_RESULT, *_PER_VARIANT, *_TABLES, *FIGURES)


class ExportError(ValueError):
    """Something cannot be written; the message is one sentence for the user."""


@dataclass(frozen=True)
class Exported:
    """A recording with its results and the name its files get."""

    name: str  # a file stem: no folders, different for every recording
    clip: ClipResult

    def transcript(self, result: VariantResult) -> TimedText:
        decoded = result.decoded
        return timed_text(
            decoded.alignment,
            self.name,
            seconds=self.clip.recording.seconds,
            log_probs=decoded.log_probs,
        )


def parse_formats(names: str, known: Sequence[str] = FORMATS) -> tuple[str, ...]:
    """Formats from a comma-separated list, ``all`` for every one that is known.

    Raises
    ------
    ExportError
        Naming what is unknown.
    """
    asked = [name.strip().lower() for name in names.split(",") if name.strip()]
    if "all" in asked:
        return tuple(known)
    for name in asked:
        if name not in known:
            raise ExportError(f"there is no format {name!r}; there are {', '.join(known)}")
    if not asked:
        raise ExportError(f"no format was chosen; there are {', '.join(known)}")
    return tuple(dict.fromkeys(asked))


def check(formats: Sequence[str]) -> None:
    """Complain about what is not installed before anything is decoded.

    Raises
    ------
    ExportError
        Where figures are asked for without Kaleido.
    """
    if set(formats) & set(FIGURES):
        try:
            import kaleido  # noqa: F401
        except ModuleNotFoundError:
            raise ExportError(
                "svg, pdf and png need Kaleido and a Chrome or Chromium browser: "
                "pip install -r requirements-figures.txt"
            ) from None


def file_stem(name: str) -> str:
    """`name` as part of a file name on every system: no folders, no reserved characters.

    Letters of every script stay, with their vowel signs and the joiners within words.

    Examples
    --------
    >>> file_stem("../my talk: part 1?")
    'my_talk_part_1'
    """
    name = unicodedata.normalize("NFC", name)
    seen = (c for c in name if unicodedata.category(c) != "Cf" or c in JOINERS)
    allowed = f"-_.{JOINERS}"
    kept = (c if unicodedata.category(c)[0] in "LMN" or c in allowed else "_" for c in seen)
    stem = "_".join(part for part in identifier("".join(kept)).split("_") if part)
    return stem.strip(".-_").encode()[:120].decode(errors="ignore") or "recording"


def stems(paths: Sequence[str]) -> list[str]:
    """A file stem for every path, numbered where several would be the same."""
    return told_apart(file_stem(Path(path).stem) for path in paths)


def write(items: Iterable[Exported], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write every result in every format; returns the files, in the order they were written.

    Files of one result are ``RECORDING.VARIANT.ENDING``; Kaldi's ``text`` and sclite's blocks
    gather all recordings of a variant (``kaldi/VARIANT/text``, ``VARIANT.sclite.txt``); tables
    gather everything (``results`` and ``words``).

    Raises
    ------
    ExportError
        Where figures cannot be drawn. Nothing else but OSError.
    """
    items = list(items)
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for item in items:
        for result in item.clip.variants:
            files += _write_result(item, result, folder, formats)
    files += _write_gathered(items, folder, formats)
    files += _write_figures(items, folder, [name for name in formats if name in FIGURES])
    if set(formats) & set(_TABLES):
        files += _write_tables(items, folder, formats)
    return files


def _write_result(
    item: Exported, result: VariantResult, folder: Path, formats: Sequence[str]
) -> list[Path]:
    base, files = f"{item.name}.{file_stem(result.info.name)}", []
    if "npz" in formats:
        files.append(folder / f"{base}.npz")
        result.decoded.alignment.save(files[-1])
    return files + write_transcript(item.transcript(result), folder / base, formats)


def write_transcript(transcript: TimedText, base: Path, formats: Sequence[str]) -> list[Path]:
    """Write one transcript in those of the formats that have a file for each: BASE.ENDING."""
    files = []
    for name in formats:
        if name in PER_RESULT:
            ending, writer = PER_RESULT[name]
            files.append(write_text(base.with_name(f"{base.name}.{ending}"), writer(transcript)))
    return files


def _write_figures(items: Sequence[Exported], folder: Path, endings: Sequence[str]) -> list[Path]:
    """Every map, drawn by one browser."""
    figures, files = [], []
    for item in items if endings else ():
        for result in item.clip.variants:
            base = f"{item.name}.{file_stem(result.info.name)}"
            figures += [_figure(item, result)] * len(endings)
            files += [folder / f"{base}.{ending}" for ending in endings]
    if files:
        draw(figures, files)
    return files


def _figure(item: Exported, result: VariantResult) -> go.Figure:
    figure = attention_map(
        result.decoded.alignment,
        seconds=item.clip.recording.seconds,
        palette=palette("light"),
        failures=result.diagnosis.failures,
    )
    title = {"text": result.info.title, "font": {"size": 15}}
    return figure.update_layout(title=title, margin={"t": 44}, paper_bgcolor="white")


def draw(figures: Sequence[go.Figure], files: Sequence[Path]) -> None:
    """Write every figure into its file, in the format its ending names, by one browser.

    Raises
    ------
    ExportError
        Where they cannot be drawn.
    """
    for name in ("choreographer", "kaleido"):  # they log the browser's last words as errors
        logging.getLogger(name).setLevel(logging.CRITICAL)
    width, height = FIGURE_SIZE
    scales = [FIGURE_SCALE if file.suffix == ".png" else 1 for file in files]
    try:
        pio.write_images(list(figures), list(files), scale=scales, width=width, height=height)
    # Kaleido and the browser's driver raise many unrelated types
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise ExportError(
            f"the figures could not be drawn, which needs Kaleido and a Chrome or Chromium browser "
            f"(pip install -r requirements-figures.txt): {reason}"
        ) from error


def _write_gathered(items: Sequence[Exported], folder: Path, formats: Sequence[str]) -> list[Path]:
    transcripts: dict[str, list[TimedText]] = {}
    normalizer = items[0].clip.normalizer if items else "basic"
    if set(formats) & set(_PER_VARIANT):
        for item in items:
            for result in item.clip.variants:
                gathered = transcripts.setdefault(result.info.name, [])
                gathered.append(item.transcript(result))
    files = []
    for variant, texts in transcripts.items():
        if "kaldi" in formats:
            files.append(write_kaldi(texts, folder, variant))
        if "sclite" in formats and any(text.reference is not None for text in texts):
            files.append(write_sclite(texts, folder, variant, normalizer))
    return files


def write_kaldi(texts: Sequence[TimedText], folder: Path, variant: str) -> Path:
    """Write what a variant heard as Kaldi's ``text``."""
    target = folder / "kaldi" / file_stem(variant) / "text"
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_text(target, kaldi_text(texts))


def write_sclite(texts: Sequence[TimedText], folder: Path, variant: str, normalizer: str) -> Path:
    """Write what a variant heard beside what was said, as sclite prints it."""
    return write_text(folder / f"{file_stem(variant)}.sclite.txt", sclite(texts, normalizer))


def _write_tables(items: Sequence[Exported], folder: Path, formats: Sequence[str]) -> list[Path]:
    files = []
    for name, table in (("results", results_table(items)), ("words", words_table(items))):
        if "csv" in formats:
            files.append(folder / f"{name}.csv")
            table.to_csv(files[-1], index=False, lineterminator="\n")
        if "parquet" in formats:
            files.append(folder / f"{name}.parquet")
            table.to_parquet(files[-1], index=False)
    return files


def results_table(items: Iterable[Exported]) -> pd.DataFrame:
    """A row per recording and variant: texts, rates, verdict and every metric."""
    rows = []
    for item in items:
        for result in item.clip.variants:
            score = result.score
            rows.append(
                {
                    "clip": item.name,
                    "variant": result.info.name,
                    "reference": item.clip.reference,
                    "text": result.decoded.text,
                    "normalizer": item.clip.normalizer,
                    "wer": score.wer if score else None,
                    "cer": score.cer if score else None,
                    "verdict": result.diagnosis.verdict,
                    "failures": " ".join(failure.kind for failure in result.diagnosis.failures),
                    "seconds": item.clip.recording.seconds,
                    "decode_seconds": result.decoded.decode_seconds,
                    **result.diagnosis.metrics,
                }
            )
    return pd.DataFrame(rows)


def words_table(items: Iterable[Exported]) -> pd.DataFrame:
    """A row per word: who heard it, when, and how sure the model was."""
    rows = [
        row
        for item in items
        for result in item.clip.variants
        for row in word_rows(item.name, result.info.name, item.transcript(result))
    ]
    return pd.DataFrame(rows, columns=["clip", *WORD_COLUMNS])


def word_rows(name: str, variant: str, transcript: TimedText) -> list[tuple]:
    """A recording's name and what `WORD_COLUMNS` says of each of its words."""
    return [
        (name, variant, word.text, word.start, word.end, word.probability)
        for word in transcript.words
    ]


def write_text(path: Path, text: str) -> Path:
    """Write a whole text as UTF-8; returns where."""
    write_whole(path, text.encode("utf-8", errors="replace"))  # the same line ends everywhere
    return path
