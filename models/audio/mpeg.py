"""MPEG audio frames (ISO 11172-3, 13818-3): what their headers say."""

import re

# kbit/s by index, of MPEG-1 layers II and III, and of MPEG-2 and 2.5
RATES_1_2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
RATES_1_3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
SAMPLE_RATES = (44_100, 48_000, 32_000)  # Hz, halved for MPEG-2 and again for 2.5
# What the frame in front of the first one with sound may hold; the last four bytes count frames.
LENGTH = re.compile(
    rb"(?:Xing|Info)\0\0\0[\x01\x03\x05\x07\x09\x0b\x0d\x0f]....|VBRI.{10}....", re.DOTALL
)


def frame_bytes(frame: bytes) -> int | None:
    """Bytes that a frame of layer II or III has by its header, None where that does not tell."""
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return None
    version, layer = frame[1] >> 3 & 3, 4 - (frame[1] >> 1 & 3)
    bits, rate = frame[2] >> 4, frame[2] >> 2 & 3
    if version == 1 or layer not in (2, 3) or bits in (0, 15) or rate == 3:
        return None
    first = version == 3  # MPEG-1
    kilobits = (RATES_1_2 if layer == 2 else RATES_1_3)[bits] if first else RATES_2[bits]
    sample_rate = SAMPLE_RATES[rate] >> (0 if first else 1 if version == 2 else 2)
    factor = 144_000 if first or layer == 2 else 72_000
    return factor * kilobits // sample_rate + (frame[2] >> 1 & 1)


def stated_seconds(before: bytes, sample_rate: int) -> float | None:
    """Length by the frame in front of the first one with sound, which many encoders write."""
    header = LENGTH.search(before)
    if header is None:
        return None
    samples = 1152 if sample_rate >= 32_000 else 576  # of a frame of layer III
    return int.from_bytes(header.group()[-4:]) * samples / sample_rate
