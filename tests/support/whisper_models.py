"""A small Whisper with random weights and a tokenizer of its own, saved as transformers does."""

from pathlib import Path

import torch
import transformers

from analysis.signals.token_text import BYTE_NAMES

MERGES = ["Ġ t", "h e", "Ġt he", "Ã ©", "i n"]
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>",
           "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>",
           "<|notimestamps|>", "<|0.00|>", "<|0.02|>"]  # fmt: skip
WINDOW_SECONDS = 2  # of this model, where real ones have 30


def tokenizer() -> "transformers.WhisperTokenizer":
    vocabulary = {name: number for number, name in enumerate(BYTE_NAMES)}
    for merge in MERGES:
        vocabulary[merge.replace(" ", "")] = len(vocabulary)
    pairs = [tuple(merge.split()) for merge in MERGES]
    made = transformers.WhisperTokenizer(vocab=vocabulary, merges=pairs)
    made.add_special_tokens({"additional_special_tokens": SPECIAL[1:]})
    return made


def save(folder: Path, *, seed: int = 0, english: bool = False) -> Path:
    """Write a model, its tokenizer and its feature extractor to `folder`."""
    words = tokenizer()
    numbers = words.get_vocab()
    torch.manual_seed(seed)
    end, start = numbers["<|endoftext|>"], numbers["<|startoftranscript|>"]
    config = transformers.WhisperConfig(
        vocab_size=len(numbers), num_mel_bins=20, d_model=16, encoder_layers=1, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=4, encoder_ffn_dim=24,
        decoder_ffn_dim=24, max_source_positions=50 * WINDOW_SECONDS, max_target_positions=40,
        decoder_start_token_id=start, eos_token_id=end, bos_token_id=end, pad_token_id=end,
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config).eval()
    for name, parameter in model.named_parameters():  # what is written changes with what is heard
        wide = 0.05 if "embed_tokens" in name else 1.0 if "embed_positions" in name else 0.5
        torch.nn.init.normal_(parameter, std=wide)
    generation = model.generation_config
    generation.no_timestamps_token_id = numbers["<|notimestamps|>"]
    generation.is_multilingual = not english
    generation.decoder_start_token_id = start
    generation.eos_token_id = generation.bos_token_id = generation.pad_token_id = end
    generation.suppress_tokens = [n for t, n in numbers.items() if t in SPECIAL[1:]]
    generation.begin_suppress_tokens = [numbers["Ġ"], end]
    generation.max_length, generation._from_model_config = 40, False
    if not english:
        generation.lang_to_id = {name: numbers[name] for name in ("<|en|>", "<|de|>")}
        generation.task_to_id = {
            name: numbers[f"<|{name}|>"] for name in ("transcribe", "translate")
        }
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    extractor = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=WINDOW_SECONDS)
    extractor.save_pretrained(folder)
    return folder
