"""Tokens of every kind of tokenizer as the text they stand for."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.alignment import Alignment
from analysis.signals.labels import is_space, mean_length, words
from analysis.signals.token_text import BYTE_NAMES, joined, token_texts
from app.charts.labels import row_labels
from models.interop.whisper.pieces import token_bytes

NAMES = {byte: name for name, byte in BYTE_NAMES.items()}


def byte_level(*tokens: str) -> list[str]:
    """Tokens as a byte-level vocabulary names them."""
    return ["".join(NAMES[byte] for byte in token.encode()) for token in tokens]


CASES = [  # tokens, their texts, the words they make
    (byte_level(" доб", "рое", " утро"), (" доб", "рое", " утро"), ["доброе", "утро"]),
    (byte_level("今天", "天气"), ("今天", "天气"), ["今天", "天气"]),
    (["Ġcaf", "Ã", "©", "<|endoftext|>"], (" caf", "é", "", "<|endoftext|>"), ["café"]),
    (["Ð´", "Ð"], ("д", "\ufffd"), ["д", "\ufffd"]),  # cut off within a character
    (["Hi", ",", "Ġyou"], ("Hi", ",", " you"), ["Hi,", "you"]),
    (["▁caf", "<0xC3>", "<0xA9>", "▁noir"], (" caf", "é", "", " noir"), ["café", "noir"]),
    (["<s>", "<0xE4>", "<0xBB>", "<0x8A>", "天", "</s>"], ("<s>", "今", "", "", "天", "</s>"),
     ["今", "天"]),
    (["▁a", "<0xFF>", "b"], (" a", "\ufffd", "b"), ["a\ufffdb"]),  # no UTF-8
    (["▁New▁York", "▁is"], (" New York", " is"), ["New York", "is"]),
    (["[CLS]", "play", "##ing", "now", "[SEP]"], ("[CLS]", " play", "ing", " now", "[SEP]"),
     ["playing", "now"]),
    (["un@@", "related", "<unk>", "now"], (" un", "related", " <unk>", " now"),
     ["unrelated", "<unk>", "now"]),
    (["hel", "lo</w>", "you</w>"], (" hel", "lo", " you"), ["hello", "you"]),
    (["play", "￭ing", "a", "pre￭", "fix"], (" play", "ing", " a", " pre", "fix"),
     ["playing", "a", "prefix"]),
    (["_the", "m", "_and"], (" the", "m", " and"), ["them", "and"]),
    (["so ", "it ", "i", "s "], (" so", " it", " i", "s"), ["so", "it", "is"]),
    # what is not told stays: the marks are letters, or what somebody said
    (["Ġorġ", "jiekol"], ("Ġorġ", "jiekol"), ["Ġorġ", "jiekol"]),  # Maltese
    (["māja", "Ģirts"], ("māja", "Ģirts"), ["māja", "Ģirts"]),  # Latvian
    (["é", "à"], ("é", "à"), ["é", "à"]),
    (["##", "@@"], ("##", "@@"), ["##", "@@"]),
    (["snake_case", "_x"], ("snake_case", "_x"), ["snake_case", "_x"]),
    (list("für di"), tuple("für di"), ["für", "di"]),
    ([" доб", "рое", " утро"], (" доб", "рое", " утро"), ["доброе", "утро"]),
    (["hello", "wörld"], ("hello", "wörld"), ["hello", "wörld"]),
    (["[_BEG_]", " so", "[_TT_50]"], ("[_BEG_]", " so", "[_TT_50]"), ["so"]),  # whisper.cpp
]  # fmt: skip


@pytest.mark.parametrize(("tokens", "texts", "spelled"), CASES)
def test_tokens_stand_for_text(tokens, texts, spelled):
    assert token_texts(tokens) == texts
    assert [word.text for word in words(tokens)] == spelled


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12),
       st.lists(st.integers(1, 40), max_size=6))  # fmt: skip
def test_a_text_cut_into_bytes_anywhere_is_read_again(text, cuts):
    content = [*f" {text} é".encode()]
    edges = [0, *sorted({cut for cut in cuts if cut < len(content)}), len(content)]
    tokens = ["".join(NAMES[b] for b in content[a:b]) for a, b in pairwise(edges)]
    assert "".join(token_texts(tokens)) == f" {text} é"
    assert b"".join(map(token_bytes, tokens)).decode() == f" {text} é"
    fallback = [f"<0x{byte:02X}>" for byte in content]
    assert "".join(token_texts(fallback)) == f" {text} é"
    found = words(tokens)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert not any(is_space(tokens)[word.start] for word in found)


def test_the_rest_of_a_character_is_part_of_its_word_and_no_space():
    tokens = ["▁caf", "<0xC3>", "<0xA9>", "▁noir"]
    assert [(word.start, word.end) for word in words(tokens)] == [(0, 3), (3, 4)]
    assert not is_space(tokens).any()
    assert mean_length(tokens) == 2  # caf, é, nothing, noir
    alignment = Alignment.from_arrays(np.eye(4), tokens, 0.04)
    assert alignment.tokens == tuple(tokens)  # a file keeps its own
    assert row_labels(tokens, 20) == [" caf", "é", "·", " noir"]


def test_words_are_joined_as_their_script_is_written():
    assert joined(["今", "天", "天气"]) == "今天天气"
    assert joined(["สวัสดี", "ครับ"]) == "สวัสดีครับ"
    assert joined(["これ", "は", "test", "です", "。"]) == "これは test です。"
    assert joined(["한국어", "입니다"]) == "한국어 입니다"
    assert joined(["so", "it", "is"]) == "so it is"
    assert joined([]) == ""
