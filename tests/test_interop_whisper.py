"""Whisper through our loader: transformers' own text and attention, long and foreign speech."""

import copy
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.signals.labels import is_special, words
from models.audio import Recording
from models.checkpoint import CheckpointError
from models.decoding.hypothesis import Hypothesis
from models.decoding.search import SearchOptions
from models.interop import whisper
from models.interop.whisper import variant as variants
from models.interop.whisper.pieces import ByteAlphabet, token_bytes
from tests.support import whisper_models
from tests.support.recordings import hum

RATE = 16_000
SEED = 2  # writes many different tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whisper_models.save(tmp_path_factory.mktemp("models") / "whisper-small", seed=SEED)


@pytest.fixture(scope="module")
def model(folder: Path) -> whisper.WhisperVariant:
    return whisper.load(folder)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording(hum(1.3), RATE)


def theirs(model, recording: Recording, tokens: int) -> list[int]:
    """What transformers writes, greedily."""
    features = model.extractor([recording.samples], sampling_rate=RATE, return_tensors="pt")
    task = {"task": "transcribe"} if model.decoder.prompt.languages else {}
    written = model.decoder.model.generate(
        features.input_features, num_beams=1, do_sample=False, max_new_tokens=tokens, **task
    )
    return written[0].tolist()


def test_text_is_that_of_transformers(model, recording):
    (found,) = model.decode(model.listen([recording]), SearchOptions(max_length_ratio=0.4))
    numbers = theirs(model, recording, tokens=26)  # 0.4 of 65 frames
    assert len(set(numbers)) > 3
    pieces = model.alphabet.pieces(numbers)
    assert found.alignment.tokens == tuple(piece.text for piece in pieces)
    assert found.text == model.alphabet.decode(numbers)


def test_maps_are_transformers_cross_attentions_within_the_recording(model, recording):
    (found,) = model.decode(model.listen([recording]), SearchOptions(max_length_ratio=0.4))
    numbers = theirs(model, recording, tokens=26)
    hugging, prompt = model.decoder.model, model.decoder.prompt
    features = model.extractor([recording.samples], sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        encoded = hugging.model.encoder(features.input_features)
        start = hugging(encoder_outputs=encoded, decoder_input_ids=torch.tensor([[prompt.start]]))
        language = max(prompt.languages, key=lambda number: start.logits[0, 0, number])
        told = [prompt.start, language, *prompt.rest, *numbers]
        output = hugging(
            encoder_outputs=encoded,
            decoder_input_ids=torch.tensor([told[:-1]]),
            output_attentions=True,
        )
    maps = torch.stack(output.cross_attentions)[:, 0]  # (layers, heads, positions, window)
    maps = maps[:, :, len(prompt) - 1 :, :65]  # 1.3 s at 20 ms
    maps = maps / maps.sum(-1, keepdim=True)
    pieces = model.alphabet.pieces(numbers)
    expected = torch.stack([maps[:, :, p.start : p.end].mean(2) for p in pieces], dim=2)
    assert found.alignment.weights.shape == (2, 4, len(pieces), 65)
    np.testing.assert_allclose(found.alignment.weights, expected.numpy(), atol=1e-5)
    chosen = output.logits[0, len(prompt) - 1 :].clone()
    chosen[:, model.decoder.never] = -torch.inf
    chosen[0, model.decoder.never_first] = -torch.inf
    log_probs = chosen.log_softmax(-1)[range(len(numbers)), numbers]
    sums = [log_probs[piece.start : piece.end].sum() for piece in pieces]
    np.testing.assert_allclose(found.log_probs, torch.stack(sums).numpy(), atol=1e-4)


def test_an_english_model_is_asked_for_no_language(tmp_path, recording):
    english = whisper.load(whisper_models.save(tmp_path / "tiny.en", seed=SEED, english=True))
    assert (english.name, english.info.title) == ("whisper-tiny.en", "Whisper: tiny.en")
    assert english.decoder.prompt.languages == ()
    assert len(english.decoder.prompt) == 2
    (found,) = english.decode(english.listen([recording]), SearchOptions(max_length_ratio=0.4))
    assert found.text == english.alphabet.decode(theirs(english, recording, tokens=26))


def test_a_language_can_be_given(folder):
    numbers = {token: n for n, token in enumerate(whisper.load(folder).alphabet.tokens)}
    german = whisper.load(folder, language="de", name="german")
    assert german.name == "german"
    assert german.decoder.prompt.languages == (numbers["<|de|>"],)
    with pytest.raises(CheckpointError, match="knows no language 'xx'"):
        whisper.load(folder, language="xx")


def test_languages_are_found_by_their_tokens_where_no_list_names_them(model):
    other = copy.deepcopy(model.decoder.model)
    del other.generation_config.lang_to_id
    prompt = variants._prompt(other, model.alphabet, None)
    assert set(prompt.languages) == set(model.decoder.prompt.languages)
    assert prompt.rest == model.decoder.prompt.rest


# --- every option of our search -------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(beam=3, nbest=2, max_length_ratio=0.2),
        SearchOptions(beam=2, coverage_penalty=0.5, max_length_ratio=0.2, ctc_weight=0.5),
        SearchOptions(temperature=0.5, window=(0.1, 0.2), max_length_ratio=0.2, lm_weight=1.0),
        SearchOptions(max_length_ratio=50.0),  # more than the model has positions
    ],
)
def test_a_batch_is_decoded_as_its_recordings_alone(model, recording, options):
    short = Recording(recording.samples[:7_000], RATE)
    batch = model.decode(model.listen([recording, short]), options)
    for one, together in zip((recording, short), batch, strict=True):
        (alone,) = model.decode(model.listen([one]), options)
        assert alone.text == together.text
        assert alone.alternatives == together.alternatives
        np.testing.assert_allclose(alone.alignment.weights, together.alignment.weights, atol=1e-5)
        rows = alone.alignment.weights.sum(-1)
        np.testing.assert_allclose(rows, np.ones_like(rows), atol=1e-4)


def test_a_window_and_a_temperature_change_the_attention(model, recording):
    heard, one = model.listen([recording]), 1.5 / 65  # frames: a single token
    free = model.decode(heard, SearchOptions(max_length_ratio=one))[0].alignment
    near = SearchOptions(max_length_ratio=one, window=(0.0, 0.1))
    near = model.decode(heard, near)[0].alignment
    assert not near.weights[..., 6:].any()  # the first step looks from the beginning
    assert free.weights[..., 6:].any()
    sharp = SearchOptions(max_length_ratio=one, temperature=0.2)
    sharp = model.decode(heard, sharp)[0].alignment
    assert sharp.weights[0].max() > free.weights[0].max()


def test_a_beam_finds_nothing_less_likely_than_greedy_search(model, recording):
    heard = model.listen([recording])
    greedy = model.decode(heard, SearchOptions(max_length_ratio=0.15))[0]
    wide = model.decode(heard, SearchOptions(max_length_ratio=0.15, beam=6))[0]
    assert wide.log_probs.sum() / 9 >= greedy.log_probs.sum() / 9 - 1e-4


def test_decoding_leaves_the_model_as_it_is_loaded(model, recording):
    model.decode(model.listen([recording]), SearchOptions(max_length_ratio=0.1))
    assert not any(module.training for module in model.decoder.modules())


# --- long recordings ------------------------------------------------------------------------------


def test_long_recordings_are_decoded_window_by_window(model):
    speech = hum(5.0)
    speech[int(1.7 * RATE) : int(1.9 * RATE)] = 0  # silences to cut at
    speech[int(3.3 * RATE) : int(3.5 * RATE)] = 0
    recording = Recording(speech, RATE)
    heard = model.listen([recording])
    starts = [window.start / RATE for window in heard.windows]
    assert starts[0] == 0
    assert 1.7 <= starts[1] <= 1.9
    assert 3.3 <= starts[2] <= 3.5
    assert int(heard.lengths[0]) == 250
    (found,) = model.decode(heard, SearchOptions(max_length_ratio=0.1))
    parts = []
    for window in heard.windows:
        part = Recording(speech[window.start : window.end], RATE)
        parts.append(model.decode(model.listen([part]), SearchOptions(max_length_ratio=0.1))[0])
    assert found.text == " ".join(part.text for part in parts if part.text)
    assert len(found.alignment.tokens) == sum(len(part.alignment.tokens) for part in parts)
    row, frame = 0, 0
    for part in parts:
        rows, frames = part.alignment.weights.shape[2:]
        block = found.alignment.weights[:, :, row : row + rows]
        np.testing.assert_allclose(
            block[..., frame : frame + frames], part.alignment.weights, atol=1e-5
        )
        assert not block[..., :frame].any()
        assert not block[..., frame + frames :].any()
        row, frame = row + rows, frame + frames


def windowed(model, tokens: int, frames: int):
    """Two windows, each of so many tokens and frames, with maps whose rows are known."""
    numbers = tuple(range(tokens))  # the first ones are characters: !, ", #, ...
    assert len(model.alphabet.decode(numbers)) == tokens
    maps = np.zeros((8, tokens, frames), np.float32)
    maps[..., 0] = 1
    best = Hypothesis(numbers, np.zeros(tokens, np.float32), maps, True, 0.0)
    length = frames * variants.FRAME
    windows = [variants.Window(0, start, start + length) for start in (0, length)]
    heard = variants.HeardWindows(
        torch.zeros(1, 0, 0), torch.tensor([2 * frames]), None, 0.02,
        (np.ones(2 * frames, bool),), (0.04 * frames,), windows=tuple(windows),
    )  # fmt: skip
    return heard, [(window, [best]) for window in windows]


def test_windows_are_put_together_without_a_second_copy(model):
    heard, parts = windowed(model, tokens=40, frames=4_000)
    tracemalloc.start()
    found = model._joined(heard, 0, parts, 0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    weights = found.alignment.weights
    assert weights.shape == (2, 4, 80, 8_000)
    assert weights[:, :, :40, 0].all()
    assert weights[:, :, 40:, 4_000].all()
    assert weights.sum() == weights.shape[0] * weights.shape[1] * 80
    assert peak < 1.6 * weights.nbytes


def test_maps_that_will_not_fit_are_refused_before_they_are_made(model, monkeypatch):
    heard, parts = windowed(model, tokens=10, frames=50)
    size = 8 * 20 * 100 * 4
    monkeypatch.setattr(variants, "available_bytes", lambda: 5 * size)
    assert len(model._joined(heard, 0, parts, 0.0).alignment.tokens) == 20
    monkeypatch.setattr(variants, "available_bytes", lambda: 5 * size - 1)
    with pytest.raises(MemoryError, match="the maps of 20 tokens need"):
        model._joined(heard, 0, parts, 0.0)


@given(st.integers(1, 400), st.integers(640, 4_000), st.integers(0, 5))
def test_cuts_are_contiguous_and_no_part_is_too_long(length, window, seed):
    samples = np.random.default_rng(seed).normal(size=length * 100).astype(np.float32)
    found = variants.cut(samples, window)
    assert found[0][0] == 0
    assert found[-1][1] == len(samples)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(0 < end - start <= window for start, end in found)
    assert all((end - start) % variants.FRAME == 0 for start, end in found[:-1])


# --- tokens as text -------------------------------------------------------------------------------

TOKENS = ("Ġthe", "Ã", "©", "Ġ", "æĹ", "¥", "!", "<|endoftext|>", "<|0.00|>")
LETTERS = ByteAlphabet(TOKENS, frozenset({7, 8}), 7)


@pytest.mark.parametrize(
    ("numbers", "pieces", "text"),
    [
        ([0, 6, 7], [" the", "!", "<|endoftext|>"], "the!"),
        ([0, 1, 2], [" the", "é"], "theé"),
        ([3, 4, 5, 7], [" ", "日", "<|endoftext|>"], "日"),
        ([1, 7], ["\N{REPLACEMENT CHARACTER}", "<|endoftext|>"], "\N{REPLACEMENT CHARACTER}"),
        ([2, 0], ["\N{REPLACEMENT CHARACTER}", " the"], "\N{REPLACEMENT CHARACTER} the"),
        ([8, 0, 8, 7], ["<|0.00|>", " the", "<|0.00|>", "<|endoftext|>"], "the"),
        ([], [], ""),
    ],
)
def test_tokens_become_whole_characters(numbers, pieces, text):
    found = LETTERS.pieces(numbers)
    assert [piece.text for piece in found] == pieces
    assert LETTERS.decode(numbers) == text
    covered = [place for piece in found for place in range(piece.start, piece.end)]
    assert covered == list(range(len(numbers)))  # every token is in one piece


@given(st.text(max_size=20))
def test_any_text_survives_its_bytes(text):
    tokens = tuple(
        next(char for char, byte in whisper_models.BYTE_NAMES.items() if byte == value)
        for value in range(256)
    )
    alphabet = ByteAlphabet((*tokens, "<|endoftext|>"), frozenset({256}), 256)
    numbers = list(text.encode("utf-8", errors="replace"))
    assert alphabet.decode(numbers) == text.encode("utf-8", "replace").decode().strip()
    assert [piece.text for piece in alphabet.pieces(numbers)] == list(
        text.encode("utf-8", "replace").decode()
    )


def test_bytes_are_those_of_the_tokenizer(model):
    words_of = whisper_models.tokenizer()
    numbers = words_of.encode("the héin 日本", add_special_tokens=False)
    assert model.alphabet.decode(numbers) == "the héin 日本"
    assert b"".join(token_bytes(model.alphabet.tokens[n]) for n in numbers).decode() == (
        "the héin 日本"
    )


def test_special_tokens_are_rows_that_stand_for_no_sound():
    pieces = [piece.text for piece in LETTERS.pieces([0, 6, 0, 7])]
    assert is_special(pieces).tolist() == [False, False, False, True]
    assert [word.text for word in words(pieces)] == ["the!", "the"]


# --- what is refused ------------------------------------------------------------------------------


def test_what_is_no_whisper_is_refused_in_one_sentence(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="empty is not a Whisper model") as raised:
        whisper.load(tmp_path / "empty")
    assert "\n" not in str(raised.value)
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    for path in folder.iterdir():
        if path.suffix != ".safetensors":
            (pickled / path.name).write_bytes(path.read_bytes())
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickled is not a Whisper model"):
        whisper.load(pickled)


def test_without_transformers_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(CheckpointError, match=r"pip install -r requirements-whisper\.txt"):
        whisper.load(folder)
