"""Sound files for tests: written by libsndfile or by FFmpeg's libraries, never read from a disk."""

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain

import av
import numpy as np
import soundfile

from models.audio import Recording

SAMPLE_RATE = 16_000


def warned(recording: Recording, *words: str) -> bool:
    """Whether one of the warnings has all of these words."""
    return any(all(word in warning for word in words) for warning in recording.warnings)


def encode(
    samples: np.ndarray, rate: int = SAMPLE_RATE, kind: str = "WAV", subtype: str = "PCM_16"
) -> bytes:
    """Samples (n,) or (n, channels) as a file written by libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def mux(
    samples: np.ndarray,
    rate: int = SAMPLE_RATE,
    container: str = "mp4",
    codec: str = "aac",
    *,
    options: dict[str, str] | None = None,
    tracks: int = 1,
    video: bool = False,
    **stream: object,
) -> bytes:
    """Samples (n,) or (n, channels) as a file written by FFmpeg's libraries.

    Parameters
    ----------
    tracks
        Sound tracks: the second plays the samples backwards.
    video
        With a track of pictures.
    stream
        Attributes of the encoders, such as `bit_rate`.
    """
    file = io.BytesIO()
    wide = samples.reshape(len(samples), -1)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[wide.shape[1]]
    with av.open(file, "w", format=container, container_options=options or {}) as output:
        packets = [_pictures(output)] if video else []
        for track in range(tracks):
            encoder = output.add_stream(codec, rate=rate, options={"strict": "-2"})
            encoder.layout = layout
            for name, value in stream.items():
                setattr(encoder, name, value)
            played = wide[:: -1 if track else 1]
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(played.T, np.float32), format="fltp", layout=layout
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            packets.append(_encoded(encoder, [frame]))
        for packet in chain(*packets):  # every stream is there before the first is encoded
            output.mux(packet)
    return file.getvalue()


def _encoded(encoder: av.stream.Stream, frames: Iterable[av.frame.Frame]) -> Iterator[av.Packet]:
    for frame in [*frames, None]:
        yield from (packet for packet in encoder.encode(frame) if packet.size)


def _pictures(output: av.container.OutputContainer) -> Iterator[av.Packet]:
    encoder = output.add_stream("mpeg4", rate=5)
    encoder.width = encoder.height = 64
    encoder.pix_fmt = "yuv420p"
    pictures = (np.full((64, 64, 3), 40 * number, np.uint8) for number in range(5))
    return _encoded(encoder, map(av.VideoFrame.from_ndarray, pictures))
