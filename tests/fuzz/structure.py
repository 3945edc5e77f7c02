"""Changes that keep a file's form and make its content wrong: types, sizes, shapes, nesting.

Bytes turned over at random seldom get past a checksum or a parser; these do.
"""

import io
import json
import random
import struct
import zipfile
from typing import Any

import numpy as np

DEEP = 5_000  # lists inside each other
TEXTS = ("", "a", "\ud800", "\x00", "<b>", "/etc/passwd", "../" * 9, "nan", "ab " * 300, "\u202e")
NUMBERS = (0, -1, 1, 2, 7, 2**31, 2**53, 2**63, 10**40, 10**400, -0.02, 0.5, 1e-300, 1e300, -1e300)
OTHERS = (None, True, False, [], {}, [[]], [None], {"word": {}}, {"text": True}, [0, "a", None])
LIMITLESS = (float("nan"), float("inf"), float("-inf"))
SIZES = (0, 1, 2, 3, 40, -1, 2**20, 2**31, 2**40, 2**53, 2**63, 10**30)
KINDS = ("<f4", "<f8", "<f2", ">f4", "<i8", "|u1", "|b1", "<U0", "<U1", "<U99999999", "|S9", "<c8",
         "<M8[s]", "|O", "|V0", "|V99999999", [("a", "<f4")], [], "no kind")  # fmt: skip
HTML = ("<b>", "</b>", "</i>", "<!--", "<![CDATA[", "<p>", "</p>", "<table>", "<td>", "<script>",
        '<b title="', "<svg>", "<button data-from=1>", "&", "<", "text")  # fmt: skip


def value(rng: random.Random) -> Any:
    """Something of any type."""
    return rng.choice(rng.choice((TEXTS, NUMBERS, OTHERS, LIMITLESS)))


def places(values: Any, path: tuple = ()) -> list[tuple]:
    """Where something is inside JSON values."""
    found = [path] if path else []
    if isinstance(values, dict | list):
        inside = values.items() if isinstance(values, dict) else enumerate(values)
        for key, each in inside:
            found += places(each, (*path, key))
    return found


def changed(values: Any, rng: random.Random) -> Any:
    """JSON values with one to three things in them put, taken, moved or doubled."""
    values = json.loads(json.dumps(values))
    for _ in range(rng.randint(1, 3)):
        known = places(values)
        if not known:
            return value(rng)
        *way, last = rng.choice(known)
        inside = values
        for key in way:
            inside = inside[key]
        kind = rng.randrange(6)
        if kind <= 2:
            inside[last] = value(rng)
        elif kind == 3:
            del inside[last]
        elif kind == 4:
            inside[last] = [inside[last]] * rng.choice((1, 2, 300))
        elif isinstance(inside, dict):
            inside[rng.choice(("text", "word", "start", "schema", "x"))] = inside.pop(last)
        else:
            inside.insert(last, value(rng))
    return values


def json_text(values: Any, rng: random.Random) -> bytes:
    """As a document; now and then nested without end somewhere."""
    text = json.dumps(values, ensure_ascii=rng.random() < 0.8)
    if rng.random() < 0.1:
        place = rng.randrange(len(text) + 1)
        opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
        text = text[:place] + opening * DEEP + "1" + closing * DEEP + text[place:]
    return text.encode(errors="surrogatepass")


def document(content: bytes, rng: random.Random) -> bytes:
    """A JSON document with something wrong in it."""
    return json_text(changed(json.loads(content), rng), rng)


def lines(content: bytes, rng: random.Random) -> bytes:
    """JSON lines, one of them wrong."""
    rows = content.splitlines()
    place = rng.randrange(len(rows))
    rows[place] = document(rows[place], rng)
    return b"\n".join(rows)


def html(text: str, rng: random.Random) -> str:
    """Markup with more of it put in somewhere."""
    place = rng.randrange(len(text) + 1)
    more = "".join(rng.choice(HTML) * rng.choice((1, 1, 50, 3_000)) for _ in range(3))
    return text[:place] + more + text[place:]


def array(content: bytes, rng: random.Random) -> bytes:
    """A NumPy file whose header says something else, or whose numbers are others."""
    array = np.load(io.BytesIO(content))
    shape, kind, data = list(array.shape), array.dtype.str, array.tobytes()
    for _ in range(rng.randint(1, 2)):
        change = rng.randrange(5)
        if change == 0 and shape:
            shape[rng.randrange(len(shape))] = rng.choice(SIZES)
        elif change == 1:
            shape = [rng.choice(SIZES) for _ in range(rng.randrange(6))]
        elif change == 2:
            kind = rng.choice(KINDS)
        elif change == 3:
            data = rng.choice((data[: rng.randrange(len(data) + 1)], data * 3, b""))
        elif array.dtype.kind == "f":
            cells = array.copy().reshape(-1)
            cells[rng.randrange(cells.size)] = rng.choice((*LIMITLESS, -1, 0, 1e30, 1e-30))
            data = cells.tobytes()
    return header(tuple(shape), kind) + data


def header(shape: tuple, kind: Any, fortran: bool = False) -> bytes:
    """A NumPy file's beginning, whatever it says."""
    text = str({"descr": kind, "fortran_order": fortran, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive(content: bytes, rng: random.Random) -> bytes:
    """An archive of arrays, one of them wrong, missing, doubled, or under another name."""
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    name = rng.choice(list(members))
    change = rng.randrange(6)
    if change <= 2:
        members[name] = array(members[name], rng)
    elif change == 3:
        del members[name]
    elif change == 4:
        members[rng.choice(list(members))] = members[name]
    else:
        members[rng.choice(("weights", "../weights.npy", "weights.npy.npy"))] = members[name]
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as target:
        for member, data in members.items():
            info = zipfile.ZipInfo(member)  # of 1980: the same bytes every time
            info.compress_type = method
            target.writestr(info, data)
    return file.getvalue()


def tensors(content: bytes, rng: random.Random) -> bytes:
    """A safetensors file whose header says something else."""
    size = struct.unpack("<Q", content[:8])[0]
    text = json_text(changed(json.loads(content[8 : 8 + size]), rng), rng)
    length = rng.choice((len(text),) * 5 + (0, 2**40, 2**63, len(text) + 9))
    return struct.pack("<Q", length) + text + content[8 + size :]
