"""What tokens stand for as text, whatever tokenizer cut the words into them.

=================  ==========================  ================================================
tokenizer          "an éa" may be              told by
=================  ==========================  ================================================
byte-level BPE     ``an``, ``ĠÃ©``, ``a``      every character is one of GPT-2's 256 names of
                                               bytes, and the bytes are UTF-8
SentencePiece      ``▁an``, ``▁é``, ``a``      ▁; ``<0xC3>`` is a byte
WordPiece          ``an``, ``é``, ``##a``      a token that begins with ##
subword-nmt        ``an``, ``é@@``, ``a``      a token that ends with @@
BPE with ends      ``an</w>``, ``é``,          a token that ends with </w> (or with a space, where
                   ``a</w>``                   none begins with one)
OpenNMT            ``an``, ``é``, ``￭a``       ￭ at either end of a token
wav2letter         ``_an``, ``_é``, ``a``      _ at the beginning of the first token, nowhere within
=================  ==========================  ================================================

Which of them it was is decided for the whole row of tokens: ``Ġ`` is a letter of Maltese, too, and
``@@`` may be what somebody said.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

# tokens that stand for no sound: sentence ends, padding, CTC's blank, Whisper's <|...|>;
# <unk> is not among them, since it stands for something that was said
SPECIAL = re.compile(
    r"<(sos|eos|sos/eos|bos|s|/s|pad|blank|blk|eps|epsilon|no_speech|mask)>|<\|[^|]*\|>"
    r"|\[(cls|sep|pad|mask)\]|\[_[a-z]+_\d*\]",
    re.IGNORECASE,
)
_MARKS = re.compile("[^\\x00-\\x7f]|##|@@|</w>|<0x|_|\\S $")  # without, tokens are what they are
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
# scripts that are written without spaces between words, and their punctuation
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3001-\u30ff\u3100-\u312f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f"
    "\U00020000-\U0003134f]"
)


def token_texts(tokens: Sequence[str]) -> tuple[str, ...]:
    """(tokens,) the text of each token; a token that starts a word begins with a space.

    Special tokens stay as they are, and so do all where nothing tells a tokenizer. A character
    whose bytes are spread over several tokens belongs to the first of them; the others, if they
    hold nothing else, have an empty text. Bytes that are no UTF-8 are shown as U+FFFD.

    Examples
    --------
    >>> token_texts(["▁caf", "<0xC3>", "<0xA9>", "▁noir", "</s>"])
    (' caf', 'é', '', ' noir', '</s>')
    """
    return _token_texts(tuple(tokens))


def joined(words: Iterable[str]) -> str:
    """Words as a text: with spaces between them, except in scripts that are written without.

    Examples
    --------
    >>> joined(["今", "天", "is", "today"])
    '今天 is today'
    """
    text = ""
    for word in words:
        text += f"{glue(text, word)}{word}"
    return text


def glue(before: str, word: str) -> str:
    """What stands between two words: a space, or nothing."""
    if not before or not word or before[-1].isspace() or word[0].isspace():
        return ""
    return "" if _UNSPACED.match(before[-1]) and _UNSPACED.match(word[0]) else " "


def is_unspaced(text: str) -> bool:
    """Whether all letters are of scripts that are written without spaces between words."""
    letters = [c for c in text if unicodedata.category(c)[0] in "LM"]
    return bool(letters) and all(_UNSPACED.match(c) for c in letters)


@lru_cache(maxsize=512)
def _token_texts(tokens: tuple[str, ...]) -> tuple[str, ...]:
    if not any(_MARKS.search(token) for token in tokens):
        return tokens
    written = [token for token in tokens if token and not SPECIAL.fullmatch(token)]
    if (texts := _byte_level(tokens, written)) is not None:
        return texts
    if any("▁" in token or _BYTE.fullmatch(token) for token in written):
        return _sentence_piece(tokens)
    spaced = any(token[0] == " " for token in written)
    for begins, ends, continues in _MARKED:
        if not (ends == " " and spaced) and any(_carries(token, begins, ends) for token in written):
            return _glued(tokens, begins, ends, continues)
    if _underscored(written):
        return tuple(_plain(token, f" {token[1:]}" if token[0] == "_" else token)
                     if token else token for token in tokens)  # fmt: skip
    return tokens


# mark at the beginning, mark at the end, whether they say that the word goes on (or that it ends)
_MARKED = (("##", "", True), ("", "@@", True), ("", "</w>", False), ("￭", "￭", True),
           ("", " ", False))  # fmt: skip


def _carries(token: str, begins: str, ends: str) -> bool:
    return bool(
        (begins and token.startswith(begins) and len(token) > len(begins))
        or (ends and token.endswith(ends) and (len(token) > len(ends) or ends == "</w>"))
    )


def _glued(tokens: Sequence[str], begins: str, ends: str, continues: bool) -> tuple[str, ...]:
    """Tokens whose marks say which belong together."""
    texts, goes_on = [], False
    for token in tokens:
        if not token or SPECIAL.fullmatch(token):
            texts.append(token)
            goes_on = False
            continue
        tied = bool(begins) and token.startswith(begins)
        text = token.removeprefix(begins) if tied else token
        marked = bool(ends) and text.endswith(ends)
        text = text.removesuffix(ends) if marked else text
        texts.append(text if tied or goes_on else f" {text}")
        goes_on = marked == continues if ends else False
    return tuple(texts)


def _underscored(written: Sequence[str]) -> bool:
    """Whether ``_`` begins words, as in wav2letter: the first token's, and never within one."""
    return (
        any(len(token) > 1 and token[0] == "_" for token in written)
        and written[0][0] == "_"
        and not any("_" in token[1:] or " " in token for token in written)
    )


def _plain(token: str, text: str) -> str:
    return token if SPECIAL.fullmatch(token) else text


def _sentence_piece(tokens: Sequence[str]) -> tuple[str, ...]:
    content: list[bytes | None] = []
    for token in tokens:
        byte = _BYTE.fullmatch(token)
        if SPECIAL.fullmatch(token):
            content.append(None)
        elif byte:
            content.append(bytes([int(byte[1], 16)]))
        else:
            content.append(token.replace("▁", " ").encode("utf-8", errors="surrogatepass"))
    return _decoded(tokens, content)


def _byte_level(tokens: Sequence[str], written: Sequence[str]) -> tuple[str, ...] | None:
    """Texts of tokens of a byte-level vocabulary; None where they are not of one.

    All their characters must be names of bytes and the bytes a text: UTF-8 (models may write a
    broken character now and then) without control characters, and some of them must be names that
    are not the bytes' own.
    """
    if not all(character in BYTE_NAMES for token in written for character in token):
        return None
    content = [
        None if SPECIAL.fullmatch(token) else bytes(BYTE_NAMES[character] for character in token)
        for token in tokens
    ]
    texts = _decoded(tokens, content)
    text = "".join(t for t, own in zip(texts, content, strict=True) if own is not None)
    if any(unicodedata.category(c) == "Cc" and c not in "\n\r\t" for c in text):
        return None
    broken = text.count("\ufffd")
    beyond = sum(character > "\x7f" for character in text) - broken
    if any("Ġ" in token for token in written):
        return texts if broken <= max(3, beyond // 10) else None
    at_end = len(text) - len(text.rstrip("\ufffd"))  # cut off within a character
    return texts if beyond and broken == at_end <= 3 else None


def _decoded(tokens: Sequence[str], content: Sequence[bytes | None]) -> tuple[str, ...]:
    """Texts of tokens that stand for bytes; None: the token is no bytes, its text is itself."""
    texts = [token if own is None else "" for token, own in zip(tokens, content, strict=True)]
    for rows in _runs(content):
        parts = [(row, part) for row in rows if (part := content[row]) is not None]
        owners = [row for row, part in parts for _ in part]
        place = 0
        for character in b"".join(part for _, part in parts).decode("utf-8", "surrogateescape"):
            broken = "\udc80" <= character <= "\udcff"
            texts[owners[place]] += "\ufffd" if broken else character
            place += 1 if broken else len(character.encode("utf-8", "surrogatepass"))
    return tuple(texts)


def _runs(content: Sequence[bytes | None]) -> Iterator[range]:
    """Rows that follow each other and stand for bytes."""
    start = 0
    for row in range(len(content) + 1):
        if row == len(content) or content[row] is None:
            if row > start:
                yield range(start, row)
            start = row + 1


def _printable_bytes() -> Mapping[str, int]:
    """GPT-2's names of the 256 bytes: themselves where that is a visible character of Latin-1, the
    others in order as the characters from 256 on."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    names = {chr(byte): byte for byte in visible}
    return names | {chr(256 + place): byte for place, byte in enumerate(hidden)}


BYTE_NAMES = _printable_bytes()
