"""A recording is read from memory: nothing that it refers to is opened."""

import io
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from models.audio import AudioError, load
from models.audio.reader import OPTIONS
from tests.support.recordings import hum
from tests.support.sound import encode, mux


@pytest.fixture
def secret(tmp_path) -> Path:
    """A recording that no other file may lead to."""
    path = tmp_path / "secret.wav"
    path.write_bytes(encode(hum(1.0)))
    return path


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that nobody may call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def leading(file: str, address: str, port: int) -> dict[str, bytes]:
    """Files that lead FFmpeg to a file and to an address."""
    description = (
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    )
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT4S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
        '<Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="9">'
        "<BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )
    playlist = (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
    )
    map_first = playlist.replace("#EXTINF", '#EXT-X-MAP:URI="{}"\n#EXTINF')
    texts = {
        "concat": "ffconcat version 1.0\nfile '{}'\n",
        "hls": playlist,
        "hls with a map": map_first.replace("{}", "{0}"),
        "dash": dash,
        "m3u": "{}\n",
        "pls": "[playlist]\nFile1={}\nNumberOfEntries=1\n",
        "asx": '<asx version="3.0"><entry><ref href="{}"/></entry></asx>',
        "metadata": ";FFMETADATA1\ntitle={}\n",
        "redirect": "RTSPtext\nrtsp://{}\n",
    }
    contents = {"sdp": description.encode()}
    for name, text in texts.items():
        for target in (file, f"file://{file}", address):
            contents[f"{name} to {target}"] = text.format(target).encode()
    return contents


def test_playlists_scripts_and_descriptions_are_refused(secret, listener):
    port = listener.getsockname()[1]
    for name, content in leading(str(secret), f"http://127.0.0.1:{port}/a.wav", port).items():
        for before in (b"", b"ID3\x04\0\0\0\0\0\x04\0\0\0\0"):
            with pytest.raises(AudioError, match="not an audio file"):
                load(before + content, name=name)
    assert not select.select([listener], [], [], 0)[0], "somebody was called"


def test_a_script_would_be_followed_without_these_options(secret):
    """What the test above would find otherwise."""
    script = f"ffconcat version 1.0\nfile '{secret}'\n".encode()
    with av.open(io.BytesIO(script), container_options={"safe": "0"}) as container:
        assert container.format.name == "concat"
        assert container.streams.audio
    with pytest.raises(av.error.FFmpegError):
        av.open(io.BytesIO(script), container_options={**OPTIONS, "safe": "0"})


def referring(path: Path) -> bytes:
    """A QuickTime file whose samples are said to lie in another file (an alias)."""
    whole = bytearray(mux(hum(1.0), container="mov", codec="pcm_s16le"))
    name = str(path).encode()
    # Apple's alias record: volume, file, levels up and down, then the path as POSIX writes it
    record = bytes(10) + b"\x01x".ljust(28, b"\0") + bytes(12)
    record += bytes([len(path.name)]) + path.name.encode().ljust(63, b"\0") + bytes(16)
    record += bytes(4) + bytes(16)
    record += struct.pack(">HH", 2, len(name)) + name + bytes(len(name) % 2) + b"\xff\xff\0\0"
    entry = struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    place = whole.index(b"dref") - 4
    old = struct.unpack(">I", whole[place : place + 4])[0]
    box = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    for outer in (b"moov", b"trak", b"mdia", b"dinf"):
        start = whole.index(outer) - 4
        size = struct.unpack(">I", whole[start : start + 4])[0]
        whole[start : start + 4] = struct.pack(">I", size + len(box) - old)
    minf = whole.rindex(b"minf", 0, place) - 4
    size = struct.unpack(">I", whole[minf : minf + 4])[0]
    whole[minf : minf + 4] = struct.pack(">I", size + len(box) - old)
    whole[place : place + old] = box
    return bytes(whole)


def test_references_of_quicktime_files_are_not_followed(tmp_path):
    """The samples are those of the file itself, where there are none of the other's."""
    other = tmp_path / "other.bin"
    other.write_bytes(b"\x11\x22" * 40_000)
    content = referring(other)
    followed = av.open(io.BytesIO(content), container_options={
        "enable_drefs": "1", "use_absolute_path": "1"
    })  # fmt: skip
    with followed:
        frame = next(followed.decode(audio=0))
        assert frame.to_ndarray()[0, 0] == 0x2211, "the reference of this test leads nowhere"
    try:
        samples = load(content).samples
    except AudioError:
        return
    assert not (abs(samples - 0x2211 / 32768) < 1e-3).any()
